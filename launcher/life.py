"""How a session's process is watched and ended: told, cancelled, killed, in this order.

No clock, no I/O: `now` is handed in, in seconds, and what has to be done comes out as steps.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

from .backend import State, Why

PING_S = 1.0
SILENT_S = 5.0
"""A process that has not answered for so long is hung: it cannot be told anything any more."""
LATE_S = 1.0
"""A step that comes so late was held up on our side: who does not look sees no answer either."""


class Step(enum.Enum):
    """What is to be done with the process."""

    TELL = 1
    CANCEL = 2
    KILL = 3
    PING = 4


@dataclass(frozen=True, slots=True)
class Limits:
    """
    Attributes:
        longest_s: How long the session may last, in seconds.
        memory_mb: How much memory its process may have for itself.
        start_s: How long the process may take until a person can come.
        goodbye_s: How long an end may take that the bot was told of.
        cancel_s: How long a cancelled bot may take.
    """

    longest_s: float
    memory_mb: float = math.inf
    start_s: float = 20.0
    goodbye_s: float = 15.0
    cancel_s: float = 3.0


class Life:
    """One session's process, from its start (`begins`) to its end.

    Attributes:
        state: Where it stands.
        why: Why it ends; None as long as it does not.
    """

    def __init__(self, limits: Limits) -> None:
        self.state = State.STARTING
        self.why: Why | None = None
        self._limits = limits
        self._over_at = math.inf
        self._ping_at = math.inf
        self._can_be_told = False
        self._silent_at = math.inf  # when a sign of life will have been waited for too long
        self._left = {Step.TELL: math.inf, Step.CANCEL: math.inf, Step.KILL: math.inf}

    def begins(self, now: float) -> None:
        """There is a process."""
        self._over_at = now + self._limits.longest_s
        self._silent_at = now + self._limits.start_s

    def serves(self, now: float) -> None:
        """A person can come."""
        if self.state is State.STARTING:
            self.state = State.WAITING
            self._silent_at = math.inf
            self._ping_at = now

    def talks(self) -> None:
        """A pipeline has started."""
        if self.state is State.WAITING:
            self.state = State.TALKING
            self._can_be_told = True

    def answers(self, memory_mb: float, now: float) -> None:
        """The answer to a ping."""
        self._silent_at = math.inf
        if memory_mb > self._limits.memory_mb:
            self.end(Why.MEMORY, now)

    def end(self, why: Why, now: float, *, within_s: float = math.inf) -> None:
        """Bring it to an end. Asked again, it can only come sooner.

        Args:
            why: The first reason stays.
            now: The time.
            within_s: After how long it is gone at the latest. A bot that talks is told first, if
                there is time; one that does not has nobody to say goodbye to.
        """
        if self.state is not State.ENDING:
            self.why, self.state = why, State.ENDING
        goodbye_s = self._limits.goodbye_s if self._can_be_told else 0.0
        told_s = min(goodbye_s, max(0.0, within_s - self._limits.cancel_s))
        if told_s:
            self._plan(Step.TELL, now)
        self._plan(Step.CANCEL, now + told_s)
        self._plan(Step.KILL, now + min(told_s + self._limits.cancel_s, within_s))

    def due(self, now: float) -> list[Step]:
        """What is to be done by now. Of the last three steps each comes once, and in order."""
        if now - self.next_at > LATE_S and self._silent_at < math.inf:
            self._silent_at = max(self._silent_at, now + SILENT_S)  # with a ping, which is due too
        if now >= self._silent_at:
            self.why, self.state = self.why or Why.HUNG, State.ENDING
            self._plan(Step.KILL, now)
        elif now >= self._over_at and self.state is not State.ENDING:
            self.end(Why.LONGEST_TIME, now)
        steps = [step for step, at in self._left.items() if at <= now][-1:]
        for step in steps:  # what comes before it is too late now
            self._left = {each: at for each, at in self._left.items() if each.value > step.value}
        if not self._left:
            self._ping_at = self._silent_at = math.inf
        elif self._ping_at <= now:
            self._ping_at = now + PING_S
            self._silent_at = min(self._silent_at, now + SILENT_S)
            steps.append(Step.PING)
        return steps

    @property
    def next_at(self) -> float:
        """When `due` has to be asked again, if nothing happens before."""
        over_at = math.inf if self.state is State.ENDING else self._over_at
        return min(over_at, self._ping_at, self._silent_at, *self._left.values(), math.inf)

    def _plan(self, step: Step, at: float) -> None:
        if step in self._left:
            self._left[step] = min(self._left[step], at)
