"""An account at a vendor: who pays, and what can be done about sessions that nobody looks after."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Account:
    """What has to be known to keep an account's sessions in order.

    Attributes:
        vendor: The vendor's name, for the journal and for logs.
        key: Pays. It stays out of both.
        stop: Stops a session by the vendor's id; returns once the vendor has confirmed it, or has
            said that there is nothing to stop.
        running: Asks the vendor for the ids of all sessions of the account that run now, those of
            other programs among them; None where it has no such list.
        most: How many there may be at once; None leaves it to the vendor.
        needed: Whether nothing is begun while the vendor wants to be left alone; else what is begun
            goes on without it.
    """

    vendor: str
    key: str = field(repr=False)
    stop: Callable[[str], Awaitable[None]] = field(repr=False)
    running: Callable[[], Awaitable[list[str]]] | None = field(default=None, repr=False)
    most: int | None = None
    needed: bool = True
