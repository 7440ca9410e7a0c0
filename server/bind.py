"""Where the server may listen: on this machine, or for a proxy, as long as it has no sign-in."""

import errno
import ipaddress
import os
import socket
from collections.abc import Sequence

from .errors import BindError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens on the host."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def refuse_open_bind(
    host: str, public_url: str | None = None, proxies: Sequence[Network] = ()
) -> None:
    """Raises `BindError` if others than trusted proxies could reach a server on the host."""
    if is_loopback(host):
        return
    if not proxies or not (public_url or "").startswith("https:"):
        raise BindError(
            f"--host {host} would let other machines talk to the bot, and this version has no "
            "sign-in. Leave --host out, put a reverse proxy with TLS and a sign-in in front, and "
            "set PUBLIC_URL to its address. If the proxy runs on another machine or in another "
            "container, set TRUSTED_PROXIES to where it connects from as well: then --host is "
            "for it alone."
        )


def refuse_taken_port(host: str, port: int) -> None:
    """Raises `BindError` if something else listens there already, or nobody may."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror:
        raise BindError(f"--host {host} is no address of this machine.") from None
    free = [_is_free(family, address) for family, *_, address in found]
    if not any(free):
        raise BindError(f"--host {host} is no address of this machine.")


def _is_free(family: int, address: object) -> bool:
    """Returns False where the machine does not have the address, such as ::1 without IPv6."""
    port = address[1] if isinstance(address, tuple) else 0
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            if os.name == "posix":  # as asyncio's servers: a port in TIME_WAIT is free
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind(address)  # type: ignore[arg-type]
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise BindError(
                f"Port {port} is in use. Choose another one: --port {port % 65_535 + 1}"
            ) from None
        if error.errno == errno.EACCES:
            raise BindError(
                f"Port {port} needs more rights than this process has. Choose another one, such "
                "as --port 7860."
            ) from None
        return False
    return True
