"""A session that has reached its longest time: the real bot, over a real socket."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.emulated.visitor import VOICE_HZ, running_bot, visiting

SHORTEST_S = "10"  # that can be set


@pytest.mark.asyncio
async def test_it_says_so_in_writing_and_aloud_and_closes(tmp_path: Path) -> None:
    settings = {"MAX_SESSION_SECONDS": SHORTEST_S, "GREETING": "Hi."}
    async with running_bot(tmp_path, **settings) as bot, visiting(bot) as visitor:
        notice = await visitor.kind("notice")
        assert "longest time" in notice["text"]
        assert notice["ends"]
        goodbye = await visitor.kind("avatar-begin", visitor.messages.index(notice))
        assert await visitor.until_over() == 1000
        assert visitor.heard[goodbye["utterance"]] > VOICE_HZ, "less than a second of goodbye"
        assert len(visitor.notices()) == 1
