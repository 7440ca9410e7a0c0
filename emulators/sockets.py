"""What goes out on a vendor's socket, and how a socket ends."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from aiohttp import web


@dataclass(frozen=True, slots=True)
class Hangup:
    """The vendor closes the connection."""

    code: int


@dataclass(frozen=True, slots=True)
class Break:
    """The connection ends without a close frame."""


Item = dict[str, Any] | str | bytes | Hangup | Break
Outbox = asyncio.Queue[Item]


async def write(request: web.Request, socket: web.WebSocketResponse, outbox: Outbox) -> None:
    """Sends what is put into an outbox, until the connection ends."""
    while True:
        match await outbox.get():
            case Hangup(code):
                await socket.close(code=code)
                return
            case Break():
                if request.transport:
                    request.transport.abort()
                return
            case bytes() as binary:
                await socket.send_bytes(binary)
            case str() as text:
                await socket.send_str(text)
            case message:
                await socket.send_json(message)
