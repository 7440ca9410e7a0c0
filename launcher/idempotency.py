"""`Idempotency-Key`: who asks twice for the same, not knowing whether it worked, gets it once."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

KEPT_S = 600.0
MOST = 10_000
LONGEST_KEY = 255

T = TypeVar("T")


class KeyReused(Exception):
    """The key came before with another request."""


@dataclass(frozen=True, slots=True)
class _Kept(Generic[T]):
    request: bytes
    answer: asyncio.Task[T]
    until: float


class Answers(Generic[T]):
    """Answers by tenant and key.

    Args:
        is_good: Whether an answer is to be kept, and still holds. Any other is asked for again.
    """

    def __init__(self, *, is_good: Callable[[T], bool]) -> None:
        self._is_good = is_good
        self._kept: dict[tuple[str, str], _Kept[T]] = {}  # oldest first

    async def once(
        self, tenant: str, key: str, request: bytes, answer: Callable[[], Coroutine[Any, Any, T]]
    ) -> T:
        """The answer to a request: the first one's, if it came before or is still made.

        Raises:
            KeyReused
        """
        now = asyncio.get_running_loop().time()
        self._forget(now)
        asked = hashlib.sha256(request).digest()
        kept = self._kept.get((tenant, key))
        if kept is None:
            kept = _Kept(asked, asyncio.create_task(answer()), now + KEPT_S)
            self._kept[tenant, key] = kept
        if kept.request != asked:
            raise KeyReused
        return await asyncio.shield(kept.answer)  # who asked first may go away

    def _forget(self, now: float) -> None:
        surplus = len(self._kept) - MOST
        for place, (name, kept) in enumerate(list(self._kept.items())):
            if place <= surplus or kept.until <= now or not self._holds(kept.answer):
                del self._kept[name]

    def _holds(self, answer: asyncio.Task[T]) -> bool:
        if not answer.done():
            return True
        failed = answer.cancelled() or answer.exception() is not None
        return not failed and self._is_good(answer.result())
