"""A vendor in memory: opens, takes commands, says what it is told to, and counts sessions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from transports.avatar.commands import Command
from transports.avatar.errors import Ending, VendorRefused, VendorUnreachable
from transports.avatar.events import Event
from transports.avatar.vendor import Opened, Profile, UserLeg

GONE = object()


class MemoryVendor:
    """Everything that a test wants to go wrong is an attribute."""

    name = "memory"

    def __init__(self, profile: Profile | None = None) -> None:
        self.profile = profile or Profile()
        self.refuses = False
        self.opens_after_s = 0.0
        self.closes_after_s = 0.1
        self.keeps_open = False
        self.ready_at_once = True
        self.open_sessions = 0
        self.opened = 0
        self.received: list[tuple[float, Command]] = []
        self.inbox: asyncio.Queue[object] = asyncio.Queue()
        self.user_leg: UserLeg | None = None
        self.room: Mapping[str, str] = {}
        self.limit_s: float | None = None
        self.reads: list[type[Command]] | None = None  # what it takes; nothing else is ever sent

    def attach(self, user_leg: UserLeg) -> None:
        self.user_leg = user_leg

    def mouth(self, visemes: Mapping[str, Any]) -> None: ...

    def page_says(self, kind: str, data: Mapping[str, Any]) -> None: ...

    async def open(self) -> Opened:
        await asyncio.sleep(self.opens_after_s)
        if self.refuses:
            raise VendorRefused(self.name, 401, "bad key")
        self.open_sessions += 1
        self.opened += 1
        return Opened("m1", {"token": "SECRET-token"}, self.room, self.limit_s)

    async def close(self, session: Opened) -> None:
        await asyncio.sleep(self.closes_after_s)
        if self.keeps_open:
            raise VendorUnreachable(self.name)
        self.open_sessions -= 1

    def viewer(self, session: Opened) -> Mapping[str, str]:
        return session.viewer

    @asynccontextmanager
    async def dial(self, session: Opened) -> AsyncIterator[MemoryVendor]:
        yield self

    def wire(self) -> MemoryWire:
        return MemoryWire(self.ready_at_once)

    # As a socket

    async def send(self, command: Command) -> None:
        if self.reads is not None and type(command) not in self.reads:
            await asyncio.get_running_loop().create_future()
        self.received.append((asyncio.get_running_loop().time(), command))

    async def __aiter__(self) -> AsyncIterator[object]:
        while (message := await self.inbox.get()) is not GONE:
            yield message

    # For tests

    def says(self, message: object) -> None:
        """An event, the words `ready` and `over`, or `GONE`."""
        self.inbox.put_nowait(message)

    def commands(self, kind: type[Command]) -> list[Command]:
        return [command for _, command in self.received if isinstance(command, kind)]


class MemoryWire:
    def __init__(self, ready: bool) -> None:
        self.ready = ready
        self.over: Ending | None = None

    def encode(self, command: Command) -> list[Command]:
        return [command]

    def decode(self, message: object) -> list[Event]:
        if message == "ready":
            self.ready = True
            return []
        if message == "over":
            self.over = Ending.LIMIT
            return []
        return [message]  # type: ignore[list-item]
