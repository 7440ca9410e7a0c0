"""Which sessions go on: how many there may be, and which to end when the server stops."""

import asyncio
import math
from collections.abc import Iterator
from contextlib import contextmanager

AT_ONCE, GAP_S = 3, 0.75
"""How many sessions may begin at once, and how far apart they begin after that."""


class Sessions:
    """The tasks that serve sessions: open WebSockets, and the calls of WebRTC offers.

    Args:
        share: Whether they share a process, and so begin one after the other.

    Attributes:
        most: How many there may be at once.
    """

    def __init__(self, most: int = 1_000, *, share: bool = True) -> None:
        self.most = most
        self._share = share
        self._next_at = -math.inf
        self._tasks: set[asyncio.Task[None]] = set()
        self._ending = False

    def __len__(self) -> int:
        return len(self._tasks)

    @property
    def full(self) -> bool:
        """Whether every place is taken."""
        return len(self) >= self.most

    @contextmanager
    def open(self) -> Iterator[None]:
        """Notes down the current task for as long as the context is entered.

        Being cancelled by `cancel` is an orderly end, not an error for the server to log.
        """
        task = asyncio.current_task()
        assert task, "a session is served by a task"
        self._tasks.add(task)
        try:
            yield
        except asyncio.CancelledError:
            if not self._ending:
                raise
        finally:
            self._tasks.discard(task)

    async def turn(self) -> None:
        """Waits until one more may begin: beginning is the most work that a session makes.

        Who is alone disturbs nobody, and does not wait.
        """
        if len(self) <= 1 or not self._share:
            return
        now = asyncio.get_running_loop().time()
        begins_at = max(self._next_at, now - (AT_ONCE - 1) * GAP_S)
        self._next_at = begins_at + GAP_S
        await asyncio.sleep(begins_at - now)

    def cancel(self) -> None:
        """Cancels every session that has not ended by itself."""
        self._ending = True
        for task in self._tasks:
            task.cancel()
