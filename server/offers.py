"""`/sessions/{session}/api/offer`: WebRTC offers, let in by the ticket that `/start` gave.

The ticket makes one connection, and goes on to be good for what that connection still has to
negotiate. Of a request only what negotiates reaches Pipecat's runner.
"""

import hmac
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any

from loguru import logger
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .headers import bearer
from .plan import Plan
from .sessions import Sessions
from .tickets import TicketError, Tickets

OFFER_PATH = "/sessions/{session}/api/offer"
COOKIE = "avatarbot-ticket"
"""A client that cannot set a header, such as Pipecat's own, is known by this cookie."""

_BEFORE, _AFTER = OFFER_PATH.split("{session}")
_MOST_CANDIDATES = 64
_ABOUT_A_BODY = (b"content-type", b"content-length", b"transfer-encoding")


@dataclass(slots=True)
class _Peer:
    ticket: str
    connection: str | None = None  # the id that the runner gave it


class Refused(Exception):
    """An offer is not taken. The status is all that the other side learns."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


class Offers:
    """Stands behind the gate, which has checked origin, path and size."""

    def __init__(self, app: ASGIApp, *, plan: Plan, tickets: Tickets, sessions: Sessions) -> None:
        """
        Args:
            app: What stands behind.
            plan: Whose sites' pages may come besides our own, and which sessions there are.
            tickets: What an offer has to show.
            sessions: Where open connections are noted down.
        """
        self._app = app
        self._callers, self._living = plan.callers, plan.living
        self._tickets = tickets
        self._sessions = sessions
        self._peers: dict[str, _Peer] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or not (path.startswith(_BEFORE) and path.endswith(_AFTER)):
            await self._app(scope, receive, send)
            return
        session = path.removeprefix(_BEFORE).removesuffix(_AFTER)
        try:
            ticket = _ticket(Headers(scope=scope))
            request = _decoded((await receive()).get("body", b""))
            peer = self._peers.get(session)
            with ExitStack() as open_session:
                if peer is not None:
                    request = _continued(request, peer, ticket, patch=scope["method"] == "PATCH")
                else:
                    self._check_site(scope, ticket)
                    request = self._begun(request, session, ticket, method=scope["method"])
                    # The runner's answer is sent at once, its call lasts as long as the bot does.
                    open_session.enter_context(self._sessions.open())
                    if self._living is None:
                        open_session.callback(self._peers.pop, session)
                    send = self._learning(session, send)
                    await self._sessions.turn()
                await self._app(*_rewritten(scope, receive, request), send)
        except Refused as refusal:
            logger.debug(f"refused an offer: {refusal.status}")
            await JSONResponse({"detail": "Refused."}, refusal.status)(scope, receive, send)

    def _begun(self, request: Any, session: str, ticket: str, *, method: str) -> dict[str, Any]:
        if method != "POST":
            raise Refused(404)
        offer = _description(request)
        if self._sessions.full:
            raise Refused(503)  # there was a place when the ticket was given
        with _taken():
            self._tickets.consume(ticket, scope="session", session=session)
        if self._living is not None:
            living = self._living()
            self._peers = {each: peer for each, peer in self._peers.items() if each in living}
        self._peers[session] = _Peer(ticket)
        return offer

    def _check_site(self, scope: Scope, ticket: str) -> None:
        """Another site's page comes with a ticket of the tenant whose site it is."""
        origin = Headers(scope=scope).get("origin")
        if origin not in self._callers.sites():
            return  # the gate knows it for our own
        with _taken():
            claims = self._tickets.check(ticket, scope="session")
        if origin not in self._callers.sites(claims.tenant):
            raise Refused(403)

    def _learning(self, session: str, send: Send) -> Send:
        """Returns a `send` that reads the connection's id out of the runner's answer."""

        pieces: list[bytes] = []

        async def send_and_learn(message: Message) -> None:
            peer = self._peers.get(session)
            if message["type"] == "http.response.body" and peer and peer.connection is None:
                pieces.append(message.get("body", b""))
                if not message.get("more_body", False):
                    answer = _decoded(b"".join(pieces) or b"null")
                    peer.connection = answer.get("pc_id") if isinstance(answer, dict) else None
            await send(message)

        return send_and_learn


@contextmanager
def _taken() -> Iterator[None]:
    try:
        yield
    except TicketError:
        raise Refused(401) from None


def _continued(request: Any, peer: _Peer, ticket: str, *, patch: bool) -> dict[str, Any]:
    """What an open connection may still say."""
    if not hmac.compare_digest(ticket.encode(), peer.ticket.encode()):
        raise Refused(401)
    if not isinstance(request, dict) or request.get("pc_id") != peer.connection:
        raise Refused(404)
    if not patch:
        restart = request.get("restart_pc") is True
        return {**_description(request), "pc_id": peer.connection, "restart_pc": restart}
    candidates = request.get("candidates")
    if not isinstance(candidates, list) or len(candidates) > _MOST_CANDIDATES:
        raise Refused(400)
    return {"pc_id": peer.connection, "candidates": [_candidate(each) for each in candidates]}


def _description(request: Any) -> dict[str, Any]:
    match request:
        case {"sdp": str(sdp), "type": "offer"}:
            return {"sdp": sdp, "type": "offer"}
    raise Refused(400)


def _candidate(given: Any) -> dict[str, Any]:
    match given:
        case {"candidate": str(candidate), "sdp_mid": str(mid), "sdp_mline_index": int(index)}:
            return {"candidate": candidate, "sdp_mid": mid, "sdp_mline_index": index}
    raise Refused(400)


def _ticket(headers: Headers) -> str:
    if ticket := bearer(headers):
        return ticket
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        cookie = None
    if cookie is None:
        raise Refused(401)
    return cookie.value


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise Refused(400) from None


def _rewritten(scope: Scope, receive: Receive, request: dict[str, Any]) -> tuple[Scope, Receive]:
    """The request with another body."""
    body = json.dumps(request).encode()
    kept = [pair for pair in scope["headers"] if pair[0] not in _ABOUT_A_BODY]
    about = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_rewritten() -> Message:
        return messages.pop() if messages else await receive()

    return {**scope, "headers": [*kept, *about]}, receive_rewritten
