"""A vendor on a port."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web


@asynccontextmanager
async def listening(
    application: web.Application, host: str, port: int, *, secured: ssl.SSLContext | None = None
) -> AsyncIterator[list[str]]:
    """Serves while the block runs, and gives the addresses; port 0 takes a free one.

    Args:
        application: What is served.
        host: Where.
        port: Likewise.
        secured: TLS of a second port, a free one, for the same application.
    """
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        if secured:
            await web.TCPSite(runner, host, 0, ssl_context=secured).start()
        yield [f"{each[0]}:{each[1]}" for each in runner.addresses]
    finally:
        await runner.cleanup()
