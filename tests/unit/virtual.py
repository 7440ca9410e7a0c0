"""A loop whose clock jumps to the next timer, so that an hour of a session takes a millisecond.

What it moves is `loop.time()`, and with it `asyncio.sleep`, `asyncio.timeout` and `call_later`.
What it does not move is the `time` module, which Pipecat reads in places (its pipeline clock is
`time.monotonic_ns`, its output transport compares `time.time`): on this loop such code sees a
world in which nearly nothing passes. Code of ours reads `loop.time()` only.

The clock stands still while a thread of `run_in_executor` or `asyncio.to_thread` works. Other
threads and sockets are outrun: such a test belongs under `tests/emulated`, or takes the marker
`real_loop`. Hypothesis and other plain functions use `asyncio.Runner(loop_factory=VirtualLoop)`.
"""

import asyncio
import selectors
from collections.abc import Callable
from typing import Any

STUCK_AFTER_S = 20.0
"""Real seconds without a timer, a thread's result or a byte, after which a test is stuck."""


class Stuck(RuntimeError):
    """Nothing is scheduled and nothing arrives: the test waits for what cannot happen."""


class _JumpSelector(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.working = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if ready := super().select(0):
            return ready
        if timeout is not None and not self.working:
            self.now += max(timeout, 0.0)
            return []
        if timeout == 0:
            return []
        ready = super().select(STUCK_AFTER_S)
        if not ready:
            raise Stuck(f"nothing happened for {STUCK_AFTER_S:.0f} real seconds")
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop that never waits: where others sleep, it sets its clock forward."""

    def __init__(self) -> None:
        self._clock = _JumpSelector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now

    def run_in_executor(
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        work: asyncio.Future[Any] = super().run_in_executor(executor, func, *args)
        self._clock.working += 1
        work.add_done_callback(self._worked)
        return work

    def _worked(self, _: asyncio.Future[Any]) -> None:
        self._clock.working -= 1
