"""A vendor whose `Speak` means *pass on*: the page plays the voice and draws the face.

The page counts what it has really played and says so about ten times a second (`avatar-played`);
that is the truth that the playhead follows. Little is sent ahead, because what lies in the page's
buffer is what a cut-in has to throw away.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from loguru import logger

from ..avatar.commands import Begin, Command, EndSpeech, Speak
from ..avatar.errors import Ending
from ..avatar.events import Event, Played
from ..avatar.vendor import Opened, Profile, UserLeg
from .mouth import Mouth

PROFILE = Profile(
    sample_rate=24_000,
    first_chunk_s=0.04,
    chunk_s=0.04,
    max_lead_s=0.28,
    start_delay_s=0.1,
    acknowledges=frozenset({Played}),
)
"""The lead counts what was not heard: the page's buffer and the loudspeaker's latency, which is
some 30 ms of it. The buffer itself stays below 250 ms."""


UNREPORTED = replace(PROFILE, start_delay_s=0.2, acknowledges=frozenset())
"""Where nobody tells what was heard, such as in a room: the user leg plays in real time, and what
it buffers on the way (a WebRTC jitter buffer, some 100 ms) is all that is not known."""


class LocalVendor:
    """The built-in face of one session.

    Takes PCM at 24,000 Hz and passes it on as `OutputAudioRawFrame`s, at most 0.28 s ahead of the
    person, with the messages `avatar-begin`, `avatar-visemes` and `avatar-end` beside it. Opening
    cannot fail.

    Args:
        reported: Whether the other side says what it has played, as our page does on its WebSocket.
    """

    name = "local"

    def __init__(self, *, reported: bool = True) -> None:
        self.profile = PROFILE if reported else UNREPORTED
        self._user_leg: UserLeg | None = None
        self._mouth = Mouth()
        self._said: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue(maxsize=64)

    def attach(self, user_leg: UserLeg) -> None:
        """The leg that carries voice and mouth."""
        self._user_leg = user_leg

    def mouth(self, visemes: Mapping[str, Any]) -> None:
        """Kept until the speech that they belong to is sent."""
        self._mouth.learn(visemes)

    def page_says(self, kind: str, data: Mapping[str, Any]) -> None:
        """What the page has played. A page that floods us is heard as far as the queue reaches."""
        if kind == "avatar-played" and not self._said.full():
            self._said.put_nowait(data)

    async def open(self) -> Opened:
        """Nothing to open, nothing to pay."""
        return Opened("local")

    async def close(self, session: Opened) -> None:
        """Nothing to close."""

    def viewer(self, session: Opened) -> Mapping[str, str]:
        """The page draws it: there is no room to go to."""
        return {}

    @asynccontextmanager
    async def dial(self, session: Opened) -> AsyncIterator[_PageSocket]:
        """The user leg is the connection."""
        assert self._user_leg is not None, "attach() comes before open()"
        yield _PageSocket(self._user_leg, self._mouth, self._said)

    def wire(self) -> _PageWire:
        """Commands are carried out as they are."""
        return _PageWire()


class _PageSocket:
    """Carries the commands out on the user leg; what arrives is what the page says."""

    def __init__(
        self, user_leg: UserLeg, mouth: Mouth, said: asyncio.Queue[Mapping[str, Any]]
    ) -> None:
        self._user_leg = user_leg
        self._mouth = mouth
        self._said = said
        self._begun: Begin | None = None

    async def send(self, command: Command) -> None:
        match command:
            case Begin():
                self._begun = command
                self._mouth.begin(command.run, command.offset)
                await self._user_leg.tell(
                    {
                        "type": "avatar-begin",
                        "utterance": command.utterance,
                        "sample_rate": command.sample_rate,
                    }
                )
            case Speak() if self._begun is not None:
                if visemes := self._mouth.next(len(command.pcm) // 2):
                    await self._user_leg.tell(
                        {
                            "type": "avatar-visemes",
                            "utterance": command.utterance,
                            "visemes": visemes,
                        }
                    )
                await self._user_leg.speak(
                    command.pcm,
                    self._begun.sample_rate,
                    interruptible=self._begun.interruptible,
                )
            case EndSpeech():
                await self._user_leg.flush()
                await self._user_leg.tell(
                    {
                        "type": "avatar-end",
                        "utterance": command.utterance,
                        "samples": command.samples,
                    }
                )

    async def __aiter__(self) -> AsyncIterator[Mapping[str, Any]]:
        while True:
            yield await self._said.get()


class _PageWire:
    """Decodes what the page says of its playback."""

    ready = True
    over: Ending | None = None

    def __init__(self) -> None:
        self._warned = False

    def encode(self, command: Command) -> list[Command]:
        return [command]

    def decode(self, message: Mapping[str, Any]) -> list[Event]:
        utterance, samples = message.get("utterance"), message.get("samples")
        if isinstance(utterance, str) and type(samples) is int:
            return [Played(utterance, samples)]
        if not self._warned:
            self._warned = True
            logger.warning("The page reports its playback in a form that is not understood")
        return []
