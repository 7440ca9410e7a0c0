"""What holds for every vendor: our transport in a Pipecat pipeline, against its emulator.

Both sides were written from the vendor's documents and know nothing of each other. Vendors and
dialects are the rows of `DIALECTS`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    EndFrame,
    Frame,
    InterruptionFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.workers.runner import WorkerRunner

from emulators.heygen import Emulator, serve
from transports.avatar.journal import Journal
from transports.avatar.transport import AvatarTransport
from transports.avatar.vendor import Vendor
from transports.heygen import AlphaVendor, InteractiveVendor, LiveAvatarVendor

RATE_HZ = 24_000
PIECE = 2 * RATE_HZ // 50
DEADLINE_S = 30

pytestmark = pytest.mark.asyncio


@dataclass(frozen=True)
class Dialect:
    """A generation of the vendor, and how its server tells what it does."""

    vendor: Callable[..., Vendor]
    service: str
    events: str = "S"

    @property
    def name(self) -> str:
        return f"{self.vendor.__name__} {self.events}"


DIALECTS = [
    Dialect(LiveAvatarVendor, "liveavatar"),
    Dialect(LiveAvatarVendor, "liveavatar", "S-no-speak"),
    Dialect(LiveAvatarVendor, "liveavatar", "T"),
    Dialect(InteractiveVendor, "heygen"),
    Dialect(AlphaVendor, "heygen"),
]
EVERY = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)


def voice(seconds: float) -> bytes:
    """Speech of which no two samples in a row are alike, so that a loss is seen."""
    samples = np.random.default_rng(1).integers(-9_000, 9_000, round(seconds * RATE_HZ))
    return samples.astype(np.int16).tobytes()


class Bot:
    """A pipeline with nothing but the face, and the frames that left it."""

    def __init__(self, vendor: Vendor) -> None:
        self.worker = PipelineWorker(
            Pipeline([AvatarTransport(vendor).output()]),
            cancel_on_idle_timeout=False,
            enable_rtvi=False,
        )
        self.told: list[type[Frame]] = []
        kinds = (BotStartedSpeakingFrame, BotStoppedSpeakingFrame)
        self.worker.set_reached_downstream_filter(kinds)
        self.worker.add_event_handler(
            "on_frame_reached_downstream", lambda _, frame: self.told.append(type(frame))
        )

    async def say(self, pcm: bytes) -> None:
        pieces = [pcm[start : start + PIECE] for start in range(0, len(pcm), PIECE)]
        audio = [TTSAudioRawFrame(piece, RATE_HZ, 1) for piece in pieces]
        await self.worker.queue_frames([TTSStartedFrame(), *audio, TTSStoppedFrame()])


@asynccontextmanager
async def running(dialect: Dialect, folder: Path) -> AsyncIterator[tuple[Bot, Emulator]]:
    async with asyncio.timeout(DEADLINE_S), serve(dialect=dialect.events) as emulator:
        bot = Bot(
            dialect.vendor(
                api_key=emulator.key(dialect.service),  # type: ignore[arg-type]
                avatar_id="1c690fe7-23e0-49f9-bfba-14344450285b",
                api_url=emulator.url,
                journal=Journal(folder),
            )
        )
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(bot.worker)
        run = asyncio.create_task(runner.run())
        await emulator.until(emulator.running)
        yield bot, emulator
        await bot.worker.queue_frame(EndFrame())
        await run
        assert emulator.running() == []


@EVERY
async def test_whole_speech_is_heard_whole_and_the_session_ends(
    dialect: Dialect, tmp_path: Path
) -> None:
    pcm = voice(2.5)
    async with running(dialect, tmp_path) as (bot, emulator):
        await bot.say(pcm)
        await emulator.hears(2.5)
        heard = b"".join(each.audio for each in emulator.heard())
    assert heard == pcm
    assert bot.told == [BotStartedSpeakingFrame, BotStoppedSpeakingFrame]


@EVERY
async def test_a_cut_in_is_one_interrupt_and_silence(dialect: Dialect, tmp_path: Path) -> None:
    async with running(dialect, tmp_path) as (bot, emulator):
        await bot.say(voice(6.0))
        await emulator.hears(1.0)
        await bot.worker.queue_frame(InterruptionFrame())
        await emulator.until(lambda: emulator.received("agent.interrupt"))
        await bot.say(voice(0.5))
        await emulator.until(lambda: sum(not each.cut for each in emulator.heard()) == 1)
        await emulator.hears(1.5)
    assert len(emulator.received("agent.interrupt")) == 1
    (interruption,) = emulator.interruptions()
    assert interruption.late_bytes == 0
    first, second = emulator.heard()
    assert first.cut
    assert 1.0 <= first.seconds < 1.1
    assert second.seconds == 0.5


@EVERY
async def test_nothing_is_interrupted_where_nothing_is_unheard(
    dialect: Dialect, tmp_path: Path
) -> None:
    async with running(dialect, tmp_path) as (bot, emulator):
        await bot.worker.queue_frame(InterruptionFrame())
        await bot.say(voice(0.6))
        await emulator.hears(0.6)
        while BotStoppedSpeakingFrame not in bot.told:
            await asyncio.sleep(0.01)
        await bot.worker.queue_frame(InterruptionFrame())
    assert emulator.received("agent.interrupt") == []
