"""HTTPS and WSS without a proxy: a server with a certificate of its own."""

import asyncio
import datetime
import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from websockets.exceptions import InvalidStatus

from server.page import ASSETS, INDEX
from tests.emulated.serving import DEADLINE_S, Place, Server, free_port


def write(folder: Path, leaf: trustme.LeafCert) -> tuple[str, ...]:
    """Stores certificate and key; returns the arguments that name them."""
    chain, key = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
    key.write_bytes(leaf.private_key_pem.bytes())
    return "--tls-cert", str(chain), "--tls-key", str(key)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    for name in (INDEX, *ASSETS):
        (folder / name).write_text(f"<!-- {name} -->")
    return folder


def serve(folder: Path, port: int, *arguments: str) -> Server:
    environment = {"PAGE": str(folder), "XDG_STATE_HOME": str(folder / "state")}
    command = ("-m", "tests.emulated.standin_bot", "--port", str(port), "-vv", *arguments)
    return Server(*command, **environment)


@pytest.fixture(scope="module")
def place(folder: Path, authority: trustme.CA, trusting: ssl.SSLContext) -> Iterator[Place]:
    port = free_port()
    server = serve(folder, port, *write(folder, authority.issue_cert("localhost")))
    server.opened()
    yield Place(f"https://localhost:{port}", port, trusting)
    server.stop()
    assert server.output == [f"avatarbot is at https://localhost:{port} (Ctrl-C ends it)\n"]
    assert "Traceback" not in server.log
    assert "eyJ" not in server.log, "a ticket was logged"


def test_page_is_served_and_may_open_secure_sockets_only(place: Place) -> None:
    status, headers, body = place.ask("GET", "/")
    assert (status, body) == (200, f"<!-- {INDEX} -->".encode())
    assert f" wss://localhost:{place.port};" in headers["content-security-policy"]
    assert "strict-transport-security" not in headers, "it would bind all ports of this machine"


@pytest.mark.asyncio
async def test_start_names_a_secure_socket_that_works(place: Place) -> None:
    welcome = place.start()
    assert welcome["wsUrl"] == f"wss://localhost:{place.port}/ws-client"
    async with asyncio.timeout(DEADLINE_S), place.dial(welcome["token"]) as wire:
        assert json.loads(await wire.recv())["ticket"]["session"]


@pytest.mark.asyncio
async def test_page_of_the_same_name_without_tls_is_foreign(place: Place) -> None:
    plain = f"http://localhost:{place.port}"
    assert place.ask("POST", "/start", b"{}", Origin=plain)[0] == 403
    with pytest.raises(InvalidStatus) as refusal:
        await place.dial(place.start()["token"], origin=plain)
    assert refusal.value.response.status_code == 403


def test_nothing_is_served_without_tls(place: Place) -> None:
    with pytest.raises((OSError, ValueError)):
        Place(place.origin, place.port).ask("GET", "/")


DAY = datetime.timedelta(days=1)


def test_certificate_that_has_expired_is_refused_with_a_sentence(
    folder: Path, tmp_path: Path, authority: trustme.CA
) -> None:
    now = datetime.datetime.now(datetime.UTC)
    leaf = authority.issue_cert("localhost", not_before=now - 2 * DAY, not_after=now - DAY)
    server = serve(folder, free_port(), *write(tmp_path, leaf))
    assert server.ended() == 1
    assert "would be refused by every browser: certificate has expired." in server.errors[-1]
    assert "Traceback" not in server.log
    assert server.output == []
    server.stop()
