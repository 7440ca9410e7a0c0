"""`POST /start`: Pipecat's runner answers it, and a ticket for the page is put into its answer."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import rooms
from .addresses import socket_origin
from .offers import COOKIE, OFFER_PATH
from .tickets import LONGEST_LIFE_S, Tickets

START_PATH = "/start"
SOCKET_PATH = "/ws-client"

_WISHES = {"daily": {"createDailyRoom": True}}


class Welcomes:
    """What whoever asks for a session gets: the way in, and what lets nobody else in.

    Args:
        tickets: Who issues them.
        transports: Ways to reach the bot, each with a sentence where it cannot be had.
        answers: Whether there is anything to ask of a session beside its conversation, which takes
            a ticket of its own (`apiToken`): the other is used up by who comes with it.
    """

    def __init__(
        self, tickets: Tickets, transports: Mapping[str, str | None], *, answers: bool = False
    ) -> None:
        self._tickets = tickets
        self._transports = transports
        self._answers = answers

    @property
    def open_ways(self) -> list[str]:
        """Those of the ways that can be had."""
        return [way for way, obstacle in self._transports.items() if obstacle is None]

    def problem(self, transport: str | None) -> str | None:
        """Returns a sentence about a request that cannot be met, or None."""
        if transport is None:
            return 'Send a JSON object, such as {"transport": "websocket"}.'
        if transport not in self._transports:
            return f'Send {{"transport": …}} with one of: {", ".join(self._transports)}.'
        return self._transports[transport]

    async def welcome(
        self,
        transport: str,
        answer: Mapping[str, Any],
        *,
        origin: str,
        tenant: str = "local",
        to_server: bool = False,
    ) -> JSONResponse:
        """
        Args:
            transport: How the person comes.
            answer: What Pipecat's runner says of the session, or says in its place.
            origin: Under which of our addresses.
            tenant: Whose session it is.
            to_server: Whether a server asks, which wants to know the session's id. Pipecat's
                client for JavaScript wants `wsUrl` and `token`, and refuses any more.
        """
        session = answer["sessionId"]
        if self._answers:
            ticket = self._tickets.issue(session=session, tenant=tenant, scope="conversation")
            answer = {**answer, "apiToken": ticket}
        match transport:
            case "websocket":
                url = socket_origin(origin) + SOCKET_PATH
                ticket = self._tickets.issue(session=session, tenant=tenant)
                known = answer if to_server else {}
                return JSONResponse({**known, "wsUrl": url, "token": ticket})
            case "webrtc":
                ticket = self._tickets.issue(session=session, tenant=tenant)
                welcome = JSONResponse({**answer, "token": ticket})
                welcome.set_cookie(
                    COOKIE,
                    ticket,
                    max_age=LONGEST_LIFE_S,
                    path=OFFER_PATH.format(session=session),
                    secure=origin.startswith("https:"),
                    httponly=True,
                    samesite="strict",
                )
                return welcome
            case "daily":
                token = await rooms.daily_guest_token(answer["dailyRoom"])
                return JSONResponse({**answer, "dailyToken": token})
            case _:
                return JSONResponse(dict(answer))


class StartTickets:
    """Hands out tickets. Stands behind the gate, which has checked origin and size."""

    def __init__(self, app: ASGIApp, *, welcomes: Welcomes) -> None:
        """
        Args:
            app: What stands behind, Pipecat's runner in the end.
            welcomes: What is answered.
        """
        self._app = app
        self._welcomes = welcomes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != START_PATH:
            await self._app(scope, receive, send)
            return
        request = wishes((await receive()).get("body", b""))
        transport = wanted(request)
        if problem := self._welcomes.problem(transport):
            await JSONResponse({"detail": problem}, 400)(scope, receive, send)
            return
        assert transport is not None
        status, answer = await self._ask(scope, transport)
        if status == 200:
            origin = Headers(scope=scope)["origin"]
            welcome = await self._welcomes.welcome(transport, json.loads(answer), origin=origin)
            await welcome(scope, receive, send)
        else:
            await JSONResponse({"detail": "The session could not be started."}, status)(
                scope, receive, send
            )

    async def _ask(self, scope: Scope, transport: str) -> tuple[int, bytes]:
        """Returns status and body of the runner's answer.

        The runner gets a request of ours, since it logs what it gets, and since nothing that a
        caller adds may reach the bot.
        """
        request = json.dumps({"transport": transport} | _WISHES.get(transport, {})).encode()
        messages: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": request, "more_body": False}

        async def keep(message: Message) -> None:
            messages.append(message)

        await self._app(scope, receive, keep)
        status = next(each["status"] for each in messages if "status" in each)
        return status, b"".join(each.get("body", b"") for each in messages)


def wishes(body: bytes) -> dict[str, Any] | None:
    """The request for a session; None if it is no request."""
    try:
        request: Any = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return None
    return request if isinstance(request, dict) else None


def wanted(request: Mapping[str, Any] | None) -> str | None:
    """The transport that a request asks for; None if it is no request."""
    if request is None:
        return None
    usual = "daily" if request.get("createDailyRoom") is True else "websocket"
    transport = request.get("transport", usual)
    return transport if isinstance(transport, str) else None
