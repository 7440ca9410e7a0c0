"""What leaves with the words: each word once it was heard, anything else at its turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Mapping
from dataclasses import dataclass

from .utterance import Utterance


@dataclass(slots=True)
class _Cue:
    what: object
    utterance: Utterance | None
    end: int | None  # samples of the run of TTS; None where only the order counts


class Script:
    """The cues of a session, first in, first out."""

    def __init__(self) -> None:
        self._cues: deque[_Cue] = deque()

    def __bool__(self) -> bool:
        return bool(self._cues)

    def add(self, what: object, utterance: Utterance | None, end: int | None = None) -> None:
        """`what` leaves once `end` samples of `utterance` were heard, or all of it."""
        self._cues.append(_Cue(what, utterance, end))

    def take_due(self, alive: Container[Utterance | None], *, now: float) -> list[object]:
        """What has come to its turn. An utterance that is not `alive` was heard to its end."""
        due: list[object] = []
        while self._cues and self._is_due(self._cues[0], alive, now):
            due.append(self._cues.popleft().what)
        return due

    def drop(self, doomed: Container[Utterance | None]) -> None:
        """Forget what belongs to these."""
        self._cues = deque(c for c in self._cues if c.utterance not in doomed)

    def drop_words(self, utterance: Utterance) -> None:
        """Forget the words of this one, and keep what only waits in order."""
        self._cues = deque(c for c in self._cues if c.utterance is not utterance or c.end is None)

    def rename(self, renewed: Mapping[Utterance | None, Utterance]) -> None:
        """Utterances go on under new ids."""
        for cue in self._cues:
            cue.utterance = renewed.get(cue.utterance, cue.utterance)

    def next_due(self, first: Utterance) -> float | None:
        """When the next cue leaves, if it waits for a sample that was sent."""
        cue = self._cues[0] if self._cues else None
        if cue is None or cue.utterance is not first or cue.end is None:
            return None
        end = cue.end - first.offset
        return first.playhead.when(end) if end <= first.playhead.sent else None

    @staticmethod
    def _is_due(cue: _Cue, alive: Container[Utterance | None], now: float) -> bool:
        utterance = cue.utterance
        if utterance is None or utterance not in alive:
            return True
        return cue.end is not None and cue.end <= utterance.heard(now)
