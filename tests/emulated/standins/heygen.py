"""A few answers of HeyGen's services over real sockets, as a test scripts them.

Written from their documents; it imports nothing of ours, and knows no playback.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

HANG = object()
"""An answer that does not come before the test lets it."""

GONE = object()
"""A connection that is cut instead of an answer."""

ROOM = {
    "livekit_url": "wss://room.example",
    "livekit_client_token": "SECRET-client",
    "livekit_agent_token": "SECRET-agent",
}


@dataclass
class Call:
    """A REST call that came in."""

    path: str
    headers: dict[str, str]
    body: Any
    query: dict[str, str]


@dataclass
class Answer:
    """What one call gets."""

    status: int = 200
    data: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None


class HeyGenStandIn:
    """Both REST services, and the control socket behind them."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.messages: list[dict[str, Any]] = []
        self.upgrades: list[dict[str, str]] = []
        self.script: dict[str, list[Any]] = defaultdict(list)
        self.ws_url: str | None = None
        self.greets = True
        self.reads = True
        self.running: set[str] = set()
        self.slow_start: asyncio.Event | None = None
        self._ids = 0
        self._news = asyncio.Condition()
        self.sockets: list[web.WebSocketResponse] = []
        self.let_go = asyncio.Event()

    # For tests

    def paths(self) -> list[str]:
        return [call.path for call in self.calls]

    def kinds(self) -> list[str]:
        return [message["type"] for message in self.messages]

    async def until(self, happened: Callable[[], bool], within_s: float = 5.0) -> None:
        async with asyncio.timeout(within_s), self._news:
            await self._news.wait_for(happened)

    async def say(self, kind: str, **more: Any) -> None:
        await self.sockets[-1].send_str(json.dumps({"type": kind, "event_id": "s"} | more))

    async def say_raw(self, message: str | bytes) -> None:
        send = self.sockets[-1]
        await (send.send_bytes(message) if isinstance(message, bytes) else send.send_str(message))

    async def hang_up(self) -> None:
        await self.sockets[-1].close()

    def answer(self, path: str, *answers: Any) -> None:
        """What the next calls of this path get; then it works again."""
        self.script[path] += answers

    # REST

    async def handle(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        body = json.loads(text) if text else None
        self.calls.append(Call(request.path, dict(request.headers), body, dict(request.query)))
        await self._tell()
        scripted = self.script[request.path]
        given = scripted.pop(0) if scripted else None
        if given is HANG:
            await self.let_go.wait()
            given = None
        if given is GONE:
            assert request.transport
            request.transport.abort()
            given = Answer(500)
        if given is None:
            given = await self._works(request, body or {})
        code = {"code": 1000} if given.status < 300 else {}
        text = json.dumps(code | {"message": "SECRET-message", "data": given.data})
        text = text if given.body is None else given.body
        return web.Response(
            status=given.status, text=text, headers=given.headers, content_type="application/json"
        )

    async def _works(self, request: web.Request, body: dict[str, Any]) -> Answer:
        url = self.ws_url or f"ws://127.0.0.1:{request.url.port}/socket/SECRET-path"
        match request.path:
            case "/v1/sessions/token":
                self._ids += 1
                data = {"session_id": f"s{self._ids}", "session_token": f"SECRET-jwt s{self._ids}"}
                return Answer(data=data)
            case "/v1/sessions/start":
                if self.slow_start is not None:
                    await self.slow_start.wait()
                session = request.headers["Authorization"].removeprefix("Bearer SECRET-jwt ")
                self.running.add(session)
                return Answer(201, {"session_id": session, "ws_url": url} | ROOM)
            case "/v1/sessions":
                results = [{"id": each} for each in sorted(self.running)]
                return Answer(data={"results": results, "next": None})
            case "/v1/streaming.new":
                self._ids += 1
                self.running.add(f"s{self._ids}")
                data = {"session_id": f"s{self._ids}", "realtime_endpoint": url}
                return Answer(data=data | {"url": "wss://room", "access_token": "SECRET-access"})
            case "/v1/streaming.start":
                return Answer()
            case "/v1/sessions/stop" | "/v1/streaming.stop":
                if body["session_id"] not in self.running:
                    return Answer(400)
                self.running.discard(body["session_id"])
                await self._tell()
                return Answer()
        return Answer(404)

    # Socket

    async def socket(self, request: web.Request) -> web.StreamResponse:
        self.upgrades.append(dict(request.headers))
        await self._tell()
        given = self.script["socket"].pop(0) if self.script["socket"] else None
        if given is not None:
            return web.Response(status=given.status, headers=given.headers)
        socket = web.WebSocketResponse(compress=True)
        await socket.prepare(request)
        self.sockets.append(socket)
        await socket.send_str('{"type": "session.state_updated", "state": "new"}')
        if self.greets:
            await socket.send_str('{"type": "session.state_updated", "state": "connected"}')
        if not self.reads:
            await self.let_go.wait()
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                self.messages.append(json.loads(message.data))
                await self._tell()
        return socket

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()


@asynccontextmanager
async def heygen(
    certificate: ssl.SSLContext | None = None,
) -> AsyncIterator[tuple[HeyGenStandIn, str]]:
    """The stand-in and the address of its REST. With a certificate, its socket is `wss`."""
    stand_in = HeyGenStandIn()
    app = web.Application()
    app.router.add_get("/socket/{path}", stand_in.socket)
    app.router.add_route("*", "/{path:.*}", stand_in.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        if certificate is not None:
            secured = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=certificate)
            await secured.start()
            stand_in.ws_url = f"wss://localhost:{runner.addresses[1][1]}/socket/SECRET-path"
        yield stand_in, f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        stand_in.let_go.set()
        if stand_in.slow_start is not None:
            stand_in.slow_start.set()
        for socket in stand_in.sockets:
            await socket.close()
        await runner.cleanup()
