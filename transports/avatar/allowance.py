"""So many calls of a kind in a second and no more, over all processes of this user.

A vendor counts the calls of an account, whichever session makes them, and the sessions know nothing
of each other: so the times of the last calls stand in a small file beside the journal. Who wants to
make a call takes the first time that is free, writes it down and waits for it; first come, first
served. Times are those of the system's monotonic clock, which all processes share and which begins
anew when the machine is started: the file says since when it counts.
"""

from __future__ import annotations

import asyncio
import hashlib
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from loguru import logger

from .owner import boot
from .shared_file import shared_file

WINDOW_S = 1.25
"""A second, and what two calls may differ in on their way to the vendor: a loop that was busy, a
connection that had to be made."""

FARTHEST_S = 60.0
"""A time that lies farther ahead is none, or of before the machine's last start."""

_MARK_BYTES = 16

LOCKED_S, LOCKED_TIMES = 0.002, 100
"""How often, and after how long, to look again whether another process has done with the file."""

_here: dict[str, list[float]] = {}  # where there is no folder


class Allowance:
    """The calls of one account.

    Args:
        folder: Of the journal; None counts this process's calls only.
        account: Vendor and account; no secret.
        most: How many calls of a kind there may be in a second.
        window_s: How long that second is.
        clock: Reads the time, in seconds.
    """

    def __init__(
        self,
        folder: Path | None,
        account: str,
        *,
        most: int,
        window_s: float = WINDOW_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._account = account
        self._most = most
        self._window_s = window_s
        self._clock = clock

    async def take(self, kind: str) -> None:
        """Returns when a call of this kind may be made."""
        for _ in range(LOCKED_TIMES):
            with suppress(BlockingIOError):
                wait_s = self.book(kind)
                break
            await asyncio.sleep(LOCKED_S)
        else:
            wait_s = self._book_here(kind, self._clock())
        if wait_s > 0:
            await asyncio.sleep(wait_s)

    def book(self, kind: str) -> float:
        """Note a call of this kind; returns in how many seconds it may be made.

        Raises:
            BlockingIOError: Another process notes one at this moment.
        """
        now = self._clock()
        if self._folder is not None:
            try:
                return self._book_in(self._folder / f"calls-{self._name(kind)}", now) - now
            except BlockingIOError:
                raise
            except OSError as error:
                logger.warning(f"calls are counted in this process only: {error.strerror}")
        return self._book_here(kind, now)

    def _name(self, kind: str) -> str:
        return hashlib.sha256(f"{self._account}\0{kind}".encode()).hexdigest()[:24]

    def _book_here(self, kind: str, now: float) -> float:
        name = self._name(kind)
        times = _here.get(name, [])
        at = self._next(times, now)
        _here[name] = [*times, at][-self._most :]
        return at - now

    def _book_in(self, file: Path, now: float) -> float:
        with shared_file(file, locked_s=0.0) as opened:
            mark = hashlib.sha256(boot().encode()).digest()[:_MARK_BYTES]
            known = opened.read(_MARK_BYTES) == mark
            text = opened.read(8 * self._most) if known else b""
            times = [at for (at,) in struct.iter_unpack("<d", text[: len(text) // 8 * 8])]
            at = self._next(times, now)
            times = [*times, at][-self._most :]
            opened.seek(0)
            opened.truncate()
            opened.write(mark + struct.pack(f"<{len(times)}d", *times))
            opened.flush()
        return at

    def _next(self, times: list[float], now: float) -> float:
        known = [at for at in times if at < now + FARTHEST_S]
        if len(known) < self._most:
            return max(now, known[-1]) if known else now
        return max(now, known[-1], known[-self._most] + self._window_s)
