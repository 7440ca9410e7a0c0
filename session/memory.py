"""What was said in conversations whose connection broke, for as long as it may come back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

KEPT_S = 90.0
"""A page tries for a minute to come back."""

MOST = 1_000
"""Conversations kept at once; the oldest goes first."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Kept(Generic[T]):
    messages: list[T]
    until: float


class Memory(Generic[T]):
    """The messages of conversations by the id of their session. In memory only.

    Args:
        now: A clock, in seconds.
        kept_s: How long a conversation is kept.
    """

    def __init__(self, *, now: Callable[[], float], kept_s: float = KEPT_S) -> None:
        self._now = now
        self._kept_s = kept_s
        self._conversations: dict[str, _Kept[T]] = {}

    def keep(self, session: str, messages: Sequence[T]) -> None:
        """The connection of this session broke."""
        self._conversations.pop(session, None)  # the order is that of breaking
        self._conversations[session] = _Kept(list(messages), self._now() + self._kept_s)
        self._forget()

    def recall(self, session: str) -> list[T] | None:
        """It is back: what was said, once; None where nothing is known of it."""
        self._forget()
        kept = self._conversations.pop(session, None)
        return None if kept is None else kept.messages

    def _forget(self) -> None:
        now = self._now()
        over = [session for session, kept in self._conversations.items() if kept.until <= now]
        surplus = list(self._conversations)[: max(0, len(self._conversations) - MOST)]
        for session in {*over, *surplus}:
            del self._conversations[session]
