"""What a digital human and an agent of a project share: who pays, calls and may enter."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..avatar.allowance import Allowance
from ..avatar.journal import Journal
from ..avatar.journaled import JournaledVendor
from ..avatar.vendor import Profile
from .rest import Rest
from .token04 import SECRET_BYTES, Mode, token04

WEB_SERVER_URL = "wss://webliveroom{app_id}-api.zego.im/ws"
"""Where projects of the mainland's service have their web access, as the console names it."""

TEST_HUMAN = "63c3aa64-1d80-4b04-a0be-1c65614eb7eb"
"""Public, for trying it out; in the vendor's documents since 2026-08-14."""

CALLS_PER_S = 10
"""Of one action; whether of a session or of a project is not documented: the latter is safe."""


class ProjectVendor(JournaledVendor[Rest]):
    """One session of a project of ZEGO's, at one of its APIs; the APIs' folders fill in the calls.

    Args:
        name: For logs and errors.
        app_id: Of the project.
        server_secret: Signs calls, and is the key of tokens: 32 characters.
        digital_human_id: Who is shown.
        web_server_url: Where the page's SDK connects to; the project's default one where empty.
        token_mode: How the page's token is encrypted.
        profile: How the avatar is spoken to.
        journal: Where paid sessions are noted; by default this user's own, see `Journal`.
        max_sessions: How many there may be at once, over all processes that share the journal.
        api_url: Address of the API.

    Raises:
        ValueError: It is no project, or the address would show its secret to others.
    """

    def __init__(
        self,
        name: str,
        *,
        app_id: int,
        server_secret: str,
        digital_human_id: str,
        web_server_url: str,
        token_mode: Mode,
        profile: Profile,
        journal: Journal | None,
        max_sessions: int | None,
        api_url: str,
    ) -> None:
        if not 0 < app_id < 2**32:
            raise ValueError("app_id takes a number from 1 to 4294967295")
        if not re.fullmatch(rf"[!-~]{{{SECRET_BYTES}}}", server_secret):
            raise ValueError(f"server_secret takes {SECRET_BYTES} printable characters")
        super().__init__(
            name,
            key=str(app_id),
            api_url=api_url,
            profile=profile,
            journal=journal,
            max_sessions=max_sessions,
        )
        self._app_id = app_id
        self._secret = server_secret
        self._human = digital_human_id
        self._web_server_url = web_server_url or WEB_SERVER_URL.format(app_id=app_id)
        self._token_mode = token_mode
        self._allowance = Allowance(
            self._journal.folder, f"{self.name} {app_id} {self._url}", most=CALLS_PER_S
        )

    @property
    def human(self) -> str:
        """Who is shown."""
        return self._human

    def _entry(self, user: str, payload: str) -> Mapping[str, str]:
        """What lets this user of the web SDK in for ten minutes, and no further than `payload`."""
        return {
            "app_id": str(self._app_id),
            "server": self._web_server_url,
            "user": user,
            "token": token04(
                self._app_id, self._secret, user, payload=payload, mode=self._token_mode
            ),
        }

    def _rest(self) -> Rest:
        return Rest(self.name, self._url, self._app_id, self._secret, self._allowance)
