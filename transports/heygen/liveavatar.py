"""LiveAvatar in LITE mode: the vendor renders, hearing, thinking and voice are ours.

https://docs.liveavatar.com (lite-mode, api-reference/sessions), as of 2026-11-20.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ..avatar.errors import KeyRefused, RateLimited, VendorRefused
from ..avatar.journal import Journal
from ..avatar.journaled import Named
from ..avatar.rest import optional_seconds, optional_texts, text_of
from ..avatar.vendor import Opened, Profile
from .rest import Rest
from .vendor import ADVISED, GONE, HeyGenVendor, livekit_viewer

API_URL = "https://api.liveavatar.com"
SANDBOX_AVATAR = "dd73ea75-1218-4ef3-92ce-606d5f7fbc0a"
"""The only one that the sandbox shows: free of charge, for about a minute."""

MOST_PAGES = 20


@dataclass(frozen=True, slots=True)
class LiveKitRoom:
    """A LiveKit room of your own that the avatar joins instead of the vendor's.

    Attributes:
        url: The server, `wss://…`.
        name: Of the room.
        token: Lets the avatar in. It must allow to publish, to subscribe and to send data.
    """

    url: str
    name: str
    token: str = field(repr=False)


class LiveAvatarVendor(HeyGenVendor):
    """One session of a LiveAvatar.

    Its room is in `Opened.secrets`: `livekit_url`, `livekit_client_token` (for the person) and
    `livekit_agent_token`, as far as the vendor returned them.

    Args:
        api_key: Of LiveAvatar; a key of HeyGen is another one.
        avatar_id: Who is shown; the sandbox's avatar by default.
        sandbox: Costs nothing, and ends after about a minute.
        max_session_s: After how long the vendor ends the session, in seconds; the plan's limit
            where None.
        room: A room of your own.
        quality: Of the picture.
        profile: How it is spoken to: `ADVISED` or `FASTEST`, or one of your own.
        journal: Where paid sessions are noted; by default this user's own, see `Journal`.
        max_sessions: How many sessions the account may have at once, over all processes that share
            the journal; None leaves it to the vendor.
        api_url: Address of the API.
    """

    naming_costs = False  # billing begins with the start of a session, not with its token

    def __init__(
        self,
        *,
        api_key: str,
        avatar_id: str = SANDBOX_AVATAR,
        sandbox: bool = False,
        max_session_s: int | None = None,
        room: LiveKitRoom | None = None,
        quality: Literal["very_high", "high", "medium", "low"] = "high",
        profile: Profile = ADVISED,
        journal: Journal | None = None,
        max_sessions: int | None = None,
        api_url: str = API_URL,
    ) -> None:
        super().__init__(
            "LiveAvatar",
            api_key=api_key,
            api_url=api_url,
            profile=profile,
            journal=journal,
            max_sessions=max_sessions,
        )
        if max_session_s is not None and max_session_s < 1:
            raise ValueError("max_session_s takes at least one second")
        self._avatar_id = avatar_id
        self._sandbox = sandbox
        self._max_session_s = max_session_s
        self._room_of_ours = room
        self._quality = quality
        self.limit_s = float(max_session_s or HeyGenVendor.limit_s)

    async def _name(self, rest: Rest) -> Named:
        body: dict[str, Any] = {
            "mode": "LITE",
            "avatar_id": self._avatar_id,
            "is_sandbox": self._sandbox,
            "video_settings": {"quality": self._quality, "encoding": "H264"},
        }
        if self._max_session_s is not None:
            body["max_session_duration"] = self._max_session_s
        if room := self._room_of_ours:
            body["livekit_config"] = {
                "livekit_url": room.url,
                "livekit_room": room.name,
                "livekit_client_token": room.token,
            }
        data = await rest.call("POST", "/v1/sessions/token", body, again=True)
        token = text_of(self.name, data, "session_token")
        return Named(text_of(self.name, data, "session_id"), {"session_token": token})

    async def _start(self, rest: Rest, named: Named) -> Opened:
        headers = {"Authorization": f"Bearer {named.secrets['session_token']}"}
        data = await rest.call("POST", "/v1/sessions/start", {}, headers=headers)
        secrets = optional_texts(
            data, "ws_url", "livekit_url", "livekit_client_token", "livekit_agent_token"
        )
        viewer = livekit_viewer(secrets, "livekit_url", "livekit_client_token")
        limit_s = optional_seconds(data, "max_session_duration")
        return Opened(named.id, self._room(secrets, "ws_url"), viewer, limit_s)

    async def _stop(self, rest: Rest, session: str) -> None:
        body = {"session_id": session, "reason": "USER_CLOSED"}
        await rest.call("POST", "/v1/sessions/stop", body, again=True)

    async def _is_gone(self, rest: Rest, session: str, refusal: VendorRefused) -> bool:
        if refusal.status in GONE:
            return True
        if isinstance(refusal, KeyRefused | RateLimited):
            return False
        return session not in await self._active(rest)

    async def _active(self, rest: Rest) -> list[str]:
        ids: list[str] = []
        for page in range(1, MOST_PAGES + 1):
            query = {"type": "active", "page": str(page), "page_size": "100"}
            data = await rest.call("GET", "/v1/sessions", query=query, again=True)
            entries = _results(data)
            ids += [text_of(self.name, entry, "id") for entry in entries]
            if not (isinstance(data, Mapping) and data.get("next")):
                break
        return ids


def _results(data: object) -> list[Any]:
    results = data.get("results") if isinstance(data, dict) else data
    return results if isinstance(results, list) else []
