"""I1 and I2: every sample that the TTS makes is heard once, in order, and nothing else."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import numpy as np
import pytest
import soxr
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    TextFrame,
)

from tests.emulated.contract.stage import (
    QUICK,
    RATE_HZ,
    all_heard,
    pieces,
    reply,
    running,
    stream,
    together,
    voice,
)
from tests.emulated.contract.vendors import EVERY, OVER_A_SOCKET, ROWS, Row
from transports.avatar import NeverReady

pytestmark = pytest.mark.asyncio

RATES_HZ = (8_000, 16_000, 22_050, 24_000, 44_100, 48_000)
TONE_HZ = 997
PAIR = [BotStartedSpeakingFrame, BotStoppedSpeakingFrame]


def noise_db(heard: np.ndarray, expected: np.ndarray) -> float:
    """How far below what was expected the difference is, in dB."""
    heard, expected = (each.astype(float) for each in (heard, expected))
    return float(10 * np.log10(np.sum(expected**2) / (np.sum((heard - expected) ** 2) or 1e-9)))


def samples(pcm: bytes) -> np.ndarray:
    return np.frombuffer(pcm, dtype="<i2")


@EVERY
@pytest.mark.parametrize(
    "utterances", [12, pytest.param(200, marks=pytest.mark.long)], ids=["short", "long"]
)
async def test_every_sample_of_any_utterance_is_heard_once_and_in_order(
    row: Row, tmp_path: Path, utterances: int
) -> None:
    random = Random(utterances)
    longest_s, magnitude = (60, 5) if row.tells else (5, 4)  # what is not told takes its time
    lengths = [1, 2, 479, 481, longest_s * RATE_HZ] + [
        round(10 ** random.uniform(0, magnitude)) for _ in range(utterances)
    ]
    async with running(row, tmp_path, within_s=30 + utterances, **QUICK) as (bot, side):
        heard = b""
        for number, length in enumerate(lengths[:utterances]):
            rate_hz = RATES_HZ[number % len(RATES_HZ)]
            pcm = voice(length / rate_hz, seed=number, rate_hz=rate_hz)
            frames = pieces(pcm, rate_hz, random=random)
            await bot.push(*reply(frames))
            await bot.has_said(number + 1)
            await all_heard(side)
            new = samples(stream(side).removeprefix(heard))
            heard = stream(side)
            expected = soxr.resample(samples(pcm), rate_hz, RATE_HZ, quality="HQ")
            about = f"{length} samples at {rate_hz} Hz"
            assert abs(len(new) - length * RATE_HZ / rate_hz) <= 1, about
            if rate_hz == RATE_HZ:
                assert new.tobytes() == pcm, about
            elif length > 100:
                both = min(len(new), len(expected))
                assert noise_db(new[:both], expected[:both]) > 60, about


@EVERY
async def test_other_rates_lose_nothing_that_can_be_heard(row: Row, tmp_path: Path) -> None:
    async with running(row, tmp_path, **QUICK) as (bot, side):
        for number, rate_hz in enumerate(RATES_HZ):
            times_s = np.arange(2 * rate_hz) / rate_hz
            tone = 32_767 * 10 ** (-3 / 20) * np.sin(2 * np.pi * TONE_HZ * times_s)
            before = len(stream(side))
            pcm = np.round(tone).astype("<i2").tobytes()
            await bot.push(*reply(pieces(pcm, rate_hz, random=Random(rate_hz))))
            await bot.has_said(number + 1)
            await all_heard(side)
            heard = samples(stream(side)[before:])
            assert abs(len(heard) - 2 * RATE_HZ) <= 1
            # Where a tone begins and ends at once, any filter rings: 10 ms are not looked at.
            heard = heard[RATE_HZ // 100 : -RATE_HZ // 100].astype(float)
            phase = 2 * np.pi * TONE_HZ * np.arange(len(heard)) / RATE_HZ
            basis = np.stack([np.sin(phase), np.cos(phase), np.ones(len(heard))], axis=1)
            fitted = basis @ np.linalg.lstsq(basis, heard, rcond=None)[0]
            assert noise_db(heard, fitted) >= 80, rate_hz


async def test_sentences_back_to_back_are_one_run_of_speech(tmp_path: Path) -> None:
    await together(*((row.name, says_sentences(row, tmp_path)) for row in ROWS))


async def says_sentences(row: Row, tmp_path: Path) -> None:
    sentences = [voice(0.06 + 0.04 * number, seed=number) for number in range(8)]
    async with running(row, tmp_path, connected_delay_ms=20) as (bot, side):
        await bot.say(*sentences)
        await bot.has_said()
        await all_heard(side)
        await bot.after.until(BotStoppedSpeakingFrame)
        assert stream(side) == b"".join(sentences)
        assert bot.told == PAIR
        assert not any(each.cut for each in side.heard())
        if row.end:
            assert len(side.received(row.end)) == len(sentences)
            assert [each.audio for each in side.heard()] == sentences


async def test_a_pause_of_the_voice_does_not_end_its_speech(tmp_path: Path) -> None:
    await together(*((row.name, pauses(row, tmp_path)) for row in ROWS))


async def pauses(row: Row, tmp_path: Path) -> None:
    pcm = voice(1.0)
    half = len(pcm) // 2
    async with running(row, tmp_path, connected_delay_ms=20) as (bot, side):
        first, *rest = reply(pieces(pcm))
        await bot.push(first, *rest[:26])
        await side.hears(0.45)
        await asyncio.sleep(3.0)  # which is the pause, and waits for nothing
        assert stream(side) == pcm[:half]
        await bot.push(*rest[26:])
        await bot.has_said()
        await all_heard(side)
        await bot.after.until(BotStoppedSpeakingFrame)
        assert stream(side) == pcm
        assert bot.told == PAIR
        if row.end:
            assert len(side.received(row.end)) == 1
            assert len(side.heard()) == 1


@EVERY
async def test_speech_from_before_the_vendor_is_ready_is_heard_from_its_first_sample(
    row: Row, tmp_path: Path
) -> None:
    pcm = voice(0.3)
    async with running(row, tmp_path, opened=False, connected_delay_ms=300) as (bot, side):
        await bot.say(pcm)
        await bot.push(TextFrame("nobody else waits"))
        await bot.after.until(TextFrame, within_s=3.0)
        await bot.has_said()
        await all_heard(side)
        assert stream(side) == pcm
        if row.calls:
            assert all(each.taken for each in side.received())


@OVER_A_SOCKET
async def test_a_vendor_that_is_never_ready_is_an_error_by_the_deadline_and_holds_up_nobody(
    row: Row, tmp_path: Path
) -> None:
    async with running(row, tmp_path, ready_timeout_s=0.6, never_connected=True) as (bot, side):
        await bot.say(voice(0.5))
        await bot.push(TextFrame("nobody else waits"))
        await bot.after.until(TextFrame, within_s=3.0)
        assert isinstance(await bot.error(within_s=2.0), NeverReady)
        await side.until(lambda: not side.running())
        assert side.received() == []
        await bot.say(voice(0.5))
        await bot.push(TextFrame("nor afterwards"))
        await bot.after.until(TextFrame, count=2, within_s=3.0)
        assert bot.told == []
