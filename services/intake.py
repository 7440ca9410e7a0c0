"""Audio of any rate, number of channels and cut → whole 16-bit mono samples at one rate."""

from __future__ import annotations

import numpy as np
import soxr

_RATES_HZ = range(1_000, 400_000)


class Intake:
    """Converts a stream. Nothing that is fed raises; what makes no sense is left out."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._from_hz = rate_hz
        self._resampler: soxr.ResampleStream | None = None

    def take(self, audio: bytes, rate_hz: int, channels: int) -> bytes:
        """Convert the next audio.

        Args:
            audio: 16-bit little-endian PCM, channels interleaved. An incomplete sample at its end
                is dropped.
            rate_hz: Of this audio; a change begins a new stream.
            channels: Averaged to one.

        Returns:
            16-bit mono PCM at the wanted rate; may be empty.
        """
        if rate_hz not in _RATES_HZ or channels < 1:
            return b""
        whole = len(audio) - len(audio) % (2 * channels)
        if rate_hz == self._rate_hz and channels == 1:
            return audio[:whole]
        samples = np.frombuffer(audio[:whole], np.int16).reshape(-1, channels)
        mono = samples.mean(axis=1).astype(np.int16)
        if rate_hz == self._rate_hz:
            return bytes(mono)
        if self._resampler is None or rate_hz != self._from_hz:
            self._from_hz = rate_hz
            self._resampler = soxr.ResampleStream(
                rate_hz, self._rate_hz, 1, dtype="int16", quality="HQ"
            )
        return bytes(self._resampler.resample_chunk(mono))
