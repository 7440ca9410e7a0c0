"""Conversations by the id of their session: those that go on, and those that may come back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Generic, TypeVar

KEPT_S = 90.0
"""A page tries for a minute to come back."""

MOST = 1_000
"""Conversations kept at once; the one that broke first goes first."""

HANDOVER_S = 5.0
"""How long a connection may take to end that another one takes over."""

T = TypeVar("T")


@dataclass(eq=False)
class Conversation(Generic[T]):
    """One connection's share of a conversation.

    Attributes:
        messages: What was said, as far as it was heard.
        end: Ends it; what was heard of an open answer is among the messages then.
    """

    messages: Callable[[], list[T]]
    end: Callable[[], Awaitable[None]]
    over: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class _Kept(Generic[T]):
    messages: list[T]
    until: float


class Memory(Generic[T]):
    """What was said, for who comes back. In the memory of this process only.

    Args:
        now: A clock, in seconds.
        kept_s: How long a conversation is kept whose connection broke.
    """

    def __init__(self, *, now: Callable[[], float], kept_s: float = KEPT_S) -> None:
        self._now = now
        self._kept_s = kept_s
        self._open: dict[str, Conversation[T]] = {}
        self._kept: dict[str, _Kept[T]] = {}  # the one that broke first is first

    async def recall(self, session: str) -> list[T] | None:
        """Somebody is there for this session: what was said in it; None where nothing is known.

        A network that is gone does not say so. The connection from before may seem to be open for
        minutes; it ends now.
        """
        if (before := self._open.get(session)) is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(HANDOVER_S):
                    await before.end()
                    await before.over.wait()
            if not before.over.is_set():
                self._over(session, before)  # what is known so far has to do
        self._forget()
        kept = self._kept.pop(session, None)
        return None if kept is None else kept.messages

    @contextmanager
    def open(self, session: str | None, conversation: Conversation[T]) -> Iterator[None]:
        """A connection of this session is open for as long as this is entered.

        Then it may come back. Of all that it held only the messages are kept; and nothing where
        there is no session, since nobody could come back to it.
        """
        if session is None:
            yield
            return
        self._open[session] = conversation
        try:
            yield
        finally:
            self._over(session, conversation)

    def _over(self, session: str, conversation: Conversation[T]) -> None:
        conversation.over.set()
        if self._open.get(session) is conversation:
            del self._open[session]
            self._kept.pop(session, None)
            self._kept[session] = _Kept(conversation.messages(), self._now() + self._kept_s)
        self._forget()

    def _forget(self) -> None:
        now = self._now()
        surplus = len(self._kept) - MOST
        for place, (session, kept) in enumerate(list(self._kept.items())):
            if place < surplus or kept.until <= now:
                del self._kept[session]
