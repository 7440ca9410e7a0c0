"""What of an application can be reached, and by whom."""

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field

from .callers import Callers, Nobody

READING = frozenset(("GET", "HEAD"))

Signed = Callable[[bytes], str | None]
"""Reads what a vendor's server has signed: what it is about, in the vendor's words; None where that
was told before, or is of no interest. Raises `PermissionError` for what is not the vendor's."""


@dataclass(frozen=True, slots=True)
class Plan:
    """
    Attributes:
        routes: Paths with their methods; a WebSocket's is `WEBSOCKET`. `{session}` stands for the
            id of any session, `{path}` for any path.
        callers: Who may come besides our own page.
        keyed: Those of the paths where a key is taken in place of an Origin.
        called_back: Those where servers call that show neither: a vendor's, for a session.
        signed: Those where a vendor's server calls for any session, each with what reads it. Only
            what is new comes through; `avatarbot.about` in the scope says what it is about.
        ticketed: Those of a session that its ticket leads to, shown as a bearer. It is as good for
            a page of ours, for one of its tenant's sites, and for what has no Origin.
        for_anybody: Those that say nothing of anybody, such as whether the process lives.
        living: The sessions that there are. Where it is not given, a connection lasts as long as
            the call that began it, as with Pipecat's runner.
    """

    routes: Mapping[str, frozenset[str]]
    callers: Callers = field(default_factory=Nobody)
    keyed: Set[str] = frozenset()
    called_back: Set[str] = frozenset()
    signed: Mapping[str, Signed] = field(default_factory=dict)
    ticketed: Set[str] = frozenset()
    for_anybody: Set[str] = frozenset()
    living: Callable[[], Set[str]] | None = None
