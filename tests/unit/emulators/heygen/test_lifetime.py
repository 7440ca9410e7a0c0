"""How a session ends by itself, and what it has cost by then: on a clock that jumps."""

import asyncio
from typing import Any

import pytest

from emulators.heygen import Emulator, Knobs
from emulators.heygen.session import Session, Terms
from emulators.sockets import Hangup, Outbox

pytestmark = pytest.mark.asyncio

SPEAK = '{"type": "agent.speak", "event_id": "u", "audio": "%s"}' % ("AAAA" * 16_000)  # 1 s


def opened(*, sandbox: bool = False, limit_s: float = 1_200, **knobs: Any) -> tuple[Any, ...]:
    """Returns a vendor with one session that runs, and the outbox of its socket."""
    emulator = Emulator(Knobs().turned(knobs), seed=1)
    terms = Terms("liveavatar", "any", sandbox, limit_s, emulator.knobs.idle_seconds, {})
    session = emulator.open(terms)
    session.start()
    return emulator, session, session.attach()


def told(outbox: Outbox) -> list[str]:
    items = [outbox.get_nowait() for _ in range(outbox.qsize())]
    return [
        str(each.code) if isinstance(each, Hangup) else str(each.get("state", each["type"]))
        for each in items
        if isinstance(each, Hangup | dict)
    ]


async def ends_at(session: Session) -> float:
    start = asyncio.get_running_loop().time()
    while session.running:
        await asyncio.sleep(0.5)
    assert session.ended_at is not None
    return session.ended_at - start


async def keep_alive(session: Session, every_s: float) -> None:
    while session.running:
        await asyncio.sleep(every_s)
        session.receive('{"type": "session.keep_alive"}')


async def test_a_silent_client_ends_it_after_five_minutes() -> None:
    _, session, outbox = opened()
    assert await ends_at(session) == pytest.approx(300)
    assert session.end_reason == "IDLE_TIMEOUT"
    assert told(outbox) == ["new", "connected", "disconnected", "1000"]


async def test_keep_alive_puts_that_off_until_the_longest_duration_is_over() -> None:
    _, session, outbox = opened(at_limit="close")
    keeping = asyncio.create_task(keep_alive(session, 60))
    assert await ends_at(session) == pytest.approx(1_200)
    await keeping
    assert session.end_reason == "MAX_DURATION_REACHED"
    assert told(outbox)[-2:] == ["disconnected", "1000"]


async def test_over_its_time_it_goes_mute_without_a_word_and_costs_on() -> None:
    emulator, session, outbox = opened(limit_s=100, mute_seconds=200)
    keeping = asyncio.create_task(keep_alive(session, 60))
    await asyncio.sleep(99.5)
    session.receive(SPEAK)
    await asyncio.sleep(10)
    assert 0 < emulator.heard()[0].seconds < 0.5
    told(outbox)
    session.receive(SPEAK)
    await asyncio.sleep(100)
    assert told(outbox) == []
    await keeping
    assert session.seconds(0) == pytest.approx(300)
    assert session.minutes_charged == 5


async def test_a_sandbox_lasts_a_minute_and_is_free() -> None:
    emulator, session, outbox = opened(sandbox=True, limit_s=60)
    assert await ends_at(session) == pytest.approx(60)
    assert told(outbox)[-2:] == ["disconnected", "1000"]
    assert emulator.accounts["liveavatar"].left == 1_000


async def test_it_ends_when_the_credits_do() -> None:
    emulator, session, _ = opened(credits=2)
    keeping = asyncio.create_task(keep_alive(session, 60))
    assert await ends_at(session) == pytest.approx(120)
    await keeping
    assert session.end_reason == "NO_CREDITS"
    assert emulator.accounts["liveavatar"].left == 0


async def test_a_session_whose_socket_is_gone_goes_on_costing() -> None:
    emulator, session, outbox = opened(abandoned_seconds=200)
    await asyncio.sleep(10)
    session.detach(outbox)
    assert emulator.running() == [session]
    assert await ends_at(session) == pytest.approx(200)
    assert session.end_reason == "ZOMBIE_SESSION_REAP"
    assert session.minutes_charged == 4


async def test_never_connected_hears_nothing() -> None:
    emulator, session, outbox = opened(never_connected=True)
    await asyncio.sleep(30)
    session.receive(SPEAK)
    assert told(outbox) == ["new"]
    assert not emulator.heard()
    assert not emulator.received("agent.speak")[0].taken


async def test_events_can_be_late_lost_and_repeated() -> None:
    emulator, session, outbox = opened(event_delay_ms=1_000, event_repeat=1.0)
    await asyncio.sleep(2)
    told(outbox)
    session.receive(SPEAK)
    await asyncio.sleep(0.99)
    assert told(outbox) == []
    await asyncio.sleep(0.02)
    assert told(outbox) == ["agent.audio_buffer_appended"] * 2
    emulator.turn(event_drop=1.0)
    await asyncio.sleep(9)
    assert "agent.speak_ended" not in told(outbox)


async def test_what_came_after_an_interrupt_is_told_apart_by_its_id() -> None:
    emulator, session, _ = opened()
    await asyncio.sleep(1)
    session.receive(SPEAK)
    await asyncio.sleep(0.7)
    session.receive('{"type": "agent.interrupt", "event_id": "i"}')
    session.receive(SPEAK.replace('"u"', '"next"'))
    assert emulator.interruptions()[0].late_bytes == 0
    session.receive(SPEAK)
    (cut,) = emulator.interruptions()
    assert cut.late_bytes == 48_000
    assert cut.unheard == 24_000 - emulator.heard()[0].samples > 0


@pytest.mark.parametrize(
    ("dialect", "expected"),
    [
        ("S", ["state_updated", "speak_started", "speak_ended", "state_updated"]),
        ("S-no-speak", ["state_updated", "state_updated"]),
        ("T", ["idle_ended", "speak_started", "speak_ended", "idle_started"]),
    ],
)
async def test_dialects_tell_the_same_in_their_own_words(dialect: str, expected: list[str]) -> None:
    emulator, session, _ = opened(dialect=dialect)
    await asyncio.sleep(1)
    session.receive(SPEAK)
    session.receive('{"type": "agent.speak_end", "event_id": "e"}')
    await asyncio.sleep(3)
    sent = [each for each in emulator.record.sent if each.kind.startswith("agent.")]
    assert [each.kind.removeprefix("agent.") for each in sent] == [
        "audio_buffer_appended",
        "audio_buffer_committed",
        *expected,
    ]
    if dialect == "T":
        spoken = [each.message["task"]["id"] for each in sent if "speak" in each.kind]
        assert spoken == ["task-1", "task-1"]
        assert not any("source_event_id" in each.message for each in emulator.record.sent)
    if dialect == "S":
        sources = [each.message["source_event_id"] for each in sent]
        assert sources == ["u", "e", None, "u", "u", None]
