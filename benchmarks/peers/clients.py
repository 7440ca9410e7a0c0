"""The clients, each driven as its own pipeline wants it, behind one small interface."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from livekit.agents.voice.io import AudioOutput, AudioOutputCapabilities
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    EndFrame,
    Frame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.workers.runner import WorkerRunner

from tests.emulated.peers import livekit_frame, livekit_session, pipecat_parts
from transports.avatar.journal import Journal
from transports.avatar.transport import AvatarTransport
from transports.avatar.vendor import Profile
from transports.heygen import ADVISED, FASTEST, AlphaVendor, LiveAvatarVendor

from .voice import Voice

CLOSE_S = 15.0


class Talk(ABC):
    """A conversation that speaks through an avatar.

    Attributes:
        session: Its id at the vendor.
        began: When the first piece of the last `say` was handed over.
        told: What the client told the rest of the bot, and when: `started`, `stopped`, `over`,
            or an error.
    """

    def __init__(self) -> None:
        self.session = ""
        self.began = 0.0
        self.told: list[tuple[float, str]] = []
        self._saying: asyncio.Task[None] | None = None

    @abstractmethod
    async def say(self, *sentences: Voice) -> None:
        """Hand over a reply, at its own pace; returns after its last piece."""

    @abstractmethod
    async def _cut(self, alone: bool) -> None: ...

    @abstractmethod
    async def listened(self) -> None:
        """The person who cut in has finished."""

    @abstractmethod
    async def goodbye(self) -> None:
        """End the conversation when all was said."""

    def start_saying(self, *sentences: Voice) -> None:
        """`say` in the background, until a cut-in."""
        self._saying = asyncio.create_task(self.say(*sentences))

    async def cut(self, *, alone: bool = False) -> float:
        """The person cuts in: the voice falls silent, then the avatar is told; returns when.

        Args:
            alone: Of Pipecat's two frames of a cut-in only the `InterruptionFrame`.
        """
        await self.hush()
        at = now()
        await self._cut(alone)
        return at

    async def hush(self) -> None:
        """The voice stops in mid-speech."""
        if self._saying is not None:
            self._saying.cancel()
            await asyncio.wait({self._saying})

    def note(self, what: str) -> None:
        self.told.append((now(), what))

    def times(self, what: str, since: float = 0.0) -> list[float]:
        """When that was told."""
        return [at for at, told in self.told if told == what and at >= since]

    def errors(self, since: float = 0.0) -> list[str]:
        plain = ("started", "stopped", "over")
        return [what for at, what in self.told if what not in plain and at >= since]


def now() -> float:
    return asyncio.get_running_loop().time()


# Pipecat


class Ear(FrameProcessor):
    """The rest of the bot: notes what it is told about the speech."""

    def __init__(self, talk: Talk) -> None:
        super().__init__()
        self._talk = talk

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if direction is FrameDirection.DOWNSTREAM:
            match frame:
                case BotStartedSpeakingFrame():
                    self._talk.note("started")
                case BotStoppedSpeakingFrame():
                    self._talk.note("stopped")
        await self.push_frame(frame, direction)


class NoAvatar(FrameProcessor):
    """Takes the speech, and does nothing with it."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if not isinstance(frame, TTSAudioRawFrame):
            await self.push_frame(frame, direction)


class PipecatTalk(Talk):
    """Speech enters a pipeline at its head."""

    def __init__(self, parts: Iterable[FrameProcessor]) -> None:
        super().__init__()
        pipeline = Pipeline([*parts, Ear(self)])
        # RTVI and turn tracking are the same whoever speaks, and stand in front of all of them.
        self.worker = PipelineWorker(
            pipeline, cancel_on_idle_timeout=False, enable_rtvi=False, enable_turn_tracking=False
        )
        self._say = self.worker.queue_frame

        @self.worker.event_handler("on_pipeline_error")
        async def failed(_: Any, frame: Any) -> None:
            self.note(type(frame.exception).__name__ if frame.exception else "error")

        @self.worker.event_handler("on_pipeline_finished")
        async def finished(_: Any, frame: Any) -> None:
            self.note("over")

    async def say(self, *sentences: Voice) -> None:
        await self._say(LLMFullResponseStartFrame())
        for index, voice in enumerate(sentences):
            await self._say(TTSStartedFrame())
            first = index == 0
            async for piece in voice.spoken():
                if first:
                    first, self.began = False, now()
                await self._say(TTSAudioRawFrame(piece, voice.rate_hz, 1))
            await self._say(TTSStoppedFrame())
        await self._say(LLMFullResponseEndFrame())

    async def _cut(self, alone: bool) -> None:
        if not alone:
            await self._say(UserStartedSpeakingFrame())
        await self._say(InterruptionFrame())

    async def listened(self) -> None:
        await self._say(UserStoppedSpeakingFrame())

    async def goodbye(self) -> None:
        await self._say(EndFrame())

    @asynccontextmanager
    async def running(self, *, handle_sigterm: bool = False) -> AsyncIterator[PipecatTalk]:
        runner = WorkerRunner(handle_sigint=False, handle_sigterm=handle_sigterm)
        await runner.add_workers(self.worker)
        running = asyncio.create_task(runner.run())
        try:
            yield self
        finally:
            await self.worker.cancel()
            await asyncio.wait({running}, timeout=CLOSE_S)


# LiveKit


class NoOutput(AudioOutput):
    """Takes the speech, and says at once that it was heard."""

    def __init__(self) -> None:
        super().__init__(label="none", capabilities=AudioOutputCapabilities(pause=False))
        self._seconds = 0.0

    async def capture_frame(self, frame: Any) -> None:
        await super().capture_frame(frame)
        self._seconds += frame.duration

    def flush(self) -> None:
        super().flush()
        seconds, self._seconds = self._seconds, 0.0
        if seconds:
            self.on_playback_finished(playback_position=seconds, interrupted=False)

    def clear_buffer(self) -> None:
        self._seconds = 0.0


class LiveKitTalk(Talk):
    """Speech is said in an agent session."""

    def __init__(self, session: Any) -> None:
        super().__init__()
        self._agent = session
        self._heard: Any = None

        @session.on("agent_state_changed")
        def changed(event: Any) -> None:
            if event.new_state == "speaking":
                self.note("started")
            elif event.old_state == "speaking":
                self.note("stopped")

        @session.on("error")
        def failed(event: Any) -> None:
            self.note(type(event.error).__name__)

        @session.on("close")
        def closed(_: Any) -> None:
            self.note("over")

    async def say(self, *sentences: Voice) -> None:
        said = [asyncio.Event() for _ in sentences]
        for index, (voice, done) in enumerate(zip(sentences, said, strict=True)):
            audio = self._audio(voice, done, first=index == 0)
            self._heard = self._agent.say("words", audio=audio)
        for each in said:
            await each.wait()

    async def _audio(self, voice: Voice, done: asyncio.Event, *, first: bool) -> AsyncIterator[Any]:
        async for piece in voice.spoken():
            if first:
                first, self.began = False, now()
            yield livekit_frame(piece, voice.rate_hz)
        done.set()

    async def _cut(self, alone: bool) -> None:
        self._agent.interrupt()

    async def listened(self) -> None:
        pass

    async def goodbye(self) -> None:
        self._agent.shutdown(drain=True)


# Who is compared


@dataclass(frozen=True)
class Client:
    """Somebody's way to make a LiveAvatar speak. Pipecat's need `pipecat_asks` around them.

    Attributes:
        name: In the table.
        open: A conversation at the vendor; its session is not known by then.
        null: The same without an avatar.
        knows_interruption_frame: Whether a cut-in is a frame at all.
    """

    name: str
    open: Callable[[Place], AbstractAsyncContextManager[Talk]]
    null: Callable[[Place], AbstractAsyncContextManager[Talk]]
    ours: bool = False
    knows_interruption_frame: bool = True


@dataclass(frozen=True)
class Place:
    """Where a client is run: the vendor's address and keys, and a folder for what it keeps."""

    url: str
    key: str
    heygen_key: str
    folder: Path = field(repr=False)
    handle_sigterm: bool = False


def liveavatar(place: Place, profile: Profile = FASTEST) -> LiveAvatarVendor:
    journal = Journal(place.folder)
    return LiveAvatarVendor(api_key=place.key, api_url=place.url, journal=journal, profile=profile)


@asynccontextmanager
async def _ours(place: Place, profile: Profile) -> AsyncIterator[Talk]:
    output = AvatarTransport(liveavatar(place, profile)).output()
    async with PipecatTalk([output]).running(handle_sigterm=place.handle_sigterm) as talk:
        yield talk


@asynccontextmanager
async def _ours_alpha(place: Place) -> AsyncIterator[Talk]:
    journal = Journal(place.folder)
    vendor = AlphaVendor(api_key=place.heygen_key, api_url=place.url, journal=journal)
    parts = [AvatarTransport(vendor).output()]
    async with PipecatTalk(parts).running(handle_sigterm=place.handle_sigterm) as talk:
        yield talk


@asynccontextmanager
async def _pipecats(place: Place, kind: str) -> AsyncIterator[Talk]:
    async with aiohttp.ClientSession() as http:
        parts = pipecat_parts(kind, http, place.key)
        async with PipecatTalk(parts).running(handle_sigterm=place.handle_sigterm) as talk:
            yield talk


@asynccontextmanager
async def _livekits(place: Place) -> AsyncIterator[Talk]:
    async with livekit_session(place.url, place.key) as (session, _):
        yield LiveKitTalk(session)


@asynccontextmanager
async def _pipecat_alone(place: Place) -> AsyncIterator[Talk]:
    async with PipecatTalk([NoAvatar()]).running() as talk:
        yield talk


@asynccontextmanager
async def _livekit_alone(place: Place) -> AsyncIterator[Talk]:
    from livekit.agents import Agent, AgentSession

    session: Any = AgentSession(aec_warmup_duration=None)
    session.output.audio = NoOutput()
    await session.start(agent=Agent(instructions=""))
    try:
        yield LiveKitTalk(session)
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await session.aclose()


OURS = Client("ours", lambda place: _ours(place, FASTEST), _pipecat_alone, ours=True)
ADVISED_OURS = Client(
    "ours, as advised", lambda place: _ours(place, ADVISED), _pipecat_alone, ours=True
)
ALPHA_OURS = Client("ours, alpha", _ours_alpha, _pipecat_alone, ours=True)
TRANSPORT = Client("HeyGenTransport", lambda place: _pipecats(place, "transport"), _pipecat_alone)
VIDEO = Client("HeyGenVideoService", lambda place: _pipecats(place, "video"), _pipecat_alone)
LIVEKIT = Client("LiveKit liveavatar", _livekits, _livekit_alone, knows_interruption_frame=False)

PEERS = (TRANSPORT, VIDEO, LIVEKIT)
CLIENTS = (OURS, ADVISED_OURS, ALPHA_OURS, *PEERS)
BY_NAME = {each.name: each for each in CLIENTS}
