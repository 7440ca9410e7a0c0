"""The server under which Pipecat Cloud runs a `bot.py`, as far as a bot can tell.

Written from what its base image does (dailyco/pipecat-base, 0.1.19 to 0.1.28). Of ours it imports
the bot alone, as the image does: `import bot`, with the bot's folder in front of the path.

`python -m tests.emulated.standins.pipecat_cloud FOLDER` serves on PORT, of this machine only, and
prints a line once it does.
"""

from __future__ import annotations

import asyncio
import base64
import inspect
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib import import_module
from types import ModuleType
from typing import Annotated, Any

import uvicorn
from fastapi import BackgroundTasks, FastAPI, Header, Query, Request, WebSocket
from fastapi.responses import JSONResponse
from loguru import logger
from pipecat.transports.smallwebrtc.request_handler import (
    ConnectionMode,
    SmallWebRTCPatchRequest,
    SmallWebRTCRequest,
    SmallWebRTCRequestHandler,
)

try:
    from pipecatcloud.agent import (
        DailySessionArguments,
        PipecatSessionArguments,
        SmallWebRTCSessionArguments,
        WebSocketSessionArguments,
    )
except ImportError:  # of the group `peers`; there they are these, under names of their own
    from pipecat.runner.types import DailyRunnerArguments as DailySessionArguments
    from pipecat.runner.types import RunnerArguments as PipecatSessionArguments
    from pipecat.runner.types import SmallWebRTCRunnerArguments as SmallWebRTCSessionArguments
    from pipecat.runner.types import WebSocketRunnerArguments as WebSocketSessionArguments

CONNECTED_WITHIN_S = 120.0
"""How long a session of WebRTC may wait for its offer."""

FORMAT = "{time:HH:mm:ss.SSS} | {level: <8} | {name}:{line} | {extra[session_id]} - {message}"

SessionId = Annotated[str | None, Header(alias="X-Daily-Session-Id")]


class Sessions:
    """Runs the bot, one session at a time.

    Args:
        bot: The function of that name.
    """

    def __init__(self, bot: Callable[[Any], Awaitable[None]]) -> None:
        self._bot = bot
        self._longest_s: float | None = None
        self._body: Any = None
        self._offered = asyncio.Event()
        self._over = asyncio.Event()

    def allow(self, seconds: str | None) -> None:
        """How long the next session may last. WebRTC's runs in a request that does not say."""
        self._longest_s = float(seconds) if seconds else None

    async def wait_for_offer(self, body: Any) -> None:
        """The request that starts a session of WebRTC lasts as long as the session."""
        self._body = body
        self._offered.clear()
        self._over.clear()
        async with asyncio.timeout(CONNECTED_WITHIN_S):
            await self._offered.wait()
        await self._over.wait()

    async def run(self, arguments: Any) -> None:
        """Run one. What the bot raises is logged; whoever asked is told that all is well."""
        if isinstance(arguments, SmallWebRTCSessionArguments):
            self._offered.set()
            arguments.body = arguments.body or self._body
        with logger.contextualize(session_id=arguments.session_id):
            logger.info("Starting bot session")
            running = asyncio.ensure_future(self._bot(arguments))
            if self._longest_s is not None:
                asyncio.get_running_loop().call_later(self._longest_s, running.cancel)
            try:
                await running
            except Exception as error:  # noqa: BLE001
                logger.error(f"Exception running bot(): {error}")
            finally:
                logger.info("Stopping bot session")
                self._over.set()


def application(bot: ModuleType) -> FastAPI:
    """What is served."""
    app = FastAPI()
    sessions = Sessions(bot.bot)

    @app.get("/livez")
    async def livez() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz")
    async def readyz() -> JSONResponse:
        said = getattr(bot, "readyz", lambda: True)()
        said = await said if inspect.isawaitable(said) else said
        ready = said.get("ready", False) if isinstance(said, dict) else said
        return JSONResponse({"status": "ok"} if ready else {}, 200 if ready else 503)

    @app.post("/bot")
    async def start(
        body: dict[str, Any],
        session_id: SessionId = None,
        x_daily_room_url: Annotated[str | None, Header()] = None,
        x_daily_room_token: Annotated[str | None, Header()] = None,
        x_daily_transport_type: Annotated[str | None, Header()] = None,
        x_pcc_max_session_seconds: Annotated[str | None, Header()] = None,
    ) -> dict[str, str]:
        sessions.allow(x_pcc_max_session_seconds)
        common = {"body": body, "session_id": session_id}
        if x_daily_room_url and x_daily_room_token:
            room = {"room_url": x_daily_room_url, "token": x_daily_room_token}
            await sessions.run(DailySessionArguments(**room, **common))
        elif x_daily_transport_type == "webrtc":
            await sessions.wait_for_offer(body)
        else:
            await sessions.run(PipecatSessionArguments(**common))
        return {}

    @app.websocket("/ws")
    async def talk(
        websocket: WebSocket,
        session_id: SessionId = None,
        body: Annotated[str | None, Query()] = None,
    ) -> None:
        await websocket.accept()
        given = json.loads(base64.b64decode(body)) if body else None
        await sessions.run(
            WebSocketSessionArguments(websocket=websocket, body=given, session_id=session_id)
        )
        with suppress(RuntimeError):  # closed by the bot
            await websocket.close()

    webrtc = SmallWebRTCRequestHandler(connection_mode=ConnectionMode.SINGLE)

    @app.post("/api/offer")
    async def offer(
        request: Request, after: BackgroundTasks, session_id: SessionId = None
    ) -> dict[str, str] | None:
        asked = SmallWebRTCRequest.from_dict(await request.json())

        async def connected(connection: Any) -> None:
            arguments = SmallWebRTCSessionArguments(
                webrtc_connection=connection, body=asked.request_data, session_id=session_id
            )
            after.add_task(sessions.run, arguments)

        return await webrtc.handle_web_request(asked, connected)

    @app.patch("/api/offer")
    async def candidate(request: SmallWebRTCPatchRequest) -> dict[str, str]:
        await webrtc.handle_patch_request(request)
        return {"status": "success"}

    return app


class Server(uvicorn.Server):
    """Told to stop, it takes nobody any more and waits for who is there. The bot is not told.

    Args:
        config: uvicorn's.
        patience_s: For how long it waits, in seconds; then asyncio cancels what still runs.
    """

    def __init__(self, config: uvicorn.Config, patience_s: float) -> None:
        super().__init__(config)
        self._patience_s = patience_s

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        print("serving", flush=True)  # noqa: T201

    async def shutdown(self, sockets: Any = None) -> None:
        for server in self.servers:
            server.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience_s):
                while self.server_state.connections or self.server_state.tasks:
                    await asyncio.sleep(0.1)
        await self.lifespan.shutdown()


def main() -> None:
    """Load the bot and serve it, as the image does: the logs are set up behind the import."""
    server: Server | None = None

    def stop(*_: object) -> None:
        # uvicorn raises the signal once more when it is done: that one is not for dying.
        if server is None or not server.should_exit:
            os._exit(0)

    signal.signal(signal.SIGTERM, stop)
    sys.path.insert(0, sys.argv[1])
    bot = import_module("bot")
    logger.remove()
    logger.add(sys.stderr, format=FORMAT, level=os.environ.get("PIPECAT_LOG_LEVEL", "DEBUG"))
    logger.configure(extra={"session_id": "NONE"})
    config = uvicorn.Config(application(bot), host="127.0.0.1", port=int(os.environ["PORT"]))
    server = Server(config, float(os.environ.get("SHUTDOWN_TIMEOUT", "7200")))
    server.run()


if __name__ == "__main__":
    main()
