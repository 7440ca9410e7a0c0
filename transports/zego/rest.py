"""ZEGO's server API: one path, signed in the query, one envelope, three tables of codes.

https://www.zegocloud.com/docs/digital-human and https://www.zegocloud.com/docs/aiagent-server
(return codes), as of 2026-08-21. A reply's `Code` says how it went, under an HTTP status that says
little; its `Message` is never read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..avatar import rest
from ..avatar.allowance import Allowance
from ..avatar.errors import (
    AvatarError,
    AvatarNotFound,
    ClockOff,
    KeyRefused,
    NoCapacity,
    NoCredits,
    NotEnabled,
    RateLimited,
    TooManySessions,
    TrialOver,
    UnexpectedReply,
    VendorRefused,
    VendorUnreachable,
)
from .signature import signed

TASK_NOT_FOUND = 400000005
NOT_STREAMING = 400000006
TASK_STOPPED = 400000007
NAME_TAKEN = 400000015
OVER = (TASK_NOT_FOUND, TASK_STOPPED)

INSTANCE_NOT_FOUND = 410001002
AGENT_EXISTS = 410001008
AGENT_NOT_FOUND = 410001009
LISTENING = 410001013
NO_HUMANS_LEFT = 410001025
STREAM_TAKEN = 410001030

_REFUSED: Mapping[int, type[VendorRefused]] = {
    100000001: KeyRefused,  # the AppId is malformed
    100000004: ClockOff,
    100000005: KeyRefused,  # the signature is wrong
    100000010: KeyRefused,  # the AppId is unknown
    100000011: KeyRefused,
    100000017: NotEnabled,
    400000002: NotEnabled,
    400000003: AvatarNotFound,
    400000008: TooManySessions,
    400000010: AvatarNotFound,  # its configuration is broken
    400000012: NoCredits,
    400000016: AvatarNotFound,  # its model is too old
    400010001: NotEnabled,
    410000002: KeyRefused,
    410000005: KeyRefused,
    410000006: NotEnabled,
    410000010: NoCapacity,
    410000011: TooManySessions,
    410001025: NoCapacity,
    410001026: AvatarNotFound,  # not for this kind of page
    410001027: AvatarNotFound,
    410001031: TooManySessions,
    410001033: TrialOver,
    410001034: TrialOver,
    410001035: TrialOver,
    410001047: TrialOver,
    410001048: AvatarNotFound,  # another project's
}
_FAILED = (
    100000015,
    400010000,
    410000001,
    410000009,
    410001032,
)  # nobody knows whether it was done
_BUSY = (400010002, 400010007)  # it was not
_TOO_OFTEN = (400010009, 410001029)


class Rest(rest.Rest):
    """A few calls in a row, each of which returns the reply's `Data`.

    Args:
        vendor: For errors.
        url: Address of the API.
        app_id: Of the project.
        secret: The ServerSecret.
        allowance: Says when a call may be made.
    """

    def __init__(
        self, vendor: str, url: str, app_id: int, secret: str, allowance: Allowance
    ) -> None:
        super().__init__(vendor, url)
        self._app_id = app_id
        self._secret = secret
        self._allowance = allowance

    async def ask(
        self,
        action: str,
        body: Mapping[str, Any] | None = None,
        *,
        again: bool = False,
        pauses_s: Sequence[float] = rest.PAUSES_S,
    ) -> Any:
        """Ask for an action, and return what it says, if it says anything.

        Args:
            action: Its name.
            body: Its parameters.
            again: Whether it does no harm to ask twice.
            pauses_s: Before each repetition, in seconds.

        Raises:
            VendorRefused: Its `status` is the reply's code.
            VendorUnreachable, UnexpectedReply
        """
        query = {"Action": action}
        return await self.call("POST", "/", body or {}, query=query, again=again, pauses_s=pauses_s)

    async def prepare(self, query: Mapping[str, str] | None) -> Mapping[str, str] | None:
        """Waits for its turn, and signs: a signature is good for one try."""
        action = (query or {})["Action"]
        await self._allowance.take(action)
        return signed(self._app_id, self._secret, action)

    def understand(self, status: int, content: object, retry_after: str) -> Any:
        """What is in the envelope, if it says that all is well."""
        if status == 429:
            raise rest.rate_limited(self._vendor, status, retry_after)
        code = content.get("Code") if isinstance(content, dict) else None
        if isinstance(content, dict) and isinstance(code, int) and not isinstance(code, bool):
            if code:
                raise refusal(self._vendor, code)
            if 200 <= status < 300:
                return content.get("Data")
        if status >= 500:
            raise VendorUnreachable(self._vendor, status)
        if status >= 400:
            raise VendorRefused(self._vendor, status)
        raise UnexpectedReply(self._vendor, "something that is not the JSON it should be")


def refusal(vendor: str, code: int) -> AvatarError:
    """The error for a code that is not 0; what the tables do not list is a refusal as well."""
    if code in _TOO_OFTEN:
        return RateLimited(vendor, code)
    if code in _FAILED:
        return VendorUnreachable(vendor, code)
    if code in _BUSY:
        return rest.NotDone(vendor, code)
    return _REFUSED.get(code, VendorRefused)(vendor, code)
