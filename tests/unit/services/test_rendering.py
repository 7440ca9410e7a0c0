import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.espeak import Voice
from services.rendering import render
from services.visemes import SHAPES
from services.wording import passages

RATE_HZ = 24_000


def rendered(text: str, rate_hz: int = RATE_HZ):
    return render(next(passages(text)), Voice(), rate_hz)


def test_words_that_espeak_merges_share_the_time() -> None:
    words = rendered("Yes, I am here.").words
    assert [word.text for word in words] == ["Yes,", "I", "am", "here."]
    for word in words:
        assert word.end - word.start > RATE_HZ // 50
    assert words[1].end == words[2].start


def test_a_word_ends_where_its_sound_ends_and_not_after_the_pause() -> None:
    speech = rendered("Hello, you.")
    hello, you = speech.words
    assert you.start - hello.end > RATE_HZ // 20
    samples = np.frombuffer(speech.pcm, np.int16)
    pause = samples[hello.end + 480 : you.start - 480]
    assert np.abs(pause).max() < 500 < np.abs(samples[hello.start : hello.end]).max()


def test_silence_around_the_speech_is_trimmed() -> None:
    samples = np.frombuffer(rendered("Hello.").pcm, np.int16)
    loud = np.flatnonzero(np.abs(samples) > 200)
    assert loud[0] <= RATE_HZ * 0.020
    assert len(samples) - loud[-1] <= RATE_HZ * 0.060


def test_length_follows_the_rate() -> None:
    native = rendered("What is your name?", 22_050)
    assert rendered("What is your name?").samples == pytest.approx(
        native.samples * RATE_HZ / 22_050, rel=0.005
    )


def test_an_emoji_is_a_moment_of_silence() -> None:
    speech = rendered("😀")
    assert speech.samples == 480
    assert speech.visemes == ((0, "sil"),)
    assert [(word.text, word.start, word.end) for word in speech.words] == [("😀", 0, 0)]


@settings(max_examples=30)
@given(st.text(max_size=60).filter(str.strip))
def test_times_are_in_order_and_inside_the_audio_for_any_text(text: str) -> None:
    speech = rendered(text) if text.split() else None
    if speech is None:
        return
    edges = [edge for word in speech.words for edge in (word.start, word.end)]
    assert edges == sorted(edges)
    assert edges[0] >= 0
    assert edges[-1] <= speech.samples
    times = [sample for sample, _ in speech.visemes]
    assert times == sorted(set(times))
    assert times[0] == 0
    assert times[-1] <= speech.samples
    assert speech.visemes[-1][1] == "sil"
    assert {shape for _, shape in speech.visemes} <= set(SHAPES)
