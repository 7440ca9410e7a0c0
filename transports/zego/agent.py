"""One instance of ZEGO's AI Agent: how it is named, opened, found again and ended.

RoomId, StreamId and the users' ids are names of ours, made from one that the journal knows before
the instance is asked for. The only id by which an instance can be ended is the vendor's; the
journal gets it behind the name, the moment it is known. If the reply that has it is lost, the
signed callback about the instance has it as well; if that does not come either, the instance is
told as running until it ends by itself, a minute after the last person has left its room.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from secrets import token_hex
from typing import Protocol

from loguru import logger

from ..avatar.account import Account
from ..avatar.errors import (
    JournalUnusable,
    NeverNamed,
    NoCapacity,
    TooManySessions,
    VendorRefused,
    VendorUnreachable,
)
from ..avatar.journal import Journal
from ..avatar.journaled import Named, NameTaken
from ..avatar.rest import NotDone
from ..avatar.vendor import OURS, Opened, Profile
from .agents import Agents, Block, Blocks, Message, Place, is_id
from .project import TEST_HUMAN, ProjectVendor
from .rest import INSTANCE_NOT_FOUND, NO_HUMANS_LEFT, STREAM_TAKEN, Rest
from .token04 import Mode, privileges

API_URL = "https://aigc-aiagent-api.zegotech.cn"

LEAST_IDLE_S, MOST_IDLE_S = 10, 1_800
JOINING_S = 30.0
"""A name that is older than this and the idle time has nothing left that runs."""

MOST_WINDOW = 500
MOST_HISTORY = 100

BACK_OFF_S = (1.0, 2.0, 4.0)
"""Before each further try where the account has no room left."""

TOLD_S = 2.0
"""How long a callback is waited for that has the id which a lost reply had."""

CALLS = ("ASRResult", "LLMResult", "Interrupted", "UserSpeakAction", "AgentInstanceStatus")
"""The callbacks that are asked for, where any come."""

_NAME = re.compile(rf"{OURS}(?P<at>[0-9a-f]{{8}})[0-9a-f]{{12}}")


class AgentBrain(Protocol):
    """A language model of our own, which the vendor asks over HTTP as if it were OpenAI's."""

    @property
    def url(self) -> str:
        """Where it answers: chat completions, as a stream."""

    @property
    def key(self) -> str:
        """Good for one instance alone."""

    @property
    def model(self) -> str:
        """What it is called."""

    def renew(self) -> None:
        """Another instance: the key before is good for nothing."""

    def belongs_to(self, *, room: str | None = None, instance: str | None = None) -> None:
        """The key is good for these only."""

    def remember(self, text: str) -> None:
        """The person has said this, and it is not asked."""

    async def cut(self, played_text: str, *, round_id: int | None = None) -> None:
        """The person has cut in an answer, and had heard so much of it."""

    async def played(self, text: str, *, round_id: int | None = None, certain: bool = True) -> None:
        """The person has heard this answer to its end; where it is not certain that it was said,
        it is none unless it is known.
        """


class ZegoAgent(ProjectVendor):
    """One instance.

    Args:
        app_id: Of the project.
        server_secret: Signs calls, and is the key of tokens: 32 characters.
        agent_id: What the agent is registered as; changed where its blocks are not these.
        blocks: Who hears, thinks and speaks.
        brain: Thinks in place of the language model of `blocks`.
        system_prompt: Instructions to the language model, where it is not `brain`.
        said_before: What both sides have said before, oldest first.
        digital_human_id: Who is shown; a public one by default.
        voice_only: Whether a voice without a face will do where the vendor has no face left.
        max_session_s: How long it is wanted at most, in seconds; for the journal, since the vendor
            lets it run for as long as the person stays.
        max_idle_s: After how long without the person in the room the vendor ends it.
        window: How many messages the language model is given, where it is not `brain`.
        tells: Whether callbacks come. Hand them to `ZegoAgentProcessor.hear`.
        web_server_url: Where the page's SDK connects to; the project's default one where empty.
        token_mode: How the page's token is encrypted.
        journal: Where paid sessions are noted; by default this user's own, see `Journal`.
        max_sessions: How many instances the project may have at once, over all processes that share
            the journal; None leaves it to the vendor.
        api_url: Address of the API.

    Attributes:
        tells: As given.
        brain: As given.
        said_before: As given, the last of it.
        has_face: Whether the instance has one; False where `voice_only` had to do.
    """

    naming_costs = False  # the name is ours

    def __init__(
        self,
        *,
        app_id: int,
        server_secret: str,
        agent_id: str = "avatarbot",
        blocks: Blocks,
        brain: AgentBrain | None = None,
        system_prompt: str = "",
        said_before: Sequence[Message] = (),
        digital_human_id: str = TEST_HUMAN,
        voice_only: bool = False,
        max_session_s: int = 3_600,
        max_idle_s: int = 60,
        window: int = 20,
        tells: bool = False,
        web_server_url: str = "",
        token_mode: Mode = "gcm",
        journal: Journal | None = None,
        max_sessions: int | None = None,
        api_url: str = API_URL,
    ) -> None:
        if not re.fullmatch(r"[\w-]{1,64}", agent_id, re.ASCII):
            raise ValueError("agent_id takes up to 64 letters, digits, - and _")
        if not LEAST_IDLE_S <= max_idle_s <= MOST_IDLE_S:
            raise ValueError(f"max_idle_s takes {LEAST_IDLE_S} to {MOST_IDLE_S}")
        if not 0 <= window <= MOST_WINDOW:
            raise ValueError(f"window takes 0 to {MOST_WINDOW}")
        super().__init__(
            "ZEGO's AI Agent",
            app_id=app_id,
            server_secret=server_secret,
            digital_human_id=digital_human_id,
            web_server_url=web_server_url,
            token_mode=token_mode,
            profile=Profile(),
            journal=journal,
            max_sessions=max_sessions,
            api_url=api_url,
        )
        self._agent_id = agent_id
        self._blocks = blocks
        self._prompt = system_prompt
        self.said_before = tuple(said_before)[-MOST_HISTORY:]
        self._voice_only = voice_only
        self._max_session_s = max_session_s
        self._max_idle_s = max_idle_s
        self._window = window
        self._names: set[str] = set()  # ours
        self._unsure: set[str] = set()  # those of them that may have an instance of unknown id
        self._instances: dict[str, str] = {}
        self._hinted: set[str] = set()  # those whose id only a callback has
        self._told = asyncio.Event()
        self.limit_s = max_idle_s + JOINING_S
        self.tells = tells
        self.brain = brain
        self.has_face = True

    @property
    def account(self) -> Account:
        """Who pays. Nothing lists what runs."""
        return Account(self.name, self._key, self.stop, None, self._max_sessions)

    @property
    def agent_id(self) -> str:
        """Who it is registered as."""
        return self._agent_id

    # For the conversation

    def viewer(self, session: Opened) -> Mapping[str, str]:
        """The room, and a token for ten minutes: to be there, and to publish one microphone."""
        place = place_of(session.id)
        payload = privileges(place.room, login=True, publish=[place.user_stream])
        return {
            "kind": "zego-agent",
            "room": place.room,
            "stream": place.stream,
            "publish": place.user_stream,
            "face": "yes" if self.has_face else "no",
            **self._entry(place.user, payload),
        }

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[Agents]:
        """A few calls in a row."""
        async with self._rest() as rest:
            yield Agents(self.name, rest)

    def instance(self, session: Opened) -> str:
        """The vendor's id of what was opened."""
        return self._instances[session.id]

    def is_about(self, room: str, instance: str) -> bool:
        """Whether this is what we have opened, even if the reply is still on its way."""
        return self._instances.get(room) == instance

    def lacks_id(self, room: str, agent_user: str) -> bool:
        """Whether this is what we have asked for, and the reply is lost or still on its way."""
        return room in self._unsure and place_of(room).agent_user == agent_user

    async def told_id(self, room: str, instance: str) -> None:
        """A callback, verified, has the id that is lacking."""
        if room in self._unsure and is_id(instance):
            self._hinted.add(room)
            with suppress(JournalUnusable):  # it is known here, and looked for here first
                await self._know(room, instance)

    # `JournaledVendor`

    async def _name(self, rest: Rest) -> Named:
        await Agents(self.name, rest).have(self._agent_id, self._template())
        name = f"{OURS}{int(time.time()):08x}{token_hex(6)}"
        self._names.add(name)
        return Named(name)

    async def _start(self, rest: Rest, named: Named) -> Opened:
        agents = Agents(self.name, rest)
        human: str | None = self._human
        for tries, pause_s in enumerate((*BACK_OFF_S, None)):
            try:
                instance = await self._create(agents, named.id, human)
            except VendorRefused as error:
                if error.status == STREAM_TAKEN:
                    raise NameTaken(self.name) from None
                if pause_s is None or not isinstance(error, TooManySessions | NoCapacity):
                    raise
                if tries and self._voice_only and error.status == NO_HUMANS_LEFT:
                    human = None
                    continue
                logger.info(f"{error}: it is tried again")
                await self.reap()
                await asyncio.sleep(pause_s)
                if not self._wanted:
                    raise
            else:
                self.has_face = human is not None
                self._hinted.discard(named.id)
                await self._know(named.id, instance)
                return Opened(named.id, limit_s=float(self._max_session_s + self._max_idle_s))
        raise AssertionError

    async def _create(self, agents: Agents, name: str, human: str | None) -> str:
        self._unsure.add(name)
        if self.brain is not None:
            self.brain.renew()
            self.brain.belongs_to(room=name)
        try:
            return await agents.create(
                self._agent_id,
                place_of(name),
                human=human,
                blocks=Blocks(llm=self._llm(), tts=self._blocks.tts, asr=self._blocks.asr),
                history=self.said_before,
                window=self._window if self.brain is None else 1,  # of what is sent it reads one
                max_idle_s=self._max_idle_s,
                calls=CALLS if self.tells else (),
            )
        except (VendorRefused, NotDone):
            self._unsure.discard(name)
            raise

    def _template(self) -> Blocks:
        """What the agent is registered with: nothing that is of one conversation."""
        llm = self._blocks.llm if self.brain is None else None
        return Blocks(llm=llm, tts=self._blocks.tts, asr=self._blocks.asr)

    def _llm(self) -> Block | None:
        if self.brain is None:
            return self._blocks.llm and {**self._blocks.llm, "SystemPrompt": self._prompt}
        return {
            "Url": self.brain.url,
            "ApiKey": self.brain.key,
            "Model": self.brain.model,
            "AddAgentInfo": True,
        }

    async def _know(self, name: str, instance: str) -> None:
        """It can be ended from here on, by us or by who comes after us."""
        self._instances[name] = instance
        self._unsure.discard(name)
        self._told.set()
        if self.brain is not None:
            self.brain.belongs_to(instance=instance)
        if entry := self._entries.get(name):
            await self._journal.name(entry, f"{name}.{instance}")

    async def _stop(self, rest: Rest, session: str) -> None:
        name, _, written = session.partition(".")
        if self.brain is not None and name in self._names:
            self.brain.renew()  # what asks with the key from before is over
        instance = written or self._instances.get(name)
        if instance is None:
            instance = await self._until_told(name)
        if instance is not None:
            await Agents(self.name, rest).delete(instance)

    async def _until_told(self, name: str) -> str | None:
        """The id, if it is told soon; None where there is nothing to stop.

        Raises:
            NeverNamed
        """
        if name in self._names and name not in self._unsure:
            return None  # it was never asked for, or refused
        if _is_over(name, self._max_idle_s):
            return None
        if self.tells and name in self._names:
            with suppress(TimeoutError):
                async with asyncio.timeout(TOLD_S):
                    await self._told.wait()
        if instance := self._instances.get(name):
            return instance
        raise NeverNamed(self.name)

    async def _active(self, rest: Rest) -> list[str]:
        raise VendorUnreachable(self.name)  # nothing lists them

    async def _is_gone(self, rest: Rest, session: str, refusal: VendorRefused) -> bool:
        name, _, _ = session.partition(".")
        if name in self._hinted and not _is_over(name, self._max_idle_s):
            return False  # it may have been another's id
        return refusal.status == INSTANCE_NOT_FOUND


def place_of(name: str) -> Place:
    """All names that are made from one; those of users have 32 bytes at most."""
    return Place(
        room=name,
        stream=f"{name}-agent",
        agent_user=f"{name}-a",
        user=f"{name}-u",
        user_stream=f"{name}-page",
    )


def _is_over(name: str, max_idle_s: int) -> bool:
    """Whether nothing of this name can run any more, by the time that is in it."""
    match = _NAME.fullmatch(name)
    return match is not None and time.time() > int(match["at"], 16) + max_idle_s + JOINING_S
