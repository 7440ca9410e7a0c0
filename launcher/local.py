"""Sessions on this machine: who has a place, and how they all come to an end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from starlette.types import Receive, Scope, Send

from .backend import Capacity, Draining, Full, Session, Spec, UnknownSession, Why
from .life import Limits
from .running import RunningSession, Surroundings
from .socket_folder import SocketFolder


class LocalBackend:
    """See `backend.Backend`.

    Args:
        surroundings: What a session needs of this machine.
        most: How many sessions there may be at once.
        limits: What a session may take; where a spec gives it less time, that counts.
    """

    def __init__(self, surroundings: Surroundings, *, most: int, limits: Limits) -> None:
        self._surroundings = surroundings
        self._most = most
        self._limits = limits
        self._draining = False
        self._sessions: dict[str, RunningSession] = {}
        self._folder = SocketFolder()

    async def start(self, spec: Spec) -> Session:
        if self._draining:
            raise Draining
        if len(self._sessions) >= self._most:
            raise Full
        session = RunningSession(
            spec,
            self._limits,
            self._surroundings,
            folder=self._folder.path,
            over=lambda: self._sessions.pop(spec.session),
        )
        self._sessions[spec.session] = session  # the place is taken before anything is awaited
        session.begin()
        try:
            await asyncio.shield(session.came_up)
        except asyncio.CancelledError:
            session.end(Why.STOPPED)  # nobody will ever learn its id
            raise
        return session.seen

    async def forward(self, session: str, scope: Scope, receive: Receive, send: Send) -> None:
        await self._found(session).forward(scope, receive, send)

    async def take(
        self, session: str, connection: socket.socket, head: bytes, admission: Mapping[str, Any]
    ) -> None:
        with connection:  # the process gets a copy
            self._found(session).take(connection, head, admission)

    async def stop(self, session: str, why: Why = Why.STOPPED) -> None:
        found = self._found(session)
        found.end(why)
        await found.gone()

    def sessions(self) -> list[Session]:
        return [session.seen for session in self._sessions.values()]

    def capacity(self) -> Capacity:
        return Capacity(len(self._sessions), self._most, self._draining)

    async def drain(self, within_s: float) -> None:
        """See `Backend.drain`. Asked again meanwhile, it can only be over sooner."""
        self._draining = True
        loop = asyncio.get_running_loop()
        over_at = loop.time() + within_s
        told_s = self._limits.goodbye_s + self._limits.cancel_s
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, within_s - told_s)):
                await self._all_gone()
        for session in self._sessions.values():
            session.end(Why.DRAINED, within_s=max(0.0, over_at - loop.time()))
        await self._all_gone()

    async def close(self) -> None:
        """Kill what is left, and tidy up. Behind it nothing may be started."""
        await self.drain(0)
        self._folder.close()

    async def _all_gone(self) -> None:
        await asyncio.gather(*(session.gone() for session in self._sessions.values()))

    def _found(self, session: str) -> RunningSession:
        try:
            return self._sessions[session]
        except KeyError:
            raise UnknownSession from None
