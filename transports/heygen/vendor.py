"""What the three generations have in common: the key, the control socket, the viewer's room.

Each opens in two calls. The first names a session (and, at HeyGen, may cost already), the second
starts it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager

from ..avatar.dial import dial
from ..avatar.errors import UnexpectedReply, VendorRefused
from ..avatar.events import Ended, Interrupted, Started, Talking
from ..avatar.journal import Journal
from ..avatar.journaled import JournaledVendor
from ..avatar.rest import is_loopback
from ..avatar.vendor import Opened, Profile, Socket
from .rest import Rest
from .wire import ControlWire

ADVISED = Profile(
    sample_rate=24_000,
    opening_s=0.4,
    first_chunk_s=0.4,
    chunk_s=1.0,
    start_delay_s=0.2,
    acknowledges=frozenset({Started, Ended, Talking, Interrupted}),
    keep_alive_s=60.0,
)
"""The vendor's advice: 0.4 s first, then 1 s. It stays the default until a live account shows that
the avatar does as well without it."""

FASTEST = Profile(
    sample_rate=24_000,
    first_chunk_s=0.02,
    chunk_s=1.0,
    start_delay_s=0.2,
    acknowledges=ADVISED.acknowledges,
    keep_alive_s=60.0,
)
"""The first frame of the TTS leaves at once; 0.4 s less to wait, if the vendor bears it."""

CONTROL_URL = "control_url"
GONE = (404, 410)


class HeyGenVendor(JournaledVendor[Rest]):
    """One session; the generations below fill in their calls.

    Args:
        name: For logs and errors.
        api_key: Pays.
        api_url, profile, journal, max_sessions: See `JournaledVendor`.

    Raises:
        ValueError: The key cannot be one, or the address would show it to others.
    """

    def __init__(
        self,
        name: str,
        *,
        api_key: str,
        api_url: str,
        profile: Profile,
        journal: Journal | None,
        max_sessions: int | None,
    ) -> None:
        if not re.fullmatch(r"[!-~]+", api_key):
            raise ValueError(f"{name} takes an API key: printable characters without a space")
        super().__init__(
            name,
            key=api_key,
            api_url=api_url,
            profile=profile,
            journal=journal,
            max_sessions=max_sessions,
        )

    def wire(self) -> ControlWire:
        """A fresh codec for one connection."""
        return ControlWire(self.name)

    def dial(self, session: Opened) -> AbstractAsyncContextManager[Socket]:
        """The control socket, at the address that the vendor returned."""
        address = session.secrets[CONTROL_URL]
        return dial(address, vendor=self.name, loopback=is_loopback(self._url))

    # Inside

    async def _is_gone(self, rest: Rest, session: str, refusal: VendorRefused) -> bool:
        return refusal.status in GONE

    def _rest(self) -> Rest:
        return Rest(self.name, self._url, {"X-Api-Key": self._key})

    def _room(self, secrets: Mapping[str, str], address: str) -> Mapping[str, str]:
        """Checks that there is a control address among what was returned."""
        if not secrets.get(address):
            raise UnexpectedReply(self.name, f"no {address}")
        return {CONTROL_URL: secrets[address]} | {
            name: value for name, value in secrets.items() if name != address
        }


def livekit_viewer(secrets: Mapping[str, str], address: str, token: str) -> Mapping[str, str]:
    """What a page needs to show the avatar in its LiveKit room, as far as it was returned."""
    if not (secrets.get(address) and secrets.get(token)):
        return {}
    return {"kind": "livekit", "url": secrets[address], "token": secrets[token]}
