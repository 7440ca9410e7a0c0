from services.narration import Narration, steps
from services.rendering import Rendered, TimedWord

WORDS = (TimedWord("one", 0, 400), TimedWord("two", 450, 900))
SPEECH = Rendered(bytes(2 * 1_000), WORDS, ((0, "sil"), (100, "aa"), (950, "sil")))


def test_steps_hold_every_sample_word_and_shape_once_and_in_order() -> None:
    found = list(steps(SPEECH, pause=100, rate_hz=1_000))
    assert [step.samples for step in found] == [400, 400, 300]
    assert [[word.text for word in step.words] for step in found] == [["one"], ["two"], []]
    starts = [0, 400, 800]
    shapes = [
        (s + t, shape) for s, step in zip(starts, found, strict=True) for t, shape in step.visemes
    ]
    assert shapes == [(100, "sil"), (200, "aa"), (1_050, "sil")]


def test_a_word_may_end_behind_its_step() -> None:
    first, *_ = steps(SPEECH, pause=100, rate_hz=1_000)
    assert first.words[0] == TimedWord("one", 100, 500)


def test_a_joined_text_takes_the_time_of_all_its_words() -> None:
    narration = Narration()
    narration.announce([*WORDS, TimedWord("three", 900, 990)])
    assert narration.take("one two") == (0, 900)
    assert narration.take("three") == (900, 990)


def test_a_word_that_never_left_is_passed_over() -> None:
    narration = Narration()
    narration.announce(list(WORDS))
    assert narration.take("two") == (450, 900)


def test_a_text_that_was_not_said_has_no_time_and_takes_none() -> None:
    narration = Narration()
    narration.announce(list(WORDS))
    assert narration.take("other") is None
    assert narration.take("one") == (0, 400)
