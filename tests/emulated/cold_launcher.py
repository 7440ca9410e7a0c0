"""A launcher whose sessions run in processes that are started cold: for the tests of the door.

Run as a program it is the launcher; with `--session` a session's process. The two talk over a pair
of sockets, in JSON with open files beside.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import sys

if os.environ.get("NO_HTTPTOOLS"):
    sys.modules["httptools"] = None  # type: ignore[assignment]

import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from loguru import logger
from starlette.types import Receive, Scope, Send

import logs
from launcher import tenants
from launcher.api import Api
from launcher.backend import (
    Capacity,
    Draining,
    Full,
    Session,
    Spec,
    StartFailed,
    State,
    UnknownSession,
    Why,
)
from launcher.forwarding import Forwarder
from launcher.http_server import serve
from launcher.metrics import Metrics
from server.addresses import Addresses
from server.door import tickets_of
from server.start import Welcomes
from server.ways import obstacles

DATAGRAM = 200_000


class Wire:
    """Messages with an open file beside, or without."""

    def __init__(self, wire: socket.socket) -> None:
        self._wire = wire

    def send(self, message: Any, *files: int) -> None:
        socket.send_fds(self._wire, [json.dumps(message).encode()], files)

    async def receive(self) -> tuple[Any, list[int]]:
        data, files, _, _ = await asyncio.to_thread(socket.recv_fds, self._wire, DATAGRAM, 4)
        return (json.loads(data) if data else None), files


class Child:
    """A session in its process."""

    def __init__(self, spec: Spec, folder: Path) -> None:
        self.seen = Session(spec.session, spec.tenant, spec.way, State.STARTING, time.time(), None)
        self.spec = spec
        self.path = folder / f"{spec.session}.sock"
        self.process: asyncio.subprocess.Process | None = None
        self.forwarder: Forwarder | None = None
        self.wire: Wire | None = None


class ColdBackend:
    """`launcher.backend.Backend` with a cold process for each session."""

    def __init__(self, bot: str, most: int, tickets: Any) -> None:
        self._bot, self._most, self._tickets = bot, most, tickets
        self._folder = tempfile.TemporaryDirectory()
        self._children: dict[str, Child] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._draining = False

    async def start(self, spec: Spec) -> Session:
        if self._draining:
            raise Draining
        if len(self._children) >= self._most:
            raise Full
        child = self._children[spec.session] = Child(spec, Path(self._folder.name))
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        child.wire = Wire(ours)
        child.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", __spec__.name, "--session", str(theirs.fileno())),
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(child.path))
            listener.listen()
            child.wire.send([self._bot, asdict(spec)], listener.fileno())
        child.forwarder = Forwarder(child.path)
        serving = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._watch(child, serving))
        self._tasks.add(task)
        await serving
        child.seen = replace(child.seen, state=State.WAITING, pid=child.process.pid)
        return child.seen

    async def _watch(self, child: Child, serving: asyncio.Future[None]) -> None:
        assert child.wire
        assert child.process
        assert child.forwarder
        while True:
            message, _ = await child.wire.receive()
            if message == "serving":
                serving.set_result(None)
            elif message == "ticket":
                spec = child.spec
                ticket = self._tickets.issue(session=spec.session, tenant=spec.tenant)
                child.wire.send({"ticket": ticket})
            elif message is None:
                break
        code = await child.process.wait()
        logger.info(f"session {child.spec.session} ended with {code}")
        del self._children[child.spec.session]
        await child.forwarder.close()
        if not serving.done():
            serving.set_exception(StartFailed())

    def _found(self, session: str) -> Child:
        if session not in self._children:
            raise UnknownSession
        return self._children[session]

    async def forward(self, session: str, scope: Scope, receive: Receive, send: Send) -> None:
        forwarder = self._found(session).forwarder
        assert forwarder
        await forwarder(scope, receive, send)

    async def take(
        self, session: str, connection: socket.socket, head: bytes, admission: Mapping[str, Any]
    ) -> None:
        with connection:
            wire = self._found(session).wire
            assert wire
            message = {"head": head.decode("latin-1"), "admission": admission}
            wire.send(message, connection.fileno())

    async def stop(self, session: str, why: Why = Why.STOPPED) -> None:
        child = self._found(session)
        assert child.process
        child.process.terminate()
        while session in self._children:
            await asyncio.sleep(0.01)

    def sessions(self) -> list[Session]:
        return [child.seen for child in self._children.values()]

    def capacity(self) -> Capacity:
        return Capacity(len(self._children), self._most, self._draining)

    async def drain(self, within_s: float) -> None:
        self._draining = True
        try:
            async with asyncio.timeout(within_s):
                while self._children:
                    await asyncio.sleep(0.01)
        except TimeoutError:
            for session in list(self._children):
                await self.stop(session)


async def be_a_session(wire: Wire) -> None:
    import importlib

    from launcher import session_server

    if patience_s := os.environ.get("PATIENCE_S"):
        session_server.JOINING_S = session_server.REJOIN_S = float(patience_s)
    (bot, spec), (listener, *_) = await wire.receive()
    tickets: asyncio.Queue[str] = asyncio.Queue()

    async def ticket() -> str:
        wire.send("ticket")
        return await tickets.get()

    server = session_server.SessionServer(
        importlib.import_module(bot).bot,
        spec,
        listener=socket.socket(fileno=listener),
        ticket=ticket,
    )

    async def listen() -> None:
        while True:
            message, files = await wire.receive()
            if message is None:
                os._exit(0)  # the launcher is gone
            if "ticket" in message:
                tickets.put_nowait(message["ticket"])
            else:
                head = message["head"].encode("latin-1")
                server.take(socket.socket(fileno=files[0]), head, message["admission"])

    listening = asyncio.create_task(listen())
    try:
        await server.serve(lambda: wire.send("serving"))
    except Exception:  # noqa: BLE001 - the last one to see it
        logger.exception("the bot failed")
        os._exit(1)
    finally:
        del listening
    os._exit(0)  # a thread still reads


def _say_so() -> None:
    sys.stdout.write("open\n")
    sys.stdout.flush()


async def be_the_launcher(options: argparse.Namespace) -> None:
    tickets = tickets_of(None)
    backend = ColdBackend(options.bot, options.most, tickets)
    known = tenants.read(options.tenants) if options.tenants else tenants.Tenants()
    welcomes = Welcomes(tickets, obstacles(os.environ.get))
    api = Api(backend, known, welcomes, Metrics(), longest_s=600)
    await serve(
        api,
        "localhost",
        options.port,
        page=Path(os.environ["PAGE"]),
        addresses=Addresses.of("localhost", options.port),
        tickets=tickets,
        drain=lambda: backend.drain(options.drain_s),
        opened=_say_so,
    )
    await backend.drain(0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--session", type=int)
    parser.add_argument("--port", type=int)
    parser.add_argument("--most", type=int, default=3)
    parser.add_argument("--drain-s", type=float, default=20)
    parser.add_argument("--tenants", type=Path)
    parser.add_argument("--bot", default="tests.emulated.launched_bot")
    given = parser.parse_args()
    logs.configure(2)
    if given.session is not None:
        pair = socket.socket(fileno=given.session)
        asyncio.run(be_a_session(Wire(pair)))
    else:
        asyncio.run(be_the_launcher(given))
