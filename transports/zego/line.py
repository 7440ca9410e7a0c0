"""The connection that takes speech: one at a time, kept for as long as the vendor keeps it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from urllib.parse import urlsplit

from ..avatar.dial import WebSocket
from ..avatar.errors import ConnectionLost
from .wire import Odd


class Line:
    """At most one connection; a reader of its own sees it close, and lets pings be answered.

    Args:
        vendor: For the log and for errors.
        connect: Dials an address.
        closed: Called when the vendor has closed it, with how long it lived, in seconds.

    Attributes:
        odd: What the vendor said over it. Nothing of that is documented.
    """

    def __init__(
        self,
        vendor: str,
        connect: Callable[[str], AbstractAsyncContextManager[WebSocket]],
        closed: Callable[[float], None],
    ) -> None:
        self.odd = Odd(vendor)
        self._vendor = vendor
        self._connect = connect
        self._closed = closed
        self._place: tuple[str | None, int | None, str] | None = None
        self._socket: WebSocket | None = None
        self._stack = AsyncExitStack()
        self._reader: asyncio.Task[None] | None = None
        self._sent_at = 0.0

    @property
    def silent_s(self) -> float:
        """For how long nothing was sent, or since when it is open."""
        return asyncio.get_running_loop().time() - self._sent_at

    def leads_to(self, address: str) -> bool:
        """Whether it is open, and to where this address leads."""
        return self._socket is not None and self._place == _place(address)

    async def reach(self, address: str) -> None:
        """Dial an address, with no other connection beside it.

        Raises:
            AvatarError: It cannot be dialled; see `dial`.
        """
        await self.hang_up()
        async with AsyncExitStack() as stack:
            socket = await stack.enter_async_context(self._connect(address))
            self._stack = stack.pop_all()
        self._place, self._socket = _place(address), socket
        self._sent_at = asyncio.get_running_loop().time()
        self._reader = asyncio.create_task(self._read(socket), name="avatar drive read")

    async def send(self, message: str | bytes) -> None:
        """Send one message.

        Raises:
            ConnectionLost: It is not open, or no longer.
        """
        if self._socket is None:
            raise ConnectionLost(self._vendor)
        self._sent_at = asyncio.get_running_loop().time()
        await self._socket.send(message)

    async def hang_up(self) -> None:
        """Close it; harmless where it is not open."""
        reader, self._reader, self._socket = self._reader, None, None
        if reader is not None:
            reader.cancel()
            await asyncio.wait({reader})
        stack, self._stack = self._stack, AsyncExitStack()
        await stack.aclose()

    async def _read(self, socket: WebSocket) -> None:
        opened_at = asyncio.get_running_loop().time()
        async for message in socket:
            self.odd.note("a text" if isinstance(message, str) else "a binary message")
        self._socket = None
        self._closed(asyncio.get_running_loop().time() - opened_at)


def _place(address: str) -> tuple[str | None, int | None, str]:
    """Where an address leads, without what it has to say there."""
    try:
        to = urlsplit(address)
        return to.hostname, to.port, to.path
    except ValueError:
        return None, None, ""  # it is looked at when it is dialled
