"""The rooms of the RTC cloud, as far as somebody is in them."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from math import inf


class Rooms:
    """Who is in which room, and since when somebody is not.

    Attributes:
        changed: Called when somebody comes or leaves.
    """

    def __init__(self) -> None:
        self.changed: list[Callable[[], None]] = []
        self._people: defaultdict[str, dict[str, float]] = defaultdict(dict)
        self._left: dict[tuple[str, str], float] = {}

    def people(self, room: str) -> list[str]:
        return list(self._people[room])

    def enter(self, room: str, user: str) -> None:
        self._people[room][user] = asyncio.get_running_loop().time()
        self._tell()

    def leave(self, room: str, user: str) -> None:
        if self._people[room].pop(user, None) is not None:
            self._left[room, user] = asyncio.get_running_loop().time()
            self._tell()

    def absent_since(self, room: str, user: str, born: float) -> float:
        """Returns since when a user is not in a room, `born` at the earliest; `inf` if they are."""
        if user in self._people[room]:
            return inf
        return max(born, self._left.get((room, user), born))

    def _tell(self) -> None:
        for each in self.changed:
            each()
