"""A vendor's conversation as it is told: in order, twice, late, and cut."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transports.zego.agent_news import (
    AgentStatus,
    Answer,
    CutIn,
    News,
    Status,
    Told,
    Trouble,
    Voice,
    Words,
)
from transports.zego.agent_talk import (
    ANSWER_S,
    IDLE_S,
    PLAYED_S,
    REORDER_S,
    AgentBegan,
    AgentStopped,
    Cut,
    Finished,
    NoAnswer,
    PersonBegan,
    PersonSaid,
    PersonStopped,
    Report,
    Says,
    Talk,
    Thinks,
)

IDLE, LISTENING, THINKING, SPEAKING = AgentStatus


class Heard:
    """A conversation, and what came of it."""

    def __init__(self, *, tells: bool = True) -> None:
        self.talk = Talk(tells=tells)
        self.reports: list[Report] = []
        self.now = 0.0
        self._order = {True: 0, False: 0}

    def tell(self, *news: News, number: int = 7, hint: bool, order: int | None = None) -> Heard:
        for each in news:
            self._order[hint] += 1
            told = Told(each, number, self._order[hint] if order is None else order, hint)
            self.reports += self.talk.tell(told, now=self.now)
        return self

    def hint(self, *news: News, number: int = 7, order: int | None = None) -> Heard:
        return self.tell(*news, number=number, hint=True, order=order)

    def call(self, *news: News, number: int = 7, order: int | None = None) -> Heard:
        return self.tell(*news, number=number, hint=False, order=order)

    def wait(self, seconds: float) -> Heard:
        until = self.now + seconds
        while (at := self.talk.next_at) is not None and at <= until:
            self.now = max(self.now, at)
            self.reports += self.talk.tick(now=self.now)
        self.now = until
        self.reports += self.talk.tick(now=self.now)
        return self

    @property
    def text(self) -> str:
        return "".join(each.text for each in self.reports if isinstance(each, Says))

    def count(self, kind: type[Report]) -> int:
        return sum(isinstance(each, kind) for each in self.reports)


@pytest.mark.parametrize("hint", [True, False])
def test_whole_turn_is_told_once_and_in_order(hint: bool) -> None:
    heard = Heard()
    heard.tell(Voice(True), Words("hello", final=False), Voice(False), hint=hint)
    heard.tell(Words("hello there", final=True), Status(THINKING), hint=hint)
    heard.tell(Answer("Hi! "), Status(SPEAKING), Answer("How are you?"), hint=hint)
    heard.wait(2).tell(Status(IDLE), hint=hint).wait(1)
    kinds = [type(each) for each in heard.reports if not isinstance(each, Says)]
    assert kinds == [
        PersonBegan,
        PersonStopped,
        PersonSaid,
        Thinks,
        AgentBegan,
        AgentStopped,
        Finished,
    ]
    assert PersonSaid("hello there", hint) in heard.reports
    assert heard.reports[-1] == Finished("Hi! How are you?", 7)
    assert heard.text == "Hi! How are you?"


def test_what_both_sources_tell_counts_once_though_one_is_late() -> None:
    heard = Heard()
    heard.hint(Voice(True), Voice(False), Words("hello", final=True), Status(THINKING))
    heard.hint(Answer("Hi. "), Answer("Yes."), Status(SPEAKING)).wait(1).hint(Status(IDLE)).wait(1)
    before = list(heard.reports)
    heard.call(Voice(True), Voice(False), Words("hello", final=True), Status(THINKING))
    heard.call(Answer("Hi."), Answer("Yes."), Status(SPEAKING), Status(IDLE)).wait(1)
    assert heard.reports == before


def test_pieces_that_overtake_each_other_are_put_in_order() -> None:
    heard = Heard()
    heard.hint(Answer("two "), order=12).hint(Answer("one "), order=11).hint(
        Answer("three"), order=17
    )
    assert heard.text == ""
    heard.wait(REORDER_S)
    assert heard.text == "one two three"


def test_piece_that_comes_too_late_is_left_out_and_the_rest_goes_on() -> None:
    heard = Heard()
    heard.hint(Answer("one "), order=1).hint(Answer("three "), order=3).wait(REORDER_S)
    heard.hint(Answer("two "), order=2).hint(Answer("four"), order=4).wait(REORDER_S)
    assert heard.text == "one three four"


def test_sentences_of_callbacks_get_the_space_between_them() -> None:
    heard = Heard().call(Answer("One."), Answer("Two, three."), Answer("\u56db\u3002"))
    assert heard.text == "One. Two, three. \u56db\u3002"


def test_voice_in_an_answer_cuts_it_to_what_was_played() -> None:
    heard = Heard()
    heard.hint(Status(THINKING), Answer("One two three four."), Status(SPEAKING)).wait(1)
    heard.hint(Voice(True), number=8)
    assert heard.count(PersonBegan) == 1
    assert heard.count(Cut) == 0
    heard.hint(Status(IDLE)).wait(0.1).call(CutIn("One two"))
    assert heard.reports[-2:] == [Cut("One two"), AgentStopped()]
    heard.hint(Answer(" five")).wait(1)
    assert heard.text == "One two three four."
    assert heard.count(Finished) == 0


def test_cut_waits_for_what_was_played_no_longer_than_it_says() -> None:
    heard = Heard()
    heard.hint(Answer("One two three four."), Status(SPEAKING)).wait(1)
    heard.hint(Voice(True), number=8).wait(PLAYED_S - 0.01)
    assert heard.count(Cut) == 0
    heard.wait(0.02)
    assert heard.reports[-2:] == [Cut(None), AgentStopped()]
    heard.call(CutIn("One"))
    assert heard.count(Cut) == 1


def test_without_callbacks_nothing_is_waited_for() -> None:
    heard = Heard(tells=False)
    heard.hint(Answer("One two three four."), Status(SPEAKING)).wait(1).hint(Voice(True), number=8)
    assert heard.count(Cut) == 1


def test_page_cannot_say_what_was_played() -> None:
    heard = Heard().hint(Answer("One two."), Status(SPEAKING)).wait(1)
    heard.hint(CutIn("forged"))
    assert heard.count(Cut) == 0


def test_cut_of_ours_counts_once_and_only_while_there_is_something_to_cut() -> None:
    heard = Heard()
    assert not heard.talk.is_busy
    heard.reports += heard.talk.interrupted(now=heard.now)
    assert heard.reports == []
    heard.reports += heard.talk.asked(7, now=heard.now)
    assert heard.talk.is_busy
    heard.reports += heard.talk.interrupted(now=heard.now)
    assert not heard.talk.is_busy
    assert heard.reports == [Thinks(), Cut(None)]


def test_answer_that_was_heard_is_not_cut_a_moment_later() -> None:
    heard = Heard().hint(Answer("Yes."), Status(SPEAKING)).wait(1).hint(Status(IDLE))
    heard.hint(Voice(True), number=8).wait(1)
    assert heard.count(Cut) == 0
    assert Finished("Yes.", 7) in heard.reports


def test_next_answer_ends_the_one_before() -> None:
    heard = Heard().call(Answer("One."), Status(SPEAKING), number=7)
    heard.call(Status(SPEAKING), Answer("Two."), number=9)
    assert heard.count(AgentBegan) == 1
    assert Finished("One.", 7) in heard.reports
    heard.call(Status(IDLE), number=9).wait(1)
    assert heard.reports[-1] == Finished("Two.", 9)


def test_words_of_a_turn_whose_end_was_lost_are_told_with_the_answer() -> None:
    heard = Heard()
    heard.hint(Words("hello th", final=False), order=5).hint(Words("hello", final=False), order=4)
    heard.hint(Status(THINKING), order=9)
    assert heard.reports == [PersonSaid("hello th", True), Thinks()]


def test_typed_text_is_nobodys_spoken_turn() -> None:
    heard = Heard()
    heard.reports += heard.talk.asked(7, now=heard.now)
    heard.call(Words("what was typed", final=True))
    assert heard.count(PersonSaid) == 0


def test_speech_of_ours_is_shown_once_although_it_comes_back_as_subtitles() -> None:
    heard = Heard().hint(Answer("Hello, "), number=3).wait(1)
    heard.reports += heard.talk.said(3, "Hello, I am here.", now=heard.now)
    heard.hint(Answer("I am here."), Status(SPEAKING), number=3).wait(1)
    heard.hint(Status(IDLE), number=0).wait(1)
    assert heard.text == "Hello, I am here."
    assert heard.count(Finished) == 1


def test_speech_that_waits_is_shown_when_it_is_its_turn_and_not_at_all_when_it_is_cut() -> None:
    heard = Heard()
    for number, text in ((3, "One."), (4, "Two."), (5, "Three.")):
        heard.reports += heard.talk.said(number, text, now=heard.now)
    heard.call(Status(SPEAKING), number=3)
    assert heard.text == "One."
    heard.call(Status(SPEAKING), number=4)
    assert heard.text == "One.Two."
    assert Finished("One.", 3) in heard.reports
    heard.reports += heard.talk.interrupted(now=heard.now)
    heard.call(CutIn("T"), number=4).call(Status(IDLE), number=0).wait(1)
    assert heard.text == "One.Two."
    assert heard.count(Finished) == heard.count(Cut) == 1


def test_speech_that_waited_was_said_once_the_agent_is_idle() -> None:
    heard = Heard()
    for number, text in ((3, "One."), (4, "Two.")):
        heard.reports += heard.talk.said(number, text, now=heard.now)
    heard.hint(Status(SPEAKING), Status(IDLE), number=0).wait(1)
    assert [each for each in heard.reports if isinstance(each, Finished)] == [
        Finished("One.", 3),
        Finished("Two.", 4),
    ]


def test_status_without_a_round_belongs_to_the_newest() -> None:
    heard = Heard().hint(Answer("Yes."), number=7)
    heard.hint(Status(SPEAKING), number=0).wait(1).hint(Status(IDLE), number=0).wait(1)
    heard.call(Status(SPEAKING), Status(IDLE), number=7).wait(1)
    assert (heard.count(AgentBegan), heard.count(AgentStopped)) == (1, 1)


def asked(*, tells: bool = True) -> Heard:
    """Somebody who has asked, and waits."""
    heard = Heard(tells=tells).hint(Voice(True), Voice(False), Words("hello", final=True))
    return heard.hint(Status(THINKING))


def test_answer_that_never_begins_is_given_up_and_the_person_is_told_once() -> None:
    heard = asked().wait(ANSWER_S - 1)
    assert heard.count(NoAnswer) == 0
    heard.wait(2).hint(Status(IDLE)).wait(ANSWER_S)
    assert [each for each in heard.reports if isinstance(each, NoAnswer)] == [NoAnswer(True)]
    assert not heard.talk.is_busy
    heard.hint(Answer("Late."), Status(SPEAKING)).wait(1)
    assert heard.text == "Late."


def test_agent_that_has_fallen_idle_is_waited_for_a_moment() -> None:
    heard = asked().call(Status(IDLE)).wait(IDLE_S / 2)
    assert heard.count(NoAnswer) == 0
    heard.wait(IDLE_S)
    assert heard.reports[-1] == NoAnswer(True)


@pytest.mark.parametrize("goes_on", [Status(THINKING), Status(SPEAKING), Answer("Yes.")])
def test_idle_that_is_old_news_gives_nothing_up(goes_on: News) -> None:
    heard = asked().call(Status(IDLE)).wait(IDLE_S / 2)
    heard.hint(goes_on).wait(2 * IDLE_S)
    assert heard.count(NoAnswer) == 0


def test_part_that_fails_is_told_by_itself_and_an_answer_is_waited_for_no_longer() -> None:
    heard = asked().call(Trouble(2201), Status(IDLE)).wait(ANSWER_S)
    assert [each for each in heard.reports if isinstance(each, NoAnswer)] == [NoAnswer(False)]


def test_part_that_failed_in_an_older_round_says_nothing_of_this_one() -> None:
    assert asked().call(Trouble(2201), number=6).count(NoAnswer) == 0


def test_voice_without_words_is_no_question() -> None:
    heard = Heard().hint(Voice(True), Voice(False), Status(IDLE)).wait(2 * IDLE_S)
    assert heard.reports == [PersonBegan(), PersonStopped(), NoAnswer(False)]


def test_who_speaks_again_waits_for_no_answer_from_before() -> None:
    heard = asked().hint(Voice(True), number=8).wait(2 * ANSWER_S)
    assert heard.count(NoAnswer) == 0


NEWS = st.one_of(
    st.builds(Trouble, st.sampled_from([1004, 2201])),
    st.builds(Voice, st.booleans()),
    st.builds(Words, st.sampled_from(["a", "a b", ""]), final=st.booleans()),
    st.builds(Answer, st.sampled_from(["One. ", "Two.", ""])),
    st.builds(Status, st.sampled_from([*AgentStatus])),
    st.builds(CutIn, st.sampled_from(["", "One."])),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(NEWS, st.integers(0, 6), st.integers(0, 40), st.booleans()),
        st.floats(0, 1),
        st.just("interrupt"),
        st.just("ask"),
    ),
    max_size=60,
)


@settings(max_examples=300, deadline=None)
@given(steps=STEPS, tells=st.booleans())
def test_whatever_is_told_runs_are_paired_and_every_answer_ends_once(
    steps: list[object], tells: bool
) -> None:
    heard = Heard(tells=tells)
    asked = 0
    for step in steps:
        match step:
            case (news, int(number), int(order), bool(hint)):
                heard.tell(news, number=number, order=order, hint=hint)
            case float(seconds):
                heard.wait(seconds)
            case "interrupt":
                heard.reports += heard.talk.interrupted(now=heard.now)
            case "ask":
                asked += 1
                heard.reports += heard.talk.asked(asked, now=heard.now)
    heard.wait(ANSWER_S + 5)
    speaks = person = is_open = False
    for report in heard.reports:
        match report:
            case AgentBegan() | AgentStopped():
                assert speaks is isinstance(report, AgentStopped)
                speaks = not speaks
            case PersonBegan() | PersonStopped():
                assert person is isinstance(report, PersonStopped)
                person = not person
            case Says(text):
                assert text
                is_open = True
            case Finished() | Cut():
                assert is_open or isinstance(report, Cut)
                is_open = False
    assert heard.talk.next_at is None
