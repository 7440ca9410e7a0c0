"""HeyGen's REST: one envelope for both of its services, typed errors, nothing secret in them.

Replies are `{"code", "message", "data"}`. Whether a call went well is told by the HTTP status; the
code of success differs between documentation and live service (100, 1000). What a refusal is
about is told by status, code and words together, since no list of codes is published.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from ..avatar.errors import (
    AvatarError,
    AvatarNotFound,
    KeyRefused,
    NoCredits,
    RateLimited,
    TooManySessions,
    UnexpectedReply,
    VendorRefused,
    VendorUnreachable,
)

CALL_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 5.0
LARGEST_REPLY_BYTES = 2**20
LONGEST_PAUSE_S = 5.0
"""Who is asked to wait for longer is not kept waiting: the error says so at once."""

PAUSES_S = (0.5, 1.0)
"""Before each repetition of a call that is known not to have been carried out."""

OLD_AVATAR = ("10003", "400014")


class Rest:
    """A few calls in a row: `async with Rest(…) as rest`.

    Args:
        vendor: For errors.
        url: Address of the API, without a path.
        headers: Sent with each call; they hold the key.
    """

    def __init__(self, vendor: str, url: str, headers: Mapping[str, str]) -> None:
        self._vendor = vendor
        self._url = url.rstrip("/")
        self._headers = headers
        self._http: aiohttp.ClientSession

    async def __aenter__(self) -> Rest:
        timeout = aiohttp.ClientTimeout(total=CALL_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
        self._http = aiohttp.ClientSession(timeout=timeout, headers={"Accept": "application/json"})
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._http.close()

    async def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        again: bool = False,
    ) -> Any:
        """Make a call, and return the reply's `data`.

        A call that was certainly not carried out (429, no connection) is repeated after a pause.

        Args:
            method: Of HTTP.
            path: With its leading slash.
            body: Sent as JSON.
            headers: In place of those of all calls.
            query: Parameters of the address.
            again: Whether it does no harm to make the call twice; then it is also repeated where
                nobody knows what became of it.

        Raises:
            VendorRefused, VendorUnreachable, UnexpectedReply
        """
        for pause_s in PAUSES_S:
            try:
                return await self._once(method, path, body, headers, query)
            except RateLimited as error:
                wait_s = pause_s if error.retry_after_s is None else error.retry_after_s
                if wait_s > LONGEST_PAUSE_S:
                    raise
            except NotConnected:
                wait_s = pause_s
            except VendorUnreachable:
                if not again:
                    raise
                wait_s = pause_s
            await asyncio.sleep(wait_s)
        return await self._once(method, path, body, headers, query)

    async def _once(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None,
        query: Mapping[str, str] | None,
    ) -> Any:
        try:
            async with self._http.request(
                method,
                self._url + path,
                json=body,
                params=query,
                headers=headers or self._headers,
                allow_redirects=False,  # the key would go along
            ) as reply:
                text = await self._read(reply)
                status = reply.status
                retry_after = reply.headers.get("Retry-After", "")
        except aiohttp.ClientConnectorError:
            raise NotConnected(self._vendor) from None
        except (aiohttp.ClientError, TimeoutError, ValueError):
            raise VendorUnreachable(self._vendor) from None
        content = _parsed(text)
        if not 200 <= status < 300:
            raise refusal(self._vendor, status, content, retry_after)
        if not isinstance(content, dict):
            raise UnexpectedReply(self._vendor, "something that is not the JSON it should be")
        return content.get("data")

    async def _read(self, reply: aiohttp.ClientResponse) -> bytes:
        text = bytearray()
        async for piece in reply.content.iter_chunked(2**16):
            text += piece
            if len(text) > LARGEST_REPLY_BYTES:
                raise UnexpectedReply(self._vendor, "more than it should")
        return bytes(text)


class NotConnected(VendorUnreachable):
    """Nothing was sent."""


def refusal(vendor: str, status: int, content: object, retry_after: str = "") -> AvatarError:
    """The error for an answer that is not a success.

    Args:
        vendor: For its text.
        status: Of HTTP.
        content: The parsed body. It is looked at and never passed on, its code excepted.
        retry_after: The header of that name.
    """
    code = _code(content)
    words = json.dumps(content).lower() if content is not None else ""
    if status == 429:
        seconds = retry_after.strip()
        known = re.fullmatch(r"[0-9]{1,6}", seconds)
        return RateLimited(vendor, status, float(seconds) if known else None)
    if status >= 500:
        return VendorUnreachable(vendor, status)
    if "concurren" in words or status == 409:
        return TooManySessions(vendor, status, code)
    if status == 402 or "credit" in words or "quota" in words:
        return NoCredits(vendor, status, code)
    if status == 401:
        return KeyRefused(vendor, status, code)
    if 400 <= status < 500 and (status == 404 or code in OLD_AVATAR or "avatar" in words):
        return AvatarNotFound(vendor, status, code)
    if 400 <= status < 500:
        return VendorRefused(vendor, status, code)
    return UnexpectedReply(vendor, f"a {status}")


def text_of(vendor: str, data: object, name: str) -> str:
    """A text that a reply must have.

    Raises:
        UnexpectedReply: It has none.
    """
    value = data.get(name) if isinstance(data, dict) else None
    if not isinstance(value, str) or not value:
        raise UnexpectedReply(vendor, f"no {name}")
    return value


def optional_texts(data: object, *names: str) -> dict[str, str]:
    """Those of the texts that a reply has."""
    if not isinstance(data, dict):
        return {}
    return {name: data[name] for name in names if isinstance(data.get(name), str) and data[name]}


def optional_seconds(data: object, name: str) -> float | None:
    """A time that a reply may have."""
    value = data.get(name) if isinstance(data, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 10**9:
        return None
    return float(value)


def is_loopback(url: str) -> bool:
    """Whether an API's address is on this machine, as an emulator's is."""
    host = urlsplit(url).hostname or ""
    return host == "localhost" or host == "::1" or bool(re.fullmatch(r"127(\.\d{1,3}){3}", host))


def check_address(url: str) -> str:
    """An API's address: `https`, or `http` on this machine.

    Raises:
        ValueError: It is neither.
    """
    to = urlsplit(url)
    if to.scheme != "https" and not (to.scheme == "http" and is_loopback(url)):
        raise ValueError("the address of the API takes https, or http on this machine")
    if not to.hostname or "@" in to.netloc or to.query or to.fragment:
        raise ValueError("the address of the API takes a host and no more than a path")
    return url.rstrip("/")


def _parsed(text: bytes) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _code(content: object) -> str | None:
    code = content.get("code") if isinstance(content, dict) else None
    return str(code) if isinstance(code, int) and 0 <= code < 10**9 else None
