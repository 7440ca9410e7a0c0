"""Mouth shapes in step with the voice that is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

AHEAD_S = 0.5
"""Shapes go out for so much speech at once: few messages, and always before their audio."""

SHAPES = frozenset(
    ("sil", "PP", "FF", "TH", "DD", "kk", "CH", "SS", "nn", "RR", "aa", "E", "I", "O", "U")
)
KEPT_RUNS = 4


class Mouth:
    """The shapes of the runs of TTS that may still be sent, and how far they were sent."""

    def __init__(self) -> None:
        self._runs: dict[str, list[tuple[int, str]]] = {}
        self._shapes: list[tuple[int, str]] = []
        self._sample_rate = 24_000
        self._offset = 0
        self._sent = 0  # samples of the utterance
        self._next = 0  # index into the shapes

    def learn(self, message: Mapping[str, Any]) -> None:
        """A `visemes` message of the TTS; what is not in its form is left out."""
        run, visemes = message.get("context"), message.get("visemes")
        if not isinstance(run, str) or not isinstance(visemes, list):
            return
        self._sample_rate = message.get("sample_rate", self._sample_rate)
        shapes = self._runs.setdefault(run, [])
        shapes.extend((at, shape) for at, shape in visemes if shape in SHAPES)
        while len(self._runs) > KEPT_RUNS:
            del self._runs[next(iter(self._runs))]

    def begin(self, run: str, offset: int) -> None:
        """An utterance starts at sample `offset` of `run`."""
        self._shapes = self._runs.setdefault(run, [])
        self._offset = offset
        self._sent = 0
        before = [i for i, (at, _) in enumerate(self._shapes) if at <= offset]
        self._next = before[-1] if before else 0

    def next(self, samples: int) -> list[tuple[int, str]]:
        """`samples` more are sent: the shapes that have to be known by then, each once."""
        self._sent += samples
        reached = self._offset + self._sent
        if self._next >= len(self._shapes) or self._shapes[self._next][0] >= reached:
            return []
        horizon = reached + round(AHEAD_S * self._sample_rate)
        first = self._next
        while self._next < len(self._shapes) and self._shapes[self._next][0] < horizon:
            self._next += 1
        return [
            (max(0, at - self._offset), shape) for at, shape in self._shapes[first : self._next]
        ]
