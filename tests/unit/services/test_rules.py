from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.answers import ANSWERS, INTRODUCTION, NOT_UNDERSTOOD
from services.phrases import EXAMPLES, NAMES, UNINTELLIGIBLE, Intent, every_phrase
from services.rules import Message, answer, intent_of, name_in, normalise

NOON = datetime(2026, 11, 21, 12, 0)


def conversation(*lines: str) -> list[Message]:
    """Lines in turn, the person's first."""
    return [Message(("user", "assistant")[i % 2], line) for i, line in enumerate(lines)]


@pytest.mark.parametrize("phrase", sorted(every_phrase()))
def test_every_shipped_phrase_is_understood(phrase: str) -> None:
    assert intent_of(phrase) is not None
    assert answer(conversation(phrase), NOON) not in NOT_UNDERSTOOD


@given(st.text(), st.text())
def test_any_text_has_an_answer(earlier: str, text: str) -> None:
    assert answer(conversation(earlier, "Okay.", text), NOON).strip()


def test_an_empty_context_is_answered_with_an_introduction() -> None:
    assert answer([Message("system", "Be brief.")], NOON) == INTRODUCTION


@pytest.mark.parametrize(
    ("typed", "intent"),
    [
        ("What's your name?", Intent.YOUR_NAME),
        ("WHAT IS MY NAME???", Intent.MY_NAME),
        ("Hi there :-)", Intent.GREETING),
        ("could you tell me a story please", Intent.STORY),
        ("How’s the weather in Paris?", Intent.WEATHER),
        ("Count to 20!", Intent.COUNT_TO_TWENTY),
        ("please stop", Intent.STOP),
        ("thanks a lot", Intent.THANKS),
        ("How do I plug in ChatGPT?", Intent.REAL_BRAIN),
        ("qwertz", None),
    ],
)
def test_typed_text_is_understood_in_other_words(typed: str, intent: Intent | None) -> None:
    assert intent_of(typed) is intent


@pytest.mark.parametrize("name", NAMES)
def test_every_name_of_the_grammar_is_learnt(name: str) -> None:
    said = conversation(f"my name is {name}", "Nice.", "what is my name")
    assert name.capitalize() in answer(said, NOON)


def test_the_last_name_told_counts() -> None:
    said = conversation("My name is Zoë.", "Nice.", "Call me McCoy!", "Ok.", "who am I?")
    assert answer(said, NOON) == "Your name is McCoy."


def test_a_name_that_was_not_told_is_not_known() -> None:
    assert "not told me" in answer(conversation("what is my name"), NOON)


@pytest.mark.parametrize("text", ["I am tired", "my name is not important", "what is my name"])
def test_no_name_is_made_up(text: str) -> None:
    assert name_in(text) is None


def test_what_was_said_before_comes_from_the_context() -> None:
    said = conversation("i like trains", "Good.", "what did i say")
    assert answer(said, NOON) == "You said: i like trains."


def test_what_was_really_heard_is_repeated_and_not_the_rest() -> None:
    said = conversation("tell me a story", "This is the story of", "what did you say")
    assert answer(said, NOON) == "I said: This is the story of."
    again = [*said, Message("assistant", answer(said, NOON)), Message("user", "say that again")]
    assert answer(again, NOON) == "I said: This is the story of."


def test_unintelligible_speech_is_answered_like_words_not_understood() -> None:
    assert answer(conversation(UNINTELLIGIBLE), NOON) in NOT_UNDERSTOOD


@pytest.mark.parametrize("intent", [None, *Intent])
def test_the_same_filler_is_never_said_twice_in_a_row(intent: Intent | None) -> None:
    variants = NOT_UNDERSTOOD if intent is None else ANSWERS.get(intent, ())
    if len(variants) < 2:
        return
    text = "qwertz" if intent is None else next(p for p in every_phrase() if intent_of(p) is intent)
    said = conversation(text)
    for _ in range(6):
        one = answer(said, NOON)
        said = [*said, Message("assistant", one[:25]), Message("user", text)]
        assert answer(said, NOON) != one


def test_same_context_same_answer() -> None:
    said = conversation("qwertz", "What?", "qwertz")
    assert answer(said, NOON) == answer(said, NOON)


@pytest.mark.parametrize(
    ("hour", "minute", "expected"),
    [
        (0, 5, "It is 5 minutes past 12 at night."),
        (9, 0, "It is 9 o'clock in the morning."),
        (15, 30, "It is 3:30 in the afternoon."),
        (18, 1, "It is 1 minute past 6 in the evening."),
    ],
)
def test_time_is_told_as_people_tell_it(hour: int, minute: int, expected: str) -> None:
    now = NOON.replace(hour=hour, minute=minute)
    assert answer(conversation("what time is it"), now) == expected


@pytest.mark.parametrize(("day", "ordinal"), [(1, "1st"), (2, "2nd"), (13, "13th"), (23, "23rd")])
def test_date_is_told_as_people_tell_it(day: int, ordinal: str) -> None:
    said = answer(conversation("what day is it"), NOON.replace(day=day))
    assert f"November {ordinal}, 2026" in said


def test_brain_is_honest_about_the_key_that_is_not_used_yet() -> None:
    said = answer(conversation("how can i plug in a real brain"), NOON)
    assert "set of rules" in said
    assert "later version" in said
    assert "OPENAI_API_KEY" in said


def test_story_is_long_and_other_answers_are_short() -> None:
    assert len(ANSWERS[Intent.STORY][0].split()) > 180
    for example in set(EXAMPLES) - {"tell me a story"}:
        assert len(answer(conversation(example), NOON).split()) < 40


def test_normalised_text_has_no_contractions_and_no_punctuation() -> None:
    assert normalise("What's up? I don't know; it's LATE.") == "what is up i do not know it is late"
