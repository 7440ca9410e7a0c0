"""The actions that are used of the AI Agent API.

https://www.zegocloud.com/docs/aiagent-server (server API), as of 2026-08-21. An agent is a template
that never expires; an instance is one that is in a room, listens, thinks and speaks there, and
costs money. Nothing lists instances: who loses the id of one can only wait until it ends by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..avatar.errors import UnexpectedReply, VendorRefused
from ..avatar.rest import text_of
from .rest import AGENT_EXISTS, Rest

LONGEST_SPEECH = 300
"""Characters that can be said at once."""

MOST_QUEUED = 5
"""So many speeches may wait at the vendor."""

_ID = re.compile(r"[\w-]{1,64}", re.ASCII)
_SENTENCE_END = re.compile(r"[.!?…]\W*\s+|[\u3002\uff01\uff1f]\W*|\n+")  # with what closes it

Block = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Blocks:
    """Who hears, thinks and speaks, as the vendor wants to be told; they hold keys.

    Attributes:
        llm: None leaves it to the agent as it is registered.
        tts: Likewise.
        asr: Likewise.
    """

    llm: Block | None = field(default=None, repr=False)
    tts: Block | None = field(default=None, repr=False)
    asr: Block | None = field(default=None, repr=False)

    def given(self) -> dict[str, Block]:
        """Those that are there, by the vendor's names."""
        blocks = {"LLM": self.llm, "TTS": self.tts, "ASR": self.asr}
        return {name: block for name, block in blocks.items() if block is not None}


@dataclass(frozen=True, slots=True)
class Place:
    """Where an instance is, and who is there with it. All names are ours."""

    room: str
    stream: str
    agent_user: str
    user: str
    user_stream: str


@dataclass(frozen=True, slots=True)
class Message:
    """Something that was said before.

    Attributes:
        role: `user` or `assistant`.
        content: What they said.
    """

    role: str
    content: str

    def told(self) -> dict[str, str]:
        """As the vendor wants it."""
        return {"Role": self.role, "Content": self.content}


class Agents:
    """Asked over one `Rest`.

    Args:
        vendor: For errors.
        rest: Makes the calls.
    """

    def __init__(self, vendor: str, rest: Rest) -> None:
        self._vendor = vendor
        self._rest = rest

    # Agents

    async def have(self, agent: str, blocks: Blocks) -> None:
        """See to it that there is an agent of this id which has these blocks.

        That there is one already is a refusal: it stays as it was. So it is looked at, and changed
        only where it differs. Looking at it returns its keys in clear; nothing of it is kept.
        """
        body = {"AgentId": agent, "Name": agent, **blocks.given()}
        try:
            await self._rest.ask("RegisterAgent", body, again=True)
        except VendorRefused as error:
            if error.status != AGENT_EXISTS:
                raise
            if not _has(await self._agent(agent), blocks.given()):
                await self._rest.ask("UpdateAgent", body, again=True)

    async def _agent(self, agent: str) -> object:
        data = await self._rest.ask("QueryAgents", {"AgentIds": [agent]}, again=True)
        rows = data.get("Agents") if isinstance(data, dict) else None
        for row in rows if isinstance(rows, list) else []:
            if isinstance(row, dict) and row.get("AgentId") == agent:
                return row
        return None

    # Instances

    async def create(
        self,
        agent: str,
        place: Place,
        *,
        human: str | None,
        blocks: Blocks,
        history: Sequence[Message],
        window: int,
        max_idle_s: int,
        calls: Sequence[str],
    ) -> str:
        """Let an agent into a room; returns the instance's id.

        Args:
            agent: The agent's id.
            place: Where to.
            human: The digital human that is shown; None for a voice without a face.
            blocks: In place of the agent's own.
            history: What was said before, oldest first; it has 100 messages at most.
            window: How many messages the language model is given.
            max_idle_s: After how long without the person in the room it ends by itself.
            calls: The callbacks that are wanted besides those that always come.
        """
        body: dict[str, Any] = {
            "AgentId": agent,
            "UserId": place.user,
            "RTC": {
                "RoomId": place.room,
                "AgentStreamId": place.stream,
                "AgentUserId": place.agent_user,
                "UserStreamId": place.user_stream,
            },
            **blocks.given(),
            "MessageHistory": {
                "SyncMode": 1,  # 0 would look for it in another service of theirs
                "Messages": [each.told() for each in history],
                "WindowSize": window,
            },
            "CallbackConfig": dict.fromkeys(calls, 1),
            "AdvancedConfig": {"InterruptMode": 0, "MaxIdleTime": max_idle_s},
        }
        action = "CreateAgentInstance"
        if human is not None:
            action = "CreateDigitalHumanAgentInstance"
            body["DigitalHuman"] = {"DigitalHumanId": human, "ConfigId": "web"}
        data = await self._rest.ask(action, body)
        instance = text_of(self._vendor, data, "AgentInstanceId")
        if not is_id(instance):
            raise UnexpectedReply(self._vendor, "an AgentInstanceId that is none")
        return instance

    async def delete(self, instance: str, *, within_s: int | None = None) -> None:
        """End it.

        Args:
            instance: Its id.
            within_s: Let it speak to the end first, for so long; None ends it at once.
        """
        body: dict[str, Any] = {"AgentInstanceId": instance}
        if within_s is not None:
            body |= {"GracefulShutdown": True, "GracefulShutdownTimeout": within_s}
        await self._rest.ask("DeleteAgentInstance", body, again=True)

    async def status(self, instance: str) -> str:
        """IDLE, LISTENING, THINKING or SPEAKING."""
        data = await self._rest.ask(
            "QueryAgentInstanceStatus", {"AgentInstanceId": instance}, again=True
        )
        return text_of(self._vendor, data, "Status")

    async def interrupt(self, instance: str) -> None:
        """Cut what it says or thinks about; names nothing, so that it is never repeated."""
        await self._rest.ask("InterruptAgentInstance", {"AgentInstanceId": instance}, pauses_s=())

    async def say(self, instance: str, text: str, *, remember: bool) -> int | None:
        """Let it say a piece of up to 300 characters, behind what it says; returns the round."""
        body = {
            "AgentInstanceId": instance,
            "Text": text,
            "AddHistory": remember,
            "Priority": "Medium",
            "SamePriorityOption": "Enqueue",
        }
        return _round(await self._rest.ask("SendAgentInstanceTTS", body))

    async def ask(self, instance: str, text: str) -> int | None:
        """Let it answer as if the person had said this; returns the round."""
        body = {
            "AgentInstanceId": instance,
            "Text": text,
            "AddQuestionToHistory": True,
            "AddAnswerToHistory": True,
            "Priority": "Medium",
            "SamePriorityOption": "ClearAndInterrupt",
        }
        return _round(await self._rest.ask("SendAgentInstanceLLM", body))

    # What was said

    async def history(self, instance: str) -> list[Message]:
        """What it remembers, oldest first; what cannot be read is left out."""
        body = {"AgentInstanceId": instance}
        data = await self._rest.ask("GetAgentInstanceMsgList", body, again=True)
        rows = data.get("MessageList") if isinstance(data, dict) else None
        return [*_messages(rows if isinstance(rows, list) else [])]

    async def forget(self, instance: str) -> None:
        """Nothing was said."""
        await self._rest.ask("ResetAgentInstanceMsgList", {"AgentInstanceId": instance}, again=True)

    async def remember(self, instance: str, messages: Sequence[Message]) -> None:
        """Something was said; nobody answers to it."""
        told = [each.told() for each in messages]
        body = {"AgentInstanceId": instance, "Messages": told}
        await self._rest.ask("AddAgentInstanceMsg", body)


def is_id(value: object) -> bool:
    """Whether this can be the id of an instance."""
    return isinstance(value, str) and bool(_ID.fullmatch(value))


def speeches(text: str, longest: int = LONGEST_SPEECH) -> list[str]:
    """A text in pieces that can be said at once, cut between sentences or else between words."""
    pieces: list[str] = []
    for part in _parts(text.strip(), longest):
        if pieces and len(pieces[-1]) + len(part) <= longest:
            pieces[-1] += part
        else:
            pieces.append(part)
    return [stripped for piece in pieces if (stripped := piece.strip())]


def _parts(text: str, longest: int) -> Iterator[str]:
    """Sentences; of those that are too long, words; of those likewise, as much as fits."""
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    for start, end in zip([0, *ends], [*ends, len(text)], strict=True):
        sentence = text[start:end]
        if len(sentence) <= longest:
            yield sentence
            continue
        for word in re.findall(r"\S+\s*|\s+", sentence):
            yield from (word[at : at + longest] for at in range(0, len(word), longest))


def _has(theirs: object, ours: object) -> bool:
    """Whether all that is ours is there; what the vendor adds by itself is no difference."""
    if isinstance(ours, Mapping):
        if not isinstance(theirs, dict):
            return False
        return all(_has(theirs.get(name), value) for name, value in ours.items())
    return theirs == ours


def _round(data: object) -> int | None:
    number = data.get("Round") if isinstance(data, dict) else None
    known = isinstance(number, int) and not isinstance(number, bool) and 0 < number < 2**63
    return number if known else None


def _messages(rows: list[Any]) -> Iterator[Message]:
    for row in rows:
        if not isinstance(row, dict):
            continue
        role, content = row.get("Role"), row.get("Content")
        if isinstance(role, str) and isinstance(content, str):
            yield Message(role, content)
