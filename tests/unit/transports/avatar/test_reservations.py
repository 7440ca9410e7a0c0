"""A core whose vendor wants each utterance to be reserved, and cuts what is heard by the next."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.transports.avatar.speaking import RATE, Day, numbers, voice
from transports.avatar.commands import Begin, EndSpeech, Interrupt, Reserve, Speak
from transports.avatar.core import HOLD_S, MOST_LOSSES
from transports.avatar.events import Ended, Lost, Reserved, Started
from transports.avatar.reports import Heard, SpeakingStarted, SpeakingStopped
from transports.avatar.vendor import Profile

QUIET = Profile(start_delay_s=0.2, reserves=True, reservation_s=60.0, gap_s=0.3)
EARLY = replace(QUIET, reserves_early=True)
TELLING = replace(QUIET, acknowledges=frozenset({Started, Ended}))


def asked(day: Day) -> list[int]:
    """In which generations a reservation was asked for."""
    return [c.generation for c in day.commands if isinstance(c, Reserve)]


def grant(day: Day) -> None:
    """Answer the last that was asked for."""
    day.look()
    day.core.receive(Reserved(asked(day)[-1]), day.leg, now=day.now)
    day.look()


def begun(day: Day) -> list[str]:
    return [c.utterance for c in day.commands if isinstance(c, Begin)]


def test_it_is_asked_for_before_anything_is_said_and_speech_begins_in_the_same_instant() -> None:
    day = Day(QUIET)
    grant(day)
    day.core.begin("run", now=day.now)
    day.core.audio(voice(0.02), now=day.now)
    assert [type(c) for c in day.look()] == [Begin, Speak]


def test_speech_waits_for_it_and_loses_nothing() -> None:
    day = Day(QUIET)
    day.say(1.0)
    day.pass_time(0.2)
    assert day.kinds() == [Reserve]
    grant(day)
    assert day.kinds() == [Reserve, Begin, Speak, EndSpeech]
    assert numbers(day.sent()) == list(range(RATE))


def test_the_next_is_asked_for_a_little_after_the_end_where_nobody_tells_it() -> None:
    day = Day(QUIET)
    grant(day)
    day.say(1.0)
    day.pass_time(1.45)
    assert len(asked(day)) == 1
    assert day.when(SpeakingStopped) < day.now  # which is told in time all the same
    day.pass_time(0.06)
    assert len(asked(day)) == 2


def test_an_end_that_is_told_is_waited_for_and_believed() -> None:
    day = Day(TELLING)
    grant(day)
    day.say(1.0)
    day.core.receive(Started("u1"), day.leg, now=day.now)
    day.pass_time(1.3)
    assert len(asked(day)) == 1
    day.core.receive(Ended("u1"), day.leg, now=day.now)
    day.look()
    assert len(asked(day)) == 2


def test_an_end_that_is_told_a_little_later_than_it_was_guessed_is_believed_as_well() -> None:
    day = Day(QUIET)
    grant(day)
    day.say(1.0)
    day.core.receive(Started("u1"), day.leg, now=day.now)
    day.pass_time(1.05)
    assert day.when(SpeakingStopped) < day.now
    assert len(asked(day)) == 1
    assert day.core.receive(Ended("u1"), day.leg, now=day.now)
    day.look()
    assert len(asked(day)) == 2


def test_one_utterance_is_at_the_vendor_at_a_time() -> None:
    for profile in (QUIET, EARLY):
        day = Day(profile)
        grant(day)
        day.say(1.0)
        day.say(1.0)
        if profile is EARLY:
            grant(day)
        day.pass_time(1.1)
        assert begun(day) == ["u1"]
        day.pass_time(0.41)
        if profile is QUIET:
            grant(day)
        assert begun(day) == ["u1", "u2"]


def test_asked_for_early_it_is_there_when_the_speech_before_it_was_heard() -> None:
    day = Day(EARLY)
    grant(day)
    day.say(1.0)
    assert len(asked(day)) == 2
    grant(day)
    day.say(1.0)
    day.pass_time(1.51)
    assert begun(day) == ["u1", "u2"]


def test_a_cut_in_asks_anew_behind_its_interrupt_and_an_old_answer_is_none() -> None:
    for profile in (QUIET, EARLY):
        day = Day(profile)
        grant(day)
        day.say(5.0)
        day.pass_time(0.5)
        old = asked(day)[-1]
        day.core.interrupt(now=day.now)
        assert [type(c) for c in day.look()] == [Interrupt, Reserve]
        day.say(1.0)
        day.core.receive(Reserved(old), day.leg, now=day.now)
        day.look()
        assert begun(day) == ["u1"]
        grant(day)
        assert begun(day) == ["u1", "u2"]


def test_speech_that_is_held_is_reserved_anew_before_it_goes_on() -> None:
    day = Day(QUIET)
    grant(day)
    day.say(3.0)
    day.pass_time(1.2)
    day.core.hold(now=day.now)
    assert [type(c) for c in day.look()] == [Interrupt, Reserve]
    grant(day)
    day.pass_time(0.5)
    assert len(begun(day)) == 1
    day.core.resume(now=day.now)
    day.look()
    assert len(begun(day)) == 2
    day.pass_time(HOLD_S)
    # The second that was heard is not said again.
    assert numbers(day.sent())[-2 * RATE] == RATE


def test_one_that_is_too_old_is_asked_for_again() -> None:
    day = Day(QUIET)
    grant(day)
    day.pass_time(59.0)
    assert len(asked(day)) == 1
    day.pass_time(1.1)
    assert len(asked(day)) == 2
    day.say(1.0)
    assert begun(day) == []
    grant(day)
    assert begun(day) == ["u1"]


def test_a_face_that_takes_over_has_asked_before() -> None:
    day = Day(Profile(), QUIET)
    face = day.legs[1]
    day.say(1.0)
    day.core.carry(face, at_once=False, now=day.now)
    assert [type(c) for c in day.look()] == [Reserve]
    day.core.receive(Reserved(asked(day)[-1]), face, now=day.now)
    day.pass_time(1.5)
    day.core.begin("next", now=day.now)
    day.core.audio(voice(0.1), now=day.now)
    day.look()
    assert [type(c) for c in day.of(face)][:3] == [Reserve, Begin, Speak]


def test_speech_that_the_vendor_lost_goes_on_from_the_first_sample_that_was_not_heard() -> None:
    day = Day(TELLING)
    grant(day)
    day.core.begin("run", now=day.now)
    for number in range(1, 4):
        day.core.word(f"word {number}", number * RATE, now=day.now)
    day.core.audio(voice(3.0), now=day.now)
    day.core.end(now=day.now)
    day.look()
    day.core.receive(Started("u1"), day.leg, now=day.now)
    day.pass_time(1.5)
    day.core.receive(Lost("u1"), day.leg, now=day.now)
    day.pass_time(0.2)
    assert [r.cue for r in day.said(Heard)] == ["word 1"]
    grant(day)
    assert begun(day) == ["u1", "u2"]
    assert day.sent()[-2 * 1_500 * RATE // 1_000 :] == voice(1.5, round(1.5 * RATE))
    assert day.interrupts() == []
    day.core.receive(Started("u2"), day.leg, now=day.now)
    day.pass_time(1.5)
    day.core.receive(Ended("u2"), day.leg, now=day.now)
    day.look()
    assert [r.cue for r in day.said(Heard)] == ["word 1", "word 2", "word 3"]
    assert day.core.quiet


def test_speech_that_is_lost_each_time_is_given_up_and_its_words_were_not_heard() -> None:
    day = Day(TELLING)
    grant(day)
    day.core.begin("run", now=day.now)
    day.core.word("word", RATE, now=day.now)
    day.core.audio(voice(1.0), now=day.now)
    day.core.end(now=day.now)
    day.core.after_words("end of the reply", now=day.now)
    for number in range(1, MOST_LOSSES + 2):
        grant(day)
        assert begun(day)[-1] == f"u{number}"
        day.core.receive(Lost(f"u{number}"), day.leg, now=day.now)
        day.look()
    assert [r.cue for r in day.said(Heard)] == ["end of the reply"]
    assert day.core.quiet
    assert day.said(SpeakingStarted) == []
    grant(day)
    day.say(1.0)
    assert begun(day)[-1] == f"u{MOST_LOSSES + 2}"


def test_an_avatar_that_has_said_its_end_late_is_not_interrupted_in_silence() -> None:
    day = Day(QUIET)
    grant(day)
    day.say(1.0)
    day.core.receive(Started("u1"), day.leg, now=day.now)
    day.pass_time(1.05)
    assert day.core.receive(Ended("u1"), day.leg, now=day.now)
    day.core.interrupt(now=day.now)
    day.look()
    assert Interrupt not in day.kinds()
