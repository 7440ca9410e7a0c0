"""What a host does: greets who comes, tells them what they should know, and ends in time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from loguru import logger
from pipecat.frames.frames import EndFrame, TTSSpeakFrame
from pipecat.pipeline.worker import PipelineWorker
from pipecat.transports.base_transport import BaseTransport

from .lifetime import Ending, Lifetime

GOODBYE_S = 15.0
"""How long a goodbye may take, with what is still to be said before it."""

TICKET_RENEWAL_S = 300.0
"""Half of a ticket's life."""


class Host:
    """The host of one conversation.

    Args:
        worker: Runs the pipeline.
        user: How the person comes.
        introduction: What the page is told first: which part is served by whom.
        greeting: What is said first; empty: nothing.
        longest_s: How long the conversation may last, in seconds.
        in_room: Whether people come and go while the bot stays. Elsewhere the connection is one
            person's, and the conversation ends with it.
        renew: Makes a ticket for the next connection; None where there are no tickets.
    """

    def __init__(
        self,
        worker: PipelineWorker,
        user: BaseTransport,
        *,
        introduction: Mapping[str, str],
        greeting: str,
        longest_s: float,
        in_room: bool,
        renew: Callable[[], Awaitable[str]] | None,
    ) -> None:
        self._worker = worker
        self._introduction = introduction
        self._greeting = greeting
        self._in_room = in_room
        self._renew = renew
        self._renewing: asyncio.Task[None] | None = None
        self._lifetime = Lifetime(self._end, longest_s=longest_s)
        worker.rtvi.add_event_handler("on_client_ready", self._ready)
        user.add_event_handler("on_client_connected", self._came)
        user.add_event_handler("on_client_disconnected", self._left)

    async def tell(self, kind: str, **data: Any) -> None:
        """Send the page a message of a kind that `docs/frames.md` lists."""
        await self._worker.rtvi.send_server_message({"type": kind} | data)

    def ends_before(self, limit_s: float) -> None:
        """Say goodbye before something that the conversation needs ends, in so many seconds."""
        self._lifetime.shorten(max(0.0, limit_s - GOODBYE_S))

    @asynccontextmanager
    async def there(self) -> AsyncIterator[None]:
        """People can come for as long as this is entered."""
        self._lifetime.begin()
        try:
            yield
        finally:
            self._lifetime.close()
            if self._renewing is not None:
                self._renewing.cancel()

    async def _ready(self, _: object) -> None:
        await self.tell("session", **self._introduction)
        if self._renew is not None and self._renewing is None:
            self._renewing = asyncio.create_task(self._hand_out_tickets(self._renew))
        await self._greet()

    async def _came(self, _: object, client: object) -> None:
        self._lifetime.came(_name(client))
        if self._in_room:  # where people come with clients that know nothing of us
            await self._greet()

    async def _left(self, _: object, client: object) -> None:
        self._lifetime.left(_name(client))
        if not self._in_room:
            await self._worker.cancel(reason="the person left")

    async def _greet(self) -> None:
        greeting, self._greeting = self._greeting, ""
        if greeting:
            await self._worker.queue_frame(TTSSpeakFrame(greeting))

    async def _hand_out_tickets(self, renew: Callable[[], Awaitable[str]]) -> None:
        while True:
            await self.tell("ticket", token=await renew(), remembers=True)
            await asyncio.sleep(TICKET_RENEWAL_S)

    async def _end(self, why: Ending) -> None:
        logger.info(why.value)
        if why is Ending.LONGEST_TIME:
            await self.tell("notice", text=why.value, ends=True)
            await self._worker.queue_frame(TTSSpeakFrame(why.value, append_to_context=False))
        await self._worker.queue_frame(EndFrame())


def _name(client: object) -> str:
    """Who came or left a room; on a connection of one there is nobody to tell apart."""
    return str(client["id"]) if isinstance(client, dict) else "the person"
