"""A vendor's REST: a few calls in a row, repeated where that is safe, with bounds and no redirects.

What a reply means is the vendor's own: a folder derives from `Rest` and fills in `understand`.
Nothing secret is in the errors: no address, no header, no body.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp

from .errors import RateLimited, UnexpectedReply, VendorUnreachable

CALL_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 5.0
KEPT_OPEN_S = 60.0
"""A connection, for the next call: what cuts an avatar short should not have to make one."""

LARGEST_REPLY_BYTES = 2**20
LONGEST_PAUSE_S = 5.0
"""Who is asked to wait for longer is not kept waiting: the error says so at once."""

PAUSES_S = (0.5, 1.0)
"""Before each repetition of a call that is known not to have been carried out."""


class NotDone(VendorUnreachable):
    """The call was certainly not carried out: nothing was sent, or the vendor says so."""


class Rest:
    """A few calls in a row: `async with Rest(…) as rest`.

    Args:
        vendor: For errors.
        url: Address of the API, without a path.
        headers: Sent with each call; they may hold the key.
    """

    def __init__(self, vendor: str, url: str, headers: Mapping[str, str] | None = None) -> None:
        self._vendor = vendor
        self._url = url.rstrip("/")
        self._headers = headers or {}
        self._http: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=CALL_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(keepalive_timeout=KEPT_OPEN_S),
            timeout=timeout,
            headers={"Accept": "application/json"},
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._http.close()

    def understand(self, status: int, content: object, retry_after: str) -> Any:
        """What a reply says.

        Args:
            status: Of HTTP.
            content: The parsed body; None where it is no JSON.
            retry_after: The header of that name.

        Raises:
            AvatarError: It is not a success.
        """
        raise NotImplementedError

    async def prepare(self, query: Mapping[str, str] | None) -> Mapping[str, str] | None:
        """Called before each try: the parameters of its address."""
        return query

    async def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        again: bool = False,
        pauses_s: Sequence[float] = PAUSES_S,
    ) -> Any:
        """Make a call, and return what its reply says.

        A call that was certainly not carried out (429, no connection) is repeated after a pause.

        Args:
            method: Of HTTP.
            path: With its leading slash.
            body: Sent as JSON.
            headers: In place of those of all calls.
            query: Parameters of the address.
            again: Whether it does no harm to make the call twice; then it is also repeated where
                nobody knows what became of it.
            pauses_s: Before each repetition, in seconds.

        Raises:
            VendorRefused, VendorUnreachable, UnexpectedReply
        """
        for pause_s in pauses_s:
            try:
                return await self._once(method, path, body, headers, query)
            except RateLimited as error:
                wait_s = pause_s if error.retry_after_s is None else error.retry_after_s
                if wait_s > LONGEST_PAUSE_S:
                    raise
            except NotDone:
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
                params=await self.prepare(query),
                headers=headers or self._headers,
                allow_redirects=False,  # the key would go along
            ) as reply:
                text = await self._read(reply)
                status = reply.status
                retry_after = reply.headers.get("Retry-After", "")
        except aiohttp.ClientConnectorError:
            raise NotDone(self._vendor) from None
        except (aiohttp.ClientError, TimeoutError, ValueError):
            raise VendorUnreachable(self._vendor) from None
        return self.understand(status, _parsed(text), retry_after)

    async def _read(self, reply: aiohttp.ClientResponse) -> bytes:
        text = bytearray()
        async for piece in reply.content.iter_chunked(2**16):
            text += piece
            if len(text) > LARGEST_REPLY_BYTES:
                raise UnexpectedReply(self._vendor, "more than it should")
        return bytes(text)


def rate_limited(vendor: str, status: int, retry_after: str) -> RateLimited:
    """The error for a 429, with what its header says."""
    seconds = retry_after.strip()
    known = re.fullmatch(r"[0-9]{1,6}", seconds)
    return RateLimited(vendor, status, float(seconds) if known else None)


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
