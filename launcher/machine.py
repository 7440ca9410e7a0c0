"""Who asks from this machine: an address is enough, or, where others may come too, a ticket.

A proxy on this machine that puts our own address into `Host` makes everybody look like this
machine. So where there may be one, a request shows what only the launcher's user can sign.
"""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import Scope

from server.tickets import TicketError, Tickets

HEADER = "avatarbot-operator"
LIFE_S = 60.0


class ThisMachine:
    """Tells this machine's requests from others'.

    Args:
        tickets: Checks what is shown.
        is_alone: Whether nobody else can come: no proxy, no tenants.
    """

    def __init__(self, tickets: Tickets, *, is_alone: bool) -> None:
        self._tickets = tickets
        self._is_alone = is_alone

    def asks(self, scope: Scope) -> bool:
        """Whether it does. What was shown is of no use any more."""
        if not scope["avatarbot.direct"]:
            return False
        try:
            if not self._is_alone:
                self._tickets.consume(Headers(scope=scope).get(HEADER, ""), scope="admin")
        except TicketError:
            return False
        return True


def proof(tickets: Tickets) -> dict[str, str]:
    """The header that shows it, for one request."""
    return {HEADER: tickets.issue(session="", scope="admin", life_s=LIFE_S)}
