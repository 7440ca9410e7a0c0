"""The vendor on a port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from aiohttp import web

from .. import admin
from ..serving import listening
from . import control, interactive, liveavatar
from .emulator import Emulator
from .knobs import Knobs
from .replies import EMULATOR, as_the_vendor

if TYPE_CHECKING:
    from .rooms import Rooms


def application(emulator: Emulator) -> web.Application:
    """Returns REST, sockets and `/_emulator/…` as one application."""
    app = web.Application(middlewares=[as_the_vendor], client_max_size=4 * 2**20)
    app[EMULATOR] = app[admin.VENDOR] = emulator
    for part in (liveavatar, interactive, control, admin):
        app.add_routes(part.routes)
    return app


@asynccontextmanager
async def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    seed: int | None = None,
    rooms: Rooms | None = None,
    **knobs: Any,
) -> AsyncIterator[Emulator]:
    """Runs the vendor while the block runs; port 0 takes a free one.

    Args:
        host: Where it listens.
        port: Likewise.
        seed: What its hidden delays are drawn from; any, if none is given.
        rooms: Where the avatars are seen and heard; nowhere, if none are given.
        knobs: Fields of `Knobs`.
    """
    emulator = Emulator(Knobs().turned(knobs), seed=seed, rooms=rooms)
    async with listening(application(emulator), host, port) as (address,):
        emulator.url = f"http://{address}"
        try:
            yield emulator
        finally:
            for each in emulator.sessions.values():
                each.reading.set()
                each.end("SERVER_ERROR")
            if rooms:
                await rooms.aclose()
