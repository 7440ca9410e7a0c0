"""Who is heard: the face where somebody watches it, what stands in for it elsewhere."""

from __future__ import annotations

import asyncio

import pytest

from tests.unit.transports.avatar.memory_vendor import GONE, MemoryVendor
from tests.unit.transports.avatar.plays import NoLeg, Play, on_stage
from tests.unit.transports.avatar.speaking import RATE, voice
from transports.avatar.commands import Interrupt, Speak
from transports.avatar.errors import (
    ConnectionLost,
    EndedByVendor,
    Ending,
    NeverReady,
    VendorRefused,
)
from transports.avatar.reports import CarriedBy
from transports.avatar.vendor import Profile

pytestmark = pytest.mark.asyncio


def said(vendor: MemoryVendor) -> bytes:
    return b"".join(c.pcm for c in vendor.commands(Speak) if isinstance(c, Speak))


async def test_who_is_not_known_to_watch_hears_the_stand_in_and_waits_for_nobody() -> None:
    vendor, stand_in = MemoryVendor(), MemoryVendor()
    vendor.opens_after_s = 10.0
    async with on_stage(vendor, stand_in) as play:
        await asyncio.sleep(0.01)
        play.say(1.0)
        await asyncio.sleep(0.01)
        assert said(stand_in) == voice(1.0)
        await asyncio.sleep(12.0)
        play.say(1.0)
        await asyncio.sleep(2.0)
        assert vendor.opened == 1
        assert said(vendor) == b""


async def test_the_face_takes_over_once_it_is_ready_and_watched_whichever_comes_first() -> None:
    for joins_at_s in (0.5, 2.0):
        vendor, stand_in = MemoryVendor(), MemoryVendor()
        vendor.opens_after_s = 1.0
        async with on_stage(vendor, stand_in) as play:
            await asyncio.sleep(joins_at_s)
            play.stage.page_says("avatar-joined", {})
            await asyncio.sleep(2.0)
            play.say(1.0)
            await asyncio.sleep(2.0)
            assert said(vendor) == voice(1.0)
            assert said(stand_in) == b""
            carried = [r for r in play.reports if isinstance(r, CarriedBy)]
            assert [play.stage.is_face(each.leg) for each in carried] == [True]


async def test_who_no_longer_watches_hears_the_rest_from_the_stand_in() -> None:
    vendor, stand_in = MemoryVendor(Profile(start_delay_s=0.2)), MemoryVendor()
    async with on_stage(vendor, stand_in) as play:
        play.stage.page_says("avatar-joined", {})
        await asyncio.sleep(0.01)
        play.say(3.0)
        await asyncio.sleep(1.2)
        play.stage.page_says("avatar-left", {})
        await asyncio.sleep(0.01)
        assert len(vendor.commands(Interrupt)) == 1
        assert said(stand_in) == voice(3.0)[-len(said(stand_in)) :]
        assert len(said(stand_in)) / 2 / RATE == pytest.approx(2.0, abs=0.05)


async def test_the_page_is_told_where_the_face_is_when_it_asks_and_when_it_is_there() -> None:
    for asks_at_s in (0.0, 2.0):
        vendor = MemoryVendor()
        vendor.opens_after_s = 1.0
        vendor.room = {"kind": "livekit", "url": "wss://room.example", "token": "t"}
        async with on_stage(vendor, MemoryVendor()) as play:
            await asyncio.sleep(asks_at_s)
            play.stage.page_says("avatar-watch", {})
            await asyncio.sleep(3.0)
            assert play.shown == [vendor.room]


async def test_nobody_is_told_who_does_not_ask() -> None:
    vendor = MemoryVendor()
    vendor.room = {"kind": "livekit", "url": "wss://room.example", "token": "t"}
    async with on_stage(vendor, MemoryVendor()) as play:
        await asyncio.sleep(1.0)
        assert play.shown == []


async def test_what_nobody_asks_for_is_not_opened_where_it_would_be_paid_for_in_vain() -> None:
    vendor = MemoryVendor()
    async with on_stage(vendor, MemoryVendor(), opens_when_watched=True) as play:
        await asyncio.sleep(60.0)
        assert vendor.opened == 0
        for _ in range(2):
            play.stage.page_says("avatar-watch", {})
        await asyncio.sleep(1.0)
        assert vendor.opened == 1
        play.stage.page_says("avatar-joined", {})
        play.say(1.0)
        await asyncio.sleep(2.0)
        assert said(vendor) == voice(1.0)


@pytest.mark.parametrize("goes_on", [True, False])
async def test_a_face_that_cannot_be_started_ends_the_speech_unless_it_may_go_on(
    goes_on: bool,
) -> None:
    vendor, stand_in = MemoryVendor(), MemoryVendor()
    vendor.opens_after_s, vendor.refuses = 1.0, True
    async with on_stage(vendor, stand_in, goes_on_without=goes_on) as play:
        await asyncio.sleep(0.01)
        play.say(3.0)
        await asyncio.sleep(1.5)
        play.say(1.0)
        await asyncio.sleep(5.0)
        assert [type(e) for e in play.errors] == [VendorRefused]
        assert play.ended is not goes_on
        assert said(stand_in) == (voice(3.0) + voice(1.0) if goes_on else voice(3.0))


async def test_a_face_that_is_never_ready_is_one_that_cannot_be_started() -> None:
    vendor = MemoryVendor()
    vendor.ready_at_once = False
    async with on_stage(vendor, MemoryVendor(), goes_on_without=True) as play:
        await asyncio.sleep(16.0)
        assert [type(e) for e in play.errors] == [NeverReady]
        assert not play.ended
        assert vendor.open_sessions == 0


@pytest.mark.parametrize("goes_on", [None, False])
async def test_a_face_that_is_lost_in_mid_call_ends_the_speech_unless_it_may_go_on(
    goes_on: bool | None,
) -> None:
    vendor = MemoryVendor()
    stand_in = None if goes_on is None else MemoryVendor()  # nobody is there to go on
    async with on_stage(vendor, stand_in, goes_on_without=goes_on is None) as play:
        play.stage.page_says("avatar-joined", {})
        await asyncio.sleep(0.01)
        play.say(5.0)
        await asyncio.sleep(1.0)
        vendor.says(GONE)
        await asyncio.sleep(0.01)
        assert [type(e) for e in play.errors] == [ConnectionLost]
        assert play.ended
        assert play.core.quiet


@pytest.mark.parametrize("how", [GONE, "over"])
async def test_a_face_that_is_lost_is_stood_in_for_from_the_first_sample_that_was_not_heard(
    how: object,
) -> None:
    vendor, stand_in = MemoryVendor(Profile(start_delay_s=0.2)), MemoryVendor()
    async with on_stage(vendor, stand_in, goes_on_without=True) as play:
        play.stage.page_says("avatar-joined", {})
        await asyncio.sleep(0.01)
        play.say(3.0)
        play.say(1.0)
        await asyncio.sleep(1.2)
        vendor.says(how)
        await asyncio.sleep(0.01)
        assert not play.ended
        assert vendor.commands(Interrupt) == [], "nobody is there to be told"
        assert [play.stage.is_face(r.leg) for r in play.reports if isinstance(r, CarriedBy)] == [
            *(True, False)
        ]
        for kind in ("avatar-left", "avatar-joined"):  # what the page says of it is old
            play.stage.page_says(kind, {})
        await asyncio.sleep(4.0)
        assert said(stand_in) == (voice(3.0) + voice(1.0))[-len(said(stand_in)) :]
        assert len(said(stand_in)) / 2 / RATE == pytest.approx(3.0, abs=0.05)
        assert [type(e) for e in play.errors] == [ConnectionLost if how is GONE else EndedByVendor]
        assert await play.stage.face() is None
        assert vendor.open_sessions == 0
        play.say(1.0)
        await asyncio.sleep(2.0)
        assert said(stand_in).endswith(voice(1.0) + voice(1.0))


@pytest.mark.parametrize("confirmed", [False, True])
async def test_a_face_that_is_lost_while_a_cut_in_is_suspected_loses_nothing(
    confirmed: bool,
) -> None:
    vendor, stand_in = MemoryVendor(Profile(start_delay_s=0.2)), MemoryVendor()
    async with on_stage(vendor, stand_in, goes_on_without=True) as play:
        play.stage.page_says("avatar-joined", {})
        await asyncio.sleep(0.01)
        play.core.begin("run", now=play.now())
        play.core.audio(voice(2.0), now=play.now())
        play.stage.poke()
        await asyncio.sleep(1.2)
        play.core.hold(now=play.now())
        play.stage.poke()
        await asyncio.sleep(0.1)
        vendor.says(GONE)
        await asyncio.sleep(0.1)
        play.core.audio(voice(1.0, first=2 * RATE), now=play.now())  # the TTS has not noticed
        play.core.end(now=play.now())
        await asyncio.sleep(0.1)
        assert said(stand_in) == b""
        (play.core.interrupt if confirmed else play.core.resume)(now=play.now())
        play.stage.poke()
        await asyncio.sleep(4.0)
        left = b"" if confirmed else voice(3.0)[-len(said(stand_in)) :]
        assert said(stand_in) == left
        assert len(left) / 2 / RATE == pytest.approx(0.0 if confirmed else 2.0, abs=0.05)


async def test_whoever_waits_for_a_lost_face_is_told_before_the_vendor_has_closed_it() -> None:
    vendor = MemoryVendor()
    vendor.closes_after_s = 4.0
    async with on_stage(vendor) as play:
        await asyncio.sleep(0.01)
        vendor.says(GONE)
        await asyncio.sleep(0.01)
        assert [type(e) for e in play.errors] == [ConnectionLost]
        await asyncio.sleep(4.0)
        assert vendor.open_sessions == 0


async def test_two_that_take_audio_of_different_rates_cannot_stand_in_for_each_other() -> None:
    with pytest.raises(ValueError, match="different rates"):
        async with on_stage(MemoryVendor(), MemoryVendor(Profile(sample_rate=16_000))):
            pass


async def test_who_asks_for_the_face_waits_for_it_and_has_it_opened_once() -> None:
    vendor = MemoryVendor()
    vendor.opens_after_s = 1.0
    async with on_stage(vendor, MemoryVendor(), opens_when_watched=True) as play:
        await asyncio.sleep(5.0)
        assert (vendor.opened, play.stage.is_open) == (0, False)
        first, second = await asyncio.gather(play.stage.face(), play.stage.face())
        assert first is not None
        assert first is second is await play.stage.face()
        assert (vendor.opened, play.stage.is_open, play.shown) == (1, True, [])


async def test_face_that_cannot_be_opened_is_waited_for_no_longer() -> None:
    vendor = MemoryVendor()
    vendor.refuses = True
    async with on_stage(vendor, MemoryVendor(), goes_on_without=True) as play:
        assert await play.stage.face() is None
        assert await play.stage.face() is None


async def test_face_that_is_dismissed_is_closed_and_the_stand_in_goes_on() -> None:
    vendor, stand_in = MemoryVendor(Profile(start_delay_s=0.2)), MemoryVendor()
    async with on_stage(vendor, stand_in) as play:
        play.stage.page_says("avatar-joined", {})
        await asyncio.sleep(0.01)
        play.say(3.0)
        await asyncio.sleep(1.2)
        for _ in range(2):
            await play.stage.dismiss()
            assert vendor.open_sessions == 0
        play.stage.page_says("avatar-joined", {})
        await asyncio.sleep(3.0)
        assert len(said(stand_in)) / 2 / RATE == pytest.approx(2.0, abs=0.05)
        assert await play.stage.face() is None
        assert (vendor.opened, play.errors) == (1, [])


async def test_face_that_is_dismissed_while_it_opens_is_not_left_open() -> None:
    vendor = MemoryVendor()
    vendor.opens_after_s = 1.0
    async with on_stage(vendor, MemoryVendor()) as play:
        asks = asyncio.create_task(play.stage.face())
        await asyncio.sleep(0.5)
        await play.stage.dismiss()
        assert await asks is None
        assert vendor.open_sessions == 0


async def test_face_that_is_asked_for_before_all_begins_is_opened_once() -> None:
    vendor = MemoryVendor()
    play = Play(vendor, MemoryVendor(), opens_when_watched=True)
    asks = asyncio.create_task(play.stage.face())
    await asyncio.sleep(0.5)
    assert vendor.opened == 0
    play.stage.start(NoLeg())
    assert await asks is not None
    assert vendor.opened == 1
    await play.stage.aclose()
    assert vendor.open_sessions == 0


async def test_face_whose_time_is_over_is_stood_in_for_although_nobody_says_so() -> None:
    vendor, stand_in = MemoryVendor(), MemoryVendor()
    vendor.limit_s = 60.0
    async with on_stage(vendor, stand_in, goes_on_without=True) as play:
        await asyncio.sleep(0.01)
        play.stage.page_says("avatar-joined", {})
        await asyncio.sleep(59.0)
        play.say(5.0)
        await asyncio.sleep(0.5)
        assert play.errors == []
        await asyncio.sleep(1.0)
        (error,) = play.errors
        assert isinstance(error, EndedByVendor)
        assert error.why is Ending.LIMIT
        assert not play.ended
        assert vendor.open_sessions == 0
        assert said(stand_in)
