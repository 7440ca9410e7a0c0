"""One recognizer, called as its thread calls it."""

import numpy as np
import pytest
import soxr

from services import espeak
from services.espeak import Voice
from services.recognizer import RATE_HZ, Recognizer, load

QUIET = bytes(2 * RATE_HZ // 4)


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    load()
    return Recognizer()


def speech(text: str) -> bytes:
    pcm = np.frombuffer(espeak.speak(text, Voice()).pcm, np.int16)
    return bytes(soxr.resample(pcm, espeak.RATE_HZ, RATE_HZ))


@pytest.mark.parametrize("phrase", ["what can you do", "what is your name", "are you a robot"])
def test_a_phrase_is_heard(recognizer: Recognizer, phrase: str) -> None:
    recognizer.begin()
    recognizer.hear(QUIET + speech(phrase))
    assert recognizer.phrase() == phrase


def test_the_beginning_of_a_phrase_is_none_until_it_is_complete(recognizer: Recognizer) -> None:
    recognizer.begin()
    recognizer.hear(QUIET + speech("what is your"))
    assert recognizer.phrase() is None
    recognizer.hear(QUIET)
    recognizer.resume()
    recognizer.hear(speech("name"))
    assert recognizer.phrase() == "what is your name"


def test_silence_is_no_phrase_and_no_guess(recognizer: Recognizer) -> None:
    recognizer.begin()
    recognizer.hear(bytes(2 * RATE_HZ))
    assert recognizer.phrase() is None
    assert recognizer.guess() == ""


def test_nothing_is_heard_before_it_begins_and_after_it_ends(recognizer: Recognizer) -> None:
    recognizer.begin()
    recognizer.end()
    recognizer.hear(speech("hello"))
    recognizer.resume()
    assert not recognizer.work_ahead()
    assert recognizer.phrase() is None
    assert recognizer.guess() == ""


def test_an_utterance_without_audio_is_nothing(recognizer: Recognizer) -> None:
    recognizer.begin()
    assert recognizer.phrase() is None
    assert recognizer.guess() == ""


def test_another_session_waits_for_the_shared_decoder_and_gets_it(recognizer: Recognizer) -> None:
    other = Recognizer()
    recognizer.begin()
    recognizer.hear(speech("what do you think about politics"))
    assert recognizer.work_ahead()
    other.begin()
    other.hear(speech("the weather is nice"))
    assert not other.work_ahead()
    recognizer.end()
    assert other.work_ahead()
    assert other.guess()
    assert recognizer.guess() == ""
