"""How long the server waits for the other side of a connection, and how much it takes from it.

uvicorn waits for ever: for the rest of a request, and for somebody who does not read. Both kinds of
connection are uvicorn's own, with a clock and a count beside them.
"""

import asyncio
import socket
import sys
from typing import Any

from loguru import logger
from uvicorn.protocols.http.auto import AutoHTTPProtocol
from uvicorn.protocols.websockets.auto import AutoWebSocketsProtocol
from websockets.exceptions import InvalidState

from .allowance import Allowance

LONGEST_STALL_S = 4.0
"""How long the other side may take nothing of what is sent."""
LONGEST_SILENCE_S = 10.0
"""How long a request may take to come, its body apart (for that see `gate.SLOWEST_BODY_S`)."""
LARGEST_HEAD = 64 * 1024
"""Bytes that may come without anything of them being understood. h11 has a bound of its own."""
UNSENT_BYTES = 64 * 1024
"""What the system keeps for a slow WebSocket: a second of voice, not the megabytes it would."""
BYTES_PER_S, MOST_BYTES = 128 * 1024, 1024 * 1024
"""What a WebSocket may send on the wire."""
PIECE_BYTES = 4 * 1024
"""Taken in at once: into what the system hands over fit 40,000 frames without content."""
EXTRAS_PER_S, MOST_EXTRAS = 20, 200
"""Pings, and frames that go on with a message: they never reach the application."""
MOST_WAITING = 1_000
"""Messages that came and were not looked at yet."""

FLOOD = "a flood came in"


class _Impatient(asyncio.Protocol):
    """Ends a connection whose other side does not read."""

    transport: asyncio.Transport
    _stalled: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        super().pause_writing()
        loop = asyncio.get_running_loop()
        self._stalled = loop.call_later(
            LONGEST_STALL_S, self._end, f"nothing was read for {LONGEST_STALL_S:g} s"
        )

    def resume_writing(self) -> None:
        super().resume_writing()
        self._calm()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._calm()

    def _calm(self) -> None:
        if self._stalled:
            self._stalled.cancel()
            self._stalled = None

    def _end(self, why: str) -> None:
        if not self.transport.is_closing():
            logger.warning(f"dropped a connection: {why}")
        self.transport.abort()  # closing it would wait for the other side to read


class Http(_Impatient, AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """A connection on which requests come, each of them whole before long."""

    cycle: Any
    """uvicorn's request at hand, or the last one, or None."""
    conn: Any
    """h11's, where httptools is not installed."""
    _piece = b""
    _unread_bytes = 0
    _watched: Any = None
    _silent: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._silent:
            self._silent.cancel()

    def data_received(self, data: bytes) -> None:
        self._piece = data
        if hasattr(self, "parser"):  # httptools
            self._unread_bytes += len(data)
        super().data_received(data)
        if self._unread_bytes > LARGEST_HEAD:
            self._end("the head of a request has no end")

    def on_headers_complete(self) -> None:
        """httptools has read the head of a request."""
        self._unread_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """httptools has read a piece of a body."""
        self._unread_bytes = 0
        super().on_body(body)

    def handle_websocket_upgrade(self, *event: Any) -> None:
        """uvicorn forgets what came in one piece with the request, from a client that is early."""
        early = self._early()
        super().handle_websocket_upgrade(*event)
        if early:
            protocol: Any = self.transport.get_protocol()
            protocol.data_received(early)

    def _early(self) -> bytes:
        upgrade = sys.exception()  # httptools raises where the request ends, h11 does not
        return self._piece[upgrade.args[0] :] if upgrade else self.conn.trailing_data[0]

    def _watch(self) -> None:
        self._watched = self.cycle
        loop = asyncio.get_running_loop()
        self._silent = loop.call_later(LONGEST_SILENCE_S, self._look)

    def _look(self) -> None:
        if self.transport.get_protocol() is not self:
            return  # it has become a WebSocket
        idle = self.cycle is None or self.cycle.response_complete
        if idle and self.cycle is self._watched:
            self.transport.abort()
        else:
            self._watch()


class WebSocket(_Impatient, AutoWebSocketsProtocol):  # type: ignore[misc, valid-type]
    """A connection that has become a WebSocket, with bounds on what piles up and what comes in."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        now = asyncio.get_running_loop().time()
        self._bytes = Allowance(BYTES_PER_S, MOST_BYTES, now=now)
        self._extras = Allowance(EXTRAS_PER_S, MOST_EXTRAS, now=now)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        wire = transport.get_extra_info("socket")
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNSENT_BYTES)
        # A single byte that cannot be sent is a stall.
        self.transport.set_write_buffer_limits(high=1, low=0)

    def data_received(self, data: bytes) -> None:
        self._bound(self._bytes, len(data))
        for start in range(0, len(data), PIECE_BYTES):
            if self.transport.is_closing():
                return
            try:
                super().data_received(data[start : start + PIECE_BYTES])
            except InvalidState:
                # uvicorn answers to bad UTF-8 with a close frame even where one was sent before.
                self.transport.abort()
            if self.conn.handshake_exc and not self.handshake_initiated:
                # uvicorn never sends what the parser has to say of a request that it refuses.
                self.transport.write(b"".join(self.conn.data_to_send()))
                self.transport.close()
            if self.queue.qsize() > MOST_WAITING:
                self._end(FLOOD)

    def handle_ping(self, *event: Any) -> None:
        self._bound(self._extras, 1)
        super().handle_ping(*event)

    def handle_cont(self, *event: Any) -> None:
        self._bound(self._extras, 1)
        super().handle_cont(*event)

    def _bound(self, allowance: Allowance, amount: int) -> None:
        if not allowance.spend(amount, now=asyncio.get_running_loop().time()):
            self._end(FLOOD)
