"""The voice of the benchmarks: what it says, when, and how what became of it is judged."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from benchmarks.peers.voice import PIECE_S, pieces_lost, snr_db, speech, tone

pytestmark = pytest.mark.asyncio


async def test_pieces_come_at_their_pace_and_after_their_pauses() -> None:
    now = asyncio.get_running_loop().time
    begin = now()
    voice = speech(0.1, pace=2.0, pauses={3: 1.0})
    at = [now() - begin async for _ in voice.spoken()]
    assert at == pytest.approx([0.0, 0.01, 0.02, 1.03, 1.04])


async def test_pieces_that_were_not_heard_whole_are_counted() -> None:
    voice = speech(1.0)
    heard = b"".join(voice.pieces)
    assert pieces_lost([voice], heard) == 0
    assert pieces_lost([voice], heard[:-2]) == 1
    assert pieces_lost([voice, speech(1.0, first=51)], heard) == round(1.0 / PIECE_S)


async def test_one_missing_piece_shows_in_the_tone() -> None:
    whole = b"".join(tone(2.0, 24_000).pieces)
    assert snr_db(whole) > 90
    samples = np.frombuffer(whole, dtype="<i2")
    assert snr_db(np.delete(samples, np.s_[24_000:24_480]).tobytes()) < 20
    assert snr_db(b"") == 0.0
