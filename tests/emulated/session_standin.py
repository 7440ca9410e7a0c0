"""Stands in for a session's HTTP server: it runs the bot at once, with the session's spec.

A bot can ask it for a ticket, and for what was handed over.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any


class Server:
    def __init__(
        self,
        bot: Callable[[Any], Awaitable[None]],
        spec: Mapping[str, Any],
        *,
        listener: socket.socket,
        ticket: Callable[[], Awaitable[str]],
    ) -> None:
        self._bot = bot
        self.spec = spec
        self.listener = listener
        self.ticket = ticket
        self.taken: asyncio.Queue[tuple[socket.socket, bytes, Mapping[str, Any]]] = asyncio.Queue()

    async def serve(self, serving: Callable[[], None]) -> None:
        serving()
        await self._bot(self)

    def take(self, connection: socket.socket, head: bytes, admission: Mapping[str, Any]) -> None:
        self.taken.put_nowait((connection, head, admission))
