"""Begins sessions: in a tenant's limits, with the room that the way needs."""

from __future__ import annotations

import asyncio
import math
import uuid
from typing import Any

from server import rooms

from .backend import Backend, BackendError, Draining, Full, Spec, StartFailed, Way
from .metrics import Metrics
from .tenants import Tenant, Tenants, TooMany

UNREADY_S = 10.0
"""How long others are asked for sessions first, where one could not be started."""


class Starter:
    """Begins sessions.

    Args:
        backend: Where they run.
        tenants: Who may have them.
        metrics: Told what comes of it.
        longest_s: How long any of them may last.
    """

    def __init__(
        self, backend: Backend, tenants: Tenants, metrics: Metrics, *, longest_s: float
    ) -> None:
        self._backend = backend
        self._tenants = tenants
        self._metrics = metrics
        self._longest_s = longest_s
        self._failed_at = -math.inf

    @property
    def has_failed(self) -> bool:
        """Whether a session could not be started just now."""
        return asyncio.get_running_loop().time() < self._failed_at + UNREADY_S

    async def start(self, tenant: Tenant, way: Way, body: Any, *, of_page: bool) -> dict[str, Any]:
        """Begin a session; returns what Pipecat's runner would answer.

        Args:
            tenant: Whose it is.
            way: How the person comes.
            body: For the bot.
            of_page: Whether our own page asks.

        Raises:
            TooMany, BackendError
        """
        session = str(uuid.uuid4())
        longest_s = min(self._longest_s, tenant.max_session_seconds or self._longest_s)
        try:
            with self._tenants.quota(tenant.name).place(session, self.living(tenant.name)):
                self._check_capacity()
                arguments, answer = await _room(way, session)
                spec = Spec(session, tenant.name, way, longest_s, arguments, body or {}, of_page)
                await self._backend.start(spec)
        except (TooMany, BackendError) as error:
            self._metrics.started(type(error).__name__.lower())
            if isinstance(error, StartFailed):
                self._failed_at = asyncio.get_running_loop().time()
            raise
        self._metrics.started("ready")
        self._failed_at = -math.inf
        return answer

    def _check_capacity(self) -> None:
        """Before a room is made for nobody. The backend has the last word."""
        capacity = self._backend.capacity()
        if capacity.draining:
            raise Draining
        if capacity.used >= capacity.most:
            raise Full

    def living(self, tenant: str | None = None) -> frozenset[str]:
        """The ids of the sessions that there are, of a tenant or of all."""
        return frozenset(
            each.id for each in self._backend.sessions() if tenant in (None, each.tenant)
        )


async def _room(way: Way, session: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What Pipecat's arguments for a way take, and what its runner would answer."""
    answer = {"sessionId": session}
    match way:
        case "daily":
            arguments = await rooms.daily_room()
            return arguments, {**answer, "dailyRoom": arguments["room_url"]}
        case "livekit":
            arguments, token = rooms.livekit_room(session)
            return arguments, {**answer, "url": arguments["url"], "token": token}
        case _:
            return {}, answer
