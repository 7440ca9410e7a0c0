"""A session's process, from being told which session it is to its end.

It is forked by `zygote_process`, or started warm for the pool:
`python -m launcher.session_process --bot PATH --channel FD --parent PID --server MODULE:CLASS`.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from types import ModuleType
from typing import Any, Protocol, TextIO, cast

import uvicorn
from loguru import logger

from . import bot_file, loading
from .channel import Channel, ChannelClosed, MalformedMessage
from .memory import Meter
from .messages import (
    Cancel,
    Loaded,
    Ping,
    Pong,
    Run,
    SayGoodbye,
    Serving,
    Take,
    Talking,
    Ticket,
    WantsTicket,
)
from .pipelines import HERE
from .session_log import SessionLog

CANCEL_S = 2.0
"""How long pipelines may take to end when they are cancelled; then the bot's task is."""

_LOOP = uvicorn.Config("", log_config=None).get_loop_factory()
"""The kind of event loop that the bot has under Pipecat's own runner, too."""

Bot = Callable[[Any], Awaitable[None]]


class Server(Protocol):
    """Runs the bot when somebody comes. See `session_server`."""

    def __init__(
        self,
        bot: Bot,
        spec: Mapping[str, Any],
        *,
        listener: socket.socket,
        ticket: Callable[[], Awaitable[str]],
    ) -> None: ...

    async def serve(self, serving: Callable[[], None]) -> None: ...

    def take(
        self, connection: socket.socket, head: bytes, admission: Mapping[str, Any]
    ) -> None: ...


def run(channel: Channel, module: ModuleType, server: type[Server]) -> int:
    """Be a session; returns the exit code of the process.

    Args:
        channel: To the launcher.
        module: The bot. If it has a function `configure_logs(stream)`, that sets up its logs.
        server: Makes its server.
    """
    try:
        with asyncio.Runner(debug=False, loop_factory=_LOOP) as runner:
            runner.run(_Session(channel, module, server).live())
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except Exception:  # noqa: BLE001 - the last one to see it
        logger.exception("the session has failed")
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


class _Session:
    """Does what the launcher says."""

    def __init__(self, channel: Channel, module: ModuleType, server: type[Server]) -> None:
        self._channel = channel
        self._module = module
        self._make_server = server
        self._log: SessionLog | None = None
        self._server: Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._tickets: list[asyncio.Future[str]] = []

    async def live(self) -> None:
        """Until the session is over, or the launcher is gone."""
        loop = asyncio.get_running_loop()
        self._over = loop.create_future()
        self._memory = Meter(loop.time)
        listening = asyncio.create_task(self._listen(), name="listen to the launcher")
        await asyncio.wait({listening, self._over}, return_when=asyncio.FIRST_COMPLETED)
        if not self._over.done():
            await self._cancel()
            listening.result()  # whether it has failed
        listening.cancel()
        if self._serving and not self._serving.cancelled():
            self._serving.result()

    async def _listen(self) -> None:
        """Returns when the launcher is gone."""
        with suppress(ChannelClosed):
            while True:
                try:
                    message, files = await self._channel.receive()
                except MalformedMessage as error:
                    logger.error(f"the launcher is not understood: {error}")
                    continue
                await self._obey(message, files)

    async def _obey(self, message: Any, files: list[int]) -> None:
        match message, files:
            case Ping(), []:
                if self._log:
                    self._log.cut()
                self._channel.send(Pong(self._memory()))
            case Run(spec=spec), [listener, log]:
                self._log = _log_to(log, spec["session"], self._module)
                self._serve(spec, socket.socket(fileno=listener))
            case Take(head=head, admission=admission), [connection] if self._server:
                self._server.take(
                    socket.socket(fileno=connection), head.encode("latin-1"), admission
                )
            case Ticket(ticket=ticket), []:
                waiting = [each for each in self._tickets if not each.done()]
                if waiting:
                    waiting[0].set_result(ticket)
            case SayGoodbye(text=text), []:
                if not await HERE.say_goodbye(text):
                    self._end()
            case Cancel(), []:
                self._end()
            case _:
                for each in files:
                    os.close(each)
                logger.error(f"the launcher says {type(message).__name__}, which is not expected")

    def _serve(self, spec: Mapping[str, Any], listener: socket.socket) -> None:
        self._server = self._make_server(
            self._module.bot, spec, listener=listener, ticket=self._ticket
        )
        HERE.started = lambda: self._tell(Talking())
        self._serving = asyncio.create_task(
            self._server.serve(lambda: self._tell(Serving())), name="serve the session"
        )
        self._serving.add_done_callback(lambda _: self._over.set_result(None))

    async def _ticket(self) -> str:
        waiting: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._tickets.append(waiting)
        self._tell(WantsTicket())
        try:
            return await waiting
        finally:
            self._tickets.remove(waiting)

    def _tell(self, message: Serving | Talking | WantsTicket) -> None:
        with suppress(ChannelClosed):  # `_listen` finds out as well
            self._channel.send(message)

    def _end(self) -> None:
        if self._ending is None:
            self._ending = asyncio.create_task(self._cancel(), name="end the session")

    async def _cancel(self) -> None:
        """End the bot: its pipelines first, and what is left of it then."""
        if self._serving is None:
            if not self._over.done():
                self._over.set_result(None)
            return
        if await HERE.cancel():
            await asyncio.wait({self._serving}, timeout=CANCEL_S)
        self._serving.cancel()
        await asyncio.wait({self._serving})


def _log_to(file: int, session: str, module: ModuleType) -> SessionLog:
    """From here on, all that this process says goes to the session's log."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)
    log = SessionLog(2, session)
    sys.stdout = sys.stderr = stream = cast(TextIO, log)
    faulthandler.enable(stream)
    loading.configure_logs(stream, module)
    return log


def main() -> None:
    """Be a warm process of the pool: load the bot, then wait to be told which session it is."""
    options, channel = loading.begin()
    server = loading.server(options.server)
    module = loading.load(options.bot, channel)
    if module is None:
        raise SystemExit(1)
    channel.send_blocking(Loaded(bot_file.files(options.bot)))
    os._exit(run(channel, module, server))


if __name__ == "__main__":
    main()
