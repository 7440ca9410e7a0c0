import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake import Intake

RATE_HZ = 16_000


@given(st.binary(max_size=2_000), st.integers(-1, 200_000), st.integers(-1, 8))
def test_no_audio_raises(audio: bytes, rate_hz: int, channels: int) -> None:
    assert len(Intake(RATE_HZ).take(audio, rate_hz, channels)) % 2 == 0


def test_audio_at_the_right_rate_is_not_touched_but_for_half_a_sample() -> None:
    assert Intake(RATE_HZ).take(b"\1\2\3", RATE_HZ, 1) == b"\1\2"


def test_two_channels_become_their_mean() -> None:
    stereo = np.array([100, 300, -200, 0], np.int16).tobytes()
    assert np.frombuffer(Intake(RATE_HZ).take(stereo, RATE_HZ, 2), np.int16).tolist() == [200, -100]


@pytest.mark.parametrize("rate_hz", [8_000, 24_000, 48_000])
def test_a_stream_of_another_rate_keeps_its_pitch_and_length(rate_hz: int) -> None:
    tone = 8_000 * np.sin(2 * np.pi * 440 * np.arange(rate_hz) / rate_hz)
    pcm = tone.astype(np.int16).tobytes()
    intake = Intake(RATE_HZ)
    step = rate_hz // 50 * 2
    heard = b"".join(
        intake.take(pcm[start : start + step], rate_hz, 1) for start in range(0, len(pcm), step)
    )
    samples = np.frombuffer(heard, np.int16)
    assert len(samples) == pytest.approx(RATE_HZ, rel=0.08)
    spectrum = np.abs(np.fft.rfft(samples))
    assert np.argmax(spectrum) * RATE_HZ / len(samples) == pytest.approx(440, abs=2)
