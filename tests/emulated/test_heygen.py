"""HeyGen over real sockets: what it is told, and that what was opened is closed."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
import sys
from base64 import b64decode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import IPPROTO_TCP, TCP_NODELAY
from typing import Any

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.emulated.standins.heygen import GONE, HANG, Answer, HeyGenStandIn, heygen
from tests.unit.transports.avatar.plays import NoLeg
from transports.avatar import (
    AvatarError,
    AvatarNotFound,
    CertificateRefused,
    ConnectionLost,
    EndedByVendor,
    JournalUnusable,
    KeyRefused,
    NeverReady,
    NoCredits,
    RateLimited,
    Socket,
    TooManySessions,
    UnexpectedReply,
    VendorRefused,
    VendorUnreachable,
    trust,
)
from transports.avatar.dial import UNACKNOWLEDGED_S
from transports.avatar.journal import Journal
from transports.avatar.reports import Report, SpeakingStarted, SpeakingStopped
from transports.avatar.stage import Stage
from transports.heygen import AlphaVendor, InteractiveVendor, LiveAvatarVendor, LiveKitRoom
from transports.heygen.vendor import FASTEST, HeyGenVendor

pytestmark = pytest.mark.asyncio

DEADLINE_S = 5.0
KEY = "SECRET-key"
TOKEN, START, STOP = (f"/v1/sessions/{each}" for each in ("token", "start", "stop"))
NEW, BEGIN, END = (f"/v1/streaming.{each}" for each in ("new", "start", "stop"))
ROOT = Path(__file__).parents[2]

OPENS = """
import asyncio
from pathlib import Path
from transports.avatar.journal import Journal
from transports.heygen import {make}

async def main():
    journal = Journal(Path({folder!r}))
    vendor = {make}(api_key="SECRET-key", api_url={url!r}, journal=journal)
    async with vendor.dial(await vendor.open()) as socket:
        async for _ in socket:
            pass

asyncio.run(main())
"""
Make = Callable[..., HeyGenVendor]
ALL = [LiveAvatarVendor, InteractiveVendor, AlphaVendor]
FIRST = {LiveAvatarVendor: TOKEN, InteractiveVendor: NEW, AlphaVendor: NEW}
SECOND = {LiveAvatarVendor: START, InteractiveVendor: BEGIN, AlphaVendor: BEGIN}
LAST = {LiveAvatarVendor: STOP, InteractiveVendor: END, AlphaVendor: END}


@pytest.fixture(autouse=True)
def everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The watch over the logs then sees what libraries say, too."""
    caplog.set_level(logging.DEBUG)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "state")


class Conversation:
    """A session at the stand-in, and what came of it."""

    def __init__(self, vendor: HeyGenVendor, ready_timeout_s: float) -> None:
        self.reports: list[Report] = []
        self.errors: list[AvatarError] = []
        self.over = asyncio.Event()
        self.reported = asyncio.Condition()
        self.session = Stage(
            vendor,
            None,
            goes_on_without=False,
            opens_when_watched=False,
            ready_timeout_s=ready_timeout_s,
            deliver=self._deliver,
            opened=lambda session: None,
            show=lambda viewer: None,
            failed=self._failed,
        )
        self.core = self.session.core
        self.session.start(NoLeg())

    async def _deliver(self, reports: list[Report]) -> None:
        self.reports += reports
        async with self.reported:
            self.reported.notify_all()

    async def _failed(self, error: AvatarError, ends: bool) -> None:
        assert ends
        self.errors.append(error)
        self.over.set()

    async def error(self) -> AvatarError:
        async with asyncio.timeout(DEADLINE_S):
            await self.over.wait()
        return self.errors[0]

    async def until(self, kind: type[Report]) -> None:
        async with asyncio.timeout(DEADLINE_S), self.reported:
            await self.reported.wait_for(lambda: any(isinstance(r, kind) for r in self.reports))

    @staticmethod
    def now() -> float:
        return asyncio.get_running_loop().time()

    def say(self, pcm: bytes) -> None:
        self.core.begin("run", now=self.now())
        self.core.audio(pcm, now=self.now())
        self.core.end(now=self.now())
        self.session.poke()

    def cut_in(self) -> None:
        self.core.interrupt(now=self.now())
        self.session.poke()


@asynccontextmanager
async def talking(
    vendor: HeyGenVendor, *, ready_timeout_s: float = 15.0
) -> AsyncIterator[Conversation]:
    conversation = Conversation(vendor, ready_timeout_s)
    try:
        yield conversation
    finally:
        async with asyncio.timeout(15):
            await conversation.session.aclose()


@asynccontextmanager
async def at_heygen(
    make: Make, journal: Journal, **more: Any
) -> AsyncIterator[tuple[HeyGenStandIn, HeyGenVendor]]:
    """And afterwards nothing runs and nothing is noted, unless a test looked at that itself."""
    async with heygen() as (stand_in, url):
        yield stand_in, make(api_key=KEY, api_url=url, journal=journal, **more)
        assert stand_in.running == set(), "a session was left running"


def noise(seconds: float) -> bytes:
    samples = np.random.default_rng(7).integers(-30_000, 30_000, round(seconds * 24_000))
    return samples.astype("<i2").tobytes()


def audio(stand_in: HeyGenStandIn) -> bytes:
    spoken = ("agent.speak", "agent.audio_buffer_append")
    return b"".join(b64decode(m["audio"]) for m in stand_in.messages if m["type"] in spoken)


# A conversation


@pytest.mark.parametrize("make", ALL)
async def test_it_opens_speaks_falls_silent_and_closes(make: Make, journal: Journal) -> None:
    pcm = noise(6.0)
    async with at_heygen(make, journal) as (stand_in, vendor), talking(vendor) as conversation:
        conversation.say(pcm)
        last = "agent.audio_buffer_commit" if make is AlphaVendor else "agent.speak_end"
        await stand_in.until(lambda: len(audio(stand_in)) == len(pcm) and last in stand_in.kinds())
        assert audio(stand_in) == pcm
        conversation.cut_in()
        await stand_in.until(lambda: "agent.interrupt" in stand_in.kinds())
        sent = len(stand_in.messages)
        assert sent < 30, "messages are few"
        assert max(len(json.dumps(message)) for message in stand_in.messages) < 70_000
        assert all(message["event_id"] for message in stand_in.messages)
        (entry,) = await journal.entries()
        assert entry.session == "s1"
        await conversation.session.aclose()
        assert conversation.errors == []
        assert await journal.entries() == []
        assert stand_in.paths()[-1] == LAST[make]
        assert stand_in.kinds().count("agent.interrupt") == 1


@pytest.mark.parametrize("make", ALL)
async def test_compression_is_not_even_offered(make: Make, journal: Journal) -> None:
    async with at_heygen(make, journal) as (stand_in, vendor), talking(vendor):
        await stand_in.until(lambda: bool(stand_in.upgrades))
        assert "Sec-WebSocket-Extensions" not in stand_in.upgrades[0]


async def test_what_liveavatar_is_asked_for(journal: Journal) -> None:
    room = LiveKitRoom("wss://mine.example", "room-1", "SECRET-room")
    settings = {"avatar_id": "a1", "sandbox": True, "max_session_s": 600, "room": room}
    async with at_heygen(LiveAvatarVendor, journal, **settings) as (stand_in, vendor):
        opened = await vendor.open()
        await vendor.close(opened)
        token, start, stop = stand_in.calls
        assert token.body == {
            "mode": "LITE",
            "avatar_id": "a1",
            "is_sandbox": True,
            "video_settings": {"quality": "high", "encoding": "H264"},
            "max_session_duration": 600,
            "livekit_config": {
                "livekit_url": "wss://mine.example",
                "livekit_room": "room-1",
                "livekit_client_token": "SECRET-room",
            },
        }
        assert token.headers["X-Api-Key"] == KEY
        assert start.headers["Authorization"] == "Bearer SECRET-jwt s1"
        assert "X-Api-Key" not in start.headers
        assert stop.body == {"session_id": "s1", "reason": "USER_CLOSED"}
        assert stop.headers["X-Api-Key"] == KEY
        assert opened.secrets["livekit_client_token"] == "SECRET-client"
        assert "SECRET-" not in repr(opened) + repr(room)


async def test_what_interactive_avatar_is_asked_for(journal: Journal) -> None:
    async with at_heygen(InteractiveVendor, journal, avatar_id="a1") as (stand_in, vendor):
        await vendor.close(await vendor.open())
        assert stand_in.calls[0].body == {
            "version": "v2",
            "quality": "high",
            "video_encoding": "H264",
            "activity_idle_timeout": 30,
            "avatar_id": "a1",
        }
        assert [call.body for call in stand_in.calls[1:]] == [{"session_id": "s1"}] * 2
        assert vendor.profile.keep_alive_s == 10
    for seconds in (29, 3_601):
        with pytest.raises(ValueError, match="30 to 3600"):
            InteractiveVendor(api_key=KEY, idle_limit_s=seconds)


@pytest.mark.parametrize(
    ("make", "path", "limit"),
    [
        (LiveAvatarVendor, "/v1/sessions/start", {"max_session_duration": 7_200}),
        (InteractiveVendor, "/v1/streaming.new", {"session_duration_limit": 7_200}),
    ],
)
async def test_limit_that_the_vendor_tells_is_noted(
    journal: Journal, make: Make, path: str, limit: dict[str, int]
) -> None:
    async with at_heygen(make, journal) as (stand_in, vendor):
        address = {"ws_url": "ws://127.0.0.1:1/", "realtime_endpoint": "ws://127.0.0.1:1/"}
        stand_in.answer(path, Answer(data={"session_id": "s1"} | address | limit))
        opened = await vendor.open()
        (entry,) = await journal.entries()
        assert entry.until == pytest.approx(entry.opened_at + 7_200, abs=5)
        stand_in.running.add(opened.id)
        await vendor.close(opened)


async def test_nothing_is_said_before_the_server_is_connected(journal: Journal) -> None:
    async with at_heygen(LiveAvatarVendor, journal, profile=FASTEST) as (stand_in, vendor):
        stand_in.greets = False
        async with talking(vendor) as conversation:
            conversation.say(noise(0.5))
            await stand_in.until(lambda: bool(stand_in.sockets))
            await stand_in.say_raw("this is not JSON")
            await stand_in.say_raw(b"\0\1")
            await stand_in.say("agent.something_new", state=[1])
            assert stand_in.messages == []
            await stand_in.say("session.state_updated", state="connected")
            await stand_in.until(lambda: "agent.speak_end" in stand_in.kinds())
            assert audio(stand_in) == noise(0.5)
            assert conversation.errors == []


@pytest.mark.parametrize("dialect", ["S", "T", "states"])
async def test_the_bot_speaks_while_the_server_says_so(journal: Journal, dialect: str) -> None:
    async with (
        at_heygen(LiveAvatarVendor, journal) as (stand_in, vendor),
        talking(vendor) as conversation,
    ):
        conversation.say(noise(0.3))
        await stand_in.until(lambda: "agent.speak_end" in stand_in.kinds())
        utterance = stand_in.messages[0]["event_id"]
        about = {"S": {"source_event_id": utterance}, "T": {"task": {"id": "t1"}}}.get(dialect, {})
        if dialect == "states":
            await stand_in.say("agent.state_updated", previous_state="idle", new_state="talking")
        else:
            await stand_in.say("agent.speak_started", **about)
        await conversation.until(SpeakingStarted)
        if dialect == "states":
            await stand_in.say("agent.state_updated", previous_state="talking", new_state="idle")
        else:
            await stand_in.say("agent.speak_ended", **about)
        await conversation.until(SpeakingStopped)


async def test_a_connection_that_is_lost_ends_the_session_at_once_and_stops_it(
    journal: Journal,
) -> None:
    async with (
        at_heygen(LiveAvatarVendor, journal) as (stand_in, vendor),
        talking(vendor) as conversation,
    ):
        conversation.say(noise(2.0))
        await stand_in.until(lambda: "agent.speak" in stand_in.kinds())
        await stand_in.hang_up()
        assert isinstance(await conversation.error(), ConnectionLost)
        await stand_in.until(lambda: not stand_in.running)


async def test_a_server_that_says_disconnected_ends_it_as_well(journal: Journal) -> None:
    async with (
        at_heygen(LiveAvatarVendor, journal) as (stand_in, vendor),
        talking(vendor) as conversation,
    ):
        await stand_in.until(lambda: bool(stand_in.sockets))
        await stand_in.say("session.state_updated", state="disconnected")
        assert isinstance(await conversation.error(), EndedByVendor)


async def test_a_flood_of_events_slows_the_server_and_not_the_bot(journal: Journal) -> None:
    async with (
        at_heygen(LiveAvatarVendor, journal, profile=FASTEST) as (stand_in, vendor),
        talking(vendor) as conversation,
    ):
        await stand_in.until(lambda: bool(stand_in.sockets))
        flood = asyncio.create_task(pour(stand_in))
        conversation.say(noise(1.0))
        await stand_in.until(lambda: "agent.speak_end" in stand_in.kinds())
        flood.cancel()
        await asyncio.wait({flood})
        assert conversation.errors == []


async def pour(stand_in: HeyGenStandIn) -> None:
    while True:
        await stand_in.say("agent.audio_buffer_appended", source_event_id="x" * 500)


async def test_a_server_that_does_not_read_keeps_nobody_from_leaving(journal: Journal) -> None:
    async with at_heygen(LiveAvatarVendor, journal) as (stand_in, vendor):
        stand_in.reads = False
        async with talking(vendor) as conversation:
            await stand_in.until(lambda: bool(stand_in.sockets))
            for _ in range(5):
                conversation.say(noise(60.0))
            conversation.cut_in()
            async with asyncio.timeout(DEADLINE_S):
                await conversation.session.aclose()
        assert stand_in.running == set()
        assert conversation.errors == []


async def test_what_is_small_does_not_wait_for_an_acknowledgement(journal: Journal) -> None:
    async with at_heygen(LiveAvatarVendor, journal) as (_, vendor):
        session = await vendor.open()
        async with vendor.dial(session) as socket:
            tcp = socket._connection.transport.get_extra_info("socket")
            assert tcp.getsockopt(IPPROTO_TCP, TCP_NODELAY)
        await vendor.close(session)


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the kernel does not tell")
async def test_a_server_that_does_not_read_for_long_is_lost(journal: Journal) -> None:
    async with at_heygen(LiveAvatarVendor, journal) as (stand_in, vendor):
        stand_in.reads = False
        async with (
            vendor.dial(await vendor.open()) as socket,
            asyncio.timeout(4 * UNACKNOWLEDGED_S),
        ):
            with pytest.raises(ConnectionLost):
                await send_for_ever(socket)
        await vendor.stop("s1")


async def send_for_ever(socket: Socket) -> None:
    while True:
        await socket.send("x" * 60_000)


# What can go wrong


@pytest.mark.parametrize("make", ALL)
@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (Answer(401), KeyRefused, "refused the API key with 401"),
        (Answer(402), NoCredits, "has no credits left"),
        (Answer(403, body='{"code": 4031, "message": "Not enough Credits"}'), NoCredits, "(4031)"),
        (Answer(409), TooManySessions, "as many sessions as this account may have"),
        (Answer(400, body='{"message": "concurrency limit"}'), TooManySessions, "with 400"),
        (Answer(404), AvatarNotFound, "cannot show this avatar"),
        (Answer(422, body='{"detail": [{"loc": ["avatar_id"]}]}'), AvatarNotFound, "with 422"),
        (Answer(400, body='{"code": 400014}'), AvatarNotFound, "(400014)"),
        (Answer(403, body="SECRET-body"), VendorRefused, "refused with 403"),
        (Answer(429, headers={"Retry-After": "3600"}), RateLimited, "called too often"),
        (Answer(302, headers={"Location": "http://127.0.0.1:1/"}), UnexpectedReply, "returned"),
        (Answer(200, body="SECRET-body"), UnexpectedReply, "is not the JSON"),
        (Answer(200, body="[]"), UnexpectedReply, "is not the JSON"),
        (Answer(200, data={"session_id": 5}), UnexpectedReply, "returned no session_"),
        (Answer(200, body='{"a": "' + "x" * 2**21 + '"}'), UnexpectedReply, "more than it should"),
    ],
)
async def test_a_refusal_is_typed_and_tells_no_secret(
    make: Make, journal: Journal, answer: Answer, error: type[AvatarError], says: str
) -> None:
    async with at_heygen(make, journal) as (stand_in, vendor):
        stand_in.answer(FIRST[make], answer)
        async with talking(vendor) as conversation:
            refusal = await conversation.error()
            assert type(refusal) is error
            assert says in str(refusal)
            assert "SECRET-" not in f"{refusal!r} {refusal.__cause__!r}"
            assert refusal.__suppress_context__ or refusal.__context__ is None
            if isinstance(refusal, RateLimited):
                assert refusal.retry_after_s == 3600
            assert len(stand_in.calls) == 1


@pytest.mark.parametrize("make", ALL)
async def test_who_is_called_too_often_is_called_again_after_a_while(
    make: Make, journal: Journal
) -> None:
    async with at_heygen(make, journal) as (stand_in, vendor):
        soon = Answer(429, headers={"Retry-After": "0"})
        stand_in.answer(FIRST[make], soon)
        stand_in.answer(SECOND[make], soon, soon)
        async with talking(vendor) as conversation:
            await stand_in.until(lambda: bool(stand_in.sockets))
            assert stand_in.paths().count(SECOND[make]) == 3
            assert conversation.errors == []


@pytest.mark.parametrize("make", ALL)
async def test_vendor_that_wants_to_be_left_alone_is_not_asked_and_not_for_longer(
    make: Make, journal: Journal
) -> None:
    async with at_heygen(make, journal) as (stand_in, vendor):
        await journal.hold_off(vendor.name, KEY, 5.2)
        for _ in range(3):
            with pytest.raises(RateLimited) as refusal:
                await vendor.open()
            assert refusal.value.retry_after_s == 6
        assert await journal.held_off_s(vendor.name, KEY) <= 5.2
        assert stand_in.calls == []
        assert await journal.entries() == []


async def test_a_token_is_asked_for_again_where_the_answer_was_lost_since_it_costs_nothing(
    journal: Journal,
) -> None:
    async with at_heygen(LiveAvatarVendor, journal) as (stand_in, vendor):
        stand_in.answer(TOKEN, Answer(500), GONE)
        async with talking(vendor) as conversation:
            await stand_in.until(lambda: bool(stand_in.sockets))
            assert conversation.errors == []


@pytest.mark.parametrize("make", [InteractiveVendor, AlphaVendor])
@pytest.mark.parametrize("answer", [Answer(500), GONE])
async def test_a_session_that_may_exist_is_not_asked_for_twice_and_is_told_as_running(
    make: Make, journal: Journal, answer: object
) -> None:
    async with at_heygen(make, journal) as (stand_in, vendor):
        stand_in.answer(NEW, answer)
        async with talking(vendor) as conversation:
            assert isinstance(await conversation.error(), VendorUnreachable)
        assert stand_in.paths() == [NEW]
        (entry,) = await journal.entries()
        assert entry.session is None


@pytest.mark.parametrize("make", ALL)
@pytest.mark.parametrize("answer", [Answer(500), Answer(403), Answer(200, body="{"), GONE])
async def test_a_start_that_fails_half_way_is_stopped_and_not_repeated(
    make: Make, journal: Journal, answer: Any
) -> None:
    async with at_heygen(make, journal) as (stand_in, vendor):
        stand_in.answer(SECOND[make], answer)
        async with talking(vendor) as conversation:
            await conversation.error()
        assert stand_in.paths().count(SECOND[make]) == 1
        assert LAST[make] in stand_in.paths()
        assert await journal.entries() == []


@pytest.mark.parametrize("make", ALL)
async def test_who_leaves_during_the_start_leaves_nothing_running(
    make: Make, journal: Journal
) -> None:
    async with at_heygen(make, journal) as (stand_in, vendor):
        if make is LiveAvatarVendor:
            stand_in.slow_start = asyncio.Event()
        else:
            stand_in.answer(BEGIN, HANG)
        async with talking(vendor) as conversation:
            await stand_in.until(lambda: SECOND[make] in stand_in.paths())
            closing = asyncio.create_task(conversation.session.aclose())
            await asyncio.sleep(0)
            again = asyncio.create_task(conversation.session.aclose())
            await asyncio.sleep(0)
            if stand_in.slow_start is not None:
                stand_in.slow_start.set()
            else:
                stand_in.let_go.set()
            await asyncio.wait({closing, again})
        assert stand_in.paths()[-1] == LAST[make]
        assert await journal.entries() == []
        assert conversation.errors == []


@pytest.mark.parametrize("make", ALL)
async def test_who_leaves_at_any_moment_of_the_opening_leaves_nothing_running(
    make: Make, journal: Journal
) -> None:
    async with at_heygen(make, journal) as (stand_in, vendor):
        turns, opened = 0, False
        while not opened:
            vendor = make(api_key=KEY, api_url=vendor._url, journal=journal)
            opening = asyncio.create_task(vendor.open())
            for _ in range(turns):
                await asyncio.sleep(0)  # a turn of the loop
            opened = opening.done()
            opening.cancel()
            await asyncio.wait({opening})
            if opened:
                await vendor.close(opening.result())
            assert stand_in.running == set(), turns
            assert await journal.entries() == [], turns
            turns += 1
        assert turns > 20


async def test_who_leaves_before_the_start_does_not_start(journal: Journal) -> None:
    async with at_heygen(InteractiveVendor, journal) as (stand_in, vendor):
        stand_in.answer(NEW, HANG)
        async with talking(vendor) as conversation:
            await stand_in.until(lambda: NEW in stand_in.paths())
            closing = asyncio.create_task(conversation.session.aclose())
            await asyncio.sleep(0)
            stand_in.let_go.set()
            await asyncio.wait({closing})
        assert stand_in.paths() == [NEW, END]
        assert await journal.entries() == []


async def test_who_leaves_while_nothing_costs_anything_does_not_wait(journal: Journal) -> None:
    async with at_heygen(LiveAvatarVendor, journal) as (stand_in, vendor):
        stand_in.answer(TOKEN, HANG)
        async with talking(vendor) as conversation:
            await stand_in.until(lambda: TOKEN in stand_in.paths())
            async with asyncio.timeout(2):
                await conversation.session.aclose()
        assert stand_in.paths() == [TOKEN]
        assert await journal.entries() == []


async def test_a_stop_that_fails_is_repeated_and_else_stays_in_the_journal(
    journal: Journal,
) -> None:
    async with at_heygen(LiveAvatarVendor, journal) as (stand_in, vendor):
        opened = await vendor.open()
        stand_in.answer(STOP, Answer(503), Answer(503))
        await vendor.close(opened)
        assert stand_in.running == set()
        opened = await vendor.open()
        stand_in.answer(STOP, Answer(503), Answer(503), Answer(503))
        with pytest.raises(VendorUnreachable):
            await vendor.close(opened)
        (entry,) = await journal.entries()
        assert entry.session == opened.id
        await vendor.stop(opened.id)


async def test_stopping_what_is_over_is_no_fault(journal: Journal) -> None:
    async with at_heygen(LiveAvatarVendor, journal) as (stand_in, vendor):
        opened = await vendor.open()
        stand_in.running.clear()
        await vendor.close(opened)
        assert stand_in.paths()[-1] == "/v1/sessions"
        assert await journal.entries() == []


async def test_never_connected_is_said_by_the_deadline(journal: Journal) -> None:
    async with at_heygen(LiveAvatarVendor, journal) as (stand_in, vendor):
        stand_in.greets = False
        async with talking(vendor, ready_timeout_s=0.5) as conversation:
            conversation.say(noise(0.5))
            assert isinstance(await conversation.error(), NeverReady)
        assert stand_in.messages == []


async def test_a_journal_that_cannot_be_written_keeps_a_paid_session_from_starting(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").touch()
    async with at_heygen(LiveAvatarVendor, Journal(tmp_path / "file")) as (stand_in, vendor):
        async with talking(vendor) as conversation:
            assert isinstance(await conversation.error(), JournalUnusable)
        assert stand_in.calls == []


async def test_a_machine_that_is_not_there_is_unreachable(journal: Journal) -> None:
    vendor = LiveAvatarVendor(api_key=KEY, api_url="http://127.0.0.1:9", journal=journal)
    async with talking(vendor) as conversation:
        assert isinstance(await conversation.error(), VendorUnreachable)
    assert await journal.entries() == []


@pytest.mark.parametrize("make", ALL)
async def test_what_a_killed_bot_left_running_is_stopped_by_the_next_start(
    make: Make, journal: Journal, tmp_path: Path
) -> None:
    async with at_heygen(make, journal) as (stand_in, vendor):
        program = OPENS.format(make=make.__name__, url=vendor._url, folder=str(tmp_path / "state"))
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", program, cwd=ROOT)
        await stand_in.until(lambda: bool(stand_in.upgrades), within_s=30)
        assert await vendor.reap() == []
        assert stand_in.running == {"s1"}, "it lives, and so does its session"
        child.kill()
        await child.wait()
        assert await vendor.reap() == []
        assert stand_in.running == set()
        assert await journal.entries() == []


# Where it may connect to


@pytest.mark.parametrize(
    "url",
    [
        *("wss://10.0.0.1/SECRET-x", "wss://192.168.1.1/", "wss://169.254.169.254/", "wss://[::]/"),
        *("wss://[fe80::1]/", "wss://[::ffff:10.0.0.1]/", "wss://100.64.0.1/", "wss://0.0.0.0/"),
        *("wss://user:SECRET-@example.com/", "https://example.com/", "ws://example.com/", "wss://"),
        *("wss://[64:ff9b::a00:1]/", "wss://[2002:a00:1::]/", "wss://224.0.0.1/", "wss://a:0/"),
        *("ws://1.1.1.1/", "wss://exa mple.com/", "wss://[::1", "file:///etc/passwd", "x" * 9_999),
    ],
)
async def test_an_address_that_must_not_be_dialled_is_not(journal: Journal, url: str) -> None:
    async with at_heygen(LiveAvatarVendor, journal) as (stand_in, vendor):
        stand_in.ws_url = url
        async with talking(vendor) as conversation:
            error = await conversation.error()
            assert isinstance(error, UnexpectedReply | VendorUnreachable)
            assert "SECRET-" not in str(error)
        assert stand_in.upgrades == []


@pytest.mark.parametrize("trusted", [True, False])
async def test_a_secure_socket_is_spoken_to_only_if_its_certificate_is_good(
    journal: Journal,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    trusted: bool,
) -> None:
    server, authority = certificate(tmp_path)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    trust.verifying.cache_clear()
    request.addfinalizer(trust.verifying.cache_clear)
    async with heygen(server) as (stand_in, url):
        vendor = LiveAvatarVendor(api_key=KEY, api_url=url, journal=journal)
        async with talking(vendor) as conversation:
            if trusted:
                conversation.say(noise(0.5))
                await stand_in.until(lambda: audio(stand_in) == noise(0.5))
            else:
                assert isinstance(await conversation.error(), CertificateRefused)
        assert len(stand_in.upgrades) == trusted
        assert stand_in.running == set()


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """One for localhost that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    file = folder / "localhost.pem"
    file.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) + signed.public_bytes(pem)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context, file


async def test_a_redirect_of_the_socket_is_not_followed(journal: Journal) -> None:
    async with at_heygen(LiveAvatarVendor, journal) as (stand_in, vendor):
        stand_in.answer("socket", Answer(302, headers={"Location": "/socket/elsewhere"}))
        async with talking(vendor) as conversation:
            error = await conversation.error()
        assert str(error) == "LiveAvatar returned an address that leads to another one"
        assert len(stand_in.upgrades) == 1


@pytest.mark.parametrize(
    ("status", "error"), [(401, VendorRefused), (404, VendorRefused), (503, VendorUnreachable)]
)
async def test_a_socket_that_does_not_open_is_typed_and_the_session_stopped(
    journal: Journal, status: int, error: type[AvatarError]
) -> None:
    async with at_heygen(LiveAvatarVendor, journal) as (stand_in, vendor):
        stand_in.answer("socket", Answer(status))
        async with talking(vendor) as conversation:
            assert type(await conversation.error()) is error


@pytest.mark.parametrize(
    "url",
    [
        "http://api.liveavatar.com",
        "ftp://localhost",
        "https://u@x.example",
        "https://x.example?a=b",
    ],
)
async def test_an_api_address_that_would_show_the_key_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="address of the API"):
        LiveAvatarVendor(api_key=KEY, api_url=url)


@pytest.mark.parametrize("key", ["", "SECRET-a b", "SECRET-a\n", "SECRET-ä"])
async def test_a_key_that_cannot_be_one_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(ValueError, match="takes an API key") as refusal:
        AlphaVendor(api_key=key)
    assert "SECRET-" not in str(refusal.value)
