"""Takes the TCP connection of a WebSocket out of this process's server, before it is answered.

The gate has read the request and let it in; another process answers it. Nothing that the person
says passes this process then.
"""

from __future__ import annotations

import os
import socket
from typing import Any, Protocol

from starlette.types import Scope
from uvicorn.protocols.utils import ClientDisconnected

from server.patience import WebSocket

EXTENSION = "avatarbot.handover"
"""Among the extensions of an ASGI scope: `() -> Connection`."""

LARGEST_HEAD = 16 * 1024
"""Bytes of a request that can be handed over: it travels in one datagram."""

MOST_EARLY = 4 * 1024
"""Bytes that may come behind a request before it is answered."""


class Connection(Protocol):
    """What is behind `EXTENSION`."""

    def __call__(self) -> tuple[socket.socket, bytes]:
        """The connection, and what came behind the request. The server lets go of it."""


class TooLarge(Exception):
    """The request does not fit into a datagram."""

    def __init__(self) -> None:
        super().__init__("This is too much to begin with.")


def hand_over(scope: Scope) -> tuple[socket.socket, bytes]:
    """Returns the connection of a WebSocket that was not answered, and its request.

    Args:
        scope: The WebSocket's, as the gate passes it on. The request is written anew from it, so
            that what the gate has taken out, such as the ticket, stays out.

    Raises:
        TooLarge: And then it is still there to be refused.
    """
    head = _head(scope)
    if len(head) > LARGEST_HEAD:
        raise TooLarge
    connection, early = scope["extensions"][EXTENSION]()
    return connection, head + early


def _head(scope: Scope) -> bytes:
    """The request, as uvicorn itself writes it when a connection becomes a WebSocket."""
    query = scope["query_string"]
    target = scope["raw_path"] + (b"?" + query if query else b"")
    lines = [b"GET " + target + b" HTTP/1.1", *(b": ".join(pair) for pair in scope["headers"])]
    return b"\r\n".join((*lines, b"", b""))


class Handing(WebSocket):
    """A connection that has asked to become a WebSocket: it waits, unread, for who takes it."""

    _early: bytes | None = None

    def handle_connect(self, event: Any) -> None:
        super().handle_connect(event)
        if self.close_sent:
            return  # it was no WebSocket's request
        self.scope["extensions"][EXTENSION] = self._let_go
        self._early = b""
        self.read_paused = True  # `receive` goes on reading, for who does not hand it over
        self.transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        if self._early is None:
            super().data_received(data)
        elif len(self._early) + len(data) > MOST_EARLY:
            self._end("it did not wait to be answered")
        else:
            self._early += data

    def _let_go(self) -> tuple[socket.socket, bytes]:
        if self.transport.is_closing():
            raise ClientDisconnected
        wire = self.transport.get_extra_info("socket")
        connection = socket.socket(fileno=os.dup(wire.fileno()))
        # For uvicorn it is a connection that has been answered and is gone.
        self.handshake_complete = self.close_sent = True
        self.transport.abort()
        return connection, self._early or b""
