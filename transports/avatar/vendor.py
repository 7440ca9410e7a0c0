"""What a vendor folder provides, and what it is given.

A vendor is REST (open and close what costs money), a way to dial, and a wire codec; it runs no
task and holds no lock. `session` runs it. Adding one: a folder beside this one, a row in `bot.py`'s
table, an emulator, and a line in the contract suite's fixture.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from .commands import Command
from .errors import Ending
from .events import Event


@dataclass(frozen=True, slots=True)
class Profile:
    """How a vendor wants to be spoken to, and what it tells. Times are in seconds.

    Attributes:
        sample_rate: Rate of the PCM that it takes, in Hz.
        opening_s: How much of an utterance has to be there before its first piece leaves, unless
            the TTS pauses or other speech is still heard; 0 sends what there is at once.
        first_chunk_s: Smallest piece, sent while nothing is ahead of the person.
        chunk_s: Largest piece, reached as the lead grows.
        max_lead_s: Most speech that is handed over and not yet heard. What is cut can be no
            more than this; a suspected cut-in can bring back no more than this.
        start_delay_s: From the first sample sent to the first one heard, where nothing tells.
        acknowledges: The events that this vendor is known to send.
        keep_alive_s: Longest time without a message, or None.
        reserves: Whether an utterance has to be reserved before it begins, and cuts the one before
            instead of queueing behind it (docs/decisions/0012): it begins when that was heard.
        reserves_early: Whether that may be asked for while speech is heard, or when it was.
        reservation_s: How long a reservation is good for.
        real_time: Whether it plays no faster than people speak: who is told to have been heard
            sooner was not.
        gap_s: How much longer to wait where the vendor did not tell the end of the one before.
    """

    sample_rate: int = 24_000
    opening_s: float = 0.0
    first_chunk_s: float = 0.02
    chunk_s: float = 1.0
    max_lead_s: float = 60.0
    start_delay_s: float = 0.2
    acknowledges: frozenset[type[Event]] = frozenset()
    keep_alive_s: float | None = None
    reserves: bool = False
    reserves_early: bool = False
    reservation_s: float = 540.0
    real_time: bool = False
    gap_s: float = 0.0

    def samples(self, seconds: float) -> int:
        """The number of samples that last `seconds`."""
        return round(seconds * self.sample_rate)


@dataclass(frozen=True, slots=True)
class Opened:
    """A session that exists at the vendor.

    Attributes:
        id: The vendor's; its beginning is fit for a log (`short`).
        secrets: Tokens and signed addresses by name. They stay out of every log and error.
        viewer: What `Vendor.viewer` has to say, where that is known once and for all.
        limit_s: After how many seconds the vendor ends it by itself, where it says so.
    """

    id: str
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    viewer: Mapping[str, str] = field(default_factory=dict, repr=False)
    limit_s: float | None = None


OURS = "avatarbot-"
"""What a session's id begins with where it is us who choose it."""


def short(session: str) -> str:
    """As much of a session's id as tells it from others. The whole may be all that opens it."""
    return session.removeprefix(OURS)[:8]


class Socket(Protocol):
    """A dialled control connection. Ends its iteration when the other side is gone."""

    async def send(self, message: Any) -> None:
        """Send one message of the wire. It is abandoned when there is an interrupt to be sent.

        Raises:
            ConnectionLost: when it cannot be sent any more.
        """

    def __aiter__(self) -> AsyncIterator[Any]:
        """The messages that arrive."""


class Wire(Protocol):
    """The codec of one connection; no I/O.

    Attributes:
        ready: Turns True when commands may be sent.
        over: None until the vendor says that the session has ended; then why.
    """

    ready: bool
    over: Ending | None

    def encode(self, command: Command) -> list[Any]:
        """The messages that say this command; none where the vendor has no word for it."""

    def decode(self, message: Any) -> list[Event]:
        """What a message means.

        Never raises: what is unknown or malformed is counted, warned of once per type, and means
        nothing.
        """


class UserLeg(Protocol):
    """The person's own leg, for what must be heard, shown or known there."""

    async def speak(self, pcm: bytes, sample_rate: int, *, interruptible: bool) -> None:
        """Let the person hear this on the user leg: 16-bit mono PCM, the rate in Hz."""

    async def flush(self) -> None:
        """Send what is left of the speech: no more follows for now."""

    async def tell(self, data: Mapping[str, Any]) -> None:
        """Tell the page, in order with the speech."""


class Vendor(Protocol):
    """One avatar provider and dialect, for one session.

    Attributes:
        name: For logs and errors.
        profile: How it wants to be spoken to.
    """

    name: str
    profile: Profile

    def attach(self, user_leg: UserLeg) -> None:
        """Called once before `open()`, with the leg of the person of this session."""

    def page_says(self, kind: str, data: Mapping[str, Any]) -> None:
        """A message of the page that is about the avatar (`avatar-…`). Never raises."""

    def mouth(self, visemes: Mapping[str, Any]) -> None:
        """Mouth shapes that the TTS knows of (`docs/frames.md`); for a face that we draw."""

    async def open(self) -> Opened:
        """Create the session.

        Raises:
            AvatarError: and then nothing is left open.
        """

    async def close(self, session: Opened) -> None:
        """Stop the session; harmless when it is stopped already."""

    def viewer(self, session: Opened) -> Mapping[str, str]:
        """What a page needs to show the avatar, each time that it asks.

        Nothing where there is no room, and nothing that allows more: the `kind` of its room, the
        address, and a token that is good for this session only.
        """

    def dial(self, session: Opened) -> AbstractAsyncContextManager[Socket]:
        """The control connection.

        Raises:
            VendorUnreachable: on entering.
        """

    def wire(self) -> Wire:
        """A fresh codec for one connection."""
