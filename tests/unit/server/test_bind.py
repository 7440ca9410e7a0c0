"""Where the server may listen."""

import ipaddress
import socket

import pytest

from server.bind import is_loopback, refuse_open_bind, refuse_taken_port
from server.errors import BindError


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST", "127.0.0.1", "127.8.8.8", "::1", "[::1]"]
)
def test_loopback_is_allowed(host: str) -> None:
    assert is_loopback(host)
    refuse_open_bind(host)


@pytest.mark.parametrize(
    "host",
    [
        "0.0.0.0",
        "::",
        "",
        "192.168.1.2",
        "10.0.0.1",
        "example.com",
        "localhost.example.com",
        "127.1",
    ],
)
def test_everything_else_gets_a_sentence(host: str) -> None:
    with pytest.raises(BindError, match=r"reverse proxy .* PUBLIC_URL"):
        refuse_open_bind(host)


PROXIES = (ipaddress.ip_network("172.18.0.0/16"),)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2"])
def test_trusted_proxies_with_a_public_name_may_be_let_in(host: str) -> None:
    refuse_open_bind(host, "https://bot.example.com", PROXIES)


@pytest.mark.parametrize(
    ("public_url", "proxies"),
    [
        (None, PROXIES),
        ("http://localhost:8080", PROXIES),
        ("https://bot.example.com", ()),
    ],
)
def test_half_of_what_a_proxy_needs_is_not_enough(
    public_url: str | None, proxies: tuple[ipaddress.IPv4Network, ...]
) -> None:
    with pytest.raises(BindError, match=r"PUBLIC_URL .* TRUSTED_PROXIES"):
        refuse_open_bind("0.0.0.0", public_url, proxies)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_port_in_use_is_named(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(BindError, match=f"Port {port} is in use. .*--port"):
            refuse_taken_port(host, port)
    refuse_taken_port(host, port)


def test_address_of_another_machine_is_no_address_of_this_one() -> None:
    with pytest.raises(BindError, match="no address of this machine"):
        refuse_taken_port("192.0.2.1", 7860)
