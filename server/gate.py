"""The gate: an ASGI middleware in front of everything that Pipecat's runner serves.

It lets through what is listed, from our own page, and nothing else; why it is a middleware and
not routes is in `docs/decisions/0001-gate-in-front-of-the-runner.md`.
"""

import asyncio
import math
import re
from collections.abc import Sequence

from loguru import logger
from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .addresses import Addresses
from .admission import SUBPROTOCOL, selecting
from .flood import BoundedSocket
from .headers import bearer, security_headers, with_headers
from .offers import OFFER_PATH
from .plan import READING, Plan
from .sessions import Sessions
from .start import SOCKET_PATH, START_PATH
from .tickets import Claims, TicketError, TicketMisused, Tickets
from .tickets import Scope as Purpose

LARGEST_BODY = 64 * 1024
"""Bytes of an HTTP request's body."""
SLOWEST_BODY_S = 10.0

TICKET_PREFIX = "ticket."

NEXT_TICKET = "avatarbot-ticket"
"""The header of an answer to who has shown a ticket, with the one to show next."""

_BEGINNING = (START_PATH, SOCKET_PATH)
_WITH_TICKETS = (SOCKET_PATH, OFFER_PATH)
_PURPOSES: tuple[Purpose, ...] = ("conversation", "session")
_RETRY_AFTER_S = 5
_REASONS = {
    401: "What you show is not good here.",
    403: "Refused.",
    404: "Not found.",
    405: "Not allowed.",
    408: "Too slow.",
    413: "Too large.",
    503: "Every place is taken.",
}


class Refusal(Exception):
    """A request is not let in. `status` is all that the other side learns."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


def refusal(
    status: int, why: str | None = None, retry_after_s: float | None = None
) -> JSONResponse:
    """An answer that refuses, in the shape that all of them have."""
    headers = {} if retry_after_s is None else {"retry-after": str(math.ceil(retry_after_s))}
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    return JSONResponse({"detail": why or _REASONS[status]}, status, headers)


class Gate:
    """Refuses what is not listed, from elsewhere, too large, or without a ticket."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        plan: Plan,
        addresses: Addresses,
        tickets: Tickets,
        sessions: Sessions,
        rooms: Sequence[str] = (),
    ) -> None:
        """
        Args:
            app: What stands behind the gate.
            plan: What is let through.
            addresses: Our own origins.
            tickets: What a WebSocket has to show.
            sessions: Where open WebSockets are noted down.
            rooms: Where else the page may connect to.
        """
        self._app = app
        self._hosts = {
            host: (origin, security_headers(origin, rooms))
            for host, origin in addresses.hosts.items()
        }
        self._origins = frozenset(addresses.origins)
        self._plan = plan
        self._patterns = [(_pattern(path), path) for path in plan.routes if "{" in path]
        self._tickets = tickets
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        _, security = self._hosts.get(headers.get("host", ""), next(iter(self._hosts.values())))
        send = with_headers(send, security)
        try:
            tenant = self._check(scope, headers, scope["method"])
            self._check_place(scope["path"])
            scope = self._with_ticket(scope, headers)
            body = await _body(receive, headers)
            about = self._about(scope["path"], body)
        except Refusal as refused:
            logger.debug(f"refused a request: {refused}")
            retry_after_s = _RETRY_AFTER_S if refused.status == 503 else None
            answer = refusal(refused.status, retry_after_s=retry_after_s)
            await answer(scope, receive, send)
        else:
            if about is None:
                await JSONResponse({})(scope, receive, send)
                return
            if claims := scope.get("avatarbot"):
                send = self._renewing(send, claims)
            known = {
                "avatarbot.tenant": tenant,
                "avatarbot.origin": self._origin(headers),
                "avatarbot.about": about,
            }
            await self._app({**scope, **known}, _replay(body, receive), send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._check(scope, Headers(scope=scope), "WEBSOCKET")
            self._check_place(scope["path"])
            claims = self._admit(scope)
        except Refusal as refused:
            logger.debug(f"refused a WebSocket: {refused}")
            await receive()
            if refused.status == 503:
                await refusal(503, retry_after_s=_RETRY_AFTER_S)(scope, receive, send)
            else:
                await send({"type": "websocket.close", "code": 1008})  # HTTP 403, never accepted
        else:
            with self._sessions.open():

                async def renew() -> str:
                    return self._tickets.issue(session=claims.session, tenant=claims.tenant)

                inner = {**_without_ticket(scope, claims), "avatarbot.renew": renew}
                wire = BoundedSocket(receive, selecting(scope, send))
                await self._sessions.turn()
                await self._app(inner, wire.receive, wire.send)

    def _check(self, scope: Scope, headers: Headers, method: str) -> str | None:
        """Raises `Refusal` unless host, path, method and origin are all ours, or a key is shown.

        Returns:
            The tenant whose key it is.
        """
        place = self._place(scope["path"])
        if place in self._plan.for_anybody and method in READING:
            return None
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            raise Refusal(403, "its Host is not ours")
        if place is None or scope.get("raw_path") != scope["path"].encode():
            raise Refusal(404, "its path is not listed")
        if method not in self._plan.routes[place]:
            raise Refusal(405, "its method is not listed")
        has_ticket = place in _WITH_TICKETS or place in self._plan.ticketed
        sites = self._plan.callers.sites() if has_ticket else frozenset()
        if len(origins) > 1 or not (self._origins | sites).issuperset(origins):
            raise Refusal(403, "its Origin is not ours")
        tenant = self._holder(headers) if place in self._plan.keyed else None
        if method not in READING and not (origins or tenant or self._needs_no_origin(place)):
            raise Refusal(403, "it has no Origin")
        if method in READING and not has_ticket and _is_embedded_elsewhere(headers):
            raise Refusal(403, "another site embeds it")
        return tenant

    def _place(self, path: str) -> str | None:
        """Which of the listed paths it is."""
        if path in self._plan.routes:
            return path
        return next((place for pattern, place in self._patterns if pattern.fullmatch(path)), None)

    def _needs_no_origin(self, place: str) -> bool:
        """Whether who calls is known by what no page shows by itself, or signs."""
        plan = self._plan
        return place in plan.called_back or place in plan.signed or place in plan.ticketed

    def _with_ticket(self, scope: Scope, headers: Headers) -> Scope:
        """The request with what its ticket says in the ticket's place, where it takes one."""
        if scope["path"] not in self._plan.ticketed:
            return scope
        claims = self._claims(bearer(headers) or "")
        origin = headers.get("origin")
        if origin and origin not in self._origins | self._plan.callers.sites(claims.tenant):
            raise Refusal(403, "its Origin is another tenant's")
        kept = [pair for pair in scope["headers"] if pair[0] not in (b"authorization", b"cookie")]
        return {**scope, "headers": kept, "avatarbot": claims}

    def _renewing(self, send: Send, claims: Claims) -> Send:
        """Adds the next ticket to an answer: who is answered still has a conversation."""

        async def send_with_ticket(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 200:
                ticket = self._tickets.issue(
                    session=claims.session, tenant=claims.tenant, scope="conversation"
                )
                MutableHeaders(scope=message)[NEXT_TICKET] = ticket
            await send(message)

        return send_with_ticket

    def _claims(self, ticket: str) -> Claims:
        """What a ticket says: a conversation's, or a session's that nobody has come with yet."""
        for purpose in _PURPOSES:
            try:
                return self._tickets.check(ticket, scope=purpose)
            except TicketMisused:
                continue
            except TicketError:
                break
        raise Refusal(401, "its ticket is not good")

    def _about(self, path: str, body: bytes) -> str | None:
        """What a call is about that a vendor has signed; empty where nobody signs."""
        if (read := self._plan.signed.get(path)) is None:
            return ""
        try:
            return read(body)
        except PermissionError:
            raise Refusal(403, "it is not the vendor's") from None

    def _holder(self, headers: Headers) -> str | None:
        """The tenant whose key a request shows; None where it shows none."""
        if (key := bearer(headers)) is None:
            return None
        if (tenant := self._plan.callers.holder(key)) is None:
            raise Refusal(401, "nobody has such a key")
        return tenant

    def _origin(self, headers: Headers) -> str:
        """Under which of our addresses somebody has come."""
        own, _ = self._hosts.get(headers.get("host", "").lower(), next(iter(self._hosts.values())))
        return headers["origin"] if headers.get("origin") in self._origins else own

    def _check_place(self, path: str) -> None:
        """Raises `Refusal` for what begins a session while there is no place for one."""
        if path in _BEGINNING and self._sessions.full:
            raise Refusal(503, "every place is taken")

    def _admit(self, scope: Scope) -> Claims:
        """Takes the ticket of a WebSocket and returns what it says."""
        try:
            claims = self._tickets.consume(_ticket(scope), scope="session")
        except TicketError as error:
            raise Refusal(403, type(error).__name__) from None
        origin = Headers(scope=scope)["origin"]
        if origin not in self._origins | self._plan.callers.sites(claims.tenant):
            raise Refusal(403, "its Origin is another tenant's")
        return claims


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.escape(path).replace(r"\{session\}", "[0-9a-f-]{36}").replace(r"\{path\}", ".+")
    return re.compile(parts)


def _ticket(scope: Scope) -> str:
    """The one ticket that a WebSocket shows.

    Our page has it in a subprotocol. Pipecat's client for JavaScript can only put it into the
    query; nothing logs that, and this is the only time that it is of use.
    """
    offered: list[str] = scope.get("subprotocols", [])
    tickets = [each.removeprefix(TICKET_PREFIX) for each in offered if TICKET_PREFIX in each]
    if not offered:
        tickets = QueryParams(scope.get("query_string", b"")).getlist("token")
    if len(tickets) != 1 or (offered and SUBPROTOCOL not in offered):
        raise Refusal(403, "it shows no ticket")
    return tickets[0]


def _is_embedded_elsewhere(headers: Headers) -> bool:
    """Whether a page of another site asked for it as a part of itself. A plain link may."""
    if headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
        return False
    return headers.get("sec-fetch-mode") != "navigate" or headers.get("sec-fetch-dest") in (
        "iframe",
        "frame",
        "object",
        "embed",
    )


async def _body(receive: Receive, headers: Headers) -> bytes:
    """Returns the whole body, so that nothing behind the gate meets a large or a slow one."""
    announced = headers.get("content-length", "0")
    if not announced.isdecimal() or len(announced) > 9 or int(announced) > LARGEST_BODY:
        raise Refusal(413, "its body is too large")
    body = bytearray()
    try:
        async with asyncio.timeout(SLOWEST_BODY_S):
            while True:
                message = await receive()
                body += message.get("body", b"")
                if len(body) > LARGEST_BODY:
                    raise Refusal(413, "its body is too large")
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        raise Refusal(408, "its body is too slow") from None


def _replay(body: bytes, receive: Receive) -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return messages.pop() if messages else await receive()

    return receive_again


def _without_ticket(scope: Scope, claims: Claims) -> Scope:
    """The same request with what its ticket said (`scope["avatarbot"]`) in the ticket's place."""
    kept = [pair for pair in scope["headers"] if pair[0] != b"sec-websocket-protocol"]
    protocols = [SUBPROTOCOL] if scope.get("subprotocols") else []
    return {
        **scope,
        "headers": [*kept, *((b"sec-websocket-protocol", each.encode()) for each in protocols)],
        "subprotocols": protocols,
        "query_string": b"",
        "avatarbot": claims,
    }
