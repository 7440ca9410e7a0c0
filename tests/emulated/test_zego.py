"""ZEGO's digital human at its emulator: what the contract does not ask of every vendor."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from loguru import logger
from pipecat.frames.frames import (
    ErrorFrame,
    LLMFullResponseEndFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
)

import faces
import settings
from tests.emulated.contract.stage import all_heard, pieces, running, stream, voice
from tests.emulated.contract.vendors import ZEGO, ZEGO_SILENT, Row
from tests.emulated.contract.zego import zego, zego_vendor
from transports.avatar import (
    AvatarError,
    AvatarNotFound,
    CertificateRefused,
    ClockOff,
    EndedByVendor,
    Ending,
    KeyRefused,
    NotStarted,
    Opened,
    TooManySessions,
    UnexpectedReply,
    trust,
)
from transports.avatar.journal import Journal
from transports.avatar.trust import Trust
from transports.zego import ZegoVendor, drives
from transports.zego.drives import WATCH_S
from transports.zego.vendor import LOOKS_S

pytestmark = pytest.mark.asyncio

CREATE, RESERVE, INTERRUPT, STOP, QUERY = (
    "CreateDigitalHumanStreamTask",
    "DriveByWsStream",
    "InterruptDriveTask",
    "StopDigitalHumanStreamTask",
    "QueryDigitalHumanStreamTasks",
)
SOON = {"connected_delay_ms": 5, "start_spread_ms": 0, "jitter_ms": 0}


def calls(side: Any, name: str) -> list[Any]:
    return [each for each in side.record.calls if each.name == name]


async def first_audio_s(side: Any, count: int) -> float:
    """When the first audio of the drive of this number came."""
    await side.until(lambda: len(starts(side)) >= count and len(side.received("pcm")) > 0)
    start = starts(side)[count - 1]

    def audio() -> list[float]:
        return [each.at for each in side.received("pcm") if each.event_id == start.event_id]

    await side.until(audio)
    return audio()[0]


def starts(side: Any) -> list[Any]:
    return side.received("Start")


# Reservations


@pytest.mark.parametrize(
    "habit", [{"cut_on": "start"}, {"cut_on": "reserve"}, {"reserve_while_driven": "refuse"}]
)
async def test_an_answer_waits_for_no_round_trip_and_each_has_a_drive_of_its_own(
    tmp_path: Path, habit: dict[str, str]
) -> None:
    waits: list[float] = []
    async with running(ZEGO, tmp_path, rest_latency_ms=200, **habit, **SOON) as (bot, side):
        await side.until(lambda: side.record.connections)
        await asyncio.sleep(0.5)  # a person who thinks; nothing is waited for
        for number in range(8):
            pcm = voice(0.1, number)
            asked = asyncio.get_running_loop().time()
            await bot.say(pcm)
            waits.append(await first_audio_s(side, number + 1) - asked)
            await bot.has_said(number + 1)
            await asyncio.sleep(0.3)
        assert not any(each.cut for each in side.heard())
        assert stream(side) == b"".join(voice(0.1, number) for number in range(8))
        assert len({each.event_id for each in starts(side)}) == 8
        assert len(side.record.connections) == 1
    logger.info(f"first audio, in ms: {[round(1e3 * each, 1) for each in waits]}")
    assert median(waits) < 0.05


@pytest.mark.parametrize("early_is", ["take", "refuse"])
async def test_reserved_early_the_next_sentence_waits_for_no_round_trip_where_that_is_taken(
    tmp_path: Path, early_is: str
) -> None:
    habit = {"reserve_while_driven": early_is}
    gaps: dict[bool, float] = {}
    for early in (False, True):
        row = reserving(early)
        async with running(row, tmp_path, rest_latency_ms=300, **habit, **SOON) as (bot, side):
            await side.until(lambda: side.record.connections)
            await bot.say(voice(0.6, 1), voice(0.6, 2))
            await bot.has_said()
            await all_heard(side)
            assert stream(side) == voice(0.6, 1) + voice(0.6, 2)
            first, second = side.heard()
            gaps[early] = second.segments[0].at - first.segments[-1].at - 0.6
    assert gaps[False] > 0.3
    assert (gaps[True] < 0.3) == (early_is == "take")


def reserving(early: bool) -> Any:
    return replace(ZEGO, vendor=partial(zego_vendor, reserves_early=early))


async def test_an_interrupt_that_is_not_answered_holds_the_next_answer_up_for_half_a_second(
    tmp_path: Path,
) -> None:
    async with running(ZEGO, tmp_path, **SOON) as (bot, side):
        await bot.say(voice(2.0, 1))
        await side.hears(0.3)
        side.fail(INTERRUPT, status=None, delay_s=3.0)
        await bot.cut_in()
        cut = asyncio.get_running_loop().time()
        await bot.say(voice(0.3, 2))
        waited = await first_audio_s(side, 2) - cut
        assert 0.4 < waited < 0.9
        await bot.has_said()
        await all_heard(side)
        assert [each.cut for each in side.heard()] == [True, False]
        assert side.heard()[1].audio == voice(0.3, 2)


async def test_an_interrupt_is_repeated_where_it_was_certainly_not_carried_out(
    tmp_path: Path,
) -> None:
    async with running(ZEGO, tmp_path, **SOON) as (bot, side):
        await bot.say(voice(3.0, 1))
        await side.hears(0.3)
        side.fail(INTERRUPT, status=200, code=400010009)
        await bot.cut_in()
        await side.until(side.interruptions)
        assert len(side.interruptions()) == 1
        assert len(calls(side, INTERRUPT)) == 2


async def test_reservations_that_go_wrong_for_a_while_delay_speech_and_lose_none(
    tmp_path: Path,
) -> None:
    async with running(ZEGO, tmp_path, **SOON) as (bot, side):
        await side.until(lambda: side.record.connections)
        await bot.say(voice(0.3, 1))
        for code in (400010009, 400000006, 400010002, 400010000):
            side.fail(RESERVE, status=200, code=code)
        await bot.say(voice(0.3, 2))
        await bot.has_said(2)
        await all_heard(side)
        assert stream(side) == voice(0.3, 1) + voice(0.3, 2)
        assert bot.before.frames(ErrorFrame) == []


async def test_a_voice_that_stops_for_so_long_that_its_drive_ends_goes_on_with_another(
    tmp_path: Path,
) -> None:
    pcm = voice(1.0)
    half = len(pcm) // 2
    async with running(ZEGO, tmp_path, stall_end_s=0.5, **SOON) as (bot, side):
        await bot.push(TTSStartedFrame(), *pieces(pcm[:half]))
        await side.until(lambda: any(each.kind == "4/4" for each in side.record.sent))
        await side.until(lambda: any(each.status == 200 for each in side.news.deliveries[3:]))
        await bot.push(*pieces(pcm[half:]))
        await side.until(lambda: len(starts(side)) == 2)
        await side.hears(1.0 - 1e-6)
        assert stream(side) == pcm


async def test_speech_that_somebody_else_cuts_goes_on_from_where_it_was(tmp_path: Path) -> None:
    async with running(ZEGO, tmp_path, interrupted_status=5, **SOON) as (bot, side):
        await side.until(lambda: side.record.connections)
        await bot.say(voice(2.0))
        await side.hears(0.8)
        side.session().interrupt()
        await bot.has_said()
        first, second = side.heard()
        assert first.audio == voice(2.0)[: len(first.audio)]
        assert second.audio == voice(2.0)[-len(second.audio) :]
        heard_s = (len(first.audio) + len(second.audio)) / 48_000
        assert heard_s == pytest.approx(2.0, abs=0.15)


@pytest.mark.parametrize("row", [ZEGO, ZEGO_SILENT], ids=lambda row: row.name)
@pytest.mark.parametrize("seconds", [0.3, 2.0])
async def test_an_answer_that_crosses_with_a_close_of_its_connection_is_heard_once(
    tmp_path: Path, row: Row, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drives, "SHORT_LIVED_S", 0.2)
    first, second = voice(0.3, 1), voice(seconds, 2)
    async with running(row, tmp_path, start_crosses_s=0.5, **SOON) as (bot, side):
        await bot.say(first)
        await bot.has_said()
        await asyncio.sleep(0.6)  # a person who thinks
        await bot.say(second)
        await side.until(lambda: side.received("crossed"))
        await bot.has_said(2)
        await all_heard(side)
        assert stream(side) == first + second
        assert not any(each.cut for each in side.heard())
        assert len(calls(side, RESERVE)) <= 4
        assert bot.before.frames(ErrorFrame) == []


async def test_a_cut_drops_an_answer_that_crosses_with_a_close(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drives, "SHORT_LIVED_S", 0.2)
    async with running(ZEGO, tmp_path, start_crosses_s=0.5, **SOON) as (bot, side):
        await side.until(lambda: side.record.connections)
        await asyncio.sleep(0.6)
        await bot.say(voice(2.0, 1))
        await side.until(lambda: side.received("crossed"))
        await bot.cut_in()
        await bot.say(voice(0.5, 2))
        await bot.has_said()
        await all_heard(side)
        assert stream(side) == voice(0.5, 2)
        assert len(side.interruptions()) <= 1


async def test_a_task_that_ends_in_silence_is_an_error_before_its_answer_was_all_heard(
    tmp_path: Path,
) -> None:
    async with running(ZEGO_SILENT, tmp_path, end_closes=False, **SOON) as (bot, side):
        await bot.say(voice(20.0))
        await side.hears(0.3)
        side.session().end("TTL")
        error = await bot.error(within_s=WATCH_S + 2.0)
        assert isinstance(error, EndedByVendor)
        assert error.why is Ending.UNKNOWN
        assert bot.after.frames(LLMFullResponseEndFrame) == []


async def test_a_task_that_has_lasted_as_long_as_it_was_asked_for_is_told_as_such(
    tmp_path: Path,
) -> None:
    short = replace(ZEGO, vendor=partial(zego_vendor, max_session_s=10))
    async with running(short, tmp_path, **SOON) as (bot, _):
        error = await bot.error(within_s=10.0 + WATCH_S)
        assert isinstance(error, EndedByVendor)
        assert error.why is Ending.LIMIT


# What is told


async def test_a_page_that_relays_the_room_moves_the_playhead_and_one_that_lies_harms_nobody(
    tmp_path: Path,
) -> None:
    async with running(ZEGO_SILENT, tmp_path, **SOON) as (bot, side):
        lies: list[Any] = [
            {},
            {"drive_id": None, "status": 4},
            {"drive_id": "unknown", "status": 4},
            {"drive_id": "x" * 10_000, "status": 2},
            {"drive_id": "d", "status": "4"},
            {"drive_id": "d", "status": True},
            {"drive_id": "d", "status": 10**400},
        ]

        def relay(message: Any) -> None:
            for lie in lies:
                bot.transport.page_says("avatar-drive", lie)
            data = json.loads(message.content)["Data"]
            said = {"drive_id": data["DriveId"], "status": data["Status"]}
            bot.transport.page_says("avatar-drive", said)

        side.news.listeners.append(relay)
        for number in range(3):
            await bot.say(voice(0.6, number))
            await bot.has_said(number + 1)
        await all_heard(side)
        assert stream(side) == b"".join(voice(0.6, number) for number in range(3))
        assert not any(each.cut for each in side.heard())
        assert bot.before.frames(ErrorFrame) == []


async def test_a_page_that_says_that_a_drive_is_over_causes_no_calls(tmp_path: Path) -> None:
    async with running(ZEGO_SILENT, tmp_path, **SOON) as (bot, side):
        await bot.push(TTSStartedFrame(), *pieces(voice(0.5)))
        await side.until(lambda: starts(side))
        reserved = len(calls(side, RESERVE))
        for _ in range(50):
            drive = starts(side)[-1].event_id
            bot.transport.page_says("avatar-drive", {"drive_id": drive, "status": 4})
            await bot.push(TTSAudioRawFrame(voice(0.02), 24_000, 1))
        await side.hears(1.0)
        assert len(starts(side)) == 1
        assert len(calls(side, RESERVE)) == reserved


# Secrets


async def test_no_log_at_any_level_has_what_opens_anything(tmp_path: Path) -> None:
    lines: list[str] = []
    sink = logger.add(lines.append, level="TRACE", format="{message} {extra}\n{exception}")
    logging.getLogger().setLevel(logging.DEBUG)
    handler = Lines(lines)
    logging.getLogger().addHandler(handler)
    try:
        async with running(ZEGO, tmp_path, **SOON) as (bot, side):
            token = bot.vendor.viewer(Opened("avatarbot-1"))["token"]
            await bot.say(voice(0.5, 1))
            await side.hears(0.2)
            await bot.cut_in()
            side.fail(RESERVE, status=503, body="SECRET-body")
            await bot.say(voice(0.3, 2))
            await all_heard(side)
            ports = {side.url.rpartition(":")[2], side.drive_address.rpartition(":")[2]}
    finally:
        logger.remove(sink)
        logging.getLogger().removeHandler(handler)
        logging.getLogger().setLevel(logging.WARNING)
    assert lines
    ours = [line for line in lines if "aiohttp.access" not in line]
    for secret in (token, "Signature", "Token=", "SECRET-", *(f":{port}/" for port in ports)):
        assert not [line for line in ours if secret in line], secret


class Lines(logging.Handler):
    """What is logged by the standard library's means."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(f"{record.name} {record.getMessage()}")


# Errors


@asynccontextmanager
async def opening(folder: Path, **knobs: Any) -> AsyncIterator[tuple[Any, ZegoVendor]]:
    async with zego(**SOON | knobs) as side:
        yield side, zego_vendor(side, folder)


async def dialled(vendor: ZegoVendor) -> None:
    """Opens, dials and closes."""
    opened = await vendor.open()
    try:
        async with vendor.dial(opened):
            pass
    finally:
        await vendor.close(opened)


@pytest.mark.parametrize(
    ("call", "code", "error"),
    [
        (CREATE, 100000004, ClockOff),
        (CREATE, 100000005, KeyRefused),
        (CREATE, 400000003, AvatarNotFound),
        (CREATE, 400000008, TooManySessions),
        ("GetDigitalHumanStreamTaskStatus", 400000005, NotStarted),
    ],
)
async def test_a_refusal_is_an_error_of_its_kind_and_leaves_nothing(
    tmp_path: Path, call: str, code: int, error: type[AvatarError]
) -> None:
    async with opening(tmp_path) as (side, vendor):
        side.fail(call, status=200, code=code)
        with pytest.raises(error):
            await dialled(vendor)
        assert side.running() == []
    assert await Journal(tmp_path).entries() == []


async def test_who_is_refused_leaves_nothing_noted_and_asks_no_more(tmp_path: Path) -> None:
    async with zego(**SOON) as side:
        side.turn(server_secret="another-secret-of-25-char")
        vendor = zego_vendor(side, tmp_path)
        side.turn(server_secret="zego-server-secret-012345")
        with pytest.raises(KeyRefused):
            await vendor.open()
        side.turn(concurrency_limit=1)
        first = zego_vendor(side, tmp_path)
        opened = await first.open()
        with pytest.raises(TooManySessions):
            await zego_vendor(side, tmp_path).open()
        assert [entry.session for entry in await Journal(tmp_path).entries()] == [opened.id]
        await first.close(opened)
        assert calls(side, QUERY) == []


async def test_a_task_that_cannot_start_is_an_error_without_the_vendors_words(
    tmp_path: Path,
) -> None:
    async with opening(tmp_path, fail_reason="SECRET-reason") as (_, vendor):
        with pytest.raises(NotStarted) as failed:
            await dialled(vendor)
        assert "SECRET-" not in str(failed.value)
    assert await Journal(tmp_path).entries() == []


async def test_a_name_that_is_taken_is_followed_by_another_once(tmp_path: Path) -> None:
    async with opening(tmp_path) as (side, vendor):
        side.fail(CREATE, status=200, code=400000015)
        await dialled(vendor)
        first, second = (each.body["RTCConfig"] for each in calls(side, CREATE))
        assert first["RoomId"] == first["StreamId"] != second["StreamId"] == second["RoomId"]
        side.fail(CREATE, status=200, code=400000015, times=2)
        with pytest.raises(AvatarError):
            await dialled(vendor)
        assert len(calls(side, CREATE)) == 4
    assert await Journal(tmp_path).entries() == []


async def test_the_vendor_is_asked_for_the_limits_of_the_conversation(tmp_path: Path) -> None:
    async with zego(**SOON) as side:
        await dialled(zego_vendor(side, tmp_path, max_session_s=123, max_idle_s=45))
        (made,) = calls(side, CREATE)
        assert (made.body["TTL"], made.body["MaxIdleTime"]) == (123, 45)


async def test_a_task_may_be_silent_for_as_long_as_its_conversation_lasts(tmp_path: Path) -> None:
    async with zego(**SOON) as side:
        config = settings.load(
            {
                "AVATAR": "zego",
                "AVATAR_JOURNAL": "off",
                "MAX_SESSION_SECONDS": "1000",
                "ZEGO_APP_ID": str(side.knobs.app_id),
                "ZEGO_SERVER_SECRET": side.server_secret,
                "ZEGO_DIGITAL_HUMAN_API_URL": side.url,
            },
            dotenv=None,
        )
        vendor = faces.vendor(config)
        await vendor.close(await vendor.open())
        (made,) = calls(side, CREATE)
        assert made.body["TTL"] == made.body["MaxIdleTime"] >= 1_000


async def test_only_the_task_that_has_our_name_twice_is_stopped(tmp_path: Path) -> None:
    async with zego(**SOON) as side:
        ours, others = (zego_vendor(side, tmp_path / each) for each in ("a", "b"))
        mine, theirs = await ours.open(), await others.open()
        assert sorted(await ours.active_sessions()) == sorted([mine.id, theirs.id])
        stranger = zego_vendor(side, tmp_path / "c")
        await stranger.stop(mine.id)  # as the next start does: by name
        (left,) = side.running()
        assert left.terms.stream == theirs.id
        await stranger.stop("avatarbot-" + "0" * 32)
        assert len(calls(side, STOP)) == 1
        await ours.close(mine)
        await others.close(theirs)


ODD_LISTS: list[Any] = [None, [], {}, {"TaskList": None}, {"TaskList": {}}, {"TaskList": [None]}]
ODD_LISTS += [{"TaskList": [{"TaskId": "t", "RoomId": "r"}]}, {"TaskList": [{"StreamId": 5}]}]


async def test_what_an_odd_list_does_not_name_is_not_taken_for_gone(tmp_path: Path) -> None:
    async with zego(**SOON) as side:
        ours = zego_vendor(side, tmp_path / "a")
        opened = await ours.open()
        stranger = zego_vendor(side, tmp_path / "b")  # as after a kill
        for data in ODD_LISTS:
            reply = {"Code": 0, "Message": "success", "RequestId": "1", "Data": data}
            side.fail(QUERY, status=200, body=reply, times=len(LOOKS_S))
            with pytest.raises(UnexpectedReply):
                await stranger.stop(opened.id)
            side.faults.clear()
        (task,) = side.running()
        named = {"TaskId": task.id, "RoomId": opened.id, "StreamId": opened.id}
        reply["Data"] = {"TaskList": [{"TaskId": "of others"}, None, named]}
        side.fail(QUERY, status=200, body=reply)
        await stranger.stop(opened.id)
        assert len(calls(side, STOP)) == 1
        await ours.close(opened)


# Who answers


@pytest.fixture
def fresh_trust(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Nothing was warned of, and what is."""
    monkeypatch.setattr(trust, "_warned", set())
    warnings: list[str] = []
    logger.add(warnings.append, level="WARNING", format="{message}")
    return warnings


async def test_a_certificate_that_cannot_be_verified_is_refused_before_anything_is_said(
    tmp_path: Path,
) -> None:
    async with zego(drive_tls=True, **SOON) as side:
        with pytest.raises(CertificateRefused) as refused:
            await dialled(zego_vendor(side, tmp_path))
        assert side.record.connections == []
        assert "SECRET-" not in repr(refused.value)


async def test_a_certificate_that_is_pinned_must_stay(
    tmp_path: Path, fresh_trust: list[str]
) -> None:
    async with zego(drive_tls=True, **SOON) as side:
        for _ in range(3):
            await dialled(zego_vendor(side, tmp_path, drive_trust=Trust.PIN))
        assert len(side.record.connections) == 3
        assert json.loads((tmp_path / "certificates.json").read_text()) == {
            "127.0.0.1": side.certificate.fingerprint()
        }
        side.certificate.renew()
        with pytest.raises(CertificateRefused) as refused:
            await dialled(zego_vendor(side, tmp_path, drive_trust=Trust.PIN))
        assert refused.value.changed
        assert len(side.record.connections) == 3, "it was told nothing"
    (warning,) = [each for each in fresh_trust if "not verified" in each]
    assert "at the first time" in warning


async def test_pins_that_were_spoilt_are_not_made_anew(tmp_path: Path) -> None:
    async with zego(drive_tls=True, **SOON) as side:
        await dialled(zego_vendor(side, tmp_path, drive_trust=Trust.PIN))
        (tmp_path / "certificates.json").write_text("[]")
        with pytest.raises(CertificateRefused):
            await dialled(zego_vendor(side, tmp_path, drive_trust=Trust.PIN))


async def test_anyone_is_believed_only_where_that_is_asked_for(
    tmp_path: Path, fresh_trust: list[str]
) -> None:
    async with zego(drive_tls=True, **SOON) as side:
        for _ in range(2):
            await dialled(zego_vendor(side, tmp_path, drive_trust=Trust.OFF))
            side.certificate.renew()
        assert len(side.record.connections) == 2
    assert len([each for each in fresh_trust if "not verified" in each]) == 1


async def test_a_certificate_that_an_authority_vouches_for_is_verified_and_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with zego(drive_tls=True, **SOON) as side:
        authority = tmp_path / "authority.pem"
        authority.write_bytes(side.certificate.pem)
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        trust.verifying.cache_clear()
        try:
            folder = tmp_path / "journal"
            await dialled(zego_vendor(side, folder))
        finally:
            trust.verifying.cache_clear()
        assert len(side.record.connections) == 1
        monkeypatch.delenv("SSL_CERT_FILE")
        await dialled(zego_vendor(side, folder, drive_trust=Trust.PIN))  # it is the same
        side.certificate.renew()
        with pytest.raises(CertificateRefused) as refused:  # nobody vouches for this one
            await dialled(zego_vendor(side, folder, drive_trust=Trust.PIN))
        assert refused.value.changed


# Many


async def test_twenty_sessions_of_one_project_stay_below_its_limit(tmp_path: Path) -> None:
    async with zego(concurrency_limit=0, rate_limit=0, **SOON) as side:

        async def session() -> None:
            await dialled(zego_vendor(side, tmp_path))

        await asyncio.gather(*(session() for _ in range(20)))
        names = {each.name for each in side.record.calls}
        assert {CREATE, RESERVE, STOP} <= names
        assert max(side.most_in_a_second(name) for name in names) <= 10
        assert side.running() == []


async def test_the_page_gets_a_token_of_its_own_each_time(tmp_path: Path) -> None:
    vendor = ZegoVendor(app_id=1, server_secret="s" * 32, journal=Journal(tmp_path))
    first, second = (vendor.viewer(Opened("avatarbot-1")) for _ in range(2))
    assert first["token"] != second["token"]
    assert {**first, "token": ""} == {**second, "token": ""}
    assert set(first) == {"kind", "app_id", "server", "room", "stream", "user", "token"}
    assert all(isinstance(each, str) for each in first.values())
    assert first["server"] == "wss://webliveroom1-api.zego.im/ws"
