"""The door with ZEGO's back end behind it, on a real socket, in this process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import uvicorn
from fastapi import FastAPI

from server import digital_human
from server.addresses import Addresses
from server.callers import Callers, Nobody
from server.digital_human import CALLBACKS_PATH
from server.door import close_off
from server.page import ASSETS, INDEX
from server.plan import Plan
from server.presets import PRESETS
from server.tickets import Tickets
from tests.emulated.serving import free_port
from transports.zego.callbacks import Callbacks, signature
from transports.zego.desk import Desk, reader
from transports.zego.told import Told, about

SECRET = "zego-callback-secret"
APP_ID = 1234567890


class Door:
    """Who knocks.

    Attributes:
        desk: Knows the conversations.
        tickets: Of this door.
    """

    def __init__(self, http: aiohttp.ClientSession, port: int, now: list[float]) -> None:
        self.http = http
        self.origin = f"http://localhost:{port}"
        self.desk = Desk()
        self._now = now
        self.tickets = Tickets(b"k" * 32, now=lambda: now[0])
        self.now = now[0]

    def later(self, seconds: float) -> None:
        self._now[0] += seconds
        self.now = self._now[0]

    async def ask(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> tuple[int, Any, Mapping[str, str]]:
        """Status, content and headers; without an Origin, as servers ask."""
        raw = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        asked = self.http.request(method, self.origin + path, data=raw, headers=given)
        async with asked as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text else None, answer.headers

    async def called_back(self, body: object, **headers: str) -> int:
        return (await self.ask("POST", CALLBACKS_PATH, body, **headers))[0]

    def signed(self, nonce: str, content: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
        """A callback as ZEGO sends it, but for the changes."""
        at = str(int(self.now * 1e3))
        sealed = {"Nonce": nonce, "Timestamp": at, "Signature": signature(SECRET, at, nonce)}
        return {"AppId": APP_ID, **content, **sealed, **changes}


class Ear:
    """A conversation that has opened a task, and writes down what it is told."""

    def __init__(self, task: str = "task-1", room: str = "room-1") -> None:
        self._task, self._room = task, room
        self.heard: list[Told] = []

    def is_about(self, told: Told) -> bool:
        return about(told) == self._task or getattr(told, "room", None) == self._room

    async def hear(self, told: Told) -> None:
        self.heard.append(told)


@asynccontextmanager
async def door(
    folder: Path, *, secret: str = SECRET, callers: Callers | None = None
) -> AsyncIterator[Door]:
    """The door, while this is entered."""
    for name in (INDEX, *ASSETS):
        (folder / name).write_text("<!-- a page -->")
    app, port, now = FastAPI(openapi_url=None), free_port(), [1_764_547_200.0]
    async with aiohttp.ClientSession() as http:
        there = Door(http, port, now)
        callbacks = Callbacks(APP_ID, secret, clock=lambda: now[0]) if secret else None
        back_end = digital_human.back_end(there.desk, reader(callbacks) if callbacks else None)
        for router in back_end.routers:
            app.include_router(router)
        plan = back_end.added_to(Plan({}, callers=callers or Nobody()))
        addresses = Addresses.of("localhost", port)
        close_off(app, plan, page=folder, addresses=addresses, tickets=there.tickets)
        server = uvicorn.Server(
            uvicorn.Config(app, port=port, log_config=None, access_log=False, **PRESETS)
        )
        serving = asyncio.create_task(server.serve())
        try:
            async with asyncio.timeout(20):
                while not server.started:
                    await asyncio.sleep(0.01)
            yield there
        finally:
            server.should_exit = True
            await serving
