"""The launcher's door, knocked at over real sockets; its sessions are real processes."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jwt
import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from launcher.machine import HEADER, proof
from launcher.tenants import hash_of
from server.key import read_or_make_key
from server.page import INDEX
from server.tickets import Tickets

from .processes import children
from .serving import DEADLINE_S, ROOT, Place, Server, free_port
from .test_rooms_start import KEY, Daily

KEYS = {name: f"avb_SECRET-key-of-{name}" for name in ("acme", "beta", "oper")}
SITE = "https://www.acme.example"
TENANTS = f"""
[[tenant]]
name = "acme"
key_sha256 = ["{hash_of("old")}", "{hash_of(KEYS["acme"])}"]
max_sessions = 1
origins = ["{SITE}"]

[[tenant]]
name = "beta"
key_sha256 = ["{hash_of(KEYS["beta"])}"]
starts_per_minute = 2

[[tenant]]
name = "oper"
key_sha256 = ["{hash_of(KEYS["oper"])}"]
admin = true
"""


BOT = Path(__file__).with_name("launched_bot.py")


class Launcher(Server, Place):
    """The launcher in a process, and ways to knock at it."""

    def __init__(
        self, folder: Path, *arguments: str, tenants: str = "", **environment: str
    ) -> None:
        port = free_port()
        if tenants:
            file = folder / "tenants.toml"
            file.touch(0o600)
            file.write_text(tenants)
            environment["TENANTS_FILE"] = str(file)
        self.folder, self.logs = folder, folder / "logs"
        Place.__init__(self, f"http://localhost:{port}", port)
        Server.__init__(
            self,
            *("-m", "launcher", "--bot", str(BOT), "--port", str(port), "-v"),
            *("--log-folder", str(self.logs), *arguments),
            XDG_STATE_HOME=str(folder),
            **environment,
        )

    def said(self, session: str) -> str:
        """What a session has logged."""
        return (self.logs / f"{session}.log").read_text()

    def is_over(self, session: str, code: int = 0) -> bool:
        """Whether a session's process has ended, and so."""
        ends = (each for each in self.errors if f"session {session} is over" in each)
        return any(f"(exit code {code})" in each for each in ends)

    def asks(
        self, method: str, path: str, body: Any = None, *, key: str = "", **headers: str
    ) -> tuple[int, Any]:
        """As the page, or as a tenant's server; returns status and answer."""
        raw = (
            body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        )
        if key:  # a server has no Origin
            headers = {"Origin": "", "Authorization": f"Bearer {KEYS.get(key, key)}"} | headers
        status, _, answer = self.ask(method, path, raw, **headers)
        try:
            return status, json.loads(answer)
        except ValueError:
            return status, answer

    async def until(self, seen: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not await asyncio.to_thread(seen):
                await asyncio.sleep(0.02)

    def there_are(self, count: int, **options: Any) -> Callable[[], bool]:
        return lambda: len(self.asks("GET", "/sessions", **options)[1]) == count


@contextmanager
def launched(folder: Path, *arguments: str, **options: str) -> Iterator[Launcher]:
    launcher = Launcher(folder, *arguments, **options)
    try:
        yield launcher.opened()
    finally:
        launcher.stop()
    assert "SECRET-" not in launcher.log
    assert "Traceback" not in launcher.log


@pytest.fixture(scope="module")
def common(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    with launched(tmp_path_factory.mktemp("launcher")) as launcher:
        yield launcher


@pytest.fixture
def launcher(common: Launcher) -> Iterator[Launcher]:
    """For a test that does not end it. Its sessions end with it."""
    yield common
    for session in common.asks("GET", "/sessions")[1]:
        common.asks("DELETE", f"/sessions/{session['sessionId']}")


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Launcher]:
    with launched(tmp_path) as launcher:
        yield launcher


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Launcher]:
    with launched(tmp_path, tenants=TENANTS) as launcher:
        yield launcher


async def seen(wire: ClientConnection) -> Any:
    async with asyncio.timeout(DEADLINE_S):
        return json.loads(await wire.recv())


@pytest.mark.asyncio
async def test_person_talks_to_a_process_that_was_given_the_connection(launcher: Launcher) -> None:
    welcome = launcher.start()
    assert set(welcome) == {"wsUrl", "token"}
    async with launcher.dial(welcome["token"]) as wire:
        assert wire.subprotocol == "avatarbot"
        told = await seen(wire)
        assert told["session"] == told["claims"]
        assert told["client"] == "127.0.0.1"
        assert welcome["token"] not in json.dumps(told)
        await wire.send("ping")
        assert await wire.recv() == "ping"
        (session,) = launcher.asks("GET", "/sessions")[1]
        assert session["sessionId"] == told["session"]
    await launcher.until(launcher.there_are(0))
    assert launcher.is_over(told["session"])


@pytest.mark.asyncio
async def test_launcher_holds_nothing_of_a_connection_that_it_handed_over(
    launcher: Launcher,
) -> None:
    token = launcher.start()["token"]
    before = len(launcher.descriptors())
    async with launcher.dial(token) as wire:
        await seen(wire)
        await launcher.until(lambda: len(launcher.descriptors()) <= before)


@pytest.mark.asyncio
async def test_whose_connection_broke_comes_back_to_the_same_process(launcher: Launcher) -> None:
    async with launcher.dial(launcher.start()["token"]) as wire:
        first = await seen(wire)
        wire.transport.abort()
    async with launcher.dial(first["renewed"]) as wire:
        again = await seen(wire)
        assert again["session"] == first["session"]
    await launcher.until(launcher.there_are(0))


@pytest.mark.asyncio
async def test_client_of_pipecat_without_subprotocols_comes_in(launcher: Launcher) -> None:
    token = launcher.start()["token"]
    url = f"ws://localhost:{launcher.port}/ws-client?token={token}"
    from websockets.asyncio.client import connect

    async with connect(url, origin=launcher.origin, proxy=None) as wire:
        told = await seen(wire)
        assert wire.subprotocol is None
        assert token not in json.dumps(told)
    assert not [line for line in launcher.errors if token in line]


def handshake(port: int, token: str) -> bytes:
    key = base64.b64encode(os.urandom(16)).decode()
    lines = (
        "GET /ws-client HTTP/1.1",
        f"Host: localhost:{port}",
        f"Origin: http://localhost:{port}",
        "Connection: keep-alive, Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key}",
        f"Sec-WebSocket-Protocol: avatarbot, ticket.{token}",
    )
    return "\r\n".join((*lines, "", "")).encode()


MASKED_HI = b"\x81\x82" + bytes(4) + b"hi"


@pytest.fixture(params=["httptools", "h11"])
def parsing(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Launcher]:
    """With each of uvicorn's parsers: the other one is used where httptools cannot be imported."""
    if request.param == "h11":
        (tmp_path / "httptools.py").write_text("raise ImportError")
    with launched(tmp_path, PYTHONPATH=f"{tmp_path}:{ROOT}") as launcher:
        yield launcher


LINE, PIECE = b"X-A: " + b"x" * 60_000 + b"\r\n", b"x" * 60_000


def is_cut_off(launcher: Launcher, beginning: bytes, piece: bytes) -> None:
    before_mb = launcher.vitals().resident_mb
    head = f"POST / HTTP/1.1\r\nHost: localhost:{launcher.port}\r\n".encode()
    with socket.create_connection(("localhost", launcher.port), DEADLINE_S) as wire:
        wire.sendall(head + beginning)
        with pytest.raises(ConnectionError):
            wire.sendall(piece * 1_000)
    assert launcher.vitals().resident_mb < before_mb + 10
    assert launcher.asks("POST", "/start", b" " * 60_000)[0] == 400


@pytest.mark.parametrize(("beginning", "piece"), [(b"", LINE), (b"X-A: ", PIECE)])
def test_request_whose_head_has_no_end_is_cut_off(
    parsing: Launcher, beginning: bytes, piece: bytes
) -> None:
    is_cut_off(parsing, beginning, piece)


@pytest.mark.parametrize(("beginning", "piece"), [(b"1;", PIECE), (b"0\r\n", LINE)])
def test_what_stands_between_and_behind_pieces_of_a_body_is_bounded_too(
    launcher: Launcher, beginning: bytes, piece: bytes
) -> None:
    is_cut_off(launcher, b"Transfer-Encoding: chunked\r\n\r\n" + beginning, piece)


def test_what_comes_in_pieces_or_too_early_is_not_lost(parsing: Launcher) -> None:
    for step, pause_s in ((7, 0.002), (10_000, 0)):
        request = handshake(parsing.port, parsing.start()["token"]) + MASKED_HI
        answer = slowly(parsing.port, request, step, pause_s)
        assert answer.startswith(b"HTTP/1.1 101 ")
        assert answer.count(b"HTTP/1.1") == 1


def slowly(port: int, request: bytes, step: int, pause_s: float) -> bytes:
    """Sends it in small pieces; returns the answer, up to the echo behind it."""
    with socket.create_connection(("localhost", port), DEADLINE_S) as wire:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(request), step):
            wire.sendall(request[start : start + step])
            time.sleep(pause_s)
        answer = b""
        while not answer.endswith(b"\x81\x02hi"):
            piece = wire.recv(65_536)
            assert piece, answer
            answer += piece
        return answer


@pytest.mark.asyncio
async def test_session_ends_when_nobody_comes_or_comes_back(tmp_path: Path) -> None:
    with launched(tmp_path, PATIENCE_S="1.5") as launcher:
        launcher.start()
        async with launcher.dial(launcher.start()["token"]) as wire:
            told = await seen(wire)
            await launcher.until(launcher.there_are(1))  # nobody came to the first one
            await wire.send("still here")
            assert await wire.recv() == "still here"
            wire.transport.abort()
        await launcher.until(launcher.there_are(0))
        assert launcher.is_over(told["session"])
        assert "nobody is there any more" in launcher.said(told["session"])


@pytest.mark.asyncio
async def test_who_asked_with_a_key_has_more_time_to_come_than_the_page(tmp_path: Path) -> None:
    tenants = TENANTS + "page = true\n"
    with launched(tmp_path, tenants=tenants, PATIENCE_S="0.5") as launcher:
        launcher.start()
        _, welcome = launcher.asks("POST", "/start", {}, key="oper")
        await launcher.until(launcher.there_are(1, key="oper"))
        (left,) = launcher.asks("GET", "/sessions", key="oper")[1]
        assert left["sessionId"] == welcome["sessionId"]


def resolved(document: Any, part: Any) -> int:
    """How many references there are below; each leads somewhere."""
    if isinstance(part, list):
        return sum(resolved(document, each) for each in part)
    if not isinstance(part, dict):
        return 0
    if "$ref" in part:
        found = document
        for name in part["$ref"].removeprefix("#/").split("/"):
            found = found[name]
    return ("$ref" in part) + sum(resolved(document, each) for each in part.values())


def test_description_says_what_can_be_asked_and_how_it_is_refused(launcher: Launcher) -> None:
    status, document = launcher.asks("GET", "/openapi.json")
    assert status == 200
    assert document["openapi"].startswith("3.1")
    assert resolved(document, document) > 20
    start = document["paths"]["/start"]["post"]
    wish = start["requestBody"]["content"]["application/json"]["schema"]
    assert set(wish["properties"]) >= {"transport", "body", "createDailyRoom"}
    assert {"200", "401", "403", "413", "429", "503"} <= set(start["responses"])
    refused = start["responses"]["429"]["content"]["application/json"]["schema"]
    assert refused == {"$ref": "#/components/schemas/Problem"}
    assert {"/sessions", "/sessions/{session}", "/livez", "/metrics"} <= set(document["paths"])


def test_connection_can_be_used_for_requests_before(launcher: Launcher) -> None:
    request = handshake(launcher.port, launcher.start()["token"])
    with socket.create_connection(("localhost", launcher.port), DEADLINE_S) as wire:
        wire.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b""
        while not answer.endswith(b'"live"}'):
            answer += wire.recv(65_536)
        wire.sendall(request)
        assert wire.recv(65_536).startswith(b"HTTP/1.1 101 ")


@pytest.mark.asyncio
async def test_bad_tickets_open_nothing(launcher: Launcher) -> None:
    good = launcher.start()["token"]
    payload, _, signature = good.rpartition(".")
    for bad in ("x", f"{payload}.{signature[::-1]}", f"{payload}x.{signature}", ""):
        with pytest.raises(InvalidStatus) as refused:
            await launcher.dial(bad)
        assert refused.value.response.status_code == 403
    async with launcher.dial(good) as wire:
        await seen(wire)
        with pytest.raises(InvalidStatus) as replayed:
            await launcher.dial(good)
        assert replayed.value.response.status_code == 403
    with pytest.raises(InvalidStatus):
        await launcher.dial(launcher.start()["token"], origin="https://evil.example")


@pytest.mark.asyncio
async def test_ticket_of_a_session_that_is_over_finds_nothing(launcher: Launcher) -> None:
    async with launcher.dial(launcher.start()["token"]) as wire:
        told = await seen(wire)
        await wire.send("end")
        with pytest.raises(ConnectionClosed):
            await wire.recv()
    await launcher.until(launcher.there_are(0))
    with pytest.raises(InvalidStatus) as gone:
        await launcher.dial(told["renewed"])
    assert gone.value.response.status_code == 404


@pytest.mark.asyncio
async def test_bot_that_raises_ends_its_process_alone(launcher: Launcher) -> None:
    async with (
        launcher.dial(launcher.start()["token"]) as one,
        launcher.dial(launcher.start()["token"]) as other,
    ):
        told, _ = await seen(one), await seen(other)
        await one.send("fail")
        with pytest.raises(ConnectionClosed):
            await one.recv()
        await launcher.until(launcher.there_are(1))
        await other.send("still here")
        assert await other.recv() == "still here"
    assert launcher.is_over(told["session"], 1)
    assert "RuntimeError: as it was asked to" in launcher.said(told["session"])


@pytest.mark.asyncio
async def test_session_answers_requests_itself_and_streams(launcher: Launcher) -> None:
    launcher.start()
    (session,) = launcher.asks("GET", "/sessions")[1]
    inside = f"/sessions/{session['sessionId']}"
    with socket.create_connection(("localhost", launcher.port), DEADLINE_S) as wire:
        head = f"GET {inside}/vendor/counted HTTP/1.1\r\nHost: localhost:{launcher.port}\r\n\r\n"
        wire.sendall(head.encode())
        read = b""
        for number in range(3):
            while f"data: {number}\n\n".encode() not in read:
                read += wire.recv(65_536)
            assert f"data: {number + 1}".encode() not in read
            # A vendor's server shows neither Origin nor key; a foreign page is refused.
            turned = launcher.asks("POST", f"{inside}/vendor/turn", {}, Origin="")
            assert turned == (200, {"turned": "yes"})
        while not read.endswith(b"0\r\n\r\n"):
            read += wire.recv(65_536)
    assert b"text/event-stream" in read
    assert (
        launcher.asks("POST", f"{inside}/vendor/turn", {}, Origin="https://evil.example")[0] == 403
    )
    assert launcher.asks("GET", f"{inside}/nowhere")[0] == 404
    other = inside[:-1] + ("0" if inside[-1] != "0" else "1")
    assert launcher.asks("GET", f"{other}/vendor/counted")[0] == 404


def test_socket_through_a_forwarded_request_is_refused(launcher: Launcher) -> None:
    launcher.start()
    (session,) = launcher.asks("GET", "/sessions")[1]
    for path in (f"/sessions/{session['sessionId']}/ws-client", "/sessions/x/ws-client"):
        request = handshake(launcher.port, "x").replace(b"/ws-client", path.encode())
        with socket.create_connection(("localhost", launcher.port), DEADLINE_S) as wire:
            wire.sendall(request)
            assert wire.recv(65_536)[:12] in (b"HTTP/1.1 403", b"HTTP/1.1 404")


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"{", "Send a JSON object"),
        (b"[]", "Send a JSON object"),
        (b'{"transport": 1}', "Send a JSON object"),
        (b'{"transport": "twilio"}', "with one of"),
        (b'{"createDailyRoom": true}', "DAILY_API_KEY"),
    ],
)
def test_start_that_cannot_be_met_gets_a_sentence(
    launcher: Launcher, body: bytes, sentence: str
) -> None:
    status, answer = launcher.asks("POST", "/start", body)
    assert status == 400
    assert sentence in answer["detail"]
    assert launcher.asks("POST", "/start", b" " * 70_000) == (413, {"detail": "Too large."})


def test_every_place_taken_is_told_with_when_to_come_again(tmp_path: Path) -> None:
    with launched(tmp_path, "--max-sessions", "1") as launcher:
        launcher.start()
        status, headers, body = launcher.ask("POST", "/start", b"{}")
        assert (status, headers["retry-after"]) == (503, "5")
        assert json.loads(body) == {"detail": "Every place is taken."}
        assert launcher.asks("GET", "/readyz")[0] == 200


def test_one_key_begins_one_session(launcher: Launcher) -> None:
    wish = {"transport": "websocket"}
    first = launcher.asks("POST", "/start", wish, Idempotency_Key="k1")
    assert first[0] == 200
    assert launcher.asks("POST", "/start", wish, Idempotency_Key="k1") == first
    assert launcher.asks("POST", "/start", {"transport": "webrtc"}, Idempotency_Key="k1")[0] == 422
    assert launcher.asks("POST", "/start", wish, Idempotency_Key="k" * 300)[0] == 400
    (session,) = launcher.asks("GET", "/sessions")[1]
    assert launcher.asks("DELETE", f"/sessions/{session['sessionId']}")[0] == 204
    again = launcher.asks("POST", "/start", wish, Idempotency_Key="k1")
    assert again[0] == 200
    assert again != first


def test_key_of_a_visitor_does_not_get_what_is_anothers(launcher: Launcher) -> None:
    asked = {"Idempotency_Key": "k1", "X_Forwarded_For": "1.2.3.4"}
    one, other = (launcher.asks("POST", "/start", {"a": 1}, **asked) for _ in range(2))
    assert (one[0], other[0]) == (200, 200)
    assert one != other


@pytest.mark.asyncio
async def test_duplicates_at_once_wait_for_the_first(launcher: Launcher) -> None:
    answers = await asyncio.gather(
        *(
            asyncio.to_thread(launcher.asks, "POST", "/start", {"a": 1}, Idempotency_Key="same")
            for _ in range(5)
        )
    )
    assert {json.dumps(each) for each in answers} == {json.dumps(answers[0])}
    assert launcher.there_are(1)()


@pytest.mark.parametrize("path", ["/start", "/api/offer"])
@pytest.mark.asyncio
async def test_who_hangs_up_before_there_is_a_session_leaves_none(
    launcher: Launcher, path: str
) -> None:
    body = b'{"transport": "websocket", "sdp": "v=0", "type": "offer"}'
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost:{launcher.port}\r\n"
        f"Origin: {launcher.origin}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    (zygote,) = children(launcher.process.pid)
    os.kill(zygote, signal.SIGSTOP)
    try:
        with socket.create_connection(("localhost", launcher.port), DEADLINE_S) as wire:
            wire.sendall(head.encode() + body)
            await launcher.until(launcher.there_are(1))
        await launcher.until(launcher.there_are(0))
    finally:
        os.kill(zygote, signal.SIGCONT)


HUNG_UP = pytest.param(
    signal.SIGHUP,
    marks=pytest.mark.skipif(
        signal.getsignal(signal.SIGHUP) is signal.SIG_IGN, reason="started by nohup, as are we"
    ),
)


@pytest.mark.parametrize("number", [signal.SIGTERM, HUNG_UP])
@pytest.mark.asyncio
async def test_told_to_end_it_begins_no_more_and_waits_for_those_who_talk(
    own: Launcher, number: signal.Signals
) -> None:
    welcome = own.start()
    async with own.dial(welcome["token"]) as wire:
        await seen(wire)
        own.process.send_signal(number)
        await own.until(lambda: own.asks("GET", "/readyz")[0] == 503)
        status, headers, _ = own.ask("POST", "/start", b"{}")
        assert (status, headers["retry-after"]) == (503, "30")
        assert own.asks("GET", "/livez")[0] == 200
        await wire.send("still")
        assert await wire.recv() == "still"
    assert await asyncio.to_thread(own.ended) == 0


@pytest.mark.asyncio
async def test_told_twice_it_ends_at_once(own: Launcher) -> None:
    async with own.dial(own.start()["token"]) as wire:
        await seen(wire)
        own.process.send_signal(signal.SIGTERM)
        await own.until(lambda: own.asks("GET", "/readyz")[0] == 503)
        own.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(own.ended) == 0


@pytest.mark.asyncio
async def test_told_once_more_it_still_tidies_up(own: Launcher) -> None:
    def is_closed() -> bool:
        with socket.socket() as wire:
            return wire.connect_ex(("127.0.0.1", own.port)) != 0

    (zygote,) = children(own.process.pid)
    os.kill(zygote, signal.SIGSTOP)  # its end is waited for
    own.process.send_signal(signal.SIGTERM)
    await own.until(is_closed)
    for _ in range(2):
        own.process.send_signal(signal.SIGTERM)
    os.kill(zygote, signal.SIGCONT)
    assert await asyncio.to_thread(own.ended) == 0


def test_page_and_probes_and_description_are_served(launcher: Launcher) -> None:
    assert launcher.asks("GET", "/") == (200, (ROOT / "web" / INDEX).read_bytes())
    assert launcher.asks("GET", "/status")[1]["transports"] == ["websocket", "webrtc"]
    anybody = {"Host": "10.0.0.7:1", "Origin": ""}
    assert launcher.asks("GET", "/livez", **anybody)[0] == 200
    assert launcher.asks("GET", "/readyz", **anybody)[0] == 200
    assert launcher.asks("GET", "/status", **anybody)[0] == 403
    for path in ("/docs", "/redoc", "/.env", "/sessions/x", "/start/"):
        assert launcher.asks("GET", path)[0] in (404, 405)


def test_metrics_are_for_this_machine(own: Launcher) -> None:
    own.start()
    _, text = own.asks("GET", "/metrics")
    assert b'avatarbot_starts_total{outcome="ready"} 1.0' in text
    assert b'avatarbot_sessions{state="waiting"} 1.0' in text
    assert own.asks("GET", "/metrics", X_Forwarded_For="1.2.3.4")[0] == 403
    assert own.asks("POST", "/drain", {}, X_Forwarded_For="1.2.3.4")[0] == 403
    assert own.asks("GET", "/sessions", X_Forwarded_For="1.2.3.4")[0] == 401


@pytest.fixture
def public(tmp_path: Path) -> Iterator[Launcher]:
    with launched(tmp_path, PUBLIC_URL="https://bot.example.com") as launcher:
        yield launcher


def of_this_machine(launcher: Launcher) -> dict[str, str]:
    """What only the launcher's user can show, for one request."""
    return proof(Tickets(read_or_make_key(launcher.folder / "avatarbot"), now=time.time))


def refuses_operators(launcher: Launcher, **headers: str) -> None:
    assert launcher.asks("GET", "/metrics", **headers)[0] == 403
    assert launcher.asks("POST", "/drain", {}, **headers)[0] == 403
    assert launcher.asks("GET", "/sessions", **headers)[0] == 401


# With the second, the proxy puts the launcher's own address in the name's place, and a stranger
# says that it was its page.
@pytest.mark.parametrize("origin", ["https://bot.example.com", "http://127.0.0.1:{port}"])
def test_who_comes_through_a_silent_proxy_is_not_this_machine(
    public: Launcher, origin: str
) -> None:
    origin = origin.format(port=public.port)
    through = {"Host": origin.partition("//")[2], "Origin": origin}
    refuses_operators(public, **through)
    assert public.asks("POST", "/start", {}, **through)[0] == 200
    (session,) = public.asks("GET", "/sessions", **of_this_machine(public))[1]
    path = f"/sessions/{session['sessionId']}"
    assert public.asks("DELETE", path, **through)[0] == 401
    assert public.asks("DELETE", path, **of_this_machine(public))[0] == 204


def test_this_machine_shows_who_it_is_once_and_from_here_alone(public: Launcher) -> None:
    shown = of_this_machine(public)
    assert public.asks("GET", "/metrics", **shown)[0] == 200
    refuses_operators(public, **shown)
    refuses_operators(public, **of_this_machine(public), X_Forwarded_For="1.2.3.4")
    ticket = public.start()["token"]
    refuses_operators(public, **{HEADER: ticket})


def test_session_is_ended_by_whom_it_belongs_to(launcher: Launcher) -> None:
    launcher.start()
    (session,) = launcher.asks("GET", "/sessions")[1]
    path = f"/sessions/{session['sessionId']}"
    assert launcher.asks("DELETE", path, Origin="https://evil.example")[0] == 403
    assert launcher.asks("DELETE", path)[0] == 204
    assert launcher.asks("DELETE", path)[0] == 404


@pytest.mark.parametrize("path", ["/sessions/{session}/api/offer", "/api/offer"])
@pytest.mark.asyncio
async def test_person_comes_over_webrtc(launcher: Launcher, path: str) -> None:
    aiortc = pytest.importorskip("aiortc", reason="needs aiortc (uv sync --extra webrtc)")
    welcome = {"sessionId": "", "token": ""}
    if "{" in path:
        wish = {"transport": "webrtc", "enableDefaultIceServers": True}
        _, welcome = launcher.asks("POST", "/start", wish)
        assert set(welcome) == {"sessionId", "token", "iceConfig"}
    path, let_in = path.format(session=welcome["sessionId"]), f"Bearer {welcome['token']}"
    headers = {"Authorization": let_in} if welcome["token"] else {}
    peer = aiortc.RTCPeerConnection()
    said: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    peer.createDataChannel("chat").on("message", said.set_result)
    peer.addTransceiver("audio")
    try:
        await peer.setLocalDescription(await peer.createOffer())
        offer: dict[str, Any] = {"sdp": peer.localDescription.sdp, "type": "offer"}
        offer |= {"pc_id": None, "restart_pc": False}  # so does Pipecat's own client
        if headers:
            refused = await asyncio.to_thread(launcher.asks, "POST", path, offer)
            assert refused[0] == 401
        status, answer = await asyncio.to_thread(launcher.asks, "POST", path, offer, **headers)
        assert status == 200, answer
        candidate = {
            "pc_id": answer["pc_id"],
            "candidates": [{"candidate": "", "sdp_mid": "0", "sdp_mline_index": 0}],
        }
        patched = await asyncio.to_thread(launcher.asks, "PATCH", path, candidate, **headers)
        assert patched == (200, {"status": "success"})
        await peer.setRemoteDescription(aiortc.RTCSessionDescription(answer["sdp"], "answer"))
        async with asyncio.timeout(DEADLINE_S):
            session = json.loads(await said)["session"]
        assert session == (welcome["sessionId"] or session)
    finally:
        await peer.close()
    await launcher.until(launcher.there_are(0))
    assert launcher.is_over(session)


def test_socket_comes_to_a_session_by_the_launcher_alone(tmp_path: Path) -> None:
    with (
        tempfile.TemporaryDirectory() as short,  # a Unix socket's path is 107 bytes at most
        launched(tmp_path, XDG_RUNTIME_DIR=short) as launcher,
        socket.socket(socket.AF_UNIX) as wire,
    ):
        token = launcher.start()["token"]
        wire.connect(str(next(Path(short).glob("*/*.sock"))))
        wire.sendall(handshake(launcher.port, token))
        assert wire.recv(65_536).startswith(b"HTTP/1.1 403 ")


def test_folder_of_sockets_that_was_tidied_away_is_made_again(tmp_path: Path) -> None:
    with (
        tempfile.TemporaryDirectory() as short,
        launched(tmp_path, XDG_RUNTIME_DIR=short) as launcher,
    ):
        (folder,) = Path(short).iterdir()
        folder.rmdir()
        launcher.start()
        (folder,) = Path(short).iterdir()
        assert folder.stat().st_mode & 0o777 == 0o700


def test_what_a_killed_launcher_has_left_the_next_one_removes(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as short:
        of_somebody_else = Path(short, "avatarbot-run-abcdefgh")
        of_somebody_else.mkdir()
        (of_somebody_else / "file").touch()
        with (
            launched(tmp_path, XDG_RUNTIME_DIR=short) as living,
            launched(tmp_path, XDG_RUNTIME_DIR=short) as killed,
        ):
            killed.start()
            before = {*Path(short).iterdir()}
            killed.process.kill()
            killed.process.wait(DEADLINE_S)
            with launched(tmp_path, XDG_RUNTIME_DIR=short) as next_one:
                assert len({*Path(short).iterdir()} & before) == len(before) - 1
                next_one.start()
                living.start()
        assert (of_somebody_else / "file").exists()


@pytest.mark.parametrize(("count", "size"), [(20, 1_000), (1, 20_000)])
def test_request_that_is_too_large_to_be_handed_over_is_refused(
    launcher: Launcher, count: int, size: int
) -> None:
    line = b"X-Large: " + b"x" * size + b"\r\n"
    request = handshake(launcher.port, launcher.start()["token"])[:-2] + line * count + b"\r\n"
    with socket.create_connection(("localhost", launcher.port), DEADLINE_S) as wire:
        wire.sendall(request)
        assert wire.recv(65_536).startswith(b"HTTP/1.1 431 ")


def test_who_cannot_start_sessions_says_that_it_is_not_ready(tmp_path: Path) -> None:
    with launched(tmp_path) as launcher:
        launcher.logs.rmdir()
        assert launcher.asks("GET", "/readyz")[0] == 200
        status, answer = launcher.asks("POST", "/start", {})
        assert (status, answer) == (500, {"detail": "The session could not be started."})
        assert launcher.asks("GET", "/readyz")[0] == 503


def test_key_in_the_error_of_a_bot_is_blotted_out(tmp_path: Path) -> None:
    bot = tmp_path / "agent.py"
    bot.write_text("import os\nraise ValueError(os.environ['OPENAI_API_KEY'])")
    launcher = Launcher(tmp_path, "--bot", str(bot), OPENAI_API_KEY="SECRET-openai-key")
    assert launcher.ended() == 1
    launcher.stop()
    assert launcher.errors[-1] == ("avatarbot: agent.py cannot be loaded: ValueError: <redacted>\n")
    assert "SECRET-" not in launcher.log


@pytest.fixture(scope="module")
def daily() -> Iterator[Daily]:
    daily = Daily()
    yield daily
    daily.stop()


def test_room_is_not_made_where_no_place_is_left(daily: Daily, tmp_path: Path) -> None:
    with launched(
        tmp_path,
        *("--max-sessions", "1"),
        DAILY_API_KEY=KEY,
        DAILY_API_URL=f"http://127.0.0.1:{daily.port}/v1",
    ) as launcher:
        launcher.start()
        before = len(daily.tokens)
        assert launcher.asks("POST", "/start", {"transport": "daily"})[0] == 503
        assert len(daily.tokens) == before


@pytest.mark.parametrize("way", ["daily", "livekit"])
@pytest.mark.asyncio
async def test_bot_is_in_the_room_when_the_person_gets_its_address(
    daily: Daily, tmp_path: Path, way: str
) -> None:
    pytest.importorskip("daily" if way == "daily" else "livekit.api")
    with launched(
        tmp_path,
        DAILY_API_KEY=KEY,
        DAILY_API_URL=f"http://127.0.0.1:{daily.port}/v1",
        LIVEKIT_URL="wss://example.livekit.cloud",
        LIVEKIT_API_KEY="key",
        LIVEKIT_API_SECRET="SECRET-livekit-and-long-enough-for-a-signature",
    ) as launcher:
        status, answer = launcher.asks("POST", "/start", {"transport": way})
        assert status == 200
        if way == "daily":
            assert set(answer) == {"sessionId", "dailyRoom", "dailyToken"}
            assert answer["dailyToken"] == "SECRET-guest-token"
            room = answer["dailyRoom"]
        else:
            assert set(answer) == {"sessionId", "url", "token"}
            claims = jwt.decode(answer["token"], options={"verify_signature": False})
            room = claims["video"]["room"]
        await launcher.until(lambda: launcher.is_over(answer["sessionId"]))
        said = launcher.said(answer["sessionId"])
        assert f"in {room}, with a token" in said
        assert "SECRET-" not in said


# Tenants


def test_without_a_key_nothing_is_begun_where_there_are_tenants(shared: Launcher) -> None:
    status, answer = shared.asks("POST", "/start", {})
    assert status == 401
    assert answer["detail"].startswith("Conversations are not begun from here.")
    for key in ("wrong", "avb_", "x" * 5_000):
        assert shared.asks("POST", "/start", {}, key=key)[0] == 401
    assert shared.asks("GET", "/sessions")[0] == 401
    assert shared.asks("POST", "/api/offer", {"type": "offer", "sdp": "x"})[0] == 401


@pytest.mark.asyncio
async def test_server_with_a_key_begins_and_its_site_comes_with_the_ticket(
    shared: Launcher,
) -> None:
    wish = {"transport": "websocket", "body": {"name": "Ada"}}
    status, welcome = shared.asks("POST", "/start", wish, key="acme")
    assert status == 200
    assert set(welcome) == {"sessionId", "wsUrl", "token"}
    for origin in ("https://evil.example", "https://www.acme.example.evil.example"):
        with pytest.raises(InvalidStatus):
            await shared.dial(welcome["token"], origin=origin)
    async with shared.dial(welcome["token"], origin=SITE) as wire:
        told = await seen(wire)
        assert told["body"] == {"name": "Ada"}
        assert told["session"] == welcome["sessionId"]


@pytest.mark.asyncio
async def test_site_of_one_tenant_does_not_use_the_ticket_of_another(shared: Launcher) -> None:
    _, welcome = shared.asks("POST", "/start", {}, key="beta")
    with pytest.raises(InvalidStatus) as refused:
        await shared.dial(welcome["token"], origin=SITE)
    assert refused.value.response.status_code == 403


def test_offer_comes_from_the_tenants_own_site(shared: Launcher) -> None:
    offer = {"sdp": "v=0", "type": "offer"}
    for tenant, status in (("beta", 403), ("acme", 400)):  # the session's, which cannot use it
        _, welcome = shared.asks("POST", "/start", {"transport": "webrtc"}, key=tenant)
        path = f"/sessions/{welcome['sessionId']}/api/offer"
        shown = {"Authorization": f"Bearer {welcome['token']}"}
        assert shared.asks("POST", path, offer, Origin="https://evil.example", **shown)[0] == 403
        assert shared.asks("POST", path, offer, Origin=SITE, **shown)[0] == status


def test_foreign_page_is_refused_even_with_a_key(shared: Launcher) -> None:
    assert shared.asks("POST", "/start", {}, key="acme", Origin="https://evil.example")[0] == 403
    assert shared.asks("POST", "/start", {}, key="acme", Origin=SITE)[0] == 403


def test_tenants_neither_see_nor_end_what_is_anothers(shared: Launcher) -> None:
    _, welcome = shared.asks("POST", "/start", {}, key="acme")
    path = f"/sessions/{welcome['sessionId']}"
    assert shared.asks("GET", "/sessions", key="beta") == (200, [])
    assert shared.asks("DELETE", path, key="beta")[0] == 404
    assert shared.asks("DELETE", path, key="acme")[0] == 204


@pytest.mark.asyncio
async def test_limits_of_a_tenant_hold_whatever_comes_at_once(shared: Launcher) -> None:
    async def start(key: str) -> int:
        status, _ = await asyncio.to_thread(shared.asks, "POST", "/start", {}, key=key)
        return int(status)

    acme = await asyncio.gather(*(start("acme") for _ in range(4)))
    assert sorted(acme) == [200, 429, 429, 429]
    beta = await asyncio.gather(*(start("beta") for _ in range(3)))
    assert sorted(beta) == [200, 200, 429]
    server = {"Origin": "", "Authorization": f"Bearer {KEYS['beta']}"}
    status, headers, _ = shared.ask("POST", "/start", b"{}", **server)
    assert status == 429
    assert 1 <= int(headers["retry-after"]) <= 30


def test_operator_sees_the_metrics_and_drains_from_elsewhere(shared: Launcher) -> None:
    refuses_operators(shared)
    assert shared.asks("GET", "/metrics", **of_this_machine(shared))[0] == 200
    away = {"X_Forwarded_For": "1.2.3.4"}
    assert shared.asks("GET", "/metrics", key="acme", **away)[0] == 403
    assert shared.asks("GET", "/metrics", key="oper", **away)[0] == 200
    assert shared.asks("POST", "/drain", {}, key="oper", **away)[0] == 202
    assert shared.ended() == 0


def test_preflight_of_a_tenants_site_is_allowed(shared: Launcher) -> None:
    asked = {"Access_Control_Request_Method": "POST"}
    path = "/sessions/11111111-2222-3333-4444-555555555555/api/offer"
    status, headers, _ = shared.ask("OPTIONS", path, Origin=SITE, **asked)
    assert (status, headers.get("access-control-allow-origin")) == (200, SITE)
    status, headers, _ = shared.ask("OPTIONS", path, Origin="https://evil.example", **asked)
    assert status == 400
    assert "access-control-allow-origin" not in headers
