"""Word times of a TTS that is not ours."""

from __future__ import annotations

from transports.avatar.words import Span, WordTimes

MS = 1_000_000


def test_a_word_ends_where_the_next_one_begins() -> None:
    words: WordTimes[str] = WordTimes(sample_rate=1_000)
    words.audio(5_000 * MS)
    assert words.timed("a", "wonderful", 5_000 * MS, 5_001 * MS) == []
    assert words.timed("b", "day", 5_400 * MS, 5_001 * MS) == [Span("a", 400)]
    assert words.flush() == [Span("b", 670)]


def test_a_pause_behind_a_word_does_not_belong_to_it() -> None:
    words: WordTimes[str] = WordTimes(sample_rate=1_000)
    words.audio(5_000 * MS)
    words.timed("a", "yes", 5_000 * MS, 0)
    assert words.timed("b", "but", 8_000 * MS, 0) == [Span("a", 270)]


def test_a_run_that_follows_another_counts_from_its_last_word() -> None:
    words: WordTimes[str] = WordTimes(sample_rate=1_000, last_pts=9_000 * MS)
    words.audio(5_000 * MS)  # the TTS is ahead of the clock
    words.timed("a", "go", 9_000 * MS, 0)
    assert words.timed("b", "on", 9_100 * MS, 0) == [Span("a", 100)]


def test_the_words_of_a_sentence_without_times_share_its_audio_by_length() -> None:
    words: WordTimes[str] = WordTimes(sample_rate=1_000)
    assert words.untimed("I am here", 1_000) == [
        Span("I", 200),
        Span("am", 500),
        Span("here", 1_000),
    ]
    assert words.untimed("Now", 1_400) == [Span("Now", 1_400)]
