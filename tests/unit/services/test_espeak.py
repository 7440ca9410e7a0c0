import threading

import pytest

from services import espeak
from services.espeak import EspeakError, Voice


def test_every_spoken_word_has_an_event_at_its_place_in_the_text() -> None:
    speech = espeak.speak("what is your name", Voice())
    assert [word.position for word in speech.words] == [0, 5, 8, 13]
    samples = [word.sample for word in speech.words]
    assert samples == sorted(samples)
    assert 0 < samples[-1] < len(speech.pcm) // 2


def test_positions_count_characters_and_not_bytes() -> None:
    assert [word.position for word in espeak.speak("é é name", Voice()).words][-1] == 4


def test_unknown_voice_is_an_error_and_the_next_text_is_spoken() -> None:
    with pytest.raises(EspeakError, match="no-such-voice"):
        espeak.speak("hello", Voice("no-such-voice"))
    assert espeak.speak("hello", Voice()).pcm


def test_setting_out_of_range_is_refused_when_it_is_made() -> None:
    with pytest.raises(ValueError, match="words_per_minute"):
        Voice(words_per_minute=10)


def test_speaking_starts_no_thread() -> None:
    before = threading.active_count()
    espeak.speak("hello", Voice())
    assert threading.active_count() == before


def test_two_threads_do_not_mix_their_speech() -> None:
    texts = ("one two three", "a much longer sentence about the sea and the wind")
    alone = [espeak.speak(text, Voice()).words for text in texts]
    together: list[object] = [None, None]

    def speak(index: int) -> None:
        for _ in range(5):
            together[index] = espeak.speak(texts[index], Voice()).words

    threads = [threading.Thread(target=speak, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [[word.position for word in words] for words in together] == [  # type: ignore[attr-defined]
        [word.position for word in words] for words in alone
    ]
