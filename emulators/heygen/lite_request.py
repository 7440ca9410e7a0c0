"""What may be asked for in LiveAvatar's `sessions/token`, field by field."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any
from uuid import UUID

from .emulator import Emulator
from .replies import Invalid, Refused
from .session import Terms

SANDBOX_AVATAR = "dd73ea75-1218-4ef3-92ce-606d5f7fbc0a"

_LIVEKIT = ("livekit_url", "livekit_room", "livekit_client_token")
_CONNECTORS = ("elevenlabs_agent_config", "openai_realtime_config", "gemini_realtime_config")
_AGORA = ("agora_app_id", "agora_token", "agora_channel", "agora_uid")


def terms(emulator: Emulator, body: dict[str, Any]) -> Terms:
    """Returns what a session is asked for; raises `Invalid` or `Refused`."""
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
    if not sandbox and known_avatars(emulator) and avatar_id not in known_avatars(emulator):
        raise Refused(403, 4003, "This avatar is not yours")
    return str(avatar_id)


def known_avatars(emulator: Emulator) -> list[str]:
    """Returns the ids of the avatars that exist; none stands for any."""
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


def _check_room(config: Any, name: str, fields: tuple[str, ...]) -> None:
    if config is None:
        return
    for field in fields:
        if not isinstance(config, dict) or not config.get(field):
            raise Invalid(f"{name}.{field}", "Field required", "missing")


def cannot_publish_data(config: Any) -> bool:
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


def is_spoken_by_the_vendor(request: dict[str, Any]) -> bool:
    """Whether a session is not LITE, or leaves the agent to the vendor: it has no socket then."""
    return request.get("mode") == "FULL" or any(request.get(each) for each in _CONNECTORS)
