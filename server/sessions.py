"""Which WebSockets are open: how many there may be, and which to end when the server stops."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Sessions:
    """The tasks that serve open WebSockets.

    Attributes:
        most: How many there may be at once.
    """

    def __init__(self, most: int = 1_000) -> None:
        self.most = most
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
        assert task, "a WebSocket is served by a task"
        self._tasks.add(task)
        try:
            yield
        except asyncio.CancelledError:
            if not self._ending:
                raise
        finally:
            self._tasks.discard(task)

    def cancel(self) -> None:
        """Cancels every session that has not ended by itself."""
        self._ending = True
        for task in self._tasks:
            task.cancel()
