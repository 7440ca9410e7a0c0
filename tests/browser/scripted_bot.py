"""A bot that says what a test tells it to: the other end of the page's WebSocket, at the page."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from playwright.async_api import Page, WebSocketRoute

from .visit import PATIENCE_S


class ScriptedBot:
    """Greets as the real one does, says of itself what it is told to, and notes what it hears.

    Attributes:
        heard: Types of the page's client messages, in order.
        details: What each of them came with, those that are forgotten included.
        typed: What the person has typed.
        pieces: How many pieces of the microphone's sound came.
    """

    def __init__(self, avatar: str) -> None:
        self.heard: list[str] = []
        self.details: list[dict[str, Any]] = []
        self.typed: list[str] = []
        self.pieces = 0
        self.connections: list[WebSocketRoute] = []
        self._avatar = avatar
        self._changed = asyncio.Event()

    async def answer(self, page: Page) -> None:
        """Take the page's next connections; the page has to be loaded anew."""
        await page.route_web_socket("**/ws-client", self._connect)

    def say(self, message: str, **data: Any) -> None:
        """Send a server-message."""
        self._send("server-message", {"type": message, **data})

    async def until(self, holds: Callable[[list[str]], bool]) -> None:
        """Wait until what was heard is so."""
        async with asyncio.timeout(PATIENCE_S):
            while not holds(self.heard):
                self._changed.clear()
                await self._changed.wait()

    async def hears(self, *kinds: str) -> None:
        """Wait until exactly these were heard, in this order, and forget them."""
        await self.until(lambda heard: len(heard) >= len(kinds))
        assert self.heard == [*kinds]
        self.heard.clear()

    def _connect(self, route: WebSocketRoute) -> None:
        self.connections.append(route)
        route.on_message(self._take)

    def _take(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            self.pieces += 1  # the microphone
            self._changed.set()
            return
        said = json.loads(message)
        if said["type"] == "client-ready":
            self._send("bot-ready", {})
            ears = self._avatar if self._avatar.endswith("-agent") else "local"
            self.say("session", stt=ears, llm="openai", tts=ears, avatar=self._avatar)
        elif said["type"] == "client-message":
            self.heard.append(said["data"]["t"])
            self.details.append(said["data"]["d"])
        elif said["type"] == "send-text":
            self.typed.append(said["data"]["content"])
        self._changed.set()

    def _send(self, kind: str, data: dict[str, Any]) -> None:
        message = {"label": "rtvi-ai", "type": kind, "id": "1", "data": data}
        self.connections[-1].send(json.dumps(message))
