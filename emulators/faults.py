"""Replies that go wrong because a test or the command line says so."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Fault:
    """A reply that goes wrong.

    Attributes:
        call: Which operation, as the vendor names it (`start`, `streaming.new`), or `*`.
        status: HTTP status; 0 for a connection that ends without a reply; None for a reply that
            is only late.
        body: What is answered instead of the vendor's own envelope.
        times: How often.
        delay_s: How late.
        headers: Such as `Retry-After`.
        done: Whether the operation takes effect before the reply goes wrong.
        code: Answered in the vendor's envelope, if that is how it tells of errors.
    """

    call: str
    status: int | None = 500
    body: Any = None
    times: int = 1
    delay_s: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    done: bool = False
    code: int | None = None


class Faults(list[Fault]):
    """All that are still to come, in order."""

    def next(self, call: str) -> Fault | None:
        """Returns what goes wrong with this call, and counts it."""
        for fault in self:
            if fault.call in (call, "*"):
                fault.times -= 1
                if fault.times <= 0:
                    self.remove(fault)
                return fault
        return None
