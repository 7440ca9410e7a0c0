"""Dials the control connection at an address that a vendor returned.

Such an address comes from outside: it is dialled only if it is `wss`, names no user, and resolves
to the public internet; the address that was looked at is the one that is dialled, redirects are
not followed, and no proxy of the environment is used. Where the configured API is on this very
machine, as an emulator is, loopback is allowed too, and `ws`. Certificates are verified; for a
vendor whose servers have none that can be, `Trust` says what else will do, for this connection.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import SplitResult, urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from .errors import (
    CertificateRefused,
    ConnectionLost,
    UnexpectedReply,
    VendorRefused,
    VendorUnreachable,
)
from .trust import Pins, Trust, unverified, verifying
from .undo import finish

LONGEST_URL = 2_048
LARGEST_MESSAGE_BYTES = 2**18
MESSAGES_PER_S = 500
"""What a vendor says faster than this waits: it is TCP that slows the vendor down."""

DIAL_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 1.0
UNACKNOWLEDGED_S = 5
"""After so long without a sign of life in TCP the connection is lost. It is not asked by
WebSocket pings: a media server may be slow to answer those while it renders."""

_Address = IPv4Address | IPv6Address
_NAT64 = IPv6Network("64:ff9b::/96")

# At DEBUG the library logs the address, which is a secret, and the speech. Not `getLogger`, and not
# `disabled`: whoever configures logging, as uvicorn does, enables again all loggers that are known.
_MUTE = logging.Logger(f"{__name__}.websockets", level=logging.CRITICAL + 1)


class WebSocket:
    """A dialled connection, as `vendor.Socket` wants it."""

    def __init__(self, connection: ClientConnection, vendor: str) -> None:
        self._connection = connection
        self._vendor = vendor

    async def send(self, message: str | bytes) -> None:
        """Send one message: text, or binary.

        Raises:
            ConnectionLost: The connection is gone.
        """
        try:
            await self._connection.send(message)
        except ConnectionClosed:
            raise ConnectionLost(self._vendor) from None

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        loop = asyncio.get_running_loop()
        until, left = loop.time() + 1.0, MESSAGES_PER_S
        while True:
            try:
                message = await self._connection.recv()
            except ConnectionClosed:
                return
            if loop.time() >= until:
                until, left = loop.time() + 1.0, MESSAGES_PER_S
            elif not left:
                await asyncio.sleep(until - loop.time())
            left = max(0, left - 1)
            yield message


@asynccontextmanager
async def dial(
    url: str,
    *,
    vendor: str,
    loopback: bool = False,
    trust: Trust = Trust.VERIFY,
    pins: Pins | None = None,
) -> AsyncIterator[WebSocket]:
    """Connect on entering, and close on leaving.

    Args:
        url: What the vendor returned; a secret, since it may be all that a caller has to know.
        vendor: Its name, for errors.
        loopback: Whether the configured API is on this machine.
        trust: Whom to believe that they are the vendor.
        pins: The certificates that are known, and learnt where one is verified; needed to `PIN`.

    Raises:
        UnexpectedReply: The address must not be dialled.
        VendorRefused, VendorUnreachable: It was dialled in vain.
        CertificateRefused: It may not be the vendor who answers; nothing was said to them.
    """
    to = _split(url, vendor)
    trust.warn(vendor)
    context = (unverified if trust is Trust.OFF else verifying)() if to.scheme == "wss" else None
    try:
        connection = await _connect(to, url, vendor, loopback, context)
        if pins is not None and context is verifying():
            pins.vouched(vendor, to.hostname or "", _certificate(connection))
    except CertificateRefused:
        if trust is not Trust.PIN or pins is None:
            raise
        pinned = _pinned(vendor, to.hostname or "", pins)
        connection = await _connect(to, url, vendor, loopback, unverified(), pinned)
    try:
        yield WebSocket(connection, vendor)
    finally:
        with suppress(TimeoutError):  # the library has its own limit, and then cuts the connection
            await finish(connection.close(), within_s=CLOSE_TIMEOUT_S + 1.0)


def _pinned(vendor: str, host: str, pins: Pins) -> type[ClientConnection]:
    """Looks at the certificate before anything is said: the address itself holds a secret."""

    class Pinned(ClientConnection):
        async def handshake(self, *args: Any, **more: Any) -> None:
            pins.check(vendor, host, _certificate(self))
            await super().handshake(*args, **more)

    return Pinned


def _certificate(connection: ClientConnection) -> bytes:
    """In DER, of who has answered."""
    tls = connection.transport.get_extra_info("ssl_object")
    certificate: bytes = tls.getpeercert(binary_form=True)
    return certificate


async def _connect(
    to: SplitResult,
    url: str,
    vendor: str,
    loopback: bool,
    context: ssl.SSLContext | None,
    connection: type[ClientConnection] = ClientConnection,
) -> ClientConnection:
    tcp: socket.socket | None = None
    try:
        async with asyncio.timeout(DIAL_TIMEOUT_S):
            tcp = await _reach(await _resolve(to, vendor, loopback))
            return await connect(
                url,
                ssl=context,
                create_connection=connection,
                sock=tcp,  # with a socket given, no redirect is followed
                proxy=None,
                compression=None,  # base64 of speech: it would cost time and save nothing
                ping_interval=None,
                open_timeout=None,
                close_timeout=CLOSE_TIMEOUT_S,
                max_size=LARGEST_MESSAGE_BYTES,
                logger=_MUTE,
            )
    except InvalidStatus as error:
        _close(tcp)
        status = error.response.status_code
        if 400 <= status < 500:
            raise VendorRefused(vendor, status) from None
        if status < 400:
            raise UnexpectedReply(vendor, "an address that leads to another one") from None
        raise VendorUnreachable(vendor, status) from None
    except ssl.SSLCertVerificationError:
        _close(tcp)
        raise CertificateRefused(vendor) from None
    except (OSError, WebSocketException):  # a timeout is an OSError
        _close(tcp)
        raise VendorUnreachable(vendor) from None
    except ValueError:
        _close(tcp)
        raise UnexpectedReply(vendor, "an address that leads to another one") from None
    except BaseException:
        _close(tcp)
        raise


def _close(tcp: socket.socket | None) -> None:
    if tcp is not None:
        tcp.close()


def _split(url: str, vendor: str) -> SplitResult:
    try:
        to = urlsplit(url)
        usable = to.port != 0 and to.scheme in ("ws", "wss") and bool(to.hostname)
    except ValueError:
        usable = False
    if not usable or len(url) > LONGEST_URL or not url.isascii() or not url.isprintable():
        raise UnexpectedReply(vendor, "an address that is none")
    if "@" in to.netloc:
        raise UnexpectedReply(vendor, "an address with a user in it")
    return to


async def _resolve(to: SplitResult, vendor: str, loopback: bool) -> list[tuple[_Address, int]]:
    port = to.port or (443 if to.scheme == "wss" else 80)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            to.hostname, port, type=socket.SOCK_STREAM
        )
    except UnicodeError:
        raise UnexpectedReply(vendor, "an address that is none") from None
    addresses = dict.fromkeys(ip_address(str(name[0]).partition("%")[0]) for *_, name in found)
    allowed = [
        (each, port)
        for each in addresses
        if (loopback and _inner(each).is_loopback) or (to.scheme == "wss" and is_public(each))
    ]
    if not allowed:
        raise UnexpectedReply(vendor, "an address that must not be dialled")
    return allowed


def is_public(address: _Address) -> bool:
    """Whether it is on the public internet, also where one address is wrapped in another."""
    address = _inner(address)
    return address.is_global and not address.is_multicast and not address.is_reserved


def _inner(address: _Address) -> _Address:
    if isinstance(address, IPv6Address):
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFF_FFFF)
        return address.ipv4_mapped or address.sixtofour or address
    return address


async def _reach(addresses: list[tuple[_Address, int]]) -> socket.socket:
    """Connect to the first that answers."""
    loop = asyncio.get_running_loop()
    failure = OSError("nothing to connect to")
    for address, port in addresses:
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        # Where the protocol is not named, asyncio leaves Nagle's algorithm on: what is small waits.
        tcp = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            tcp.setblocking(False)
            _watch(tcp)
            async with asyncio.timeout(DIAL_TIMEOUT_S / len(addresses)):
                await loop.sock_connect(tcp, (str(address), port))
        except OSError as error:
            tcp.close()
            failure = error
        except BaseException:
            tcp.close()
            raise
        else:
            return tcp
    raise failure


def _watch(tcp: socket.socket) -> None:
    """Let the kernel notice a peer that is gone, where it can."""
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sys.platform == "linux":
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, UNACKNOWLEDGED_S)
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_S * 1_000)
