"""The door, knocked at over real sockets: Pipecat's runner in a process, with a stand-in bot."""

import asyncio
import json
import signal
import socket
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from server.door import ROUTES
from server.page import ASSETS, INDEX
from tests.emulated.serving import DEADLINE_S, Server, free_port

ENDS_WITHIN_S = 4
"""Twice what an idle machine is allowed: tests share theirs with others."""


class Door(Server):
    """A server process, and ways to knock at it."""

    def __init__(self, port: int, page: Path, state: Path, *arguments: str, **extra: str) -> None:
        environment = {"PAGE": str(page), "XDG_STATE_HOME": str(state), **extra}
        super().__init__(
            "-m", "tests.emulated.standin_bot", "--port", str(port), *arguments, **environment
        )
        self.port = port
        self.origin = f"http://localhost:{port}"

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str | None
    ) -> tuple[HTTPResponse, bytes]:
        """Sends a request with our own Host and Origin, unless told otherwise (None: without)."""
        given = {"host": f"localhost:{self.port}", "origin": self.origin} | headers
        connection = HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in given.items():
                if value is not None:
                    connection.putheader(name.replace("_", "-"), value)
            if body is not None:
                connection.putheader("content-length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            return response, response.read()
        finally:
            connection.close()

    def ask_raw(self, request: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), DEADLINE_S) as wire:
            wire.sendall(request)
            return wire.recv(65_536)

    def start(self) -> dict[str, str]:
        response, body = self.ask("POST", "/start", b'{"transport": "websocket"}')
        assert response.status == 200, body
        welcome: dict[str, str] = json.loads(body)
        return welcome

    def dial(self, *protocols: str, **options: Any) -> Any:
        url = f"ws://localhost:{self.port}{options.pop('path', '/ws-client')}"
        given: dict[str, Any] = {"origin": self.origin, "proxy": None} | options
        return connect(url, subprotocols=list(protocols) or None, **given)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("web")
    for name in (INDEX, *ASSETS):
        (folder / name).write_text(f"<!-- {name} -->")
    (folder / "secret.txt").write_text("not in the manifest")
    return folder


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def door(page: Path, state: Path) -> Iterator[Door]:
    door = Door(free_port(), page, state, "-vv", PUBLIC_URL="https://bot.example.com")
    yield door.opened()
    door.stop()
    log = "".join(door.errors)
    assert "SECRET-" not in log
    assert "eyJ" not in log, "a ticket was logged"


SOMEBODYS = "11111111-2222-3333-4444-555555555555"
PLACES = [
    (method, path.format(session=SOMEBODYS))
    for path, methods in ROUTES.items()
    for method in sorted(methods)
]


def refused(door: Door, method: str, path: str, **headers: str | None) -> int:
    """Returns the status with which a place answers; a WebSocket's handshake included."""
    if method != "WEBSOCKET":
        return door.ask(method, path, b"{}" if method == "POST" else None, **headers)[0].status
    handshake = {
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec_websocket_version": "13",
        "sec_websocket_key": "dGhlIHNhbXBsZSBub25jZQ==",
        "sec_websocket_protocol": f"avatarbot, ticket.{door.start()['token']}",
    }
    return door.ask("GET", path, **handshake | headers)[0].status


def test_one_line_is_printed(door: Door) -> None:
    assert door.output == [f"avatarbot is at {door.origin} (Ctrl-C ends it)\n"]


@pytest.mark.parametrize("name", ["", *(f"assets/{name}" for name in ASSETS)])
def test_page_and_assets_are_served(door: Door, name: str) -> None:
    response, body = door.ask("GET", f"/{name}", origin=None)
    assert response.status == 200
    assert body.decode() == f"<!-- {name.removeprefix('assets/') or INDEX} -->"
    kind = {"": "text/html", "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
    assert (response.getheader("content-type") or "").startswith(kind[name.partition(".")[2]])
    policy = response.getheader("content-security-policy") or ""
    assert policy.startswith("default-src 'none'; script-src 'self';")
    assert "unsafe" not in policy
    assert f"connect-src 'self' ws://localhost:{door.port};" in policy
    assert response.getheader("x-content-type-options") == "nosniff"
    assert response.getheader("referrer-policy") == "no-referrer"


def test_page_is_asked_for_again_only_when_it_changed(door: Door) -> None:
    first, _ = door.ask("GET", "/assets/app.js")
    second, body = door.ask("GET", "/assets/app.js", if_none_match=first.getheader("etag"))
    assert (second.status, body) == (304, b"")
    assert door.ask("HEAD", "/")[0].status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/client", "/client/", "/docs", "/openapi.json", "/redoc", "/status", "/files/x", "/ws",
        "/api/offer", "/sessions/1/api/offer", "/ws-client/token", "/.env", "/bot.py", "/assets",
        "/assets/", "/assets/secret.txt", "/assets/index.html", "//", "/./", "/assets/../bot.py",
        "/%2e%2e%2fbot.py", "/assets/%2e%2e/bot.py", "/assets/..%5cbot.py", "/assets/..\\bot.py",
        "/assets/app.js%00", "/assets/app.js%00.css", "/assets/%61pp.js", "/assets/app.js/",
        "/START", "/start/", "http://localhost/.env",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_everything_else_is_not_found(door: Door, method: str, path: str) -> None:
    request = f"{method} {path} HTTP/1.1\r\nHost: localhost:{door.port}\r\nOrigin: {door.origin}"
    answer = door.ask_raw(f"{request}\r\nContent-Length: 0\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"content-security-policy" in answer


def test_nul_in_a_path_is_refused(door: Door) -> None:
    request = f"GET /\0 HTTP/1.1\r\nHost: localhost:{door.port}\r\n\r\n"
    assert door.ask_raw(request.encode())[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 404")


@pytest.mark.parametrize(("method", "path"), [("POST", "/"), ("GET", "/start"), ("PUT", "/start")])
def test_other_methods_are_not_allowed(door: Door, method: str, path: str) -> None:
    assert door.ask(method, path)[0].status == 405


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost", "localhost:1", "localhost.evil.example:{port}", "", None],
)
def test_rebinding_host_is_refused_everywhere(door: Door, host: str | None) -> None:
    foreign = host.format(port=door.port) if host else host
    answers = {place: refused(door, *place, host=foreign) for place in PLACES}
    assert set(answers.values()) <= {400, 403}, answers


def test_two_hosts_are_refused(door: Door) -> None:
    host = f"Host: localhost:{door.port}\r\n"
    answer = door.ask_raw(f"GET / HTTP/1.1\r\n{host}Host: evil.example\r\n\r\n".encode())
    assert answer[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 403")


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "https://localhost:{port}", "http://localhost", "", "*"],
)
def test_foreign_origin_is_refused_everywhere(door: Door, origin: str) -> None:
    foreign = origin.format(port=door.port)
    answers = {place: refused(door, *place, origin=foreign) for place in PLACES}
    assert set(answers.values()) == {403}, answers


@pytest.mark.parametrize(
    ("method", "path"), [place for place in PLACES if place[0] not in ("GET", "HEAD")]
)
def test_absent_origin_is_refused_where_something_happens(
    door: Door, method: str, path: str
) -> None:
    assert refused(door, method, path, origin=None) == 403


@pytest.mark.parametrize("host", ["localhost:{port}", "127.0.0.1:{port}", "LOCALHOST:{port}"])
def test_own_names_are_allowed(door: Door, host: str) -> None:
    assert door.ask("GET", "/", host=host.format(port=door.port))[0].status == 200


def test_preflight_of_another_site_is_refused(door: Door) -> None:
    asked = {"access_control_request_method": "POST"}
    response, _ = door.ask("OPTIONS", "/start", origin="http://evil.example", **asked)
    assert response.status == 400
    assert response.getheader("access-control-allow-origin") is None


def test_another_site_may_link_to_the_page_and_not_embed_it(door: Door) -> None:
    linked = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"}
    assert door.ask("GET", "/", origin=None, sec_fetch_dest="document", **linked)[0].status == 200
    assert door.ask("GET", "/", origin=None, sec_fetch_dest="iframe", **linked)[0].status == 403
    script = {"sec_fetch_site": "same-site", "sec_fetch_mode": "no-cors"}
    assert door.ask("GET", "/assets/app.js", origin=None, **script)[0].status == 403


def test_start_answers_with_a_ticket_for_the_origin_that_asked(door: Door) -> None:
    assert door.start()["wsUrl"] == f"ws://localhost:{door.port}/ws-client"
    public = {"host": "bot.example.com", "origin": "https://bot.example.com"}
    response, body = door.ask("POST", "/start", b"{}", **public)
    assert response.status == 200
    # Pipecat's client for JavaScript refuses an answer with more.
    assert set(json.loads(body)) == {"wsUrl", "token"}
    assert json.loads(body)["wsUrl"] == "wss://bot.example.com/ws-client"
    assert response.getheader("cache-control") == "no-store"
    assert "wss://bot.example.com;" in (response.getheader("content-security-policy") or "")


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b'{"transport": "twilio", "key": "SECRET-1"}', "with one of: websocket, webrtc"),
        (b'{"transport": "daily"}', "set DAILY_API_KEY in .env"),
        (b'{"transport": ["websocket"]}', "Send a JSON object"),
        (b"SECRET-1", "Send a JSON object"),
        (b"[]", "Send a JSON object"),
        (b"[" * 60_000, "Send a JSON object"),
        (b"\xff\xfe", "Send a JSON object"),
    ],
)
def test_start_that_cannot_be_met_gets_a_sentence(door: Door, body: bytes, sentence: str) -> None:
    response, answer = door.ask("POST", "/start", body)
    assert response.status == 400
    assert sentence in json.loads(answer)["detail"]


def test_nothing_that_a_caller_adds_is_logged_or_used(door: Door) -> None:
    added = {"transport": "websocket", "body": {"prompt": "SECRET-1"}, "api_key": "SECRET-2"}
    response, _ = door.ask("POST", "/start?token=SECRET-3", json.dumps(added).encode())
    assert response.status == 200
    door.ask("GET", "/nowhere?token=SECRET-4", authorization="Bearer SECRET-5")


def test_large_body_is_refused(door: Door) -> None:
    assert door.ask("POST", "/start", b" " * 70_000)[0].status == 413
    head = f"POST /start HTTP/1.1\r\nHost: localhost:{door.port}\r\nOrigin: {door.origin}\r\n"
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    request = head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + chunk + chunk
    assert door.ask_raw(request).startswith(b"HTTP/1.1 413 ")


@pytest.mark.asyncio
async def test_ticket_lets_in_once(door: Door) -> None:
    welcome = door.start()
    protocols = ("avatarbot", f"ticket.{welcome['token']}")
    async with asyncio.timeout(DEADLINE_S):
        async with door.dial(*protocols, path="/ws-client?token=SECRET-1") as wire:
            assert wire.subprotocol == "avatarbot"
            seen = json.loads(await wire.recv())
        with pytest.raises(InvalidStatus) as again:
            await door.dial(*protocols)
    assert again.value.response.status_code == 403
    assert seen["renewed"] != welcome["token"]
    assert welcome["token"] not in json.dumps(seen)
    assert "SECRET-" not in json.dumps(seen)


@pytest.mark.asyncio
async def test_client_without_subprotocols_shows_its_ticket_in_the_query(door: Door) -> None:
    token = door.start()["token"]
    async with asyncio.timeout(DEADLINE_S):
        async with door.dial(path=f"/ws-client?token={token}") as wire:
            assert wire.subprotocol is None
            assert token not in await wire.recv()
        for query in (f"token={token}", f"token={door.start()['token']}&token=x", "token=", ""):
            with pytest.raises(InvalidStatus):
                await door.dial(path=f"/ws-client?{query}")
    assert not [line for line in door.errors if token in line]


def test_webrtc_starts_with_a_ticket_and_a_cookie_for_its_offers_only(door: Door) -> None:
    response, body = door.ask("POST", "/start", b'{"transport": "webrtc"}')
    welcome = json.loads(body)
    assert set(welcome) == {"sessionId", "token"}
    path = f"/sessions/{welcome['sessionId']}/api/offer"
    cookie = response.getheader("set-cookie") or ""
    assert f"Path={path};" in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    offer = b'{"sdp": "v=0", "type": "offer"}'
    assert door.ask("POST", path, offer)[0].status == 401
    assert door.ask("POST", path, offer, authorization="Bearer x")[0].status == 401
    assert door.ask("POST", path, offer, origin="http://evil.example")[0].status == 403
    assert door.ask("GET", path)[0].status == 405
    for other in ("/sessions/x/api/offer", f"{path}/x", "/api/offer", path.replace("api", "files")):
        assert door.ask("POST", other, offer)[0].status == 404


@pytest.mark.parametrize(
    "protocols",
    [
        (),
        ("avatarbot",),
        ("avatarbot", "ticket."),
        ("avatarbot", "ticket.e30.c2lnbmF0dXJl"),
        ("ticket.{token}",),
        ("avatarbot", "ticket.{token}", "ticket.{token}"),
        ("avatarbot", "ticket.{token}x"),
    ],
)
@pytest.mark.asyncio
async def test_without_a_good_ticket_there_is_no_socket(
    door: Door, protocols: tuple[str, ...]
) -> None:
    token = door.start()["token"]
    with pytest.raises(InvalidStatus) as refusal:
        await door.dial(*(each.format(token=token) for each in protocols))
    assert refusal.value.response.status_code == 403


@pytest.mark.asyncio
@pytest.mark.parametrize("path", ["/", "/ws", "/ws-client/token", "/start"])
async def test_other_sockets_are_refused(door: Door, path: str) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        await door.dial("avatarbot", f"ticket.{door.start()['token']}", path=path)
    assert refusal.value.response.status_code == 403


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("stubborn", ["", "1"])
@pytest.mark.asyncio
async def test_signal_ends_it_soon_and_quietly(
    page: Path, state: Path, number: signal.Signals, stubborn: str
) -> None:
    door = Door(free_port(), page, state, STUBBORN=stubborn)
    try:
        await asyncio.to_thread(door.opened)
        async with door.dial("avatarbot", f"ticket.{door.start()['token']}") as wire:
            await wire.recv()
            told = time.monotonic()
            door.process.send_signal(number)
            with pytest.raises(ConnectionClosed):
                await wire.recv()
        assert await asyncio.to_thread(door.ended) == 0
        assert time.monotonic() - told < ENDS_WITHIN_S
        assert "Traceback" not in "".join(door.errors)
        assert len(door.output) == 1
    finally:
        door.stop()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--port", "{port}"), "Port {port} is in use. Choose another one: --port"),
        (("--host", "0.0.0.0"), "--host 0.0.0.0 would let other machines talk to the bot"),
        (("--host", "::"), "--host :: would let other machines talk to the bot"),
    ],
)
def test_address_that_cannot_be_used_gets_a_sentence(
    door: Door, page: Path, state: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    given = (each.format(port=door.port) for each in arguments)
    second = Door(free_port(), page, state, *given)
    assert second.ended() == 1
    assert sentence.format(port=door.port) in second.errors[-1]
    assert "Traceback" not in "".join(second.errors)
    assert second.output == []
    second.stop()


def test_help_is_ours(page: Path, state: Path) -> None:
    door = Door(free_port(), page, state, "--help")
    assert door.ended() == 0
    text = "".join(door.output)
    assert all(word in text for word in ("--host", "--port", "-v", "--version", "GREETING"))
    assert "--moq" not in text
    door.stop()
