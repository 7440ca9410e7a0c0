"""Calls of a vendor's that has one address for all sessions: handed to the one that is meant.

Which one that is, its process knows. So all are asked, a few at a time, and who was meant is asked
first the next time.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress

from starlette.responses import JSONResponse
from starlette.types import Message, Receive, Scope, Send

from .backend import Backend, UnknownSession

AT_ONCE = 8
ANSWER_S = 2.0
"""How long one session may take."""
ALL_ANSWER_S = 4.0
"""How long all may take together: a vendor waits for some seconds, and then calls again."""

MOST_KNOWN = 10_000


class Calls:
    """An ASGI application behind the gate, which has read who calls and about what.

    The vendor is told that it was heard, whoever was meant: to call again would change nothing.

    Args:
        backend: Where the sessions are.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._meant: dict[str, str] = {}
        self._free = asyncio.Semaphore(AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = (await receive()).get("body", b"")
        with suppress(TimeoutError):
            async with asyncio.timeout(ALL_ANSWER_S):
                await self._tell(scope, body)
        await JSONResponse({})(scope, receive, send)

    async def _tell(self, scope: Scope, body: bytes) -> None:
        about = scope["avatarbot.about"]
        sessions = [each.id for each in self._backend.sessions()]
        first = self._meant.get(about)
        if first in sessions and await self._is_meant(first, scope, body):
            return
        others = [each for each in sessions if each != first]
        for other, is_meant in zip(
            others,
            await asyncio.gather(*(self._is_meant(each, scope, body) for each in others)),
            strict=True,
        ):
            if is_meant:
                self._remember(about, other, sessions)

    def _remember(self, about: str, session: str, living: list[str]) -> None:
        if len(self._meant) >= MOST_KNOWN:
            self._meant = {each: of for each, of in self._meant.items() if of in living}
        if len(self._meant) < MOST_KNOWN:
            self._meant[about] = session

    async def _is_meant(self, session: str, scope: Scope, body: bytes) -> bool:
        try:
            async with self._free, asyncio.timeout(ANSWER_S):
                answer = await self._ask(session, scope, body)
        except (TimeoutError, UnknownSession):
            return False
        return isinstance(answer, Mapping) and answer.get("known") is True

    async def _ask(self, session: str, scope: Scope, body: bytes) -> object:
        asks = iter([{"type": "http.request", "body": body, "more_body": False}])
        pieces: list[bytes] = []

        async def receive() -> Message:
            for message in asks:
                return message
            return await asyncio.Future[Message]()

        async def keep(message: Message) -> None:
            pieces.append(message.get("body", b""))

        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        inner = {**scope, "headers": headers, "query_string": b"", "root_path": ""}
        await self._backend.forward(session, inner, receive, keep)
        try:
            return json.loads(b"".join(pieces))
        except ValueError:
            return None  # it has no such path: another vendor's, or another bot's
