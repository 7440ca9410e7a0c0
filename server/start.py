"""`POST /start`: Pipecat's runner answers it, and a ticket for the page is put into its answer."""

import json
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .addresses import socket_origin
from .tickets import Tickets

START_PATH = "/start"
SOCKET_PATH = "/ws-client"

_ONLY_REQUEST = json.dumps({"transport": "websocket"}).encode()


class StartTickets:
    """Hands out tickets. Stands behind the gate, which has checked origin and size."""

    def __init__(self, app: ASGIApp, *, tickets: Tickets) -> None:
        self._app = app
        self._tickets = tickets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != START_PATH:
            await self._app(scope, receive, send)
            return
        if problem := _problem((await receive()).get("body", b"")):
            await JSONResponse({"detail": problem}, 400)(scope, receive, send)
            return
        status, answer = await self._ask(scope)
        if status == 200:
            session = json.loads(answer)["sessionId"]
            origin = Headers(scope=scope)["origin"]
            welcome = {
                "wsUrl": socket_origin(origin) + SOCKET_PATH,
                "sessionId": session,
                "token": self._tickets.issue(session=session),
            }
            await JSONResponse(welcome)(scope, receive, send)
        else:
            await JSONResponse({"detail": "The session could not be started."}, status)(
                scope, receive, send
            )

    async def _ask(self, scope: Scope) -> tuple[int, bytes]:
        """Returns status and body of the runner's answer.

        The runner gets a request of ours, since it logs what it gets, and since nothing that a
        caller adds may reach the bot.
        """
        messages: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": _ONLY_REQUEST, "more_body": False}

        async def keep(message: Message) -> None:
            messages.append(message)

        await self._app(scope, receive, keep)
        status = next(each["status"] for each in messages if "status" in each)
        return status, b"".join(each.get("body", b"") for each in messages)


def _problem(body: bytes) -> str | None:
    """Returns a sentence about a request that cannot be met, or None."""
    try:
        request: Any = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        request = None
    if not isinstance(request, dict):
        return 'Send a JSON object, such as {"transport": "websocket"}.'
    if request.get("transport", "websocket") != "websocket":
        return 'This version talks over a WebSocket only: send {"transport": "websocket"}.'
    return None
