"""Our transport in a Pipecat pipeline, between two that write down everything that passes.

Both sides of the wire were written from the vendor's documents and know nothing of each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import numpy as np
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    EndFrame,
    ErrorFrame,
    Frame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.utils.text.base_text_aggregator import TextType
from pipecat.workers.runner import WorkerRunner

from tests.emulated.contract.page import Page
from tests.emulated.contract.vendors import Row, Side
from transports.avatar.frames import METADATA_KEY, HeardTextFrame
from transports.avatar.journal import Journal
from transports.avatar.transport import AvatarTransport
from transports.avatar.vendor import Vendor
from transports.local import LocalVendor

RATE_HZ = 24_000
SAMPLE_BYTES = 2
DEADLINE_S = 90
SECRET = "SECRET-"

QUICK = {
    "playback_speed": 60,
    "connected_delay_ms": 5,
    "speak_start_ms": 20,
    "start_spread_ms": 10,
    "jitter_ms": 5,
    "alpha_end_ms": 40,
}
"""For what does not depend on how long speech lasts."""


def voice(seconds: float, seed: int = 1, rate_hz: int = RATE_HZ) -> bytes:
    """Speech of which no two samples in a row are alike, so that a loss is seen."""
    samples = np.random.default_rng(seed).integers(-9_000, 9_000, round(seconds * rate_hz))
    return samples.astype(np.int16).tobytes()


def pieces(
    pcm: bytes,
    rate_hz: int = RATE_HZ,
    *,
    size: int | None = None,
    random: Random | None = None,
) -> list[Frame]:
    """Frames of 20 ms, of so many bytes, or of any length, odd numbers of bytes included."""
    frames: list[Frame] = []
    start = 0
    while start < len(pcm):
        taken = random.randint(1, 40_000) if random else size or SAMPLE_BYTES * rate_hz // 50
        frames.append(TTSAudioRawFrame(pcm[start : start + taken], rate_hz, 1))
        start += taken
    return frames


def reply(*sentences: Sequence[Frame]) -> list[Frame]:
    """What an LLM and a TTS make of some sentences. Its last frame waits until they were heard."""
    said = [frame for each in sentences for frame in (TTSStartedFrame(), *each, TTSStoppedFrame())]
    return [LLMFullResponseStartFrame(), *said, LLMFullResponseEndFrame()]


def word(text: str, start: int, end: int) -> TTSTextFrame:
    """A word that says exactly when it is said, in samples."""
    frame = TTSTextFrame(text, text_type=TextType.WORD)
    frame.metadata[METADATA_KEY] = {"start": start, "end": end}
    return frame


class Recorder(FrameProcessor):
    """Writes down what passes, and when."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[float, Frame, FrameDirection]] = []
        self._change = asyncio.Event()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        self.seen.append((asyncio.get_running_loop().time(), frame, direction))
        self._change.set()
        await self.push_frame(frame, direction)

    def frames(self, *kinds: type[Frame], after: int = 0) -> list[Frame]:
        return [frame for _, frame, _ in self.seen[after:] if isinstance(frame, kinds)]

    def times(self, kind: type[Frame]) -> list[float]:
        return [at for at, frame, _ in self.seen if isinstance(frame, kind)]

    async def until(
        self, *kinds: type[Frame], count: int = 1, within_s: float = 5.0
    ) -> list[Frame]:
        """Returns these once there are so many."""
        async with asyncio.timeout(within_s):
            while len(found := self.frames(*kinds)) < count:
                self._change.clear()
                await self._change.wait()
        return found


class Bot:
    """A pipeline with nothing but the face, and with a page, what may stand in for it there."""

    def __init__(
        self, vendor: Vendor, side: Side, ready_timeout_s: float, page: Page | None = None
    ) -> None:
        self.vendor = vendor
        self.transport = AvatarTransport(
            vendor,
            stand_in=LocalVendor() if page else None,
            goes_on_without=page is not None,
            ready_timeout_s=ready_timeout_s,
        )
        self.before, self.after = Recorder(), Recorder()
        if isinstance(side, Page):
            page = side
        if page:
            page.says = self.transport.page_says
        self.worker = PipelineWorker(
            Pipeline([self.before, self.transport.output(), *([page] if page else []), self.after]),
            cancel_on_idle_timeout=False,
            enable_rtvi=False,
        )

    async def push(self, *frames: Frame) -> None:
        await self.worker.queue_frames(frames)

    async def say(self, *sentences: bytes) -> None:
        """A reply, all at once, as a fast TTS makes it."""
        await self.push(*reply(*map(pieces, sentences)))

    async def has_said(self, replies: int = 1, within_s: float = 10.0) -> None:
        """Returns when so many replies were heard to their end, for all that it knows."""
        await self.after.until(LLMFullResponseEndFrame, count=replies, within_s=within_s)

    async def cut_in(self) -> None:
        """Returns when the interruption has passed."""
        count = len(self.after.frames(InterruptionFrame)) + 1
        await self.push(InterruptionFrame())
        await self.after.until(InterruptionFrame, count=count)

    async def error(self, within_s: float = 5.0) -> Exception:
        """What was reported."""
        (frame, *_) = await self.before.until(ErrorFrame, within_s=within_s)
        assert isinstance(frame, ErrorFrame)
        assert frame.exception is not None
        assert SECRET not in f"{frame.error} {frame.exception!r} {frame.exception.__cause__!r}"
        return frame.exception

    @property
    def told(self) -> list[type[Frame]]:
        edges = (BotStartedSpeakingFrame, BotStoppedSpeakingFrame)
        return [type(frame) for frame in self.after.frames(*edges)]

    def words(self, after: int = 0) -> list[str]:
        return [f.text for f in self.after.frames(HeardTextFrame, after=after)]  # type: ignore[attr-defined]


def stream(side: Side) -> bytes:
    """All that was heard."""
    return b"".join(each.audio for each in side.heard())


async def ready(row: Row, side: Any) -> None:
    """Returns when the vendor can be told something."""
    if row.calls:
        await side.until(
            lambda: side.sessions and side.session().avatar.state.name == "IDLE", DEADLINE_S
        )
        await side.until(lambda: side.record.connections, DEADLINE_S)


async def all_heard(side: Side, within_s: float = 10.0) -> None:
    """Returns when something was sent, and all of it is over."""

    def over() -> bool:
        return bool(said := side.heard()) and all(each.ended_at for each in said)

    await side.until(over, within_s)


@asynccontextmanager
async def running(
    row: Row,
    folder: Path,
    *,
    opened: bool = True,
    leaves: type[Frame] = EndFrame,
    noted: int = 0,
    ready_timeout_s: float = 15.0,
    within_s: float = DEADLINE_S,
    page: Page | None = None,
    faults: Mapping[str, Mapping[str, Any]] | None = None,
    **knobs: Any,
) -> AsyncIterator[tuple[Bot, Any]]:
    """A conversation; after it nothing runs, nothing was said twice, and no secret was told.

    Args:
        row: With whom.
        folder: For the journal.
        opened: Whether to begin when the session runs.
        leaves: `EndFrame` or `CancelFrame`.
        noted: How many sessions the journal goes on naming.
        ready_timeout_s: How long its side may take.
        within_s: How long all of it may take.
        page: Where the built-in face stands in for the vendor's.
        faults: Calls that go wrong, and how.
        knobs: How its side behaves.
    """
    folder = folder / uuid4().hex
    folder.mkdir(mode=0o700, parents=True)
    async with asyncio.timeout(within_s), row.serve(**knobs) as side:
        for call, how in (faults or {}).items():
            side.fail(call, **how)
        bot = Bot(row.vendor(side, folder), side, ready_timeout_s, page)
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(bot.worker)
        run = asyncio.create_task(runner.run())
        try:
            if opened and row.calls:
                await side.until(side.running)
            yield bot, side
            await (bot.worker.cancel() if leaves is CancelFrame else bot.push(EndFrame()))
            await run
        finally:
            if not run.done():
                await bot.worker.cancel()
                await run
        assert list(side.running()) == []
        async with asyncio.timeout(5):  # a row whose caller left is struck in a thread
            while len(await Journal(folder).entries()) != noted:
                await asyncio.sleep(0.02)
        check(bot, folder)


def check(bot: Bot, folder: Path) -> None:
    """What holds of every conversation."""
    for recorder in (bot.before, bot.after):
        ids = [(frame.id, direction) for _, frame, direction in recorder.seen]
        assert len(ids) == len(set(ids)), "a frame was forwarded twice"
        assert not any(SECRET in f"{frame}" for _, frame, _ in recorder.seen)
    for file in folder.rglob("*"):
        assert SECRET.encode() not in file.read_bytes(), f"a secret is in {file.name}"


async def together(*tests: tuple[str, Coroutine[Any, Any, None]]) -> None:
    """Many conversations at a time, since they take as long as speech does; failures are named."""

    async def named(name: str, test: Coroutine[Any, Any, None]) -> None:
        try:
            await test
        except Exception as error:
            error.add_note(f"in {name}")
            raise

    async with asyncio.TaskGroup() as tasks:
        for name, test in tests:
            tasks.create_task(named(name, test))
