"""One passage → PCM at the wanted rate, with the true times of its words and mouth shapes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import soxr

from . import espeak
from .espeak import Phoneme, Speech, Voice
from .visemes import SILENCE, visemes
from .wording import Word

# Quieter than this (about -50 dBFS) is silence.
_SILENCE_LEVEL = 100
_KEPT_BEFORE_S = 0.010
_KEPT_AFTER_S = 0.030
# What a passage sounds like that holds nothing to say, such as an emoji.
_NOTHING_S = 0.020


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A written word with the samples at which it begins and ends."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Rendered:
    """A spoken passage: 16-bit mono PCM; samples count from its first one, at its rate."""

    pcm: bytes
    words: tuple[TimedWord, ...]
    visemes: tuple[tuple[int, str], ...]

    @property
    def samples(self) -> int:
        return len(self.pcm) // 2


def render(passage: Sequence[Word], voice: Voice, rate_hz: int) -> Rendered:
    """Speak a passage. Blocks for a few milliseconds; callable from any thread.

    A passage is resampled as a whole: it begins and ends in silence, so nothing can click, no
    sample waits inside a filter for the next passage, and times map exactly.

    Raises:
        espeak.EspeakError: The voice is unknown, or the library cannot be loaded.
    """
    spoken = " ".join(word.spoken for word in passage if word.spoken)
    speech = espeak.speak(spoken, voice) if spoken else Speech(b"", (), ())
    samples = np.frombuffer(speech.pcm, dtype=np.int16)
    first, last = _audible(samples)
    if first == last:
        return _silent(passage, rate_hz)

    trimmed = samples[first:last]
    if rate_hz != espeak.RATE_HZ:
        trimmed = soxr.resample(trimmed, espeak.RATE_HZ, rate_hz, quality="HQ")

    def at_rate(sample: int) -> int:
        inside = min(max(sample, first), last) - first
        return min(round(inside * rate_hz / espeak.RATE_HZ), len(trimmed))

    phonemes = [Phoneme(p.name, at_rate(p.sample)) for p in speech.phonemes]
    return Rendered(
        pcm=trimmed.tobytes(),
        words=tuple(
            TimedWord(word.text, at_rate(start), at_rate(end))
            for word, (start, end) in zip(passage, _word_times(passage, speech), strict=True)
        ),
        visemes=tuple(visemes(phonemes, len(trimmed))),
    )


def _silent(passage: Sequence[Word], rate_hz: int) -> Rendered:
    pcm = bytes(2 * round(_NOTHING_S * rate_hz))
    return Rendered(pcm, tuple(TimedWord(word.text, 0, 0) for word in passage), ((0, SILENCE),))


def _audible(samples: npt.NDArray[np.int16]) -> tuple[int, int]:
    """First and past-the-last sample to keep; equal when nothing can be heard."""
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > _SILENCE_LEVEL)
    if not len(loud):
        return 0, 0
    first = int(loud[0]) - round(_KEPT_BEFORE_S * espeak.RATE_HZ)
    last = int(loud[-1]) + 1 + round(_KEPT_AFTER_S * espeak.RATE_HZ)
    return max(first, 0), min(last, len(samples))


def _word_times(passage: Sequence[Word], speech: Speech) -> list[tuple[int, int]]:
    """Begin and end of every word, at espeak-ng's rate.

    espeak-ng reports some neighbours as one word ("I am"): those share the time by their length.
    """
    times: list[tuple[int, int]] = []
    for words, start, end in _groups(passage, speech):
        weights = [sum(map(str.isalnum, word.spoken)) for word in words]
        whole = sum(weights) or 1
        shares = np.cumsum([0, *weights]) * (end - start) // whole + start
        times += [(int(a), int(b)) for a, b in pairwise(shares)]
    return times


def _groups(passage: Sequence[Word], speech: Speech) -> Iterator[tuple[list[Word], int, int]]:
    """Runs of words that espeak-ng timed together, each with its begin and end."""
    begins = _first_events(passage, speech)
    timed = [index for index, begin in enumerate(begins) if begin is not None]
    # Words before the first timed one have no event of their own either: they go with it.
    edges = [0, *timed[1:], len(passage)] if timed else [0, len(passage)]
    starts = [begins[index] or 0 for index in timed] or [0]
    length = len(speech.pcm) // 2
    for (first, past), (start, following) in zip(
        pairwise(edges), pairwise([*starts, length]), strict=True
    ):
        yield list(passage[first:past]), start, _end_of_sound(speech, start, following)


def _first_events(passage: Sequence[Word], speech: Speech) -> list[int | None]:
    """For every word the sample of the first event inside it."""
    begins: list[int | None] = [None] * len(passage)
    owner: list[int] = []
    for index, word in enumerate(passage):
        if word.spoken:
            owner += [index] * (len(word.spoken) + 1)
    for event in speech.words:
        if 0 <= event.position < len(owner):
            index = owner[event.position]
            if begins[index] is None:
                begins[index] = event.sample
    return begins


def _end_of_sound(speech: Speech, start: int, following: int) -> int:
    """Where the sound between two word events ends: at the pause behind its last phoneme."""
    end = start
    for phoneme, after in pairwise([*speech.phonemes, Phoneme("_", len(speech.pcm) // 2)]):
        if start <= phoneme.sample < following and not phoneme.name.startswith("_"):
            end = min(after.sample, following)
    return end if end > start else following
