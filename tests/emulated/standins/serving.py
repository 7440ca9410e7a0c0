"""Serves a stand-in on a port of its own, and the faults that all of them have."""

from __future__ import annotations

import asyncio
import math
from array import array
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

KEY = "SECRET-key-of-the-account-0123456789"
RATE_HZ = 24_000
DEADLINE_S = 20.0


@dataclass(frozen=True)
class Refuse:
    """Answer with an HTTP status instead of the service."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    code: str = "refused"

    def response(self, key: str) -> web.Response:
        """Quotes the key, as services of this world have done."""
        error = {"message": f"refused, you sent {key}", "type": self.code, "code": self.code}
        return web.json_response({"error": error}, status=self.status, headers=self.headers)


class Standin:
    """What arrived, and a way to wait for it.

    Args:
        refusals: What the first connections get instead.
    """

    def __init__(self, refusals: tuple[Refuse, ...] = ()) -> None:
        self._refusals = deque(refusals)
        self.received: list[dict[str, object]] = []
        self.connections = 0
        self._news = asyncio.Condition()

    async def note(self, message: dict[str, object]) -> None:
        async with self._news:
            self.received.append(message)
            self._news.notify_all()

    async def until(self, happened: Callable[[], bool]) -> None:
        """Wait until what arrived makes this true."""
        async with asyncio.timeout(DEADLINE_S), self._news:
            await self._news.wait_for(happened)

    async def refused(self, key: str, code: str = "refused") -> web.Response | None:
        """Counts a connection; returns what it gets instead of the service, if anything."""
        refusal = self._refusals.popleft() if self._refusals else None
        if key != KEY:
            refusal = Refuse(401, code=code)
        self.connections += 1
        await self.note({"connection": self.connections})
        return refusal.response(key) if refusal else None

    @asynccontextmanager
    async def serving(self, path: str, handler: web.RequestHandler) -> AsyncIterator[str]:
        """Yields `127.0.0.1:<port>`."""
        app = web.Application()
        app.router.add_route("*", path, handler)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            yield f"127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()


async def break_off(request: web.Request) -> None:
    """The connection is gone in the middle of an answer, without a word."""
    assert request.transport is not None
    await asyncio.sleep(0.2)  # so that what was said is on its way
    request.transport.abort()


def tone(seconds: float) -> bytes:
    """A voice, as far as a machine is concerned: 16-bit mono at 24 kHz."""
    samples = round(seconds * RATE_HZ)
    return array("h", (round(8_000 * math.sin(i * 0.06)) for i in range(samples))).tobytes()
