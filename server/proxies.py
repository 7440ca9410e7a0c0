"""Reverse proxies: who may hand on the requests of others, and is believed what it says of them.

Which page asks is never a proxy's word: that is for `Host` and `Origin`, at the gate. Why a bind
beyond loopback needs a trusted proxy is in `docs/decisions/0007-only-proxies-reach-beyond.md`.
"""

import ipaddress
from collections.abc import Sequence, Set

from loguru import logger
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from .addresses import Addresses
from .bind import Network


class Proxies:
    """Believes trusted proxies, disbelieves or refuses everybody else. Stands before the gate."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        trusted: Sequence[Network],
        only_trusted: bool,
        for_anybody: Set[str] = frozenset(),
        here: Addresses = Addresses(()),  # noqa: B008 - it is frozen
    ) -> None:
        """
        Args:
            app: The gate, and what is behind it.
            trusted: Networks of proxies, whose `X-Forwarded-For` and `-Proto` are believed.
            only_trusted: Refuse everybody else. Otherwise others come in, without such headers.
            for_anybody: Paths where that does not matter.
            here: What this machine calls the server. `avatarbot.direct` says in the scope whether
                it is this machine that asks.
        """
        self._app = app
        # Typed for uvicorn's own kind of application, which is the same thing.
        self._believing: ASGIApp = ProxyHeadersMiddleware(  # type: ignore[assignment]
            app,  # type: ignore[arg-type]
            trusted_hosts=[str(network) for network in trusted],
        )
        self._trusted = trusted
        self._only_trusted = only_trusted
        self._for_anybody = for_anybody
        self._here = here

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        kept = [pair for pair in scope["headers"] if not _is_word_of_a_proxy(pair[0])]
        direct = len(kept) == len(scope["headers"]) and self._is_here(scope)
        scope = {**scope, "avatarbot.direct": direct}
        if self._trusts(scope["client"]):
            await self._believing(scope, receive, send)
        elif not self._only_trusted or scope.get("path") in self._for_anybody:
            await self._app({**scope, "headers": kept}, receive, send)
        else:
            logger.debug("refused a connection: it is not from a trusted proxy")
            await _refuse(scope, receive, send)

    def _is_here(self, scope: Scope) -> bool:
        """Whether somebody on this machine asks, and not through a proxy.

        A proxy is seen by its headers, or by the name under which it is asked itself.
        """
        headers, peer = Headers(scope=scope), scope["client"]
        return (
            peer is not None
            and ipaddress.ip_address(peer[0]).is_loopback
            and [each.lower() in self._here.hosts for each in headers.getlist("host")] == [True]
            and all(each in self._here.origins for each in headers.getlist("origin"))
        )

    def _trusts(self, peer: tuple[str, int] | None) -> bool:
        if peer is None:
            return False  # it was gone before anybody could look
        address = ipaddress.ip_address(peer[0])
        return any(address in network for network in self._trusted)


def _is_word_of_a_proxy(header: bytes) -> bool:
    return header.startswith(b"x-forwarded-") or header in (b"forwarded", b"x-real-ip", b"via")


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})  # HTTP 403, never accepted
    else:
        await PlainTextResponse("Refused.", 403)(scope, receive, send)
