"""What the gate knows of whom it has let in."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.types import Message, Scope, Send

SUBPROTOCOL = "avatarbot"
"""Our page's. A client that speaks Pipecat's own protocol offers none."""


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
    renew: Callable[[], Awaitable[str]] | None = field(default=None, repr=False)


def admission(scope: Mapping[str, Any]) -> Admission:
    """Reads what the gate has put into an ASGI scope."""
    claims = scope.get("avatarbot")
    return Admission(
        page=SUBPROTOCOL in scope.get("subprotocols", ()),
        session=claims.session if claims else None,
        renew=scope.get("avatarbot.renew"),
    )


def is_vouched(scope: Mapping[str, Any]) -> bool:
    """Whether the gate knows that it is a vendor who calls."""
    return bool(scope.get("avatarbot.about"))


def selecting(scope: Scope, send: Send) -> Send:
    """Returns a `send` that accepts a WebSocket with our subprotocol, where it was offered."""
    if not scope.get("subprotocols"):
        return send

    async def send_selecting(message: Message) -> None:
        if message["type"] == "websocket.accept":
            message = {**message, "subprotocol": SUBPROTOCOL}
        await send(message)

    return send_selecting
