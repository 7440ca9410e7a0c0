"""Interactive Avatar: `streaming.new`, `streaming.start`, `streaming.stop` of api.heygen.com.

https://docs.heygen.com/reference/new-session, as of 2026-11-20. HeyGen moves its users to
LiveAvatar; others report that this API was shut on 31 March 2026.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from ..avatar.errors import VendorRefused
from ..avatar.journal import Journal
from ..avatar.journaled import Named
from ..avatar.rest import optional_seconds, optional_texts, text_of
from ..avatar.vendor import Opened, Profile
from .rest import Rest
from .vendor import ADVISED, GONE, HeyGenVendor, livekit_viewer

API_URL = "https://api.heygen.com"

LEAST_IDLE_S, MOST_IDLE_S = 30, 3_600
_ENDED = "10002"  # "invalid session"


class InteractiveVendor(HeyGenVendor):
    """One session of an Interactive Avatar.

    Its room is in `Opened.secrets`: `url`, `access_token` (for the person) and
    `livekit_agent_token`, as far as the vendor returned them.

    Args:
        api_key: Of HeyGen; a key of LiveAvatar is another one.
        avatar_id: Who is shown; the vendor's choice where empty.
        quality: Of the picture.
        idle_limit_s: After how long without a message the vendor ends the session, from 30 to 3600
            seconds; what is left open by a fault is over that soon. It is kept alive three times
            as often, over the control socket. That this counts as a message is known of
            LiveAvatar only.
        profile: How it is spoken to.
        journal: Where paid sessions are noted; by default this user's own, see `Journal`.
        max_sessions: How many sessions the account may have at once, over all processes that share
            the journal; None leaves it to the vendor.
        api_url: Address of the API.
    """

    def __init__(
        self,
        *,
        api_key: str,
        avatar_id: str = "",
        quality: Literal["high", "medium", "low"] = "high",
        idle_limit_s: int = LEAST_IDLE_S,
        profile: Profile = ADVISED,
        journal: Journal | None = None,
        max_sessions: int | None = None,
        api_url: str = API_URL,
    ) -> None:
        if not LEAST_IDLE_S <= idle_limit_s <= MOST_IDLE_S:
            raise ValueError(f"idle_limit_s takes {LEAST_IDLE_S} to {MOST_IDLE_S}")
        self._avatar_id = avatar_id
        self._idle_limit_s = idle_limit_s
        self._quality = quality
        super().__init__(
            "HeyGen",
            api_key=api_key,
            api_url=api_url,
            profile=replace(profile, keep_alive_s=idle_limit_s / 3),
            journal=journal,
            max_sessions=max_sessions,
        )

    async def _name(self, rest: Rest) -> Named:
        body: dict[str, Any] = {
            "version": "v2",
            "quality": self._quality,
            "video_encoding": "H264",
            "activity_idle_timeout": self._idle_limit_s,
        }
        if self._avatar_id:
            body["avatar_id"] = self._avatar_id
        data = await rest.call("POST", "/v1/streaming.new", body)
        secrets = optional_texts(
            data, "realtime_endpoint", "url", "access_token", "livekit_agent_token"
        )
        limit_s = optional_seconds(data, "session_duration_limit")
        return Named(text_of(self.name, data, "session_id"), secrets, limit_s)

    async def _start(self, rest: Rest, named: Named) -> Opened:
        secrets = self._room(named.secrets, "realtime_endpoint")
        await rest.call("POST", "/v1/streaming.start", {"session_id": named.id})
        viewer = livekit_viewer(secrets, "url", "access_token")
        return Opened(named.id, secrets, viewer, named.limit_s)

    async def _stop(self, rest: Rest, session: str) -> None:
        await rest.call("POST", "/v1/streaming.stop", {"session_id": session}, again=True)

    async def _active(self, rest: Rest) -> list[str]:
        # Its reply is not documented; what cannot be read is taken for nobody's.
        data = await rest.call("GET", "/v1/streaming.list", again=True)
        sessions = data.get("sessions") if isinstance(data, dict) else None
        rows = sessions if isinstance(sessions, list) else []
        return [id_ for row in rows for id_ in optional_texts(row, "session_id").values()]

    async def _is_gone(self, rest: Rest, session: str, refusal: VendorRefused) -> bool:
        return refusal.status in GONE or refusal.code == _ENDED
