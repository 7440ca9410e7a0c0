"""`POST /start` for rooms: what the person gets is theirs, and what is the bot's stays with it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp import web

from .test_door import Door, free_port

KEY = "SECRET-daily-key"


class Daily:
    """Daily's REST API, as far as rooms and tokens go, in a thread of its own."""

    def __init__(self) -> None:
        self.port = free_port()
        self.tokens: list[dict[str, Any]] = []
        self.loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._started.wait(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        app = web.Application()
        app.router.add_post("/v1/rooms", self._room)
        app.router.add_post("/v1/meeting-tokens", self._token)
        runner = web.AppRunner(app)
        self.loop.run_until_complete(runner.setup())
        self.loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", self.port).start())
        self._started.set()
        self.loop.run_forever()
        self.loop.run_until_complete(runner.cleanup())
        self.loop.close()

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)

    async def _room(self, request: web.Request) -> web.Response:
        assert request.headers["authorization"] == f"Bearer {KEY}"
        name = (await request.json())["name"]
        room = {"id": "1", "name": name, "url": f"https://example.daily.co/{name}", "config": {}}
        room |= {"api_created": True, "privacy": "public", "created_at": "2026-01-01T00:00:00Z"}
        return web.json_response(room)

    async def _token(self, request: web.Request) -> web.Response:
        properties = (await request.json())["properties"]
        self.tokens.append(properties)
        kind = "owner" if properties.get("is_owner") else "guest"
        return web.json_response({"token": f"SECRET-{kind}-token"})


@pytest.fixture(scope="module")
def daily() -> Iterator[Daily]:
    daily = Daily()
    yield daily
    daily.stop()


@pytest.fixture(scope="module")
def door(daily: Daily, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    from server.page import ASSETS, INDEX

    page = tmp_path_factory.mktemp("page")
    for name in (INDEX, *ASSETS):
        (page / name).write_text(name)
    door = Door(
        free_port(),
        page,
        tmp_path_factory.mktemp("state"),
        "-vv",
        NO_DAILY="",
        DAILY_API_KEY=KEY,
        DAILY_API_URL=f"http://127.0.0.1:{daily.port}/v1",
        LIVEKIT_URL="wss://example.livekit.cloud",
        LIVEKIT_API_KEY="key",
        LIVEKIT_API_SECRET="SECRET-livekit-and-long-enough-for-a-signature",
    ).opened()
    yield door
    door.stop()
    log = "".join(door.errors)
    assert "SECRET-" not in log


def test_a_person_is_a_guest_of_the_daily_room_and_the_bot_its_owner(
    door: Door, daily: Daily, tmp_path: Path
) -> None:
    pytest.importorskip("daily", reason="needs daily-python (uv sync --extra daily)")
    wishes = {"transport": "daily", "dailyRoomProperties": {"enable_recording": "cloud"}}
    response, body = door.ask("POST", "/start", json.dumps(wishes).encode())
    answer = json.loads(body)
    assert response.status == 200
    assert answer["dailyRoom"].startswith("https://example.daily.co/")
    assert answer["dailyToken"] == "SECRET-guest-token"
    owner, guest = daily.tokens
    assert owner["is_owner"]
    assert not guest["is_owner"]
    assert guest["exp"] < owner["exp"]


def test_a_person_may_join_the_livekit_room_and_no_more(door: Door) -> None:
    pytest.importorskip("livekit.api", reason="needs livekit (uv sync --extra livekit)")
    response, body = door.ask("POST", "/start", b'{"transport": "livekit"}')
    answer = json.loads(body)
    assert response.status == 200
    assert answer["url"] == "wss://example.livekit.cloud"
    claims = jwt.decode(answer["token"], options={"verify_signature": False})
    granted = {name for name, value in claims["video"].items() if value is True}
    assert granted <= {"roomJoin", "canPublish", "canSubscribe", "canPublishData"}
    assert claims["video"]["room"]
