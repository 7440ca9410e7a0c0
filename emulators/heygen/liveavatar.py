"""LiveAvatar's REST (LITE): sessions, credits, avatars. See `docs.liveavatar.com/api-reference`."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from .emulator import Emulator
from .lite_request import (
    SANDBOX_AVATAR,
    cannot_publish_data,
    is_spoken_by_the_vendor,
    known_avatars,
    terms,
)
from .replies import EMULATOR, SESSION, Invalid, Refused, bearer_of, body_of
from .session import Session

REASONS = (
    *("UNKNOWN", "USER_DISCONNECTED", "SERVER_ERROR", "IDLE_TIMEOUT", "NO_CREDITS"),
    *("USER_CLOSED", "AVATAR_DELETED", "MAX_DURATION_REACHED", "ZOMBIE_SESSION_REAP"),
    "AGENT_HANG_UP",
)

routes = web.RouteTableDef()


@routes.post("/v1/sessions/token", name="token")
async def token(request: web.Request) -> web.Response:
    """Mints the token of a session that is not started."""
    emulator = _with_key(request)
    asked = terms(emulator, await body_of(request))
    if emulator.is_full("liveavatar"):
        raise Refused(409, 4009, "Session concurrency limit reached")
    session = emulator.open(asked)
    request[SESSION] = session.id
    return _done(emulator, {"session_id": session.id, "session_token": session.token})


@routes.post("/v1/sessions/start", name="start")
async def start(request: web.Request) -> web.Response:
    """Starts the session that a token is for; from here on it is paid."""
    emulator = request.app[EMULATOR]
    session = emulator.by_token("liveavatar", bearer_of(request))
    if session is None or _age_s(session) > emulator.knobs.token_seconds:
        raise Refused(401, 4001, "Invalid or expired session token")
    request[SESSION] = session.id
    if session.started_at is not None or session.ended_at is not None:
        raise Refused(400, 4000, "Session was already started")
    if emulator.is_full("liveavatar"):
        raise Refused(409, 4009, "Session concurrency limit reached")
    if not session.terms.sandbox and not emulator.accounts["liveavatar"].can_start():
        raise Refused(403, 4003, "Not enough credits")
    if cannot_publish_data(session.terms.request.get("livekit_config")):
        raise Refused(500, 5000, "Internal server error")
    emulator.start(session)
    return _done(emulator, _started(emulator, session, request.host), status=201)


@routes.post("/v1/sessions/stop", name="stop")
async def stop(request: web.Request) -> web.Response:
    """Ends a session."""
    emulator, session = await _named(request)
    reason = (await body_of(request)).get("reason", "UNKNOWN")
    if reason not in REASONS:
        raise Invalid("reason", f"Input should be one of {', '.join(REASONS)}", "enum")
    session.end(reason)
    return _done(emulator, None)


@routes.post("/v1/sessions/keep-alive", name="keep_alive")
async def keep_alive(request: web.Request) -> web.Response:
    """Puts off the end of a session in which nothing is said."""
    emulator, session = await _named(request)
    if not session.running:
        raise Refused(400, 4000, "Session is not active")
    session.keep_alive()
    return _done(emulator, None)


@routes.get("/v1/sessions", name="list")
async def sessions(request: web.Request) -> web.Response:
    """Lists the sessions that run, or those that are over."""
    emulator = _with_key(request)
    wanted = request.query.get("type")
    if wanted not in ("active", "historic"):
        raise Invalid("type", "Input should be 'active' or 'historic'", "enum")
    page, size = _page(request)
    found = [
        _entry(each)
        for each in emulator.sessions.values()
        if each.terms.service == "liveavatar"
        and each.started_at is not None
        and each.running == (wanted == "active")
    ]
    rows = found[(page - 1) * size : page * size]
    return _done(emulator, {"count": len(found), "next": None, "previous": None, "results": rows})


@routes.get("/v1/sessions/{id}", name="session")
async def session(request: web.Request) -> web.Response:
    """Tells of one session."""
    emulator = _with_key(request)
    return _done(emulator, _entry(_found(emulator, request, request.match_info["id"])))


@routes.get("/v1/sessions/{id}/transcript", name="transcript")
async def transcript(request: web.Request) -> web.Response:
    """Tells what was said, which the vendor does not know in LITE mode."""
    emulator = _with_key(request)
    session = _found(emulator, request, request.match_info["id"])
    said: list[object] = []
    active = session.running
    data = {"session_active": active, "next_timestamp": None, "transcript_data": said}
    return _done(emulator, data)


@routes.delete("/v1/sessions/{id}/events", name="events")
async def events(request: web.Request) -> web.Response:
    """Forgets what was said."""
    emulator = _with_key(request)
    _found(emulator, request, request.match_info["id"])
    return _done(emulator, None)


@routes.get("/v1/avatars", name="avatars")
async def avatars(request: web.Request) -> web.Response:
    """Lists the account's avatars."""
    emulator = _with_key(request)
    rows = [_avatar(each) for each in known_avatars(emulator)]
    return _done(emulator, {"count": len(rows), "next": None, "previous": None, "results": rows})


@routes.get("/v1/avatars/public", name="avatars_public")
async def public_avatars(request: web.Request) -> web.Response:
    """Lists everybody's avatars; asks for no key."""
    rows = [_avatar(SANDBOX_AVATAR)]
    data = {"count": 1, "next": None, "previous": None, "results": rows}
    return _done(request.app[EMULATOR], data)


@routes.get("/v1/avatars/{id}", name="avatar")
async def avatar(request: web.Request) -> web.Response:
    """Tells of one avatar."""
    emulator = _with_key(request)
    avatar_id = request.match_info["id"]
    if known_avatars(emulator) and avatar_id not in (*known_avatars(emulator), SANDBOX_AVATAR):
        raise Refused(404, 4004, "Avatar not found")
    return _done(emulator, _avatar(avatar_id))


@routes.get("/v1/users/credits", name="credits")
async def credits_left(request: web.Request) -> web.Response:
    """Tells what is left to be used."""
    emulator = _with_key(request)
    return _done(emulator, {"credits_left": emulator.accounts["liveavatar"].left})


def _with_key(request: web.Request) -> Emulator:
    emulator = request.app[EMULATOR]
    if request.headers.get("X-API-KEY") != emulator.key("liveavatar"):
        raise Refused(401, 4001, "Invalid API key")
    return emulator


async def _named(request: web.Request) -> tuple[Emulator, Session]:
    """Finds the session that a bearer token is for, or that a body names beside an API key."""
    emulator = request.app[EMULATOR]
    if bearer := bearer_of(request):
        session = emulator.by_token("liveavatar", bearer)
        if session is None:
            raise Refused(401, 4001, "Invalid session token")
        request[SESSION] = session.id
        return emulator, session
    _with_key(request)
    session_id = (await body_of(request)).get("session_id")
    if not isinstance(session_id, str):
        raise Invalid("session_id", "Field required", "missing")
    return emulator, _found(emulator, request, session_id)


def _found(emulator: Emulator, request: web.Request, session_id: str) -> Session:
    session = emulator.sessions.get(session_id)
    if session is None or session.terms.service != "liveavatar":
        raise Refused(404, 4004, "Session not found")
    request[SESSION] = session_id
    return session


def _started(emulator: Emulator, session: Session, host: str) -> dict[str, Any]:
    knobs = emulator.knobs
    own = session.terms.own_room and knobs.own_room_fields != "filled"
    names = ("livekit_url", "livekit_client_token", "livekit_agent_token")
    room = dict.fromkeys(names) if own else dict(zip(names, emulator.room(session), strict=True))
    data: dict[str, Any] = {
        "session_id": session.id,
        "max_session_duration": int(session.terms.limit_s),
    }
    if not (own and knobs.own_room_fields == "absent"):
        data |= room
    url = emulator.socket_url(session, host)
    if url and not is_spoken_by_the_vendor(session.terms.request):
        data["ws_url"] = url
    return data


def _entry(session: Session) -> dict[str, Any]:
    now = asyncio.get_running_loop().time()
    entry: dict[str, Any] = {
        "id": session.id,
        "created_at": _iso(session.created_at),
        "updated_at": _iso(now),
        "duration": int(session.seconds(now)),
        "source": "API",
        "mode": "LITE",
        "is_sandbox": session.terms.sandbox,
        "credits_consumed": session.minutes_charged,
    }
    if session.ended_at is not None:
        entry |= {"end_at": _iso(session.ended_at), "end_reason": session.end_reason}
    return entry


def _iso(at: float) -> str:
    passed = timedelta(seconds=asyncio.get_running_loop().time() - at)
    return (datetime.now(UTC) - passed).isoformat()


def _age_s(session: Session) -> float:
    return asyncio.get_running_loop().time() - session.created_at


def _page(request: web.Request) -> tuple[int, int]:
    try:
        page = int(request.query.get("page", "1"))
        size = int(request.query.get("page_size", "20"))
    except ValueError:
        raise Invalid("page", "Input should be a valid integer", "int_parsing") from None
    if page < 1 or not 1 <= size <= 100:
        raise Invalid("page_size", "Input should be between 1 and 100")
    return page, size


def _avatar(avatar_id: str) -> dict[str, Any]:
    return {
        "id": avatar_id,
        "name": "Wayne" if avatar_id == SANDBOX_AVATAR else "Somebody",
        "type": "VIDEO",
        "status": "ACTIVE",
        "preview_url": None,
        "is_expired": False,
        "is_1080p": False,
        "default_voice": None,
    }


def _done(emulator: Emulator, data: Any, status: int = 200) -> web.Response:
    body = {"code": emulator.knobs.code, "message": "ok", "data": data}
    return web.json_response(body, status=status)
