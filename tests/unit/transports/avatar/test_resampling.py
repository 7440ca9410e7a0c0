"""Rates: no sample lost, none invented, no seam."""

from __future__ import annotations

import numpy as np
import pytest

from transports.avatar.resampling import Resampler


def tone(rate: int, seconds: float, hz: float) -> np.ndarray:
    t = np.arange(round(rate * seconds)) / rate
    return (12_000 * np.sin(2 * np.pi * hz * t)).astype("<i2")


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("chunk_ms", [10, 20, 333])
def test_a_voice_at_another_rate_comes_out_whole_and_clean(rate: int, chunk_ms: int) -> None:
    source = tone(rate, 2.0, 440.0).tobytes()
    size = 2 * round(rate * chunk_ms / 1_000)
    resampler = Resampler(rate, 24_000)
    out = b"".join(resampler.convert(source[i : i + size]) for i in range(0, len(source), size))
    out += resampler.flush()
    got = np.frombuffer(out, dtype="<i2").astype(float)
    assert abs(len(got) - 48_000) <= 1
    middle = slice(2_000, 46_000)
    want = tone(24_000, 2.0, 440.0).astype(float)[middle]
    error = got[middle] - want
    assert 10 * np.log10((want**2).mean() / (error**2).mean()) > 60


def test_the_same_rate_passes_untouched() -> None:
    pcm = tone(24_000, 0.5, 300.0).tobytes()
    resampler = Resampler(24_000, 24_000)
    assert resampler.convert(pcm) + resampler.flush() == pcm


def test_an_odd_byte_waits_for_its_other_half() -> None:
    pcm = tone(24_000, 0.1, 300.0).tobytes()
    resampler = Resampler(24_000, 24_000)
    assert resampler.convert(pcm[:101]) + resampler.convert(pcm[101:]) == pcm


def test_two_channels_become_one() -> None:
    left = tone(24_000, 0.1, 300.0)
    stereo = np.column_stack([left, left]).astype("<i2").tobytes()
    assert Resampler(24_000, 24_000).convert(stereo, channels=2) == left.tobytes()
