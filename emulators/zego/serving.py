"""The vendor on a port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web

from .. import admin as any_admin
from ..serving import listening
from . import admin, drive_socket, gateway
from .certificate import Certificate
from .emulator import Emulator
from .knobs import Knobs


def application(emulator: Emulator) -> web.Application:
    """Returns REST, sockets and `/_emulator/…` as one application."""
    app = web.Application(client_max_size=4 * 2**20)
    app[gateway.EMULATOR] = app[any_admin.VENDOR] = emulator
    for part in (gateway, drive_socket, any_admin, admin):
        app.add_routes(part.routes)
    return app


@asynccontextmanager
async def serve(
    *, host: str = "127.0.0.1", port: int = 0, seed: int | None = None, **knobs: Any
) -> AsyncIterator[Emulator]:
    """Runs the vendor while the block runs; port 0 takes a free one.

    Args:
        host: Where it listens: an IP, since the certificate is for that.
        port: Likewise; drive sockets with TLS are on another one.
        seed: What its hidden delays are drawn from; any, if none is given.
        knobs: Fields of `Knobs`.
    """
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        emulator = Emulator(Knobs().turned(knobs), http, seed=seed)
        if emulator.knobs.drive_tls:
            emulator.certificate = Certificate(host)
        secured = emulator.certificate.context if emulator.certificate else None
        serves = listening(application(emulator), host, port, secured=secured)
        addresses = await stack.enter_async_context(serves)
        emulator.url = f"http://{addresses[0]}"
        emulator.drive_address = addresses[-1]
        try:
            yield emulator
        finally:
            for each in emulator.sessions.values():
                each.reading.set()
                each.end("SERVER_ERROR")
            await emulator.news.aclose()
