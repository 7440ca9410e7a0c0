"""The server inside a session's process: people come to the bot through it.

Requests are forwarded to its Unix socket. A WebSocket never comes that way, but as a TCP connection
that was handed over, after the gate has let it in: `SessionServer.take`.
"""

from __future__ import annotations

import asyncio
import inspect
import socket
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import uvicorn
from fastapi import APIRouter, FastAPI
from loguru import logger
from pipecat.runner.types import (
    DailyRunnerArguments,
    LiveKitRunnerArguments,
    RunnerArguments,
    SmallWebRTCRunnerArguments,
    WebSocketRunnerArguments,
)
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from server.admission import selecting
from server.flood import BoundedSocket
from server.noise import hush
from server.patience import Http
from server.presets import PRESETS
from server.tickets import Claims

from . import webrtc
from .known import with_known

JOINING_S = 120.0
"""How long the first person may take to come: what a site does first is not ours to know."""

PAGE_JOINING_S = 30.0
"""The same for our own page, which connects at once. It asks for the microphone beside that."""

REJOIN_S = 75.0
"""How long somebody whose connection broke may take to come back: their page tries for a minute."""

LOST = 1006
"""The code where something could not be sent any more."""

CLOSING_S = 2
"""How long requests that are still open may take when the session is over."""

Bot = Callable[[RunnerArguments], Coroutine[Any, Any, None]]

_ROOMS: Mapping[str, Callable[..., RunnerArguments]] = {
    "daily": DailyRunnerArguments,
    "livekit": LiveKitRunnerArguments,
}

_ADMISSION, _WIRE = "avatarbot.admission", "avatarbot.wire"


class SessionServer:
    """Serves one session.

    Args:
        bot: Pipecat's entry point. If its file has a `router`, a FastAPI router, it is served too.
        spec: The session: `backend.Spec` as a mapping.
        listener: Where requests are forwarded to.
        ticket: Asks the launcher for a ticket for the next connection of the session.
    """

    def __init__(
        self,
        bot: Bot,
        spec: Mapping[str, Any],
        *,
        listener: socket.socket,
        ticket: Callable[[], Awaitable[str]],
    ) -> None:
        self._bot = bot
        self._spec = spec
        self._listener = listener
        self._ticket = ticket
        self._app = FastAPI(openapi_url=None, redirect_slashes=False)
        self._app.add_api_websocket_route("/ws-client", self._meet)
        if spec["way"] == "webrtc":
            self._app.include_router(webrtc.routes(self._answer, spec["arguments"]))
        if isinstance(router := _globals(bot).get("router"), APIRouter):
            self._app.include_router(router)
        hush()
        self._server = _Server(
            uvicorn.Config(
                self._door,
                interface="asgi3",
                lifespan="on",
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=CLOSING_S,
                **PRESETS,
            )
        )
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._bots: set[asyncio.Task[None]] = set()
        self._others: set[asyncio.Task[Any]] = set()
        self._alarm: asyncio.TimerHandle | None = None

    async def serve(self, serving: Callable[[], None]) -> None:
        """Serve until the session is over.

        Args:
            serving: Called once a person can come.

        Raises:
            Exception: What the bot raised.
        """

        def served() -> None:
            self._begin()
            serving()

        self._server.started_serving = served
        server = asyncio.create_task(self._server.serve([self._listener]), name="session server")
        try:
            await asyncio.wait({server, self._over}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._expect_nobody()
            self._over.cancel()  # where it is not over by itself
            for task in self._bots:
                task.cancel()
            if self._bots:
                await asyncio.wait(self._bots)
            self._server.should_exit = True
            await server
        if not self._over.cancelled():
            self._over.result()

    def take(self, connection: socket.socket, head: bytes, admission: Mapping[str, Any]) -> None:
        """Go on with a WebSocket whose request the launcher has read.

        Args:
            connection: The TCP connection; it is the server's from here on.
            head: The request as it was read, with what came behind it.
            admission: What the gate found out, as `api` writes it down.
        """
        self._spawn(self._adopt(connection, head, admission), "take a connection")

    async def _adopt(
        self, connection: socket.socket, head: bytes, admission: Mapping[str, Any]
    ) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(
                lambda: _Taken(self._server, head, admission), connection
            )
        except OSError as error:
            connection.close()
            logger.debug(f"a connection broke while it was handed over: {error}")

    # The application

    async def _door(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._app(with_known(scope), receive, send)
            return
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        admission = scope["state"].pop(_ADMISSION, None)
        if admission is None:
            await receive()
            await send({"type": "websocket.close", "code": 1008})  # HTTP 403, never accepted
            return
        wire = _Wire(receive, selecting(scope, send))
        known = {
            _WIRE: wire,
            "client": tuple(admission["client"]),
            "avatarbot": Claims(**admission["claims"]),
            "avatarbot.renew": self._ticket,
        }
        await self._app({**scope, **known}, wire.receive, wire.send)

    async def _meet(self, websocket: WebSocket) -> None:
        """One connection of the person."""
        wire: _Wire = websocket.scope[_WIRE]
        with suppress(WebSocketDisconnect):  # it broke just now; whoever it was can come again
            await websocket.accept()
            arguments = WebSocketRunnerArguments(
                websocket=websocket, transport_type="websocket", **self._common()
            )
            await self._converse(arguments, wire)
            if websocket.application_state is WebSocketState.CONNECTED:
                await websocket.close()

    async def _answer(self, connection: object) -> None:
        arguments = SmallWebRTCRunnerArguments(webrtc_connection=connection, **self._common())
        self._spawn(self._converse(arguments), "WebRTC")

    def _begin(self) -> None:
        """The server is up: go into the room, or wait for the person."""
        if into_room := _ROOMS.get(self._spec["way"]):
            arguments = into_room(**self._spec["arguments"], **self._common())
            self._spawn(self._converse(arguments), "room")
        else:
            self._expect_somebody(PAGE_JOINING_S if self._spec["of_page"] else JOINING_S)

    def _common(self) -> dict[str, Any]:
        return {"session_id": self._spec["session"], "body": self._spec["body"]}

    # The session's end

    async def _converse(self, arguments: RunnerArguments, wire: _Wire | None = None) -> None:
        """Run the bot for one connection, and see whether the session is over with it."""
        self._expect_nobody()
        task = asyncio.create_task(self._bot(arguments), name="bot")
        self._bots.add(task)
        await asyncio.wait({task})
        self._bots.discard(task)
        if self._over.done():
            return
        error = None if task.cancelled() else task.exception()
        is_broken = wire is not None and wire.is_broken
        if isinstance(error, WebSocketDisconnect):
            is_broken |= error.code == LOST
        elif error:
            self._over.set_exception(error)
            return
        if self._bots:
            return  # another connection has taken the conversation over
        if is_broken:
            self._expect_somebody(REJOIN_S)
        else:
            self._over.set_result(None)

    def _expect_somebody(self, within_s: float) -> None:
        self._expect_nobody()
        self._alarm = asyncio.get_running_loop().call_later(within_s, self._give_up)

    def _expect_nobody(self) -> None:
        if self._alarm:
            self._alarm.cancel()

    def _give_up(self) -> None:
        if not self._over.done():
            logger.info("nobody is there any more")
            self._over.set_result(None)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._others.add(task)
        task.add_done_callback(self._others.discard)


class _Wire(BoundedSocket):
    """A WebSocket's messages.

    Attributes:
        is_broken: Whether it ended without a word. uvicorn has a reason where a close frame came,
            and the same code where the connection was lost.
    """

    is_broken = False

    async def receive(self) -> Message:
        message = await super().receive()
        if message["type"] == "websocket.disconnect":
            self.is_broken = "reason" not in message
        return message


class _Server(uvicorn.Server):
    """uvicorn's, which leaves the signals of the process alone and says when it serves."""

    started_serving: Callable[[], None]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.started_serving()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Taken(Http):
    """A connection whose first request was read by the launcher."""

    def __init__(self, server: _Server, head: bytes, admission: Mapping[str, Any]) -> None:
        # uvicorn hands this on to the request's scope, where nobody else can put it.
        state = {**server.lifespan.state, _ADMISSION: admission}
        super().__init__(config=server.config, server_state=server.server_state, app_state=state)
        self._head = head

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.data_received(self._head)


def _globals(bot: Bot) -> Mapping[str, Any]:
    return getattr(inspect.unwrap(bot), "__globals__", {})
