"""What of an application can be reached, and by whom."""

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field

from .callers import Callers, Nobody

READING = frozenset(("GET", "HEAD"))


@dataclass(frozen=True, slots=True)
class Plan:
    """
    Attributes:
        routes: Paths with their methods; a WebSocket's is `WEBSOCKET`. `{session}` stands for the
            id of any session, `{path}` for any path.
        callers: Who may come besides our own page.
        keyed: Those of the paths where a key is taken in place of an Origin.
        called_back: Those where servers call that show neither: a vendor's, for a session.
        for_anybody: Those that say nothing of anybody, such as whether the process lives.
        living: The sessions that there are. Where it is not given, a connection lasts as long as
            the call that began it, as with Pipecat's runner.
    """

    routes: Mapping[str, frozenset[str]]
    callers: Callers = field(default_factory=Nobody)
    keyed: Set[str] = frozenset()
    called_back: Set[str] = frozenset()
    for_anybody: Set[str] = frozenset()
    living: Callable[[], Set[str]] | None = None
