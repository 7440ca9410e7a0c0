"""From the TTS's rate to the vendor's, without a seam and without losing the tail."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import soxr


class _Stream(Protocol):
    def resample_chunk(self, x: object, last: bool = False) -> np.ndarray: ...


class Resampler:
    """PCM of one utterance, 16-bit mono; one of these per utterance.

    Args:
        source_hz: Rate of what comes in.
        target_hz: Rate of what comes out. The same rate passes through untouched.
    """

    def __init__(self, source_hz: int, target_hz: int) -> None:
        self.source_hz = source_hz
        self.target_hz = target_hz
        self._odd = b""
        self._stream: _Stream | None = None
        if source_hz != target_hz:
            self._stream = soxr.ResampleStream(
                source_hz, target_hz, num_channels=1, dtype="int16", quality="HQ"
            )

    def convert(self, pcm: bytes, channels: int = 1) -> bytes:
        """What can be given out by now. An odd byte waits for its other half."""
        pcm = self._odd + pcm
        whole = len(pcm) - len(pcm) % (2 * channels)
        self._odd, pcm = pcm[whole:], pcm[:whole]
        if channels > 1:
            frames = np.frombuffer(pcm, dtype="<i2").reshape(-1, channels)
            pcm = frames.mean(axis=1).astype("<i2").tobytes()
        return self._run(pcm, last=False)

    def flush(self) -> bytes:
        """The tail: nothing follows."""
        return self._run(b"", last=True)

    def scale(self, samples: int) -> int:
        """The number of samples that `samples` at the source's rate become."""
        return samples * self.target_hz // self.source_hz

    def _run(self, pcm: bytes, *, last: bool) -> bytes:
        if self._stream is None:
            return pcm
        samples = np.frombuffer(pcm, dtype="<i2")
        return bytes(self._stream.resample_chunk(samples, last=last).tobytes())
