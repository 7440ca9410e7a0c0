"""Conversations by the id of their session: those that go on, and those that may come back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
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
        messages: What was said, as far as it was heard; may be asked once it is over.
        end: Ends it; what was heard of an open answer is among the messages then.
    """

    messages: Callable[[], list[T]]
    end: Callable[[], Awaitable[None]]
    over: asyncio.Event = field(default_factory=asyncio.Event)
    kept_until: float = float("inf")


class Memory(Generic[T]):
    """What was said, for who comes back. In the memory of this process only.

    Args:
        now: A clock, in seconds.
        kept_s: How long a conversation is kept whose connection broke.
    """

    def __init__(self, *, now: Callable[[], float], kept_s: float = KEPT_S) -> None:
        self._now = now
        self._kept_s = kept_s
        self._conversations: dict[str, Conversation[T]] = {}

    async def recall(self, session: str) -> list[T] | None:
        """Somebody is there for this session: what was said in it; None where nothing is known.

        A network that is gone does not say so. The connection from before may seem to be open for
        minutes; it ends now.
        """
        self._forget()
        before = self._conversations.pop(session, None)
        if before is None:
            return None
        if not before.over.is_set():
            with suppress(TimeoutError):  # then what is known so far has to do
                async with asyncio.timeout(HANDOVER_S):
                    await before.end()
                    await before.over.wait()
        return before.messages()

    def begin(self, session: str, conversation: Conversation[T]) -> None:
        """A connection of this session is open."""
        self._conversations[session] = conversation

    def over(self, session: str, conversation: Conversation[T]) -> None:
        """It is not any more, and may come back."""
        conversation.over.set()
        conversation.kept_until = self._now() + self._kept_s
        if self._conversations.get(session) is conversation:
            del self._conversations[session]  # the order is that of breaking
            self._conversations[session] = conversation
        self._forget()

    def _forget(self) -> None:
        kept = [s for s, each in self._conversations.items() if each.over.is_set()]
        for place, session in enumerate(kept):
            too_many = len(kept) - place > MOST
            if too_many or self._conversations[session].kept_until <= self._now():
                del self._conversations[session]
