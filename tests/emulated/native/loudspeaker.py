"""What a native client does with the bot's voice: it plays it, in real time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import numpy as np

LOUD = 500


@dataclass
class Loudspeaker:
    """Plays 16-bit mono, and remembers when something was heard."""

    rate: int
    pieces: list[tuple[float, np.ndarray]] = field(default_factory=list)
    _free_at: float = 0.0

    def play(self, pcm: bytes) -> float:
        """Takes a piece behind the ones before; returns when it will have been played."""
        now = asyncio.get_running_loop().time()
        begins = max(now, self._free_at)
        samples = np.frombuffer(pcm, np.int16)
        self.pieces.append((begins, samples))
        self._free_at = begins + len(samples) / self.rate
        return self._free_at

    def clear(self) -> None:
        """What was not played yet never is."""
        now = asyncio.get_running_loop().time()
        kept = []
        for begins, samples in self.pieces:
            played = samples[: max(0, round((now - begins) * self.rate))]
            if len(played):
                kept.append((begins, played))
        self.pieces = kept
        self._free_at = min(self._free_at, now)

    def last_heard(self) -> float:
        """When the last loud sample was played that is in the past; 0 if none was."""
        now = asyncio.get_running_loop().time()
        for begins, samples in reversed(self.pieces):
            loud = np.flatnonzero(np.abs(samples.astype(int)) > LOUD)
            if len(loud) and begins + loud[0] / self.rate <= now:
                return min(now, float(begins + loud[-1] / self.rate))
        return 0.0
