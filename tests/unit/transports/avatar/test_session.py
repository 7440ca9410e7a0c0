"""A session's life, on a clock that jumps: what is opened is closed, whatever happens."""

from __future__ import annotations

import asyncio

import pytest
from loguru import logger

from tests.unit.transports.avatar.memory_vendor import GONE, MemoryVendor
from tests.unit.transports.avatar.plays import on_stage
from tests.unit.transports.avatar.speaking import voice
from transports.avatar.commands import EndSpeech, Interrupt, KeepAlive, Speak
from transports.avatar.errors import (
    ConnectionLost,
    EndedByVendor,
    Ending,
    NeverReady,
    VendorRefused,
)
from transports.avatar.reports import Cut
from transports.avatar.vendor import Profile

pytestmark = pytest.mark.asyncio


async def test_speech_made_while_the_vendor_opens_is_said_from_its_first_sample() -> None:
    vendor = MemoryVendor()
    vendor.opens_after_s = 3.0
    async with on_stage(vendor) as play:
        play.say(1.0)
        await asyncio.sleep(2.9)
        assert vendor.received == []
        await asyncio.sleep(2.0)
        said = b"".join(c.pcm for c in vendor.commands(Speak))
        assert said == voice(1.0)


async def test_play_out_waits_for_the_last_sample_and_no_longer() -> None:
    async with on_stage(MemoryVendor(Profile(start_delay_s=0.2))) as play:
        await asyncio.sleep(0.01)
        play.say(6.0)
        began = play.now()
        await play.stage.clock.play_out(grace_s=5.0)
        assert play.now() - began == pytest.approx(6.2, abs=0.05)


async def test_a_cut_in_ends_the_playing_out() -> None:
    async with on_stage(MemoryVendor()) as play:
        await asyncio.sleep(0.01)
        play.say(60.0)
        ending = asyncio.create_task(play.stage.clock.play_out(grace_s=5.0))
        await asyncio.sleep(1.0)
        began = play.now()
        play.core.interrupt(now=play.now())
        play.stage.poke()
        await ending
        assert play.now() - began < 0.01
        assert len(play.vendor.commands(Interrupt)) == 1


async def test_playing_out_gives_up_on_a_vendor_that_never_says_that_it_is_done() -> None:
    vendor = MemoryVendor()
    vendor.ready_at_once = False
    async with on_stage(vendor) as play:
        play.say(1.0)
        await play.stage.clock.play_out(grace_s=5.0)
        assert play.now() < 7.0


async def test_a_vendor_that_is_never_ready_ends_in_a_typed_error_by_the_deadline() -> None:
    vendor = MemoryVendor()
    vendor.ready_at_once = False
    async with on_stage(vendor) as play:
        play.say(1.0)
        await asyncio.sleep(15.2)
        assert [type(e) for e in play.errors] == [NeverReady]
        assert vendor.open_sessions == 0
        assert vendor.received == []


async def test_a_vendor_that_hangs_while_opening_meets_the_same_deadline() -> None:
    vendor = MemoryVendor()
    vendor.opens_after_s = 60.0
    async with on_stage(vendor) as play:
        await asyncio.sleep(15.2)
        assert [type(e) for e in play.errors] == [NeverReady]


async def test_a_refusal_reaches_the_caller_and_leaves_nothing_open() -> None:
    vendor = MemoryVendor()
    vendor.refuses = True
    async with on_stage(vendor) as play:
        await asyncio.sleep(0.1)
        assert [str(e) for e in play.errors] == ["memory refused with 401 (bad key)"]
        assert isinstance(play.errors[0], VendorRefused)


async def test_a_lost_connection_is_told_and_the_session_is_closed() -> None:
    vendor = MemoryVendor()
    async with on_stage(vendor) as play:
        await asyncio.sleep(0.01)
        play.say(5.0)
        await asyncio.sleep(1.0)
        vendor.says(GONE)
        await asyncio.sleep(0.5)
        assert [type(e) for e in play.errors] == [ConnectionLost]
        assert vendor.open_sessions == 0
        assert [r.unheard for r in play.reports if isinstance(r, Cut)] == [True]
        assert play.core.quiet


async def test_closing_while_it_opens_leaves_nothing_open() -> None:
    vendor = MemoryVendor()
    vendor.opens_after_s = 1.0
    async with on_stage(vendor):
        await asyncio.sleep(0.5)
    assert vendor.opened == 0


async def test_keep_alive_counts_from_the_last_message() -> None:
    vendor = MemoryVendor(Profile(keep_alive_s=60.0))
    async with on_stage(vendor) as play:
        await asyncio.sleep(50.0)
        play.say(0.5)
        await asyncio.sleep(3550.0)
        beats = [at for at, c in vendor.received if isinstance(c, KeepAlive)]
        assert len(beats) == 59
        assert beats[0] == pytest.approx(110.0, abs=1.0)
        assert vendor.commands(EndSpeech)


async def test_a_vendor_that_ends_the_session_has_ended_it() -> None:
    vendor = MemoryVendor()
    async with on_stage(vendor) as play:
        vendor.says("over")
        await asyncio.sleep(0.5)
        (error,) = play.errors
        assert isinstance(error, EndedByVendor)
        assert error.why is Ending.LIMIT
        assert str(error) == "memory has ended the session: it had lasted as long as it may"


async def test_a_vendor_that_takes_nothing_more_holds_up_no_interrupt() -> None:
    vendor = MemoryVendor()
    async with on_stage(vendor) as play:
        await asyncio.sleep(0.01)
        vendor.reads = [Interrupt]
        for _ in range(3):
            play.say(10.0)
            await asyncio.sleep(2.0)
            play.core.interrupt(now=play.now())
            play.stage.poke()
            await asyncio.sleep(0.001)
        assert len(vendor.commands(Interrupt)) == 3
        vendor.reads = None
        play.say(1.0)
        await asyncio.sleep(0.1)
        assert b"".join(c.pcm for c in vendor.commands(Speak)) == voice(1.0)
        assert play.errors == []


async def test_closing_twice_and_in_a_hurry_still_closes_what_was_opened() -> None:
    vendor = MemoryVendor()
    vendor.closes_after_s = 2.0
    async with on_stage(vendor) as play:
        await asyncio.sleep(0.01)
        closings = [asyncio.create_task(play.stage.aclose())]
        await asyncio.sleep(0.5)
        closings.append(asyncio.create_task(play.stage.aclose()))
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
    async with on_stage(vendor) as play:
        await asyncio.sleep(0.01)
        await play.stage.aclose()
        assert play.errors == []
        assert play.now() < 6.0
        vendor.open_sessions = 0
    logger.remove(sink)
    assert "memory session m1 could not be stopped" in lines[0]
