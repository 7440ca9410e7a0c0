"""When the words of an utterance are said, in samples of its run of TTS.

A TTS of ours says it exactly. Of any other, Pipecat's `pts` is all there is: the clock's time at
which the word begins, counted from the moment at which the service pushed its first audio, or from
its last word where that is later. A TTS without word times hands over whole sentences after their
audio: their words share that audio by their length.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

LETTER_S = 0.09
"""How long a letter takes at the most, for words of which only the beginning is known."""

SHORTEST_S = 0.2
"""And how long a word takes at the most, however short."""


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Span(Generic[T]):
    """Something that is said, and the sample at which it has been said."""

    what: T
    end: int


class WordTimes(Generic[T]):
    """The word times of one run of TTS.

    Args:
        sample_rate: Rate in which the answers count, in Hz.
        last_pts: The highest `pts` of a word that was not cut off, in nanoseconds.
    """

    def __init__(self, *, sample_rate: int, last_pts: int = 0) -> None:
        self._rate = sample_rate
        self._baseline: int | None = None
        self._open: Span[T] | None = None  # begun, and its end is not known
        self._spread = 0  # samples whose words are known, for a TTS without word times
        self.last_pts = last_pts

    def audio(self, clock_ns: int) -> None:
        """The first audio arrived at this time of the pipeline's clock."""
        if self._baseline is None:
            self._baseline = max(clock_ns, self.last_pts)

    def timed(self, what: T, text: str, pts: int, clock_ns: int) -> list[Span[T]]:
        """A word begins at `pts`; returns what is known now, which is the word before it.

        Where a word ends shows when the next one begins; its letters tell where a pause follows.
        """
        self.audio(clock_ns)
        assert self._baseline is not None
        self.last_pts = max(self.last_pts, pts)
        start = round(max(0, pts - self._baseline) * self._rate / 1e9)
        known = self.flush(start)
        length_s = max(SHORTEST_S, LETTER_S * len(text.strip()))
        self._open = Span(what, start + round(length_s * self._rate))
        return known

    def flush(self, before: int | None = None) -> list[Span[T]]:
        """The last timed word: nothing follows it, or something from sample `before` on."""
        last, self._open = self._open, None
        if last is None:
            return []
        return [last if before is None else Span(last.what, min(last.end, before))]

    def untimed(self, text: str, received: int) -> list[Span[str]]:
        """The words of a sentence whose audio is all that came since the one before.

        `received` is the number of samples of this run so far.
        """
        start, self._spread = self._spread, received
        parts = text.split()
        letters = sum(len(part) + 1 for part in parts)
        spans, said = [], 0
        for part in parts:
            said += len(part) + 1
            spans.append(Span(part, start + (received - start) * said // letters))
        return spans
