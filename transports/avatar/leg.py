"""One way for the speech to reach the person, and what it is to be told."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from enum import Enum, auto

from .commands import Begin, Command, EndSpeech, Interrupt, Reserve, Speak
from .events import Ended, Played, Started
from .pacing import Pacing
from .reservation import Reservation
from .vendor import Profile


class Connection(Enum):
    """Whether a leg can be told anything: OPENING until it is ready, CLOSED for good."""

    OPENING = auto()
    READY = auto()
    CLOSED = auto()


class Leg:
    """A vendor's session, or the person's own connection, as the core sees it; no I/O.

    The core puts commands in, whoever owns the connection takes them out, one at a time. So what an
    interrupt makes void can be taken back, and an interrupt goes first, until the last moment.

    Args:
        profile: How it wants to be spoken to.

    Attributes:
        talks: Whether the vendor says that the avatar is talking.
        deaf_until: What it says before this time without naming an utterance may be old.
        tells_starts: Whether it tells when speech begins to be heard, as far as is known; who was
            waited for in vain is waited for again when they have told one.
        tells_ends: The same of when it was heard to its end.
        reservation: Of the next utterance.
    """

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.pacing = Pacing(profile)
        self.talks = False
        self.deaf_until = 0.0
        self.tells_starts = not profile.acknowledges.isdisjoint({Started, Played})
        self.tells_ends = Ended in profile.acknowledges
        self.reservation = Reservation(profile)
        self._connection = Connection.OPENING
        self._outbox: deque[Command] = deque()

    @property
    def is_ready(self) -> bool:
        """Whether it can be told things."""
        return self._connection is Connection.READY

    @property
    def is_closed(self) -> bool:
        """Whether it never will be again."""
        return self._connection is Connection.CLOSED

    @property
    def has_commands(self) -> bool:
        """Whether `next_command` has one."""
        return bool(self._outbox)

    @property
    def is_cut(self) -> bool:
        """Whether the next command is an interrupt."""
        return bool(self._outbox) and isinstance(self._outbox[0], Interrupt)

    def open(self) -> None:
        """It can be told things from now on."""
        if self._connection is Connection.OPENING:
            self._connection = Connection.READY

    def close(self) -> None:
        """It cannot be told anything any more."""
        self._connection = Connection.CLOSED
        self._outbox.clear()

    def tell(self, command: Command) -> None:
        """After what waits already."""
        self._outbox.append(command)

    def silence(self, interrupt: Interrupt) -> None:
        """Ahead of all else; an interrupt that still waits would say the same.

        What is to be reserved is so behind it.
        """
        waiting = (c for c in self._outbox if not isinstance(c, (Interrupt, Reserve)))
        self._outbox = deque([interrupt, *waiting])
        self.talks = False

    def unsay(self, utterances: Iterable[str]) -> None:
        """What waits to be said of these is never said."""
        gone = set(utterances)
        self._outbox = deque(
            c
            for c in self._outbox
            if not (isinstance(c, (Begin, Speak, EndSpeech)) and c.utterance in gone)
        )

    def next_command(self) -> Command | None:
        """The next thing to tell; it counts as told."""
        return self._outbox.popleft() if self._outbox else None
