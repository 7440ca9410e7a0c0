"""Who may hand on the requests of others, and whose word counts."""

import ipaddress
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from server.addresses import Addresses
from server.proxies import Proxies

TRUSTED = (ipaddress.ip_network("10.1.0.0/16"), ipaddress.ip_network("fd00::7/128"))
WORDS = [
    (b"x-forwarded-for", b"203.0.113.9"),
    (b"x-forwarded-proto", b"https"),
    (b"x-forwarded-host", b"evil.example"),
    (b"x-real-ip", b"203.0.113.9"),
    (b"forwarded", b"for=203.0.113.9"),
]
HOST = (b"host", b"bot.example.com")


class Seen:
    """What gets through, and what is sent back."""

    def __init__(self) -> None:
        self.scope: Scope = {}
        self.sent: list[Message] = []

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope

    async def receive(self) -> Message:
        return {"type": "websocket.connect"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)


async def connect(peer: str, *, only_trusted: bool, **scope: Any) -> Seen:
    seen = Seen()
    here = Addresses.of("localhost", 7860)
    proxies = Proxies(seen.app, trusted=TRUSTED, only_trusted=only_trusted, here=here)
    given = {"type": "http", "scheme": "http", "client": (peer, 1), "headers": [HOST, *WORDS]}
    await proxies({**given, **scope}, seen.receive, seen.send)
    return seen


@pytest.mark.asyncio
@pytest.mark.parametrize("peer", ["10.1.2.3", "fd00::7"])
@pytest.mark.parametrize("only_trusted", [True, False])
async def test_trusted_proxy_is_believed(peer: str, only_trusted: bool) -> None:
    seen = await connect(peer, only_trusted=only_trusted)
    assert seen.scope["client"][0] == "203.0.113.9"
    assert seen.scope["scheme"] == "https"


@pytest.mark.asyncio
@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "10.2.0.1", "fd00::8"])
async def test_stranger_is_not_believed(peer: str) -> None:
    seen = await connect(peer, only_trusted=False)
    assert seen.scope["client"][0] == peer
    assert seen.scope["scheme"] == "http"
    assert seen.scope["headers"] == [HOST]


@pytest.mark.asyncio
@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "10.2.0.1", "fd00::8"])
@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_stranger_is_refused_where_only_proxies_may_connect(peer: str, kind: str) -> None:
    seen = await connect(peer, only_trusted=True, type=kind)
    assert seen.scope == {}
    assert seen.sent[0].get("status", seen.sent[0].get("code")) in (403, 1008)


@pytest.mark.asyncio
async def test_proxy_cannot_be_impersonated_by_what_it_is_said_to_say() -> None:
    forged = [(b"x-forwarded-for", b"10.1.2.3")]
    seen = await connect("203.0.113.9", only_trusted=True, headers=[HOST, *forged])
    assert seen.scope == {}


@pytest.mark.asyncio
@pytest.mark.parametrize("only_trusted", [True, False])
async def test_who_is_gone_already_is_nobody_to_trust(only_trusted: bool) -> None:
    seen = await connect("", only_trusted=only_trusted, client=None)
    assert bool(seen.sent) == only_trusted


@pytest.mark.asyncio
async def test_startup_passes() -> None:
    assert (await connect("-", only_trusted=True, type="lifespan")).scope["type"] == "lifespan"


HERE = (b"host", b"Localhost:7860")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("peer", "headers", "direct"),
    [
        ("127.0.0.1", [HERE], True),
        ("::1", [(b"host", b"[::1]:7860"), (b"origin", b"http://[::1]:7860")], True),
        ("10.1.2.3", [HERE], False),
        ("127.0.0.1", [HERE, (b"via", b"1.1 proxy")], False),
        ("127.0.0.1", [HERE, (b"x-forwarded-host", b"localhost:7860")], False),
        ("127.0.0.1", [HOST], False),
        ("127.0.0.1", [(b"host", b"localhost:7861")], False),
        ("127.0.0.1", [HERE, HERE], False),
        ("127.0.0.1", [], False),
        ("127.0.0.1", [HERE, (b"origin", b"https://bot.example.com")], False),
    ],
)
async def test_this_machine_is_who_asks_from_it_by_its_own_name_and_through_nobody(
    peer: str, headers: list[tuple[bytes, bytes]], *, direct: bool
) -> None:
    seen = await connect(peer, only_trusted=False, headers=headers)
    assert seen.scope["avatarbot.direct"] is direct
