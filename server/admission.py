"""What the gate knows of a WebSocket that it has let in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .gate import SUBPROTOCOL


@dataclass(frozen=True, slots=True)
class Admission:
    """
    Attributes:
        page: Whether it is our page, or a client that speaks Pipecat's own protocol.
        session: The id that its ticket was for; None where no gate stands in front.
        renew: Makes a ticket for the next connection of the same session.
    """

    page: bool
    session: str | None = None
    renew: Callable[[], str] | None = field(default=None, repr=False)


def admission(scope: Mapping[str, Any]) -> Admission:
    """Reads what the gate has put into an ASGI scope."""
    claims = scope.get("avatarbot")
    return Admission(
        page=SUBPROTOCOL in scope.get("subprotocols", ()),
        session=claims.session if claims else None,
        renew=scope.get("avatarbot.renew"),
    )
