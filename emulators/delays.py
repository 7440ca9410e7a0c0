"""Delays that differ from session to session, drawn from a seed that clients do not see."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Protocol


class Spreads(Protocol):
    """How far delays differ."""

    @property
    def start_spread_ms(self) -> float: ...

    @property
    def jitter_ms(self) -> float: ...

    @property
    def resume_spread_ms(self) -> float: ...


@dataclass(slots=True)
class Delays:
    """One session's own slowness."""

    start_s: float = 0.0
    jitter_s: float = 0.0
    resume_s: float = 0.0
    _random: Random = field(default_factory=lambda: Random(0), repr=False)

    @classmethod
    def draw(cls, knobs: Spreads, random: Random) -> Delays:
        return cls(
            start_s=random.uniform(0, knobs.start_spread_ms) / 1_000,
            jitter_s=knobs.jitter_ms / 1_000,
            resume_s=random.uniform(0, knobs.resume_spread_ms) / 1_000,
            _random=random,
        )

    def before_utterance(self) -> float:
        """Returns seconds to add before the next utterance is heard."""
        return self.start_s + self._random.uniform(0, self.jitter_s)
