"""The page over WebRTC: voice and microphone as tracks, everything else as before."""

from __future__ import annotations

from pathlib import Path

import pytest

from .visit import record, running_bot, visiting


@pytest.mark.asyncio
async def test_a_person_is_greeted_heard_and_obeyed(chromium: str, tmp_path: Path) -> None:
    pytest.importorskip("aiortc", reason="needs aiortc (uv sync --extra webrtc)")
    wav = tmp_path / "microphone.wav"
    record(wav, (6.0, "Tell me a story.", 4.0, "What is your name?", 30.0))
    async with (
        running_bot() as address,
        visiting(f"{address}/?transport=webrtc", chromium, wav) as visit,
    ):
        await visit.press("Start")
        greeting = await visit.until("audible")
        greeted = await visit.until("status", after=greeting["at"], status="listening")
        await visit.until_bubble("tell me a story")
        story = await visit.until("audible", after=greeted["at"])
        interrupted = await visit.until("status", after=story["at"], status="interrupted")
        silent = await visit.until("silent", after=story["at"])
        assert abs(silent["at"] - interrupted["at"]) < 300
        await visit.until_bubble("My name is Ava")
        story_told = next(each for each in await visit.bubbles() if "This is the story" in each)
        assert "interrupted" in story_told or "cut" in story_told, story_told
        await visit.press("End")
        assert visit.complaints == []
