"""What every response tells the browser to keep away from the page, and what requests show."""

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import Message, Send

from .addresses import socket_origin
from .bind import is_loopback

_EVERYWHERE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "permissions-policy": "microphone=(self), camera=(), geolocation=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
}
_ONLY_HTTPS = {"strict-transport-security": "max-age=31536000"}


def security_headers(origin: str, rooms: Sequence[str] = ()) -> dict[str, str]:
    """The headers of a response to a page of this origin.

    Args:
        origin: Ours.
        rooms: Where else the page may connect to.
    """
    # Older Safari does not take 'self' for a WebSocket. CSP has no notation for IPv6 addresses.
    socket = "" if "[" in origin else f" {socket_origin(origin)}"
    policy = (
        "default-src 'none'",
        "script-src 'self'",
        "worker-src 'self'",
        "style-src 'self'",
        " ".join((f"connect-src 'self'{socket}", *rooms)),
        "img-src 'self' data:",
        "media-src 'self' blob:",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
    only_https = _ONLY_HTTPS if _may_promise_https(origin) else {}
    return {**_EVERYWHERE, **only_https, "content-security-policy": "; ".join(policy)}


def _may_promise_https(origin: str) -> bool:
    """The promise binds every port of the name for a year: not where others may serve on some."""
    url = urlsplit(origin)
    name = url.hostname or ""
    return url.scheme == "https" and url.port is None and not is_loopback(name)


def with_headers(send: Send, headers: Mapping[str, str]) -> Send:
    """Returns a `send` that adds the headers, and forbids to store what says nothing of it."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            sent = MutableHeaders(scope=message)
            sent.setdefault("cache-control", "no-store")
            sent.update(headers)
        await send(message)

    return send_with_headers


def bearer(headers: Headers) -> str | None:
    """What a request shows as `Authorization: Bearer`."""
    scheme, _, shown = headers.get("authorization", "").partition(" ")
    return shown if scheme.lower() == "bearer" and shown else None
