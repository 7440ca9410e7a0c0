"""The gate: an ASGI middleware in front of everything that Pipecat's runner serves.

It lets through what is listed, from our own page, and nothing else; why it is a middleware and
not routes is in `docs/decisions/0001-gate-in-front-of-the-runner.md`.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence

from loguru import logger
from starlette.datastructures import Headers, QueryParams
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .addresses import Addresses
from .admission import SUBPROTOCOL, selecting
from .flood import BoundedSocket
from .headers import security_headers, with_headers
from .sessions import Sessions
from .start import SOCKET_PATH, START_PATH
from .tickets import Claims, TicketError, Tickets

LARGEST_BODY = 64 * 1024
"""Bytes of an HTTP request's body."""
SLOWEST_BODY_S = 10.0

TICKET_PREFIX = "ticket."

_READING = ("GET", "HEAD")
_BEGINNING = (START_PATH, SOCKET_PATH)
_REASONS = {
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


class Gate:
    """Refuses what is not listed, from elsewhere, too large, or without a ticket."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        addresses: Addresses,
        routes: Mapping[str, frozenset[str]],
        tickets: Tickets,
        sessions: Sessions,
        rooms: Sequence[str] = (),
    ) -> None:
        """
        Args:
            app: What stands behind the gate.
            addresses: Our own origins.
            routes: Paths with their methods; a WebSocket's is `WEBSOCKET`. `{session}` stands
                for the id of any session.
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
        self._routes = {path: methods for path, methods in routes.items() if "{" not in path}
        self._patterns = [(_pattern(path), routes[path]) for path in routes if "{" in path]
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
            self._check(scope, headers, scope["method"])
            self._check_place(scope["path"])
            body = await _body(receive, headers)
        except Refusal as refusal:
            logger.debug(f"refused a request: {refusal}")
            await PlainTextResponse(_REASONS[refusal.status], refusal.status)(scope, receive, send)
        else:
            await self._app(scope, _replay(body, receive), send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._check(scope, Headers(scope=scope), "WEBSOCKET")
            self._check_place(scope["path"])
            claims = self._admit(scope)
        except Refusal as refusal:
            logger.debug(f"refused a WebSocket: {refusal}")
            await receive()
            if refusal.status == 503:
                await PlainTextResponse(_REASONS[503], 503)(scope, receive, send)
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

    def _check(self, scope: Scope, headers: Headers, method: str) -> None:
        """Raises `Refusal` unless host, path, method and origin are all ours."""
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            raise Refusal(403, "its Host is not ours")
        methods = self._methods(scope["path"])
        if methods is None or scope.get("raw_path") != scope["path"].encode():
            raise Refusal(404, "its path is not listed")
        if method not in methods:
            raise Refusal(405, "its method is not listed")
        if len(origins) > 1 or not self._origins.issuperset(origins):
            raise Refusal(403, "its Origin is not ours")
        if method not in _READING and not origins:
            raise Refusal(403, "it has no Origin")
        if method in _READING and _is_embedded_elsewhere(headers):
            raise Refusal(403, "another site embeds it")

    def _methods(self, path: str) -> frozenset[str] | None:
        found = (methods for pattern, methods in self._patterns if pattern.fullmatch(path))
        return self._routes.get(path) or next(found, None)

    def _check_place(self, path: str) -> None:
        """Raises `Refusal` for what begins a session while there is no place for one."""
        if path in _BEGINNING and self._sessions.full:
            raise Refusal(503, "every place is taken")

    def _admit(self, scope: Scope) -> Claims:
        """Takes the ticket of a WebSocket and returns what it says."""
        try:
            return self._tickets.consume(_ticket(scope), scope="session")
        except TicketError as error:
            raise Refusal(403, type(error).__name__) from None


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile("[0-9a-f-]{36}".join(map(re.escape, path.split("{session}"))))


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
