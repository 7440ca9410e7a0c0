"""Our own origins."""

import pytest

from server.addresses import Addresses, socket_origin
from server.headers import security_headers


def test_loopback_has_all_its_names() -> None:
    addresses = Addresses.of("localhost", 7860)
    assert addresses.origins == (
        "http://localhost:7860",
        "http://127.0.0.1:7860",
        "http://[::1]:7860",
    )
    assert addresses.hosts["127.0.0.1:7860"] == "http://127.0.0.1:7860"


@pytest.mark.parametrize(
    ("host", "first"), [("127.0.0.2", "http://127.0.0.2:7860"), ("::1", "http://[::1]:7860")]
)
def test_what_was_asked_for_comes_first(host: str, first: str) -> None:
    assert Addresses.of(host, 7860).origins[0] == first


def test_default_ports_are_left_out_as_browsers_do() -> None:
    addresses = Addresses.of("localhost", 80, "https://Bot.example.com:443")
    assert addresses.origins[0] == "http://localhost"
    assert addresses.hosts["bot.example.com"] == "https://bot.example.com"


@pytest.mark.parametrize(
    ("origin", "socket"), [("http://a:1", "ws://a:1"), ("https://b", "wss://b")]
)
def test_socket_has_the_scheme_of_its_page(origin: str, socket: str) -> None:
    assert socket_origin(origin) == socket
    assert f"connect-src 'self' {socket};" in security_headers(origin)["content-security-policy"]


def test_certificate_makes_the_origins_https() -> None:
    addresses = Addresses.of("localhost", 443, "https://bot.example.com", tls=True)
    assert addresses.origins[:2] == ("https://localhost", "https://127.0.0.1")
    assert addresses.origins[-1] == "https://bot.example.com"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7"])
def test_beyond_loopback_there_is_the_public_name_only(host: str) -> None:
    assert Addresses.of(host, 7860, "https://bot.example.com").origins == (
        "https://bot.example.com",
    )


@pytest.mark.parametrize(
    ("origin", "promised"),
    [
        ("https://bot.example.com", True),
        ("https://bot.example.com:8443", False),
        ("https://localhost", False),
        ("https://[::1]", False),
        ("http://localhost:7860", False),
    ],
)
def test_only_a_public_name_on_the_usual_port_is_promised_to_stay_with_https(
    origin: str, promised: bool
) -> None:
    assert ("strict-transport-security" in security_headers(origin)) == promised


def test_policy_names_no_ipv6_address() -> None:
    assert "[" not in security_headers("http://[::1]:7860")["content-security-policy"]
