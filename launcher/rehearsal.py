"""A session for nobody, before the first: what it imports late is then imported before the fork.

It runs in a copy of the zygote that is thrown away. The kernel lets the copy have no socket that
leads out of this machine, whoever asks, so that it reaches nobody and nothing is paid for; its
vendor journal is in a folder that is thrown away too. To the bot it is a client that is not our
page, and leaves a moment after it came. A rehearsal that fails costs time at each start, no more.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import NamedTuple, NoReturn

from loguru import logger
from pipecat.runner.types import WebSocketRunnerArguments
from starlette.types import Message, Scope
from starlette.websockets import WebSocket

from . import kernel
from .pipelines import HERE

LONGEST_S = 20.0
COME_S = 10.0
"""How long the bot may take until it has built a pipeline."""

START_S = 2.0
"""How long that may take to start: some services hold it up until they give up the network."""

STAY_S = 0.5
"""How long the client stays then: a greeting is begun in that time."""

END_S = 1.0
"""How long the bot may take to end when the client has left."""


class Rehearsed(NamedTuple):
    """
    Attributes:
        late: Modules that were not imported before, in the order of their import.
        warning: Why that may not be all: a sentence, or None.
    """

    late: list[str]
    warning: str | None


def rehearse(module: ModuleType) -> Rehearsed:
    """Run the bot once, in a copy of this process; returns when that is gone."""
    with tempfile.TemporaryDirectory(prefix="avatarbot-") as state:
        readable, writable = os.pipe()
        parent = os.getpid()
        pid = os.fork()
        if not pid:
            _act(module, parent, state, writable)
        os.close(writable)
        told = _read(readable)
        os.close(readable)
        _bury(pid)
    if told is None:
        return Rehearsed([], f"It did not end within {LONGEST_S:.0f} s, or crashed.")
    return Rehearsed(**json.loads(told))


def _bury(pid: int) -> None:
    """Kill the copy, and what it has started: the zygote has no other children yet."""
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    os.kill(pid, signal.SIGKILL)
    with suppress(ChildProcessError):
        while True:
            os.wait()
            for orphan in children.read_text().split():
                os.kill(int(orphan), signal.SIGKILL)


def _read(readable: int) -> bytes | None:
    """What the copy says; None where it dies or takes too long."""
    until = time.monotonic() + LONGEST_S
    told = b""
    poll = select.poll()
    poll.register(readable, select.POLLIN)
    while poll.poll(max(0.0, until - time.monotonic()) * 1000):
        piece = os.read(readable, 65_536)
        if not piece:
            return None
        told += piece
        if told.endswith(b"\n"):
            return told
    return None


def _act(module: ModuleType, parent: int, state: str, writable: int) -> NoReturn:
    """The copy. Never returns."""
    try:
        kernel.die_with(parent)
        os.setsid()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(nowhere, number)
        logger.remove()
        os.environ["XDG_STATE_HOME"] = state
        before = frozenset(sys.modules)
        try:
            kernel.refuse_network()
        except OSError:
            warning: str | None = "This system cannot keep it from the network."
        else:
            # Not asyncio.run, which would wait for a bot that does not end.
            warning = asyncio.new_event_loop().run_until_complete(_play(module))
        late = _importable([name for name in list(sys.modules) if name not in before])
        with os.fdopen(writable, "w") as answer:
            answer.write(json.dumps(Rehearsed(late, warning)._asdict()) + "\n")
    finally:
        os._exit(0)


def _importable(names: list[str]) -> list[str]:
    """Those that can be imported by their name. Pipecat's setup files, for one, cannot."""
    return [
        name
        for name in names
        if getattr(sys.modules[name], "__spec__", None) and name != "pipeline_hook"
    ]


async def _play(module: ModuleType) -> str | None:
    """Run the bot for a client that comes and leaves; returns what went wrong, as a sentence."""
    added, started, client = asyncio.Event(), asyncio.Event(), _Client()
    HERE.added, HERE.started = added.set, started.set
    await client.websocket.accept()
    arguments = WebSocketRunnerArguments(
        websocket=client.websocket, transport_type="websocket", session_id="rehearsal"
    )
    bot = asyncio.create_task(module.bot(arguments), name="rehearse")
    for event, longest_s in ((added, COME_S), (started, START_S)):
        waiting = asyncio.create_task(event.wait())
        await asyncio.wait({bot, waiting}, timeout=longest_s, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.wait({bot}, timeout=STAY_S)
    client.leave()
    await asyncio.wait({bot}, timeout=END_S)
    if bot.done() and not bot.cancelled() and (error := bot.exception()):
        return f"It ended with {type(error).__name__}: {error}"
    if not added.is_set():
        return "It has built no pipeline."
    return None


class _Client:
    """The other side of a WebSocket, in memory."""

    def __init__(self) -> None:
        self._left = asyncio.Event()
        self._came = False
        scope: Scope = {
            "type": "websocket",
            "path": "/ws-client",
            "headers": [],
            "query_string": b"",
            "subprotocols": [],
        }
        self.websocket = WebSocket(scope, self._receive, self._send)

    def leave(self) -> None:
        self._left.set()

    async def _receive(self) -> Message:
        if not self._came:
            self._came = True
            return {"type": "websocket.connect"}
        await self._left.wait()
        return {"type": "websocket.disconnect", "code": 1001}

    async def _send(self, message: Message) -> None:
        """Nobody listens."""
