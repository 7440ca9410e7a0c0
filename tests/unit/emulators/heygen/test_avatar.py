"""The avatar's state machine: what each command does in each state, and what happens by itself."""

from random import Random
from typing import Any

import pytest

from emulators.delays import Delays
from emulators.heygen import commands as c
from emulators.heygen.avatar import Avatar, State
from emulators.heygen.events import (
    Appended,
    Cleared,
    Committed,
    Failed,
    SessionState,
    SpeakEnded,
    SpeakInterrupted,
    SpeakStarted,
    StateUpdated,
)
from emulators.heygen.knobs import Knobs
from emulators.sockets import Hangup

SECOND = b"\1\0" * 24_000
START_S = 0.2


def connected(**knobs: Any) -> Avatar:
    avatar = Avatar(Knobs().turned(knobs), Delays())
    avatar.connect()
    return avatar


def kinds(events: list[Any]) -> list[type]:
    return [type(each) for each in events]


def talking(avatar: Avatar, *, seconds: int = 1, sealed: bool = True) -> None:
    """Gets an avatar to talk; its first sample is heard at 0.2."""
    avatar.take(c.Speak("u1", SECOND * seconds), 0.0)
    if sealed:
        avatar.take(c.SpeakEnd("u1-end"), 0.0)
    avatar.advance(START_S)


@pytest.mark.parametrize(
    "command", [c.Speak("a", SECOND), c.Interrupt("a"), c.StartListening("a"), c.Malformed("a")]
)
def test_commands_before_connected_are_thrown_away_without_a_word(command: c.Command) -> None:
    avatar = Avatar(Knobs(), Delays())
    assert avatar.take(command, 0.0) == []
    assert avatar.connect() == [SessionState("connected")]
    assert avatar.advance(10.0) == []
    assert not avatar.utterances


def test_an_utterance_is_acknowledged_then_heard_then_over() -> None:
    avatar = connected()
    assert avatar.take(c.Speak("u1", SECOND), 0.0) == [Appended("u1", "task-1")]
    assert avatar.take(c.Speak("u1b", SECOND), 0.1) == [Appended("u1b", "task-1")]
    assert avatar.take(c.SpeakEnd("end"), 0.1) == [Committed("end", "task-1")]
    assert avatar.advance(0.19) == []
    assert avatar.advance(0.2) == [StateUpdated("idle", "talking"), SpeakStarted("u1", "task-1")]
    assert avatar.advance(2.19) == []
    assert avatar.advance(2.21) == [SpeakEnded("u1", "task-1"), StateUpdated("talking", "idle")]
    assert avatar.utterances[0].heard(3.0) == 48_000
    assert avatar.utterances[0].ended_at == pytest.approx(2.2)
    assert avatar.state is State.IDLE


def test_speech_from_listening_says_so() -> None:
    avatar = connected()
    assert avatar.take(c.StartListening(), 0.0) == [StateUpdated("idle", "listening")]
    assert avatar.take(c.StartListening(), 0.0) == []
    avatar.take(c.Speak("u1", SECOND), 0.0)
    assert avatar.advance(0.3)[0] == StateUpdated("listening", "talking")


def test_an_interrupt_drops_all_that_was_not_heard() -> None:
    avatar = connected()
    talking(avatar, seconds=8)
    avatar.take(c.Speak("u2", SECOND), 0.5)
    assert avatar.take(c.Interrupt("i"), START_S + 1.0) == [
        Cleared("i", "task-1"),
        SpeakInterrupted("u1", "task-1"),
        StateUpdated("talking", "idle"),
    ]
    assert [each.heard(99.0) for each in avatar.utterances] == [24_000, 0]
    assert [each.cut for each in avatar.utterances] == [True, True]
    assert avatar.advance(99.0) == []


def test_an_interrupt_before_the_first_sample_changes_no_posture() -> None:
    avatar = connected()
    avatar.take(c.Speak("u1", SECOND), 0.0)
    assert kinds(avatar.take(c.Interrupt("i"), 0.1)) == [Cleared, SpeakInterrupted]
    assert avatar.utterances[0].heard(9.0) == 0


def test_an_interrupt_of_nothing_is_only_acknowledged() -> None:
    assert connected().take(c.Interrupt("i"), 0.0) == [Cleared("i")]


def test_an_interrupt_ends_listening() -> None:
    avatar = connected()
    avatar.take(c.StartListening(), 0.0)
    assert kinds(avatar.take(c.Interrupt("i"), 0.0)) == [Cleared, StateUpdated]
    assert avatar.state is State.IDLE


def test_speech_after_an_interrupt_plays_whoever_sent_it() -> None:
    avatar = connected()
    talking(avatar, seconds=2)
    avatar.take(c.Interrupt("i"), 1.0)
    avatar.take(c.Speak("u1", SECOND), 1.0)
    avatar.advance(9.0)
    assert avatar.utterances[1].heard(9.0) == 24_000


def test_a_second_utterance_waits_for_the_first_and_a_small_gap() -> None:
    avatar = connected(gap_ms=40)
    talking(avatar)
    avatar.take(c.Speak("u2", SECOND), 0.5)
    avatar.take(c.SpeakEnd("u2-end"), 0.5)
    assert avatar.advance(1.21) == [SpeakEnded("u1", "task-1"), StateUpdated("talking", "idle")]
    assert avatar.state is State.SEALED
    assert kinds(avatar.advance(1.25)) == [StateUpdated, SpeakStarted]
    assert avatar.utterances[1].started_at == pytest.approx(1.24)


@pytest.mark.parametrize(("habit", "after"), [("ignore", State.IDLE), ("latch", State.LISTENING)])
def test_listening_is_not_shown_while_talking(habit: str, after: State) -> None:
    avatar = connected(listen_while_talking=habit)
    talking(avatar)
    assert avatar.take(c.StartListening(), 0.5) == []
    assert avatar.state is State.SEALED
    avatar.advance(2.0)
    assert avatar.state is after


def test_stop_listening_only_counts_while_listening() -> None:
    avatar = connected()
    assert avatar.take(c.StopListening(), 0.0) == []
    avatar.take(c.StartListening(), 0.0)
    assert avatar.take(c.StopListening(), 0.0) == [StateUpdated("listening", "idle")]


@pytest.mark.parametrize("habit", ["hold", "idle"])
def test_a_dry_buffer_is_told_and_more_audio_is_heard(habit: str) -> None:
    avatar = connected(starved=habit, starve_ms=500)
    talking(avatar, sealed=False)
    assert avatar.advance(1.69) == []
    starved = avatar.advance(1.71)
    assert isinstance(starved[0], Failed)
    assert starved[0].kind == "video_starvation"
    assert starved[1:] == ([StateUpdated("talking", "idle")] if habit == "idle" else [])
    assert avatar.advance(60.0) == []
    avatar.take(c.Speak("u1", SECOND), 60.0)
    avatar.take(c.SpeakEnd(), 60.0)
    events = avatar.advance(61.0)
    assert SpeakStarted not in kinds(events)
    assert SpeakEnded in kinds(events)
    segments = avatar.utterances[0].segments(99.0)
    assert [(each.first, each.samples) for each in segments] == [(0, 24_000), (24_000, 24_000)]
    assert [each.at for each in segments] == pytest.approx([0.2, 60.0])


def test_sealing_a_dry_utterance_ends_it_at_once() -> None:
    avatar = connected()
    talking(avatar, sealed=False)
    assert kinds(avatar.take(c.SpeakEnd("end"), 1.5)) == [Committed, SpeakEnded, StateUpdated]


@pytest.mark.parametrize(("habit", "told"), [("ignore", []), ("error", [Failed])])
def test_nothing_to_seal(habit: str, told: list[type]) -> None:
    assert kinds(connected(speak_end_when_idle=habit).take(c.SpeakEnd("x"), 0.0)) == told


@pytest.mark.parametrize(("habit", "told"), [("close", Hangup), ("drop", Failed)])
def test_packets_over_the_limit(habit: str, told: type) -> None:
    assert kinds(connected(oversize=habit).take(c.Oversized("x"), 0.0)) == [told]


def test_a_sealing_message_may_bring_audio() -> None:
    avatar = connected()
    avatar.take(c.Speak("u1", SECOND), 0.0)
    assert kinds(avatar.take(c.SpeakEnd("end", SECOND), 0.0)) == [Appended, Committed]
    assert avatar.utterances[0].samples == 48_000


def test_alpha_audio_waits_for_a_commit_and_ends_when_dry() -> None:
    avatar = connected(alpha_end_ms=300)
    assert kinds(avatar.take(c.Append("a1", SECOND), 0.0)) == [Appended]
    assert avatar.advance(5.0) == []
    assert kinds(avatar.take(c.Commit("c1", b"\0"), 5.0)) == [Committed]
    assert kinds(avatar.advance(5.4)) == [StateUpdated, SpeakStarted]
    avatar.take(c.Append("a2", SECOND), 5.5)
    avatar.take(c.Commit("c2", b"\0"), 5.6)
    assert avatar.advance(7.49) == []
    assert kinds(avatar.advance(7.51)) == [SpeakEnded, StateUpdated]
    assert [each.heard(9.0) for each in avatar.utterances] == [48_000]


def test_alpha_clear_takes_only_what_was_not_committed() -> None:
    avatar = connected()
    avatar.take(c.Append("a1", SECOND), 0.0)
    avatar.take(c.Commit("c1"), 0.0)
    avatar.take(c.Append("a2", SECOND), 0.0)
    assert avatar.take(c.Clear("x"), 0.0) == [Cleared("x")]
    avatar.take(c.Commit("c2"), 0.0)
    avatar.advance(9.0)
    assert avatar.utterances[0].heard(9.0) == 24_000


@pytest.mark.parametrize(("drops", "heard"), [(True, [0]), (False, [0, 24_000])])
def test_an_interrupt_may_leave_uncommitted_audio_behind(drops: bool, heard: list[int]) -> None:
    avatar = connected(interrupt_drops_buffer=drops)
    avatar.take(c.Speak("u1", SECOND), 0.0)
    avatar.take(c.Append("a1", SECOND), 0.0)
    avatar.take(c.Interrupt("i"), 0.0)
    avatar.take(c.Commit("c1"), 0.0)
    avatar.advance(9.0)
    assert [each.heard(9.0) for each in avatar.utterances] == heard


def test_a_mute_avatar_says_and_answers_nothing() -> None:
    avatar = connected()
    talking(avatar, seconds=5)
    avatar.mute(1.2)
    assert avatar.take(c.Speak("u2", SECOND), 2.0) == []
    assert avatar.advance(9.0) == []
    assert avatar.utterances[0].heard(9.0) == 24_000


def test_the_clock_can_run_faster() -> None:
    avatar = connected(playback_speed=10)
    talking(avatar, seconds=5)
    assert kinds(avatar.advance(0.71)) == [SpeakEnded, StateUpdated]


def test_delays_differ_by_session_and_repeat_with_their_seed() -> None:
    drawn = [Delays.draw(Knobs(), Random(seed)) for seed in (1, 1, 2)]
    assert drawn[0].start_s == drawn[1].start_s != drawn[2].start_s
    assert drawn[0].before_utterance() == drawn[1].before_utterance()
