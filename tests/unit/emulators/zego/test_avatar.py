"""A digital human, whatever it is told, in whatever order: one drive is heard at a time."""

from itertools import pairwise
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from emulators.delays import Delays
from emulators.zego.avatar import Avatar, DriveStatus, State
from emulators.zego.drive import Drive, Form, Stage
from emulators.zego.knobs import Knobs

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["reserve", "start", "pcm", "stop", "text", "interrupt", "wait"]),
        st.floats(0.0, 12.0),
        st.integers(0, 4),
    ),
    max_size=40,
)


def play(steps: Any, **knobs: Any) -> tuple[Avatar, dict[str, list[int]]]:
    """Does what a client might, and returns which statuses were told of each drive."""
    habits = Knobs().turned(knobs)
    avatar = Avatar(habits, Delays.draw(habits, Random(1)))
    avatar.state = State.IDLE
    told: dict[str, list[int]] = {}
    now, drives = 0.0, [_drive("first", 0.0)]

    def note(events: list[DriveStatus]) -> None:
        for each in events:
            told.setdefault(each.drive, []).append(each.status)

    for number, (step, seconds, of) in enumerate(steps):
        drive = drives[of % len(drives)]
        match step:
            case "reserve" | "text":
                drives.append(_drive(f"{step}-{number}", now))
                if step == "reserve":
                    note(avatar.reserve(drives[-1], now))
                else:
                    drives[-1].kind, drives[-1].pcm = "text", bytes(9_600)
                    note(avatar.enqueue(drives[-1], now, at_once=of == 0))
            case "start" if avatar.can_start(drive, now):
                note(avatar.start(drive, Form(), now))
            case "pcm":
                note(avatar.pcm(drive, bytes(round(seconds * 4_000) * 2), now))
            case "stop":
                note(avatar.stop(drive, now))
            case "interrupt":
                note(avatar.interrupt(now))
                assert avatar.current is None
            case "wait":
                now += seconds
        note(avatar.advance(now))
    return avatar, told


def _drive(name: str, now: float) -> Drive:
    return Drive(name, "ws", Stage.RESERVED, now)


@given(STEPS, st.sampled_from(["start", "reserve"]))
def test_a_drive_ends_once_and_is_heard_alone(steps: Any, cut_on: str) -> None:
    avatar, told = play(steps, cut_on=cut_on, reuse_drive="ignore")
    for statuses in told.values():
        assert statuses in ([1], [2], [4], [1, 2], [2, 4], [1, 4], [1, 2, 4])
    for said in avatar.utterances:
        assert (said.ended_at is None) == (avatar.current is not None and said.task == _now(avatar))
    times = [(each.opened_at, each.ended_at) for each in avatar.utterances]
    assert all(ended is not None and ended <= began for (_, ended), (began, _) in pairwise(times))
    assert (avatar.state is State.SPEAKING) == (avatar.current is not None)


def _now(avatar: Avatar) -> str:
    assert avatar.current
    return avatar.current.id


@given(STEPS)
def test_what_was_not_cut_is_heard_to_its_end(steps: Any) -> None:
    avatar, _ = play([*steps, ("wait", 1_000.0, 0)])
    for said in avatar.utterances:
        if not said.cut:
            assert said.heard(1e9) == said.samples


def test_a_drive_that_nobody_ends_is_told_to_be_what_the_knob_says() -> None:
    steps = [("reserve", 0, 0), ("start", 0, 1), ("pcm", 1.0, 1), ("wait", 20.0, 0)]
    for status in (3, 4):
        _, told = play(steps, stalled_status=status)
        assert told == {"reserve-0": [2, status]}
    _, told = play([*steps[:3], ("interrupt", 0, 0)], interrupted_status=5)
    assert told == {"reserve-0": [5]}
