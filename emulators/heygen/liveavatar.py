"""LiveAvatar's REST (LITE): sessions, credits, avatars. See `docs.liveavatar.com/api-reference`."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from aiohttp import web

from .emulator import Emulator
from .replies import EMULATOR, SESSION, Invalid, Refused, bearer_of, body_of
from .session import Session, Terms

SANDBOX_AVATAR = "dd73ea75-1218-4ef3-92ce-606d5f7fbc0a"
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
    terms = _terms(emulator, await body_of(request))
    if emulator.is_full("liveavatar"):
        raise Refused(409, 4009, "Session concurrency limit reached")
    session = emulator.open(terms)
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
    if _cannot_publish_data(session.terms.request.get("livekit_config")):
        raise Refused(500, 5000, "Internal server error")
    session.start()
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
    rows = [_avatar(each) for each in _known(emulator)]
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
    if _known(emulator) and avatar_id not in (*_known(emulator), SANDBOX_AVATAR):
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


def _terms(emulator: Emulator, body: dict[str, Any]) -> Terms:
    knobs = emulator.knobs
    if body.get("mode", "LITE") not in ("LITE", "FULL"):
        raise Invalid("mode", "Input should be 'LITE' or 'FULL'", "enum")
    sandbox = body.get("is_sandbox") or False
    if not isinstance(sandbox, bool):
        raise Invalid("is_sandbox", "Input should be a valid boolean", "bool_parsing")
    _check_video(body.get("video_settings"))
    _check_room(body.get("livekit_config"), "livekit_config", _LIVEKIT)
    _check_room(body.get("agora_config"), "agora_config", _AGORA)
    longest = knobs.sandbox_seconds if sandbox else knobs.max_seconds
    limit = body.get("max_session_duration")
    if limit is None:
        limit = longest
    elif (
        isinstance(limit, bool) or not isinstance(limit, int) or not 0 < limit <= knobs.max_seconds
    ):
        message = f"Input should be greater than 0 and at most {knobs.max_seconds:.0f}"
        raise Invalid("max_session_duration", message)
    return Terms(
        service="liveavatar",
        avatar_id=_avatar_of(emulator, body.get("avatar_id"), sandbox),
        sandbox=sandbox,
        limit_s=min(limit, longest),
        idle_s=knobs.idle_seconds,
        request=body,
        own_room=bool(body.get("livekit_config") or body.get("agora_config")),
    )


def _avatar_of(emulator: Emulator, avatar_id: Any, sandbox: bool) -> str:
    if avatar_id is None:
        raise Invalid("avatar_id", "Field required", "missing")
    try:
        UUID(avatar_id)
    except (ValueError, TypeError, AttributeError):
        raise Invalid("avatar_id", "Input should be a valid UUID", "uuid_parsing") from None
    if sandbox and avatar_id != SANDBOX_AVATAR:
        if emulator.knobs.sandbox_foreign == "replace":
            return SANDBOX_AVATAR
        raise Refused(403, 4003, "This avatar cannot be used in a sandbox")
    if not sandbox and _known(emulator) and avatar_id not in _known(emulator):
        raise Refused(403, 4003, "This avatar is not yours")
    return str(avatar_id)


def _known(emulator: Emulator) -> list[str]:
    return [each.strip() for each in emulator.knobs.avatars.split(",") if each.strip()]


def _check_video(video: Any) -> None:
    if video is None:
        return
    if not isinstance(video, dict):
        raise Invalid("video_settings", "Input should be an object", "dict_type")
    if video.get("quality", "high") not in ("very_high", "high", "medium", "low"):
        raise Invalid("video_settings.quality", "unknown quality", "enum")
    if video.get("encoding", "H264") not in ("H264", "VP8"):
        raise Invalid("video_settings.encoding", "unknown encoding", "enum")


_LIVEKIT = ("livekit_url", "livekit_room", "livekit_client_token")
_CONNECTORS = ("elevenlabs_agent_config", "openai_realtime_config", "gemini_realtime_config")
_AGORA = ("agora_app_id", "agora_token", "agora_channel", "agora_uid")


def _check_room(config: Any, name: str, fields: tuple[str, ...]) -> None:
    if config is None:
        return
    for field in fields:
        if not isinstance(config, dict) or not config.get(field):
            raise Invalid(f"{name}.{field}", "Field required", "missing")


def _cannot_publish_data(config: Any) -> bool:
    """Whether a room's token forbids data, which the vendor is known to answer with 500."""
    if not config:
        return False
    part = [*str(config["livekit_client_token"]).split("."), ""][1]
    try:
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (binascii.Error, ValueError):
        return False
    video = claims.get("video") if isinstance(claims, dict) else None
    return isinstance(video, dict) and video.get("canPublishData") is False


def _started(emulator: Emulator, session: Session, host: str) -> dict[str, Any]:
    knobs = emulator.knobs
    own = session.terms.own_room and knobs.own_room_fields != "filled"
    room = {
        "livekit_url": None if own else knobs.livekit_url,
        "livekit_client_token": None if own else emulator.secret("viewer"),
        "livekit_agent_token": None if own else emulator.secret("agent"),
    }
    data: dict[str, Any] = {
        "session_id": session.id,
        "max_session_duration": int(session.terms.limit_s),
    }
    if not (own and knobs.own_room_fields == "absent"):
        data |= room
    url = emulator.socket_url(session, host)
    if url and not _is_spoken_by_the_vendor(session.terms.request):
        data["ws_url"] = url
    return data


def _is_spoken_by_the_vendor(request: dict[str, Any]) -> bool:
    """Whether a session is not LITE, or leaves the agent to the vendor: it has no socket then."""
    return request.get("mode") == "FULL" or any(request.get(each) for each in _CONNECTORS)


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
