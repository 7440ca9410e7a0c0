"""A connection that breaks and comes back: the real bot, over real sockets."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from tests.browser.visit import running_bot

DEADLINE_S = 20


class Line:
    """One connection of a page."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.told: list[dict[str, Any]] = []

    async def send(self, kind: str, data: Any) -> None:
        message = {"label": "rtvi-ai", "type": kind, "id": "1", "data": data}
        await self.socket.send_json(message)

    async def ask(self, text: str) -> str:
        """Types; returns the answer, once it was heard to its end."""
        begun, asked = len(self.told), False
        await self.send("send-text", {"content": text})
        while True:
            data = await self.is_told("transcript", since=begun)
            begun = self.told.index(data) + 1
            asked = asked or data["role"] == "user"
            if asked and data["role"] == "assistant" and data["final"]:
                return str(data["text"])

    async def is_told(self, kind: str, since: int = 0) -> dict[str, Any]:
        """The first server-message of a kind from a place on."""
        while True:
            found = [each for each in self.told[since:] if each.get("type") == kind]
            if found:
                return found[0]
            message = await self.socket.receive(timeout=DEADLINE_S)
            assert message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY), message
            if message.type is aiohttp.WSMsgType.TEXT:
                content = json.loads(message.data)
                if content["type"] == "server-message":
                    self.told.append(content["data"])


@asynccontextmanager
async def dialled(
    http: aiohttp.ClientSession, address: str, ticket: str | None = None
) -> AsyncIterator[Line]:
    headers = {"Origin": address}
    if ticket is None:
        async with http.post(f"{address}/start", json={}, headers=headers) as answer:
            ticket = (await answer.json())["token"]
    url = address.replace("http", "ws") + "/ws-client"
    protocols = ("avatarbot", f"ticket.{ticket}")
    async with http.ws_connect(url, protocols=protocols, headers=headers) as socket:
        line = Line(socket)
        await line.send("client-ready", {"version": "2.0.0"})
        yield line


@pytest.mark.asyncio
async def test_a_conversation_goes_on_where_it_broke_and_nobody_else_has_it() -> None:
    async with running_bot(GREETING="Welcome.") as address, aiohttp.ClientSession() as http:
        async with dialled(http, address) as line:
            ticket = await line.is_told("ticket")
            assert ticket["remembers"]
            greeting = await line.is_told("transcript")
            assert greeting["text"].startswith("Welcome")
            await line.ask("My name is David")
        async with dialled(http, address, ticket["token"]) as line:
            answer = await line.ask("What is my name?")
            assert "David" in answer
            assert not [each for each in line.told if "Welcome" in str(each)], "greeted twice"
        async with dialled(http, address) as stranger:
            await stranger.is_told("transcript")
            assert "David" not in await stranger.ask("What is my name?")
        with pytest.raises(aiohttp.WSServerHandshakeError):
            async with dialled(http, address, ticket["token"]):
                raise AssertionError("a ticket was good for two connections")
