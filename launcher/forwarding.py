"""Hands HTTP requests on to a session's process, and its answers back, as they come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import aiohttp
from loguru import logger
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send
from yarl import URL

from .known import KNOWN, known_to_launcher

CONNECT_S = 2.0
ANSWER_S = 20.0
"""How long the head of an answer may take: of an offer, as long as candidates are gathered."""

Headers = Iterable[tuple[bytes, bytes]]

_OF_ONE_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
_BEFORE_A_BODY = frozenset((b"content-length", b"transfer-encoding"))
_OURS = frozenset((b"date", b"server"))


class Forwarder:
    """An ASGI application that answers as the session's process does.

    Args:
        path: The Unix socket of its server. It is called when the first request comes.
    """

    def __init__(self, path: Path) -> None:
        self._http = aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(str(path), limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
            skip_auto_headers=("accept", "accept-encoding", "content-type", "user-agent"),
        )

    async def close(self) -> None:
        """End what is open."""
        await self._http.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; whoever asked and has gone needs no answer any more."""
        asked = asyncio.Event()
        body: AsyncIterator[bytes] | None = None
        if {name for name, _ in scope["headers"]} & _BEFORE_A_BODY:
            body = _body(receive, asked)
        else:
            asked.set()
        exchange = asyncio.create_task(self._exchange(scope, body, send))
        gone = asyncio.create_task(_gone(receive, asked))
        try:
            await asyncio.wait({exchange, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            if not exchange.done():
                exchange.cancel()
            await asyncio.wait({exchange, gone})
        if not exchange.cancelled():
            exchange.result()

    async def _exchange(self, scope: Scope, body: AsyncIterator[bytes] | None, send: Send) -> None:
        try:
            async with asyncio.timeout(ANSWER_S):
                answer = await self._ask(scope, body)
        except (TimeoutError, aiohttp.ClientError) as error:
            late = isinstance(error, TimeoutError)
            logger.warning(f"a session's process did not answer: {type(error).__name__}")
            why = "The session takes too long to answer." if late else "The session is gone."
            await JSONResponse({"detail": why}, 504 if late else 502)(scope, _nothing, send)
            return
        async with answer:
            headers = [(name.lower(), value) for name, value in answer.raw_headers]
            kept = [pair for pair in _end_to_end(headers) if pair[0] not in _OURS]
            await send({"type": "http.response.start", "status": answer.status, "headers": kept})
            try:
                async for piece in answer.content.iter_any():
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            except aiohttp.ClientError:
                return  # the server breaks off an answer that it gets no end of
            await send({"type": "http.response.body", "body": b""})

    async def _ask(self, scope: Scope, body: AsyncIterator[bytes] | None) -> aiohttp.ClientResponse:
        headers = [*known_to_launcher(scope), *_end_to_end(scope["headers"])]
        query = scope["query_string"].decode("latin-1")
        target = scope["raw_path"].decode("latin-1") + (f"?{query}" if query else "")
        return await self._http.request(
            scope["method"],
            URL(f"http://session{target}", encoded=True),
            headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers],
            data=body,
            allow_redirects=False,
        )


def _end_to_end(headers: Headers) -> list[tuple[bytes, bytes]]:
    """The headers that are not for the next hop alone."""
    headers = list(headers)
    named = {
        each.strip().lower()
        for name, value in headers
        if name == b"connection"
        for each in value.split(b",")
    }
    not_theirs = _OF_ONE_HOP | named | {KNOWN}
    return [(name, value) for name, value in headers if name not in not_theirs]


async def _body(receive: Receive, asked: asyncio.Event) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        more = message.get("more_body", False)
        if piece := message.get("body", b""):
            yield piece
    asked.set()


async def _gone(receive: Receive, asked: asyncio.Event) -> None:
    """Returns when whoever asked has gone away."""
    await asked.wait()
    while (await receive())["type"] != "http.disconnect":
        pass


async def _nothing() -> dict[str, object]:
    raise AssertionError("an answer of ours asks for nothing")
