"""Tickets: proof that this server let somebody in, for one session and one purpose.

A ticket is signed, not encrypted: `base64(claims).signature`. It carries nothing that its
holder may not know. It works for ten minutes at most, and once where it is consumed.

TicketError
├── TicketForged     not signed by this server, or not a ticket at all
├── TicketExpired    too old, or issued before this server started
├── TicketMisused    another scope or another session's
└── TicketSpent      consumed before
"""

import base64
import hashlib
import json
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal

from itsdangerous import BadSignature, Signer

LONGEST_LIFE_S = 600
LONGEST_TICKET = 1024
MOST_SPENT = 100_000
"""Consumed tickets remembered at once. Beyond that none is accepted until some have expired."""

Scope = Literal["session", "conversation", "admin"]


class TicketError(Exception):
    """A ticket is not accepted. All kinds read alike, so that none tells a stranger more."""

    def __init__(self) -> None:
        super().__init__("the ticket is not accepted")


class TicketForged(TicketError):
    """Not signed by this server, or not a ticket at all."""


class TicketExpired(TicketError):
    """Too old, or issued before this server started, which cannot know whether it was used."""


class TicketMisused(TicketError):
    """For another scope or another session."""


class TicketSpent(TicketError):
    """Consumed before."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a ticket says. Times are Unix seconds."""

    session: str
    tenant: str
    scope: str
    id: str
    issued: float
    expires: float


class Tickets:
    """Issues tickets and checks them, with one 256-bit key."""

    def __init__(self, key: bytes, *, now: Callable[[], float]) -> None:
        """
        Args:
            key: 32 bytes that nobody else knows.
            now: The time in Unix seconds; it is compared with what earlier tickets say.
        """
        if len(key) != 32:
            raise ValueError("the key has 256 bits")
        self._signer = Signer(
            key, salt="avatarbot.ticket", key_derivation="hmac", digest_method=hashlib.sha256
        )
        self._now = now
        self._began = now()
        self._spent: dict[str, float] = {}

    def issue(
        self,
        *,
        session: str,
        scope: Scope = "session",
        tenant: str = "local",
        life_s: float = LONGEST_LIFE_S,
    ) -> str:
        """Returns a new ticket, of characters that fit a header, a subprotocol or a URL."""
        now = self._now()
        expires = now + min(life_s, LONGEST_LIFE_S)
        claims = Claims(session, tenant, scope, secrets.token_urlsafe(16), now, expires)
        text = json.dumps(asdict(claims), separators=(",", ":"))
        payload = base64.urlsafe_b64encode(text.encode()).rstrip(b"=")
        return self._signer.sign(payload).decode()

    def check(self, ticket: str, *, scope: Scope, session: str | None = None) -> Claims:
        """Returns what the ticket says, if it is good for the scope and, where given, the session.

        Raises:
            TicketError: It is not; see the kinds above.
        """
        claims = self._read(ticket)
        if not self._began <= claims.issued or claims.expires <= self._now():
            raise TicketExpired
        if claims.scope != scope or session not in (None, claims.session):
            raise TicketMisused
        if claims.id in self._spent:
            raise TicketSpent
        return claims

    def consume(self, ticket: str, *, scope: Scope, session: str | None = None) -> Claims:
        """As `check`, and the ticket is of no use any more.

        Raises:
            TicketError: It is not good, or was not already.
        """
        claims = self.check(ticket, scope=scope, session=session)
        now = self._now()
        if len(self._spent) >= MOST_SPENT:
            self._spent = {id_: end for id_, end in self._spent.items() if end > now}
        if len(self._spent) >= MOST_SPENT:
            raise TicketSpent
        self._spent[claims.id] = claims.expires
        return claims

    def _read(self, ticket: str) -> Claims:
        if len(ticket) > LONGEST_TICKET or not ticket.isascii():
            raise TicketForged
        try:
            payload = self._signer.unsign(ticket)
            text = base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4))
            return Claims(**json.loads(text))
        except (BadSignature, ValueError, TypeError):
            raise TicketForged from None
