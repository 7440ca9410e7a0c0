"""The core, step by step: each test is a short day in the life of an avatar."""

from __future__ import annotations

import pytest

from tests.unit.transports.avatar.speaking import RATE, Day, numbers, voice
from transports.avatar.commands import Begin, EndSpeech, Interrupt, Listen, Speak
from transports.avatar.core import HOLD_S
from transports.avatar.events import Ended, Interrupted, Played, Started, Talking
from transports.avatar.reports import CarriedBy, Cut, Heard, SpeakingStarted, SpeakingStopped
from transports.avatar.vendor import Profile

SILENT = Profile(start_delay_s=0.2)  # tells nothing: the model is all there is
TELLING = Profile(start_delay_s=0.2, acknowledges=frozenset({Started, Ended}))
SHORT = Profile(first_chunk_s=0.04, chunk_s=0.04, max_lead_s=0.25, start_delay_s=0.1)


def test_nothing_leaves_before_the_vendor_is_ready_and_then_the_first_sample_is_first() -> None:
    day = Day(SILENT, ready=False)
    day.say(1.0)
    day.pass_time(14.0)
    assert day.commands == []
    day.core.ready(day.leg, now=day.now)
    day.look()
    assert day.kinds() == [Begin, Speak, EndSpeech]
    assert numbers(day.sent()) == list(range(RATE))


def test_an_utterance_arrives_whole_with_its_last_partial_chunk() -> None:
    day = Day(SHORT)
    day.core.begin("run", now=day.now)
    for start in range(0, 1_001, 7):
        day.core.audio(voice(7 / RATE, start), now=day.now)
    day.core.end(now=day.now)
    day.pass_time(1.0)
    assert numbers(day.sent()) == list(range(1_001))
    assert [c.samples for c in day.commands if isinstance(c, EndSpeech)] == [1_001]


def test_the_first_chunk_leaves_at_once_and_later_ones_grow() -> None:
    day = Day(Profile(chunk_s=1.0))
    day.core.begin("run", now=day.now)
    day.core.audio(voice(0.02), now=day.now)
    assert [type(c) for c in day.look()] == [Begin, Speak]
    day.core.audio(voice(10.0, 480), now=day.now)
    sizes = [len(c.pcm) // 2 for c in day.look() if isinstance(c, Speak)]
    assert sizes[0] == 480
    assert max(sizes) == RATE
    assert sizes[:6] == sorted(sizes[:6])


def test_a_vendor_that_wants_a_long_first_chunk_gets_it_unless_the_tts_pauses() -> None:
    day = Day(Profile(opening_s=0.4, first_chunk_s=0.4))
    day.core.begin("run", now=day.now)
    for piece in range(19):
        day.core.audio(voice(0.02, piece * 480), now=day.now)
        day.pass_time(0.02)
    assert day.sent() == b""
    day.core.audio(voice(0.02, 19 * 480), now=day.now)
    day.look()
    assert day.sent() == voice(0.4)
    day.core.end(now=day.now)
    day.pass_time(2.0)
    day.core.begin("run 2", now=day.now)
    day.core.audio(voice(0.1), now=day.now)
    day.pass_time(0.05)
    assert len(day.sent()) == 2 * round(0.5 * RATE)


def test_what_is_there_leaves_when_the_tts_pauses_and_the_pause_splits_nothing() -> None:
    day = Day(SILENT)
    day.core.begin("run", now=day.now)
    day.core.audio(voice(0.5), now=day.now)
    day.core.audio(voice(0.01, 12_000), now=day.now)
    day.pass_time(3.0)
    assert len(day.sent()) == 2 * 12_240
    assert not any(isinstance(c, EndSpeech) for c in day.commands)
    day.core.audio(voice(0.1, 12_240), now=day.now)
    day.core.end(now=day.now)
    day.pass_time(1.0)
    assert len([c for c in day.commands if isinstance(c, Begin)]) == 1
    assert numbers(day.sent()) == list(range(14_640))


def test_the_lead_stays_below_the_profiles_bound() -> None:
    day = Day(SHORT)
    day.say(5.0)
    for _ in range(40):
        day.pass_time(0.05)
        handed_over = len(day.sent()) // 2
        heard = max(0.0, day.now - 100.0 - 0.1) * RATE
        assert handed_over - heard <= 0.25 * RATE + 1


def test_a_cut_in_sends_one_interrupt_and_nothing_of_that_speech_afterwards() -> None:
    day = Day(SHORT)
    day.say(5.0)
    day.pass_time(1.0)
    sent = len(day.sent())
    assert day.core.interrupt(now=day.now)
    assert [type(c) for c in day.look()] == [Interrupt]
    day.pass_time(10.0)
    assert len(day.sent()) == sent
    assert not any(isinstance(c, EndSpeech) for c in day.commands)


def test_a_second_cut_in_finds_nothing_to_cut() -> None:
    day = Day(SHORT)
    day.say(5.0)
    day.pass_time(1.0)
    day.core.interrupt(now=day.now)
    assert not day.core.interrupt(now=day.now)
    day.look()
    assert len(day.interrupts()) == 1


def test_a_cut_in_after_the_last_byte_was_sent_still_interrupts() -> None:
    day = Day(SILENT)
    day.say(5.0)  # all of it is at the vendor
    day.pass_time(1.0)
    day.core.interrupt(now=day.now)
    day.look()
    assert len(day.interrupts()) == 1


def test_a_cut_in_when_all_was_heard_sends_nothing() -> None:
    day = Day(SILENT)
    day.say(1.0)
    day.pass_time(2.0)
    assert not day.core.interrupt(now=day.now)
    day.look()
    assert day.interrupts() == []
    assert day.said(Cut) == []


def test_a_cut_in_before_the_first_byte_drops_what_comes_late() -> None:
    day = Day(SILENT)
    day.core.begin("run", now=day.now)
    day.core.interrupt(now=day.now)
    day.core.audio(voice(1.0), now=day.now)
    day.core.end(now=day.now)
    day.pass_time(2.0)
    assert day.commands == []


def test_a_vendor_that_says_it_talks_is_interrupted_even_if_all_seems_heard() -> None:
    day = Day(SILENT)
    day.core.receive(Talking(True), day.leg, now=day.now)
    day.core.interrupt(now=day.now)
    day.look()
    assert len(day.interrupts()) == 1
    day.core.receive(Talking(True), day.leg, now=day.now)  # on its way when we interrupted
    day.core.interrupt(now=day.now)
    day.look()
    assert len(day.interrupts()) == 1


def test_an_interrupt_overtakes_everything_that_waits() -> None:
    day = Day(SILENT)
    day.core.begin("run", now=day.now)
    day.core.audio(voice(5.0), now=day.now)
    day.core.listen(True, now=day.now)
    day.core.interrupt(now=day.now)
    assert [type(c) for c in day.look()] == [Interrupt, Listen]


def test_speech_after_a_cut_in_needs_no_acknowledgement() -> None:
    day = Day(TELLING)
    day.say(5.0)
    day.core.interrupt(now=day.now)
    day.look()
    day.say(0.5, "next")
    assert day.kinds()[-3:] == [Begin, Speak, EndSpeech]
    day.core.receive(Interrupted("u1"), day.leg, now=day.now)
    day.core.receive(Started("u1"), day.leg, now=day.now)  # late, of the old one
    day.pass_time(4.0)
    assert day.core.quiet


def test_a_suspected_cut_in_brings_back_what_was_not_heard_as_a_new_utterance() -> None:
    day = Day(SHORT)
    day.say(2.0)
    day.pass_time(1.0)
    day.core.hold(now=day.now)
    held = day.look()
    assert held == [Interrupt(1, "u1", hold=True)]
    day.pass_time(0.5)
    before = len(day.commands)
    day.core.resume(now=day.now)
    day.pass_time(3.0)
    after = day.commands[before:]
    first = next(c for c in after if isinstance(c, Speak))
    begun = next(c for c in after if isinstance(c, Begin))
    assert begun.utterance == "u2"
    assert begun.offset == numbers(first.pcm)[0] == round(0.9 * RATE)
    rest = b"".join(c.pcm for c in after if isinstance(c, Speak))
    assert numbers(rest) == list(range(round(0.9 * RATE), 2 * RATE))
    assert day.core.quiet


def test_a_confirmed_cut_in_after_a_hold_says_nothing_more_to_a_silent_vendor() -> None:
    day = Day(SHORT)
    day.say(2.0)
    day.pass_time(1.0)
    day.core.hold(now=day.now)
    assert day.core.interrupt(now=day.now)
    day.pass_time(10.0)
    assert len(day.interrupts()) == 1
    assert day.core.quiet


def test_a_hold_that_nobody_ends_ends_by_itself() -> None:
    day = Day(SHORT)
    day.say(2.0)
    day.pass_time(1.0)
    day.core.hold(now=day.now)
    day.pass_time(HOLD_S + 2.0)
    assert day.core.quiet


def test_speech_that_arrives_during_a_hold_waits_for_its_end() -> None:
    day = Day(SHORT)
    day.core.begin("run", now=day.now)
    day.core.audio(voice(1.0), now=day.now)
    day.pass_time(0.5)
    day.core.hold(now=day.now)
    sent = len(day.sent())
    day.core.audio(voice(1.0, RATE), now=day.now)
    day.core.end(now=day.now)
    day.pass_time(1.0)
    assert len(day.sent()) == sent
    day.core.resume(now=day.now)
    day.pass_time(3.0)
    assert numbers(day.sent())[-1] == 2 * RATE - 1
    assert day.core.quiet


def test_words_leave_when_they_were_heard_and_the_end_of_the_reply_behind_them() -> None:
    day = Day(SILENT)
    day.core.begin("run", now=day.now)
    day.core.word("one", 6_000, now=day.now)
    day.core.word("two", 12_000, now=day.now)
    day.core.audio(voice(1.0), now=day.now)
    day.core.end(now=day.now)
    day.core.after_words("end of reply", now=day.now)
    day.pass_time(2.0)
    heard = [(round(at - 100.0, 3), r.cue) for at, r in day.reports if isinstance(r, Heard)]
    assert heard == [(0.45, "one"), (0.7, "two"), (1.2, "end of reply")]


def test_what_comes_between_the_words_does_not_wait_for_the_end() -> None:
    day = Day(SILENT)
    day.core.begin("run", now=day.now)
    day.core.word("one", 6_000, now=day.now)
    day.core.after_words("one was said", now=day.now)
    day.core.word("two", 12_000, now=day.now)
    day.core.audio(voice(1.0), now=day.now)
    day.pass_time(0.8)
    assert [r.cue for r in day.said(Heard)] == ["one", "one was said", "two"]


def test_a_cut_drops_the_words_that_were_not_heard_and_what_waited_behind_them() -> None:
    day = Day(SILENT)
    day.core.begin("run", now=day.now)
    day.core.word("one", 6_000, now=day.now)
    day.core.word("two", 12_000, now=day.now)
    day.core.audio(voice(1.0), now=day.now)
    day.core.after_words("end of reply", now=day.now)
    day.pass_time(0.6)
    day.core.interrupt(now=day.now)
    day.pass_time(2.0)
    assert [r.cue for r in day.said(Heard)] == ["one"]
    assert day.said(Cut) == [Cut("u1", unheard=True, hold=False)]


def test_a_tts_that_makes_no_sound_has_said_nothing() -> None:
    day = Day(SILENT)
    day.core.begin("run", now=day.now)
    day.core.word("never", 100, now=day.now)
    day.core.end(now=day.now)
    day.core.after_words("end of reply", now=day.now)
    day.pass_time(1.0)
    assert [r.cue for r in day.said(Heard)] == ["end of reply"]
    assert day.commands == []


def test_words_keep_their_place_over_a_hold() -> None:
    day = Day(SILENT)
    day.core.begin("run", now=day.now)
    for number in range(1, 9):
        day.core.word(number, number * 6_000, now=day.now)
    day.core.audio(voice(2.0), now=day.now)
    day.core.end(now=day.now)
    day.pass_time(1.0)
    day.core.hold(now=day.now)
    day.pass_time(0.4)
    day.core.resume(now=day.now)
    day.pass_time(3.0)
    assert [r.cue for r in day.said(Heard)] == list(range(1, 9))


def test_speaking_begins_with_the_first_sample_heard_and_ends_with_the_last() -> None:
    day = Day(SILENT)
    day.say(1.0)
    day.pass_time(3.0)
    assert day.when(SpeakingStarted) == pytest.approx(100.2, abs=0.01)
    assert day.when(SpeakingStopped) == pytest.approx(101.2, abs=0.01)


def test_utterances_of_one_reply_are_one_run_of_speech() -> None:
    day = Day(SILENT)
    day.core.reply(open=True)
    for number in range(4):
        day.say(0.5, f"run{number}")
        day.pass_time(1.2)
    day.core.reply(open=False)
    day.pass_time(1.5)
    assert len(day.said(SpeakingStarted)) == 1
    assert len(day.said(SpeakingStopped)) == 1


@pytest.mark.parametrize("profile", [SILENT, TELLING])
def test_sentences_that_wait_at_the_vendor_are_heard_one_after_the_other(profile: Profile) -> None:
    day = Day(profile)
    for number in range(3):
        day.core.begin(f"run{number}", now=day.now)
        day.core.audio(voice(4.0), now=day.now)
        day.core.word(number, round(0.5 * RATE), now=day.now)
        day.core.end(now=day.now)
    day.pass_time(3.2)
    assert [r.cue for r in day.said(Heard)] == [0]
    assert day.core.unheard_s(now=day.now) == pytest.approx(9.0, abs=0.1)
    day.core.receive(Ended("u1"), day.leg, now=day.now)
    day.core.receive(Started("u2"), day.leg, now=day.now)
    day.pass_time(0.6)
    assert [r.cue for r in day.said(Heard)] == [0, 1]
    assert day.core.interrupt(now=day.now)
    assert [r.cue for r in day.said(Heard)] == [0, 1]


def test_the_vendors_start_corrects_the_model() -> None:
    day = Day(TELLING)
    day.say(1.0)
    day.pass_time(0.7)
    assert day.said(SpeakingStarted) == []
    day.core.receive(Started("u1"), day.leg, now=day.now)
    day.pass_time(0.5)
    assert day.when(SpeakingStarted) == pytest.approx(100.7, abs=0.01)
    day.core.receive(Ended("u1"), day.leg, now=day.now)
    day.pass_time(0.01)
    assert day.core.quiet


def test_reports_that_cannot_be_true_change_nothing() -> None:
    day = Day(Profile(acknowledges=frozenset({Played})))
    day.say(2.0)
    day.pass_time(0.1)
    core, now = day.core, day.now
    assert core.receive(Played("u1", 2_400), day.leg, now=now)
    assert not core.receive(Played("u1", 10**9), day.leg, now=now)
    assert not core.receive(Played("u1", -1), day.leg, now=now)
    assert not core.receive(Played("u1", 2_000), day.leg, now=now)
    assert not core.receive(Played("somebody else's", 100), day.leg, now=now)
    day.pass_time(5.0)
    assert day.core.quiet


def test_what_must_be_heard_survives_a_cut_in_and_what_can_be_cut_does_not() -> None:
    day = Day(SILENT)
    day.say(1.0, "chat")
    day.core.begin("goodbye", now=day.now, interruptible=False)
    day.core.audio(voice(1.0), now=day.now)
    day.core.end(now=day.now)
    day.look()
    day.pass_time(0.5)
    day.core.interrupt(now=day.now)
    day.look()
    assert len(day.interrupts()) == 1
    day.pass_time(0.5)
    day.core.interrupt(now=day.now)  # the goodbye is being said
    day.pass_time(3.0)
    assert len(day.interrupts()) == 1
    assert [c.run for c in day.commands if isinstance(c, Begin)] == ["chat", "goodbye"]
    assert day.core.quiet


def test_listening_waits_until_the_avatar_is_silent() -> None:
    day = Day(SILENT)
    day.say(1.0)
    day.core.listen(True, now=day.now)
    day.pass_time(1.0)
    assert not any(isinstance(c, Listen) for c in day.commands)
    day.pass_time(1.0)
    assert day.commands[-1] == Listen(0, on=True)


def test_a_closed_leg_takes_no_more_speech() -> None:
    day = Day(SILENT)
    day.leg.close()
    day.say(1.0)
    day.core.after_words("end of reply", now=day.now)
    day.pass_time(1.0)
    assert day.commands == []
    assert [r.cue for r in day.said(Heard)] == ["end of reply"]
    assert day.core.quiet


ON_THE_USER_LEG = Profile(first_chunk_s=0.04, chunk_s=0.04, max_lead_s=0.25, start_delay_s=0.1)


def test_another_leg_takes_over_in_a_pause_and_not_before() -> None:
    day = Day(ON_THE_USER_LEG, SILENT)
    user_leg, face = day.legs
    day.say(1.0, "first")
    day.core.carry(face, at_once=False, now=day.now)
    day.pass_time(0.9)
    assert day.said(CarriedBy) == []
    day.pass_time(0.3)
    assert day.said(CarriedBy) == [CarriedBy(face)]
    day.say(1.0, "second")
    assert [c.run for c in day.of(user_leg) if isinstance(c, Begin)] == ["first"]
    assert [c.run for c in day.of(face) if isinstance(c, Begin)] == ["second"]
    assert day.interrupts() == []


def test_a_leg_that_is_lost_is_silenced_and_the_other_goes_on_from_the_first_unheard_sample() -> (
    None
):
    day = Day(SILENT, ON_THE_USER_LEG)
    face, user_leg = day.legs
    day.core.begin("run", now=day.now)
    day.core.word("early", RATE // 2, now=day.now)
    day.core.word("late", 3 * RATE, now=day.now)
    day.core.audio(voice(3.0), now=day.now)
    day.pass_time(1.2)
    day.core.carry(user_leg, at_once=True, now=day.now)
    day.core.end(now=day.now)
    day.pass_time(2.5)
    assert isinstance(day.of(face)[-1], Interrupt)
    rest = b"".join(c.pcm for c in day.of(user_leg) if isinstance(c, Speak))
    assert rest == voice(2.0, RATE)  # it was heard for 1.2 s, of which 0.2 s were the way
    assert [c.offset for c in day.of(user_leg) if isinstance(c, Begin)] == [RATE]
    assert [r.cue for r in day.said(Heard)] == ["early", "late"]
    assert [type(r) for _, r in day.reports].count(SpeakingStarted) == 1
    assert day.core.quiet


def test_who_changes_their_mind_about_another_leg_changes_nothing() -> None:
    day = Day(ON_THE_USER_LEG, SILENT)
    user_leg, face = day.legs
    day.say(1.0)
    day.core.carry(face, at_once=False, now=day.now)
    day.core.carry(user_leg, at_once=True, now=day.now)
    day.pass_time(2.0)
    assert day.of(face) == []
    assert day.sent() == voice(1.0)
    assert day.interrupts() == []


def test_what_a_leg_says_that_does_not_carry_the_speech_is_about_the_past() -> None:
    day = Day(TELLING, ON_THE_USER_LEG)
    face, user_leg = day.legs
    day.say(2.0)
    day.core.carry(user_leg, at_once=True, now=day.now)
    assert not day.core.receive(Started(), face, now=day.now)
    assert not day.core.receive(Ended(), face, now=day.now)
    day.pass_time(0.5)
    assert not day.core.quiet


def test_speech_that_is_cut_when_all_of_it_was_heard_is_ended_at_the_vendor() -> None:
    day = Day(SILENT)
    day.core.begin("run", now=day.now)
    day.core.audio(voice(0.5), now=day.now)
    day.pass_time(2.0)
    day.core.interrupt(now=day.now)
    day.say(0.5)
    assert day.kinds() == [Begin, Speak, EndSpeech, Begin, Speak, EndSpeech]
    assert day.interrupts() == []


def test_who_tells_nothing_is_waited_for_once_and_again_when_they_have_told_something() -> None:
    day = Day(TELLING)
    edges = []
    for told in (False, False, True, True):
        day.reports.clear()
        said_at = day.now
        day.say(1.0)
        utterance = [c.utterance for c in day.commands if isinstance(c, Begin)][-1]
        day.pass_time(0.3)
        if told:
            day.core.receive(Started(utterance), day.leg, now=day.now)
        day.pass_time(1.1)
        if told:
            day.core.receive(Ended(utterance), day.leg, now=day.now)
        day.pass_time(3.0)
        ends = (day.when(SpeakingStarted), day.when(SpeakingStopped))
        edges.append(tuple(round(at - said_at, 2) for at in ends))
    waited, modelled, _, told_both = edges
    assert waited == (1.0, 2.2)
    assert modelled == (0.2, 1.2)
    assert told_both == (0.3, 1.4)
