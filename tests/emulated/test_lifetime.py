"""A session that has reached its longest time: the real bot, over a real socket."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest

from tests.browser.visit import running_bot

SHORTEST_S = 10  # that can be set
DEADLINE_S = 30


@pytest.mark.asyncio
async def test_it_says_so_in_writing_and_aloud_and_closes() -> None:
    async with running_bot(MAX_SESSION_SECONDS=str(SHORTEST_S), GREETING="Hi.") as address:
        headers = {"Origin": address}
        async with aiohttp.ClientSession() as http, asyncio.timeout(DEADLINE_S):
            async with http.post(f"{address}/start", json={}, headers=headers) as answer:
                start = await answer.json()
            protocols = ("avatarbot", f"ticket.{start['token']}")
            async with http.ws_connect(
                start["wsUrl"], protocols=protocols, headers=headers
            ) as socket:
                ready = {"label": "rtvi-ai", "type": "client-ready", "id": "1", "data": {}}
                await socket.send_json(ready)
                notices, spoken_after = [], 0
                async for message in socket:
                    if message.type is aiohttp.WSMsgType.BINARY:
                        spoken_after += len(message.data) * bool(notices)
                    elif message.type is aiohttp.WSMsgType.TEXT:
                        data = json.loads(message.data).get("data") or {}
                        if data.get("type") == "notice":
                            notices.append(data)
        (notice,) = notices
        assert "longest time" in notice["text"]
        assert notice["ends"]
        assert spoken_after > 2 * 24_000  # more than a second of goodbye
        assert socket.close_code == 1000
