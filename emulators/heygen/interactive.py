"""REST of Interactive Avatar, and of the alpha: `streaming.*`. See `docs.heygen.com/reference`."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from .commands import Command, Interrupt, StartListening, StopListening
from .emulator import Emulator
from .replies import EMULATOR, SESSION, Refused, bearer_of, body_of
from .session import Session, Terms

routes = web.RouteTableDef()


@routes.post("/v1/streaming.create_token", name="streaming.create_token")
async def create_token(request: web.Request) -> web.Response:
    """Mints a token that may open one session."""
    emulator = _admitted(request)
    token = emulator.secret("streaming")
    emulator.tokens.add(token)
    return _done({"token": token})


@routes.post("/v1/streaming.new", name="streaming.new")
async def new(request: web.Request) -> web.Response:
    """Opens a session that still has to be started."""
    emulator = _admitted(request)
    terms = _terms(emulator, await body_of(request))
    if emulator.is_full("interactive"):
        raise Refused(400, 10007, "Concurrent limit reached")
    if not emulator.accounts["interactive"].can_start():
        raise Refused(400, 10006, "Insufficient credit")
    session = emulator.open(terms)
    if (bearer := bearer_of(request)) in emulator.tokens:
        emulator.tokens.discard(bearer or "")
        session.token = bearer or ""
    request[SESSION] = session.id
    room, client_token, agent_token = emulator.room(session)
    data: dict[str, Any] = {
        "session_id": session.id,
        "access_token": client_token,
        "url": room,
        "livekit_agent_token": agent_token,
        "session_duration_limit": int(terms.limit_s),
        "is_paid": True,
        "sdp": None,
        "ice_servers2": None,
    }
    if url := emulator.socket_url(session, request.host):
        data["realtime_endpoint"] = url
    return _done(data)


@routes.post("/v1/streaming.start", name="streaming.start")
async def start(request: web.Request) -> web.Response:
    """Lets the avatar join; from here on it is paid."""
    session = await _named(request)
    if session.started_at is not None:
        raise Refused(400, 400006, "Session is not in correct state")
    request.app[EMULATOR].start(session)
    return _done(None)


@routes.post("/v1/streaming.stop", name="streaming.stop")
async def stop(request: web.Request) -> web.Response:
    """Ends a session."""
    (await _named(request)).end("USER_CLOSED")
    return _done(None)


@routes.post("/v1/streaming.keep_alive", name="streaming.keep_alive")
async def keep_alive(request: web.Request) -> web.Response:
    """Puts off the end of a session in which nothing is said."""
    (await _active(request)).keep_alive()
    return _done(None)


@routes.post("/v1/streaming.interrupt", name="streaming.interrupt")
async def interrupt(request: web.Request) -> web.Response:
    """The same as the message on the socket."""
    return await _said(request, Interrupt())


@routes.post("/v1/streaming.start_listening", name="streaming.start_listening")
async def start_listening(request: web.Request) -> web.Response:
    """The same as the message on the socket."""
    return await _said(request, StartListening())


@routes.post("/v1/streaming.stop_listening", name="streaming.stop_listening")
async def stop_listening(request: web.Request) -> web.Response:
    """The same as the message on the socket."""
    return await _said(request, StopListening())


@routes.post("/v1/streaming.task", name="streaming.task")
async def task(request: web.Request) -> web.Response:
    """Takes a text to say; accepted and never heard, for there is no voice here."""
    await _active(request)
    return _done({"task_id": "task-text", "duration_ms": 0})


@routes.get("/v1/streaming.list", name="streaming.list")
async def sessions(request: web.Request) -> web.Response:
    """Lists the sessions that run."""
    emulator = _admitted(request)
    rows = [
        {"session_id": each.id, "status": "connected"}
        for each in emulator.running()
        if each.terms.service == "interactive"
    ]
    return _done({"sessions": rows})


def _admitted(request: web.Request) -> Emulator:
    """Asks for the API key, or for a token that was minted with it."""
    emulator = request.app[EMULATOR]
    if emulator.knobs.interactive == "gone":
        raise Refused(404, 404, "not found")
    key, bearer = request.headers.get("X-API-KEY"), bearer_of(request)
    if key is not None and key != emulator.key("interactive"):
        raise Refused(401, 400112, "Unauthorized")
    if key is None and bearer not in emulator.tokens:
        used = emulator.by_token("interactive", bearer) is not None
        if not used or request.path.endswith("streaming.new"):  # a token opens one session
            raise Refused(401, 400112, "Unauthorized")
    return emulator


async def _named(request: web.Request) -> Session:
    emulator = _admitted(request)
    session_id = (await body_of(request)).get("session_id")
    session = emulator.sessions.get(session_id) if isinstance(session_id, str) else None
    if session is None or session.terms.service != "interactive":
        raise Refused(400, 10002, "invalid session")
    request[SESSION] = session.id
    if session.ended_at is not None:
        raise Refused(400, 10002, "session state wrong: closed")
    return session


async def _active(request: web.Request) -> Session:
    session = await _named(request)
    if not session.running:
        raise Refused(400, 400006, "Session is not in correct state")
    return session


async def _said(request: web.Request, command: Command) -> web.Response:
    (await _active(request)).do(command)
    return _done(None)


def _terms(emulator: Emulator, body: dict[str, Any]) -> Terms:
    idle = body.get("activity_idle_timeout")
    idle = 120 if idle is None else idle
    if isinstance(idle, bool) or not isinstance(idle, int) or not 30 <= idle <= 3_600:
        raise Refused(400, 400014, "activity_idle_timeout must be between 30 and 3600")
    if body.get("version", "v2") != "v2":
        raise Refused(400, 400014, "version must be v2")
    if body.get("quality", "medium") not in ("low", "medium", "high", None):
        raise Refused(400, 400014, "quality must be low, medium or high")
    return Terms(
        service="interactive",
        avatar_id=str(body.get("avatar_id") or body.get("avatar_name") or "default"),
        sandbox=False,
        limit_s=emulator.knobs.interactive_seconds,
        idle_s=float(idle),
        request=body,
    )


def _done(data: Any) -> web.Response:
    return web.json_response({"code": 100, "message": "success", "data": data})
