"""A source of session processes, and what a launcher would say to them."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from launcher.channel import ChannelClosed
from launcher.messages import Run, Ticket, WantsTicket
from launcher.processes import Mode, Processes, SessionProcess, processes
from tests.emulated.processes import DEADLINE_S, until

SERVER = "tests.emulated.session_standin:Server"

PARTS = """
async def bot(session):
    if hasattr(session, "spec"):  # not in a rehearsal
        await globals()[session.spec["body"]](session)
"""
"""Of a bot that does what its spec says, which is the name of a function."""


def write(folder: Path, text: str, name: str = "agent.py") -> Path:
    """A bot's file. A change is one for a file system with coarse times, too."""
    path = folder / name
    before = path.stat().st_mtime_ns if path.exists() else None
    path.write_text(textwrap.dedent(text))
    if before is not None:
        os.utime(path, ns=(before + 10**9, before + 10**9))
    return path


@asynccontextmanager
async def source(bot: Path, mode: Mode = "fork", **options: Any) -> AsyncIterator[Any]:
    """Processes of a bot. Those that are still there in the end are killed by their tests."""
    async with asyncio.timeout(DEADLINE_S):
        found: Processes = await processes(bot, mode, server=SERVER, **options)
    try:
        yield found
    finally:
        async with asyncio.timeout(DEADLINE_S):
            await found.close()


class Session:
    """A process, and what it said."""

    def __init__(self, process: SessionProcess, log: Any) -> None:
        self.process = process
        self.pid = process.pid
        self.heard: list[Any] = []
        self._log = log
        self._listening = asyncio.create_task(self._listen())

    @property
    def log(self) -> str:
        """What it has logged up to now."""
        self._log.seek(0)
        text: str = self._log.read().decode()
        return text

    async def _listen(self) -> None:
        try:
            while True:
                message, _ = await self.process.channel.receive()
                self.heard.append(message)
                if isinstance(message, WantsTicket):
                    self.process.channel.send(Ticket("a ticket"))
        except ChannelClosed:
            pass

    def tell(self, message: Any, *files: Any) -> None:
        self.process.channel.send(message, *files)

    async def until(self, kind: type[Any]) -> Any:
        """Its first message of a kind."""
        await until(lambda: any(isinstance(each, kind) for each in self.heard))
        return next(each for each in self.heard if isinstance(each, kind))

    async def code(self) -> int:
        """How it ends."""
        async with asyncio.timeout(DEADLINE_S):
            code = await asyncio.shield(self.process.gone)
        self.process.channel.close()
        await self._listening
        return code


@asynccontextmanager
async def session(found: Processes, body: Any = None) -> AsyncIterator[Session]:
    """A session that runs; it is killed in the end, if it still does."""
    async with asyncio.timeout(DEADLINE_S):
        process = await found.take()
    with socket.socket(socket.AF_UNIX) as listener, tempfile.TemporaryFile() as log:
        spec = {"session": "S-1", "way": "websocket", "body": body}
        process.channel.send(Run(spec), listener, log)
        running = Session(process, log)
        try:
            yield running
        finally:
            process.kill()
            await running.code()
