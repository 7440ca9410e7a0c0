"""A server in a process of its own, and somebody who calls the bot over a socket. No browser."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from operator import itemgetter
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from .processes import DEADLINE_S, Vitals, vitals

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    """A port of this machine that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """A process of Python that prints a line once it serves, with all that it prints and logs."""

    def __init__(self, *arguments: str, cwd: Path = ROOT, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="backslashreplace",
        )
        self.output: list[str] = []
        self.errors: list[str] = []
        self._opened = threading.Event()
        self._readers = [
            threading.Thread(target=self._read, args=pair, daemon=True)
            for pair in ((self.process.stdout, self.output), (self.process.stderr, self.errors))
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: Any, lines: list[str]) -> None:
        for line in stream:
            lines.append(line)
            self._opened.set()
        self._opened.set()

    def opened(self) -> Any:
        """Waits for the line; returns the server itself."""
        deadline = time.monotonic() + DEADLINE_S
        while not self.output:
            assert self._opened.wait(deadline - time.monotonic()), "the server did not start"
            assert self.process.poll() is None, self.errors
            self._opened.clear()
        return self

    def ended(self) -> int:
        """Waits for the end of the process; returns its code."""
        code = self.process.wait(DEADLINE_S)
        for reader in self._readers:
            reader.join(DEADLINE_S)
        return code

    def stop(self) -> None:
        """Ends it, if it still runs."""
        self.process.kill()
        self.ended()
        assert self.process.stdout
        assert self.process.stderr
        self.process.stdout.close()
        self.process.stderr.close()

    @property
    def log(self) -> str:
        """All that it logged up to now."""
        return "".join(self.errors)

    def descriptors(self) -> list[Path]:
        """What it has open. Linux only."""
        return list(Path(f"/proc/{self.process.pid}/fd").iterdir())

    def vitals(self) -> Vitals:
        """What it holds now. Linux only."""
        return vitals(self.process.pid)


@dataclass(frozen=True)
class Place:
    """Where a server is called: by which name, and over which wire."""

    origin: str
    port: int
    tls: ssl.SSLContext | None = None
    headers: Mapping[str, str] | None = None

    @property
    def host(self) -> str:
        """What its `Host` header says."""
        return self.origin.partition("://")[2]

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Sends a request as the page would; returns status, headers and body.

        A header that is given as empty is not sent.
        """
        # By address: the name need not be known to this machine.
        wire = socket.create_connection(("127.0.0.1", self.port), DEADLINE_S)
        name = self.host.partition(":")[0]
        connection = HTTPConnection(name)
        connection.sock = self.tls.wrap_socket(wire, server_hostname=name) if self.tls else wire
        given = {"Host": self.host, "Origin": self.origin, **(self.headers or {})}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, body, dict(filter(itemgetter(1), given.items())))
            response = connection.getresponse()
            return response.status, dict(response.headers), response.read()
        finally:
            connection.close()

    def start(self) -> dict[str, str]:
        """Asks for a session; returns its address and its ticket."""
        status, _, body = self.ask("POST", "/start", b'{"transport": "websocket"}')
        assert status == 200, (status, body)
        welcome: dict[str, str] = json.loads(body)
        return welcome

    def dial(self, token: str, **options: Any) -> connect:
        """Opens the session's WebSocket, as an async context."""
        scheme = "wss" if self.tls else "ws"
        given: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": self.port,
            "origin": self.origin,
            "subprotocols": ["avatarbot", f"ticket.{token}"],
            "compression": None,
            "proxy": None,
            "ssl": self.tls,
            "max_size": None,
        }
        return connect(f"{scheme}://{self.host}/ws-client", **given | options)


class Call:
    """One conversation over an open socket."""

    def __init__(self, wire: ClientConnection) -> None:
        self.wire = wire
        self._number = 0

    async def tell(self, kind: str, data: Any = None) -> None:
        """Sends an RTVI message."""
        self._number += 1
        message = {"label": "rtvi-ai", "type": kind, "id": str(self._number), "data": data}
        await self.wire.send(json.dumps(message))

    async def say(self, text: str) -> None:
        """Types a text."""
        options = {"run_immediately": True, "audio_response": True}
        await self.tell("send-text", {"content": text, "options": options})

    async def until(self, wanted: Callable[[Any], Any]) -> Any:
        """Reads on to the first message that is wanted, PCM or JSON; returns it."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                message = await self.wire.recv()
                read = json.loads(message) if isinstance(message, str) else message
                if wanted(read):
                    return read

    async def until_told(self, kind: str, **wanted: Any) -> dict[str, Any]:
        """Reads on to a message of this type, or a server message of it; returns its data."""

        def fits(message: Any) -> bool:
            if not isinstance(message, dict):
                return False
            data = message.get("data") or {}
            return kind in (message["type"], data.get("type")) and wanted.items() <= data.items()

        data: dict[str, Any] = (await self.until(fits)).get("data") or {}
        return data

    async def until_audible(self) -> None:
        """Reads on to the first sound of a new utterance."""
        await self.until_told("avatar-begin")
        await self.until(lambda message: isinstance(message, bytes) and any(message))

    async def answer_to(self, text: str) -> str:
        """One turn: types a text; returns what the bot said to it, to its end."""
        await self.say(text)
        await self.until_told("transcript", role="user", text=text)
        said = await self.until_told("transcript", role="assistant", final=True)
        return str(said["text"])


async def ticket(place: Place) -> str:
    """Asks for a session, again and again while every place is taken."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            status, _, body = await asyncio.to_thread(place.ask, "POST", "/start", b"{}")
            if status == 200:
                return str(json.loads(body)["token"])
            assert status == 503, (status, body)
            await asyncio.sleep(0.02)


@asynccontextmanager
async def calling(place: Place, **options: Any) -> AsyncIterator[Call]:
    """A conversation in which the bot has said hello."""
    async with place.dial(await ticket(place), **options) as wire:
        call = Call(wire)
        await call.tell("client-ready", {"version": "2.0.0", "about": {"library": "tests"}})
        await call.until_told("bot-ready")
        await call.until_audible()
        await call.until_told("bot-stopped-speaking")
        yield call
