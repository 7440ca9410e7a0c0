"""A session's life, on a clock that jumps: what is opened is closed, whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import pytest
from loguru import logger

from tests.unit.transports.avatar.memory_vendor import GONE, MemoryVendor
from tests.unit.transports.avatar.speaking import voice
from transports.avatar.commands import EndSpeech, Interrupt, KeepAlive, Speak
from transports.avatar.core import SpeechCore
from transports.avatar.errors import AvatarError, ConnectionLost, NeverReady, VendorRefused
from transports.avatar.reports import Cut, Report
from transports.avatar.session import AvatarSession
from transports.avatar.vendor import Profile

pytestmark = pytest.mark.asyncio


class Stage:
    """A session, its core and its vendor, and what came of them."""

    def __init__(self, vendor: MemoryVendor) -> None:
        names = count(1)
        self.vendor = vendor
        self.core = SpeechCore(vendor.profile, new_id=lambda: f"u{next(names)}")
        self.reports: list[Report] = []
        self.errors: list[AvatarError] = []
        self.session = AvatarSession(
            vendor, self.core, deliver=self.deliver, failed=self.failed, ready_timeout_s=15.0
        )

    async def deliver(self, reports: list[Report]) -> None:
        self.reports += reports

    async def failed(self, error: AvatarError) -> None:
        self.errors.append(error)

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def say(self, seconds: float) -> None:
        self.core.begin("run", now=self.now())
        self.core.audio(voice(seconds), now=self.now())
        self.core.end(now=self.now())
        self.session.poke()


@asynccontextmanager
async def on_stage(vendor: MemoryVendor) -> AsyncIterator[Stage]:
    stage = Stage(vendor)
    stage.session.start()
    try:
        yield stage
    finally:
        await stage.session.aclose()
        assert vendor.open_sessions == 0, "a session was left open"


async def test_speech_made_while_the_vendor_opens_is_said_from_its_first_sample() -> None:
    vendor = MemoryVendor()
    vendor.opens_after_s = 3.0
    async with on_stage(vendor) as stage:
        stage.say(1.0)
        await asyncio.sleep(2.9)
        assert vendor.received == []
        await asyncio.sleep(2.0)
        said = b"".join(c.pcm for c in vendor.commands(Speak))
        assert said == voice(1.0)


async def test_play_out_waits_for_the_last_sample_and_no_longer() -> None:
    async with on_stage(MemoryVendor(Profile(start_delay_s=0.2))) as stage:
        await asyncio.sleep(0.01)
        stage.say(6.0)
        began = stage.now()
        await stage.session.play_out(grace_s=5.0)
        assert stage.now() - began == pytest.approx(6.2, abs=0.05)


async def test_a_cut_in_ends_the_playing_out() -> None:
    async with on_stage(MemoryVendor()) as stage:
        await asyncio.sleep(0.01)
        stage.say(60.0)
        ending = asyncio.create_task(stage.session.play_out(grace_s=5.0))
        await asyncio.sleep(1.0)
        began = stage.now()
        stage.core.interrupt(now=stage.now())
        stage.session.poke()
        await ending
        assert stage.now() - began < 0.01
        assert len(stage.vendor.commands(Interrupt)) == 1


async def test_playing_out_gives_up_on_a_vendor_that_never_says_that_it_is_done() -> None:
    vendor = MemoryVendor()
    vendor.ready_at_once = False
    async with on_stage(vendor) as stage:
        stage.say(1.0)
        await stage.session.play_out(grace_s=5.0)
        assert stage.now() < 7.0


async def test_a_vendor_that_is_never_ready_ends_in_a_typed_error_by_the_deadline() -> None:
    vendor = MemoryVendor()
    vendor.ready_at_once = False
    async with on_stage(vendor) as stage:
        stage.say(1.0)
        await asyncio.sleep(15.2)
        assert [type(e) for e in stage.errors] == [NeverReady]
        assert vendor.open_sessions == 0
        assert vendor.received == []


async def test_a_vendor_that_hangs_while_opening_meets_the_same_deadline() -> None:
    vendor = MemoryVendor()
    vendor.opens_after_s = 60.0
    async with on_stage(vendor) as stage:
        await asyncio.sleep(15.2)
        assert [type(e) for e in stage.errors] == [NeverReady]


async def test_a_refusal_reaches_the_caller_and_leaves_nothing_open() -> None:
    vendor = MemoryVendor()
    vendor.refuses = True
    async with on_stage(vendor) as stage:
        await asyncio.sleep(0.1)
        assert [str(e) for e in stage.errors] == ["memory refused with 401 (bad key)"]
        assert isinstance(stage.errors[0], VendorRefused)


async def test_a_lost_connection_is_told_and_the_session_is_closed() -> None:
    vendor = MemoryVendor()
    async with on_stage(vendor) as stage:
        await asyncio.sleep(0.01)
        stage.say(5.0)
        await asyncio.sleep(1.0)
        vendor.says(GONE)
        await asyncio.sleep(0.5)
        assert [type(e) for e in stage.errors] == [ConnectionLost]
        assert vendor.open_sessions == 0
        assert [r.unheard for r in stage.reports if isinstance(r, Cut)] == [True]
        assert stage.core.quiet


async def test_closing_while_it_opens_leaves_nothing_open() -> None:
    vendor = MemoryVendor()
    vendor.opens_after_s = 1.0
    async with on_stage(vendor):
        await asyncio.sleep(0.5)
    assert vendor.opened == 0


async def test_keep_alive_counts_from_the_last_message() -> None:
    vendor = MemoryVendor(Profile(keep_alive_s=60.0))
    async with on_stage(vendor) as stage:
        await asyncio.sleep(50.0)
        stage.say(0.5)
        await asyncio.sleep(3550.0)
        beats = [at for at, c in vendor.received if isinstance(c, KeepAlive)]
        assert len(beats) == 59
        assert beats[0] == pytest.approx(110.0, abs=1.0)
        assert vendor.commands(EndSpeech)


async def test_a_vendor_that_ends_the_session_has_ended_it() -> None:
    vendor = MemoryVendor()
    async with on_stage(vendor) as stage:
        vendor.says("over")
        await asyncio.sleep(0.5)
        assert [type(e) for e in stage.errors] == [ConnectionLost]


async def test_closing_twice_and_in_a_hurry_still_closes_what_was_opened() -> None:
    vendor = MemoryVendor()
    vendor.closes_after_s = 2.0
    async with on_stage(vendor) as stage:
        await asyncio.sleep(0.01)
        closings = [asyncio.create_task(stage.session.aclose())]
        await asyncio.sleep(0.5)
        closings.append(asyncio.create_task(stage.session.aclose()))
        await asyncio.sleep(0.5)
        closings[0].cancel()
        await asyncio.wait(closings)
        assert vendor.open_sessions == 0


@pytest.mark.parametrize("closes_after_s", [0.1, 60.0])
async def test_a_session_that_cannot_be_closed_is_warned_of_and_ends_without_an_error(
    closes_after_s: float,
) -> None:
    vendor = MemoryVendor()
    vendor.closes_after_s, vendor.keeps_open = closes_after_s, True
    lines: list[str] = []
    sink = logger.add(lines.append, format="{message}")
    async with on_stage(vendor) as stage:
        await asyncio.sleep(0.01)
        await stage.session.aclose()
        assert stage.errors == []
        assert stage.now() < 6.0
        vendor.open_sessions = 0
    logger.remove(sink)
    assert "memory session m1 could not be stopped" in lines[0]
