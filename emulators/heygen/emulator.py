"""HeyGen: its accounts, its sessions, and whom it lets in."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..vendor import Vendor
from .knobs import Knobs
from .lifetime import Account, Meter
from .session import Service, Session, Terms

if TYPE_CHECKING:  # LiveKit's client is loaded where rooms are asked for
    from .rooms import Rooms


class Emulator(Vendor[Knobs, Session]):
    """The vendor's state, apart from HTTP.

    Attributes:
        rooms: Where the avatars are seen and heard, if they are.
    """

    def __init__(
        self,
        knobs: Knobs | None = None,
        *,
        seed: int | None = None,
        rooms: Rooms | None = None,
    ) -> None:
        super().__init__(knobs or Knobs(), seed=seed)
        self.tokens: set[str] = set()
        self.rooms = rooms
        self.accounts: dict[Service, Account] = {
            "liveavatar": Account(self.knobs.credits),
            "interactive": Account(self.knobs.credits),
        }
        self._window = (0, Counter[tuple[str, str]]())

    @property
    def title(self) -> list[str]:
        return [
            f"LiveAvatar's API key: {self.key('liveavatar')}",
            f"HeyGen's API key: {self.key('interactive')}",
        ]

    def told(self) -> dict[str, Any]:
        return {"credits": {name: account.left for name, account in self.accounts.items()}}

    # For the services

    def open(self, terms: Terms) -> Session:
        """Makes a session that is not started, and costs nothing yet."""
        random = Random(self.random.getrandbits(64))
        session_id = str(UUID(int=self.random.getrandbits(128), version=4))
        account = self.accounts[terms.service]
        session = Session(
            number=len(self.sessions),
            session_id=session_id,
            token=self.secret("session"),
            address=self.secret("socket"),
            terms=terms,
            meter=lambda now: Meter(account, now, free=terms.sandbox),
            knobs=self.knobs,
            random=random,
            record=self.record,
        )
        self.sessions[session_id] = session
        return session

    def start(self, session: Session) -> None:
        """The vendor begins to count, and the avatar goes into its room."""
        session.start()
        if self.rooms:
            self.rooms.open(session)

    def room(self, session: Session) -> tuple[str, str, str]:
        """Returns a session's room: where it is, the client's token, the agent's."""
        if self.rooms:
            tokens = self.rooms.client_token(session), self.rooms.agent_token(session)
            return self.rooms.url, *tokens
        return self.knobs.livekit_url, self.secret("viewer"), self.secret("agent")

    def key(self, service: Service) -> str:
        """Returns the API key that a service accepts."""
        own = self.knobs.liveavatar_key if service == "liveavatar" else self.knobs.heygen_key
        return f"{self.knobs.secret_prefix}{own}"

    def by_token(self, service: Service, token: str | None) -> Session | None:
        """Returns the session of a service that a token is for."""
        found = (each for each in self.sessions.values() if each.terms.service == service)
        return next((each for each in found if each.token == token), None)

    def by_address(self, address: str) -> Session | None:
        """Returns the session whose socket has this address."""
        return next((each for each in self.sessions.values() if each.address == address), None)

    def is_full(self, service: Service) -> bool:
        limit = self.knobs.concurrency_limit
        count = sum(each.terms.service == service for each in self.running())
        return bool(limit) and count >= limit

    def socket_url(self, session: Session, host: str) -> str | None:
        """Returns where a session's socket is, as `start` answers it."""
        if self.knobs.omit_ws_url:
            return None
        path = f"/v2-alpha/interactive-avatar/session/{session.address}"
        return self.knobs.ws_url or f"ws://{host}{path}"

    def is_too_fast(self, call: str, credential: str) -> bool:
        """Counts a call; True if it is one too many in its window of a second."""
        if not self.knobs.rate_limit:
            return False
        second = int(asyncio.get_running_loop().time())
        if self._window[0] != second:
            self._window = (second, Counter())
        self._window[1][call, credential] += 1
        return self._window[1][call, credential] > self.knobs.rate_limit
