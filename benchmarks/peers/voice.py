"""A voice that everybody is given alike: pieces of 20 ms, some times as fast as they are heard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import numpy as np

PIECE_S = 0.02
TONE_HZ = 997
TONE_PEAK = 10 ** (-3 / 20)
EDGE_S = 0.05


@dataclass(frozen=True)
class Voice:
    """One utterance.

    Attributes:
        pieces: 16-bit mono PCM.
        pace: How much faster than it is heard it comes.
        pauses: Before which piece nothing comes for how many seconds.
    """

    pieces: Sequence[bytes] = field(repr=False)
    rate_hz: int = 24_000
    pace: float = 5.0
    pauses: dict[int, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return sum(map(len, self.pieces)) / 2 / self.rate_hz

    async def spoken(self) -> AsyncIterator[bytes]:
        """Each piece at its time; a loop that was blocked catches up, as behind a socket."""
        now = asyncio.get_running_loop().time
        due = now()
        for index, piece in enumerate(self.pieces):
            due += self.pauses.get(index, 0.0)
            if due > now():
                await asyncio.sleep(due - now())
            yield piece
            due += PIECE_S / self.pace


def _in_pieces(samples: np.ndarray, rate_hz: int) -> list[bytes]:
    size = round(rate_hz * PIECE_S)
    return [samples[at : at + size].tobytes() for at in range(0, len(samples), size)]


def speech(seconds: float, rate_hz: int = 24_000, *, first: int = 1, **how: object) -> Voice:
    """Pieces that can be told apart: all samples of one are its number, counted from `first`."""
    size = round(rate_hz * PIECE_S)
    numbers = np.arange(first, first + round(seconds / PIECE_S), dtype="<i2")
    return Voice([np.full(size, each).tobytes() for each in numbers], rate_hz, **how)  # type: ignore


def tone(seconds: float, rate_hz: int, **how: object) -> Voice:
    """997 Hz at -3 dBFS with soft edges: a lost sample shows anywhere in it."""
    at = np.arange(round(seconds * rate_hz)) / rate_hz
    edges = np.clip(np.minimum(at, seconds - at) / EDGE_S, 0.0, 1.0)
    wave = 32_767 * TONE_PEAK * edges * np.sin(2 * np.pi * TONE_HZ * at)
    return Voice(_in_pieces(np.round(wave).astype("<i2"), rate_hz), rate_hz, **how)  # type: ignore


def snr_db(pcm: bytes, rate_hz: int = 24_000) -> float:
    """How far the best fitting tone is above what is left without it, between the edges."""
    samples = np.frombuffer(pcm, dtype="<i2").astype(float)
    edge = round(2 * EDGE_S * rate_hz)
    samples = samples[edge:-edge]
    if len(samples) < rate_hz // 10:
        return 0.0
    at = 2 * np.pi * TONE_HZ * np.arange(len(samples)) / rate_hz
    waves = np.stack([np.sin(at), np.cos(at), np.ones_like(at)], axis=1)
    fit, *_ = np.linalg.lstsq(waves, samples, rcond=None)
    rest = samples - waves @ fit
    signal = float((waves[:, :2] @ fit[:2]).std())
    return float(20 * np.log10(signal / max(float(rest.std()), 1e-9)))


def pieces_lost(sent: Sequence[Voice], heard: bytes) -> int:
    """How many pieces of `speech` were not heard whole."""
    size = round(24_000 * PIECE_S)
    counts = np.bincount(np.maximum(np.frombuffer(heard, dtype="<i2"), 0), minlength=32_768)
    numbers = [np.frombuffer(piece, dtype="<i2")[0] for voice in sent for piece in voice.pieces]
    return int(sum(counts[number] < size for number in numbers))
