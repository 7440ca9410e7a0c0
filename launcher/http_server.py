"""uvicorn for the launcher: it begins no more sessions when it is told to end, and then waits."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import uvicorn
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from server.addresses import Addresses
from server.bind import Network, is_loopback
from server.door import close_off
from server.gate import NEXT_TICKET
from server.noise import hush
from server.presets import PRESETS
from server.proxies import Proxies
from server.tickets import Tickets
from server.viewer import Viewer

from .api import Api
from .handover import Handing

CLOSING_S = 1
"""How long answers may take that are open when it ends."""

_ENDING = [signal.SIGINT, signal.SIGTERM]
if sys.platform != "win32":
    _ENDING.append(signal.SIGHUP)  # its terminal was closed


async def serve(
    api: Api,
    host: str,
    port: int,
    *,
    page: Path,
    addresses: Addresses,
    tickets: Tickets,
    drain: Callable[[], Awaitable[None]],
    viewer: Viewer | None,
    trusted_proxies: Sequence[Network],
    opened: Callable[[], None],
) -> None:
    """Serve the launcher behind the door, until it is told to end and no session is left.

    Args:
        api: What is served.
        host: Where to listen.
        port: The port.
        page: The folder with the page's files.
        addresses: Our own origins.
        tickets: What people show who come to a session.
        drain: Returns when no session is left, and none is begun any more.
        viewer: What the page shows a vendor's face with.
        trusted_proxies: See `Proxies`.
        opened: Called once it listens.
    """
    app, plan = api.app, api.plan
    close_off(app, plan, page=page, addresses=addresses, tickets=tickets, viewer=viewer)
    if sites := plan.callers.sites():
        app.add_middleware(
            CORSMiddleware,
            allow_origins=sorted(sites),
            allow_methods=("GET", "POST", "PATCH", "DELETE"),
            allow_headers=("authorization", "content-type"),
            expose_headers=(NEXT_TICKET,),
        )
    app.add_middleware(
        Proxies,
        trusted=trusted_proxies,
        only_trusted=not is_loopback(host),
        for_anybody=plan.for_anybody,
        here=Addresses.of(host, port),
    )
    server = HttpServer(app, host, port, drain=drain, opened=opened)
    api.end = server.drain
    await server.serve()


class HttpServer(uvicorn.Server):
    """Serves until it is drained.

    Args:
        app: What is served.
        host: Where to listen.
        port: The port.
        drain: Returns when no session is left, and none is begun any more.
        opened: Called once it listens.
    """

    def __init__(
        self,
        app: ASGIApp,
        host: str,
        port: int,
        *,
        drain: Callable[[], Awaitable[None]],
        opened: Callable[[], None],
    ) -> None:
        hush()
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=CLOSING_S,
                **{**PRESETS, "ws": Handing},
            )
        )
        self._drain = drain
        self._opened = opened
        self._draining: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._opened()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """They stay captured: none of them breaks off what is tidied up behind `serve`."""
        self._loop = asyncio.get_running_loop()
        for number in _ENDING:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as `nohup` wants it
                signal.signal(number, self.handle_exit)
        yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Told once, it drains; told twice, it ends."""
        if self.should_exit:
            return
        if self._draining is None:
            self._loop.call_soon_threadsafe(self.drain)
        else:
            self.should_exit = True

    def drain(self) -> None:
        """Begin no more sessions, and end when the last one has. What is asked is answered."""
        if self._draining is None:
            self._draining = asyncio.create_task(self._end(), name="drain")

    async def _end(self) -> None:
        try:
            await self._drain()
        finally:
            self.should_exit = True
