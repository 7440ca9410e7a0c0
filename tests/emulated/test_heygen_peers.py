"""Other people's clients of HeyGen against its emulator: do they open, speak and close?

What they are known to do wrong has to show up in what the emulator has heard.

`uv run --group peers pytest tests/emulated/test_heygen_peers.py`
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pipecat.frames.frames import (
    InterruptionFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    UserStartedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.workers.runner import WorkerRunner

from emulators.heygen import Emulator, serve

pytest.importorskip("livekit.rtc", reason="needs livekit (uv sync --extra livekit)")

from tests.emulated.peers import (
    TRUST_S,
    ServiceType,
    livekit_frame,
    livekit_session,
    pipecat_asks,
    pipecat_parts,
)

pytestmark = [
    pytest.mark.asyncio,
    # LiveKit's packages are not ours to keep free of warnings.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

ROOT = Path(__file__).parents[2]
RATE_HZ = 24_000
PREFIX = "handed-out-"  # not the canary: Pipecat's client logs the room's token


def voice(seconds: float) -> list[bytes]:
    """20 ms pieces of samples that count up."""
    return [
        b"".join(((at + each) % 30_000).to_bytes(2, "little") for each in range(RATE_HZ // 50))
        for at in range(0, int(seconds * RATE_HZ), RATE_HZ // 50)
    ]


@asynccontextmanager
async def vendor() -> AsyncIterator[tuple[Emulator, aiohttp.ClientSession]]:
    async with (
        serve(seed=1, connected_delay_ms=10, secret_prefix=PREFIX) as emulator,
        aiohttp.ClientSession() as http,
    ):
        yield emulator, http


def is_connected(emulator: Emulator) -> Callable[[], bool]:
    return lambda: any(each.message.get("state") == "connected" for each in emulator.record.sent)


def number_of(emulator: Emulator, kind: str) -> Callable[[int], bool]:
    return lambda count: sum(each.kind == kind for each in emulator.record.sent) >= count


# Pipecat


class Speaker:
    """A Pipecat pipeline that speaks through one of Pipecat's own avatars."""

    def __init__(self, emulator: Emulator, parts: list[FrameProcessor]) -> None:
        self._emulator = emulator
        self.worker = PipelineWorker(Pipeline(parts))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Speaker]:
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(self.worker)
        running = asyncio.create_task(runner.run())
        try:
            await self._emulator.until(is_connected(self._emulator), TRUST_S)
            yield self
        finally:
            await self.worker.cancel()
            await running

    async def say(self, pieces: list[bytes]) -> None:
        await self.worker.queue_frame(TTSStartedFrame())
        for each in pieces:
            await self.worker.queue_frame(TTSAudioRawFrame(each, RATE_HZ, 1))
        await self.worker.queue_frame(TTSStoppedFrame())


@pytest.fixture(params=["transport", "video service"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[ServiceType.LIVE_AVATAR, ServiceType.INTERACTIVE_AVATAR])
def service(request: pytest.FixtureRequest) -> ServiceType:
    assert isinstance(request.param, ServiceType)
    return request.param


@asynccontextmanager
async def pipecat(kind: str, service: ServiceType) -> AsyncIterator[tuple[Emulator, Speaker]]:
    async with vendor() as (emulator, http):
        own = "liveavatar" if service is ServiceType.LIVE_AVATAR else "interactive"
        with pipecat_asks(emulator.url):
            parts = pipecat_parts(kind, http, emulator.key(own), service)  # type: ignore[arg-type]
            async with Speaker(emulator, parts).running() as speaker:
                yield emulator, speaker
        assert not emulator.running()


async def test_pipecats_clients_open_speak_and_close(kind: str, service: ServiceType) -> None:
    async with pipecat(kind, service) as (emulator, speaker):
        pieces = voice(1.0)
        await speaker.say(pieces)
        ended = number_of(emulator, "agent.speak_ended")
        await emulator.until(lambda: ended(1), TRUST_S)
        (said,) = emulator.heard()
        assert said.audio == b"".join(pieces)
        assert not said.cut
        assert not [each for each in emulator.received() if not each.taken]
    names = [each.name for each in emulator.record.calls]
    if service is ServiceType.LIVE_AVATAR:
        assert names == ["token", "start", "stop"]
    else:
        assert names == ["streaming.new", "streaming.start", "streaming.stop"]


async def test_pipecats_video_service_interrupts_when_the_person_speaks(
    service: ServiceType,
) -> None:
    async with pipecat("video service", service) as (emulator, speaker):
        await speaker.say(voice(6.0))
        await emulator.hears(0.5)
        await speaker.worker.queue_frame(UserStartedSpeakingFrame())
        await speaker.worker.queue_frame(InterruptionFrame())
        await emulator.until(emulator.interruptions, TRUST_S)
        assert emulator.heard()[0].cut
        assert emulator.interruptions()[0].unheard > RATE_HZ


async def test_pipecats_transport_is_seen_to_talk_on_after_a_cut() -> None:
    """A known fault of 1.14: a cut-in is answered with `speak_end`, and never with an interrupt."""
    async with pipecat("transport", ServiceType.LIVE_AVATAR) as (emulator, speaker):
        await speaker.say(voice(6.0))
        ended = number_of(emulator, "agent.speak_ended")
        await emulator.hears(0.5)
        cut = asyncio.get_running_loop().time()
        await speaker.worker.queue_frame(InterruptionFrame())
        await emulator.until(lambda: ended(1), TRUST_S)
        (said,) = emulator.heard()
        after = [each.kind for each in emulator.received() if each.at > cut]
        assert after[-1] == "agent.speak_end"
        assert {*after[:-1]} <= {"agent.speak"}  # pieces of 40 ms that were on their way
        assert not emulator.interruptions()
        assert said.ended_at
        assert said.ended_at - cut > 2.0


# LiveKit


@asynccontextmanager
async def livekit() -> AsyncIterator[tuple[Emulator, Any]]:
    pytest.importorskip("livekit.plugins.liveavatar", reason="needs uv sync --group peers")
    async with vendor() as (emulator, _):
        async with livekit_session(emulator.url, emulator.key("liveavatar")) as (session, _):
            yield emulator, session
        await emulator.until(lambda: not emulator.running(), TRUST_S)


async def frames(pieces: list[bytes]) -> AsyncIterator[Any]:
    for each in pieces:
        yield livekit_frame(each, RATE_HZ)


async def test_livekits_plugin_speaks_and_learns_when_it_was_heard() -> None:
    async with livekit() as (emulator, session):
        pieces = voice(2.0)
        async with asyncio.timeout(TRUST_S):
            await session.say("two seconds", audio=frames(pieces)).wait_for_playout()
        (said,) = emulator.heard()
        assert said.audio == b"".join(pieces)
        sizes = [each.audio_bytes for each in emulator.received("agent.speak")]
        assert sizes == [28_800, 48_000, 19_200]
        assert all(each.taken for each in emulator.received())
        room = emulator.session().terms.request["livekit_config"]
        assert room["livekit_url"] == "wss://livekit.invalid"
    assert [each.name for each in emulator.record.calls] == ["token", "start", "stop"]
    assert emulator.session().end_reason == "USER_DISCONNECTED"


async def test_livekits_plugin_interrupts_in_mid_speech() -> None:
    async with livekit() as (emulator, session):
        session.say("six seconds", audio=frames(voice(6.0)))
        await emulator.hears(0.5)
        await session.interrupt()
        await emulator.until(emulator.interruptions, TRUST_S)
        (said,), (cut,) = emulator.heard(), emulator.interruptions()
        assert said.cut
        assert said.seconds < 3.0
        assert cut.unheard > RATE_HZ


async def test_livekits_plugin_is_seen_not_to_interrupt_before_the_first_sample() -> None:
    """A known fault of 1.8: a cut-in before `speak_started` sends nothing, and all is heard."""
    async with livekit() as (emulator, session):
        emulator.turn(speak_start_ms=500)
        session.say("two seconds", audio=frames(voice(2.0)))
        await emulator.until(lambda: len(emulator.received("agent.speak")) == 3, TRUST_S)
        await session.interrupt()
        ended = number_of(emulator, "agent.speak_ended")
        await emulator.until(lambda: ended(1), TRUST_S)
        assert not emulator.interruptions()
        assert emulator.heard()[0].seconds == 2.0


async def test_the_benchmark_puts_everybody_beside_each_other() -> None:
    pytest.importorskip("livekit.plugins.liveavatar", reason="needs uv sync --group peers")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.peers", "--rows", "cut-nothing", "--rounds", "1"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    table, _ = await asyncio.wait_for(process.communicate(), 2 * TRUST_S)
    told = "| interrupt sent when nothing is spoken | 0/1 | 0/1 | 1/1 | 0/1 |"
    assert told in table.decode()
