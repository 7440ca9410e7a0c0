"""Somebody's own front end, or their server, which asks a bot for what is its conversation's."""

from __future__ import annotations

import asyncio
import json
import time
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from websockets.asyncio.client import connect

from server.tickets import Tickets
from tests.emulated.visitor import Bot, Visitor, visiting

KEY = bytes(range(32))
CREATE = "/api/digital-human/create-task"
TALK = "/api/digital-human/talk-to-ai"
STOP = "/api/digital-human/stop-task"
TOKEN = "/api/token"
DEADLINE_S = 20.0
FOREIGN = "01234567-89ab-4def-8123-456789abcdef"


class Front:
    """Somebody's own front end, or their server."""

    def __init__(self, http: aiohttp.ClientSession, bot: Bot, session: str) -> None:
        self._http = http
        self._origin = bot.origin
        self.session = session
        self.ticket = Tickets(KEY, now=time.time).issue(session=session, scope="conversation")

    async def ask(
        self,
        path: str,
        body: Any = None,
        ticket: str | None = None,
        *,
        method: str = "POST",
        **headers: str,
    ) -> tuple[int, Any, Mapping[str, str]]:
        """Status, answer and headers. A token is asked for with the names in the query."""
        shown = {"Authorization": f"Bearer {self.ticket if ticket is None else ticket}"}
        given: dict[str, Any] = {"params": body or {}} if path == TOKEN else {"json": body or {}}
        method = "GET" if path == TOKEN else method
        asked = self._http.request(method, self._origin + path, headers=shown | headers, **given)
        async with asked as answer:
            return answer.status, await answer.json(), answer.headers

    async def gets(self, path: str, **body: Any) -> Any:
        """The answer, once there is one."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                status, answer, _ = await self.ask(path, body)
                if status == 200:
                    return answer
                assert status in (404, 503), (status, answer)
                await asyncio.sleep(0.05)

    async def status(self, path: str, **body: Any) -> int:
        return (await self.ask(path, body))[0]


def session_of(ticket: str) -> str:
    payload = ticket.partition(".")[0]
    claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return str(claims["session"])


@asynccontextmanager
async def at_the_page(
    bot: Bot, http: aiohttp.ClientSession
) -> AsyncIterator[tuple[Visitor, Front]]:
    """A conversation of our page, whose ticket another front end has as well."""
    async with visiting(bot) as visitor:
        ticket = (await visitor.kind("ticket"))["token"]
        front = Front(http, bot, session_of(ticket))
        yield visitor, front


@asynccontextmanager
async def with_a_page_of_their_own(bot: Bot, http: aiohttp.ClientSession) -> AsyncIterator[Front]:
    """A conversation of a client that knows Pipecat's protocol and nothing of faces."""
    headers = {"Origin": bot.origin}
    async with http.post(f"{bot.origin}/start", json={}, headers=headers) as answer:
        welcome = await answer.json()
    url = f"{welcome['wsUrl']}?token={welcome['token']}"
    async with connect(url, additional_headers=headers, proxy=None):
        yield Front(http, bot, session_of(welcome["token"]))
