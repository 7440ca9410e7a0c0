"""When a conversation ends by itself: at its longest time, and when its person stays away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from enum import Enum

ABSENCE_S = 30.0
"""A person who has left a room may come back for so long."""

JOINING_S = 120.0
"""And may take so long to come: a browser asks them for their microphone first."""


class Ending(Enum):
    """Why a conversation ended by itself; the value is what there is to say of it."""

    LONGEST_TIME = "This conversation has reached its longest time, so it ends here. Goodbye."
    NOBODY_CAME = "Nobody came, so this conversation ends."
    NOBODY_THERE = "Nobody has been here for a while, so this conversation ends."


class Lifetime:
    """Calls `end` once, when it is time.

    Args:
        end: What ends the conversation.
        longest_s: How long it may last, in seconds.
        absence_s: How long nobody may be there.
        joining_s: How long the first person may take.
    """

    def __init__(
        self,
        end: Callable[[Ending], Awaitable[None]],
        *,
        longest_s: float,
        absence_s: float = ABSENCE_S,
        joining_s: float = JOINING_S,
    ) -> None:
        self._end = end
        self._longest_s = longest_s
        self._absence_s = absence_s
        self._joining_s = joining_s
        self._there: set[str] = set()
        self._alarms: dict[str, asyncio.TimerHandle] = {}
        self._ending: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """The conversation can be joined from now on."""
        self._set("longest", self._longest_s, Ending.LONGEST_TIME)
        self._set("absence", self._joining_s, Ending.NOBODY_CAME)

    def shorten(self, longest_s: float) -> None:
        """It may last no longer than so many seconds from now."""
        alarm = self._alarms.get("longest")
        if alarm and asyncio.get_running_loop().time() + longest_s < alarm.when():
            self._set("longest", longest_s, Ending.LONGEST_TIME)

    def came(self, person: str) -> None:
        """Somebody is there."""
        self._there.add(person)
        self._clear("absence")

    def left(self, person: str) -> None:
        """They are not any more."""
        self._there.discard(person)
        if not self._there:
            self._set("absence", self._absence_s, Ending.NOBODY_THERE)

    def close(self) -> None:
        """The conversation has ended; there is nothing to end any more."""
        for name in list(self._alarms):
            self._clear(name)

    def _set(self, name: str, after_s: float, why: Ending) -> None:
        self._clear(name)
        loop = asyncio.get_running_loop()
        self._alarms[name] = loop.call_later(after_s, self._ring, why)

    def _clear(self, name: str) -> None:
        if alarm := self._alarms.pop(name, None):
            alarm.cancel()

    def _ring(self, why: Ending) -> None:
        self.close()
        if self._ending is None:
            self._ending = asyncio.ensure_future(self._end(why))
