"""The gate without a server: what the sockets of `tests/emulated/test_door.py` cannot show."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from server.addresses import Addresses
from server.gate import LARGEST_BODY, SLOWEST_BODY_S, Gate
from server.plan import Plan
from server.sessions import AT_ONCE, GAP_S, Sessions
from server.tickets import Tickets

HOST = (b"host", b"localhost:7860")
ORIGIN = (b"origin", b"http://localhost:7860")


class Knock:
    """One request: what is sent in, and what comes out."""

    def __init__(self, app: Callable[..., Awaitable[None]], *messages: Message) -> None:
        self.tickets = Tickets(b"k" * 32, now=lambda: 1_000.0)
        self.sessions = Sessions()
        self.sent: list[Message] = []
        self._messages = list(messages)
        self._gate = Gate(
            app,
            plan=Plan(
                {"/start": frozenset(("POST",)), "/ws-client": frozenset(("WEBSOCKET",))},
            ),
            addresses=Addresses.of("localhost", 7860),
            tickets=self.tickets,
            sessions=self.sessions,
        )

    async def at(self, path: str, **scope: Any) -> None:
        given = {
            "type": "http",
            "method": "POST",
            "path": path,
            "raw_path": path.encode(),
            "headers": [HOST, ORIGIN],
        }
        await self._gate(given | scope, self._receive, self._send)

    async def socket(self, **scope: Any) -> None:
        protocols = ["avatarbot", f"ticket.{self.tickets.issue(session='s1')}"]
        await self.at("/ws-client", **{"type": "websocket", "subprotocols": protocols} | scope)

    async def _receive(self) -> Message:
        if not self._messages:
            await asyncio.Event().wait()
        return self._messages.pop(0)

    async def _send(self, message: Message) -> None:
        self.sent.append(message)


async def nobody(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("this must not get through")


@pytest.mark.asyncio
async def test_body_comes_whole_to_what_is_behind() -> None:
    seen: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(await receive())

    pieces = [{"type": "http.request", "body": b"x" * 9, "more_body": more} for more in (1, 1, 0)]
    await Knock(app, *pieces).at("/start")
    assert seen == [{"type": "http.request", "body": b"x" * 27, "more_body": False}]


@pytest.mark.asyncio
async def test_body_that_grows_too_large_is_refused_before_its_end() -> None:
    piece = {"type": "http.request", "body": b"x" * (LARGEST_BODY // 2 + 1), "more_body": True}
    knock = Knock(nobody, piece, piece)
    await knock.at("/start")
    assert knock.sent[0]["status"] == 413


@pytest.mark.parametrize("length", [b"-1", b"1e3", b"9" * 5_000, b"", b"65537"])
@pytest.mark.asyncio
async def test_announced_length_that_is_wrong_or_too_large_is_refused(length: bytes) -> None:
    knock = Knock(nobody)
    await knock.at("/start", headers=[HOST, ORIGIN, (b"content-length", length)])
    assert knock.sent[0]["status"] == 413


@pytest.mark.asyncio
async def test_body_that_never_ends_is_refused_in_time() -> None:
    knock = Knock(nobody, {"type": "http.request", "body": b"x", "more_body": True})
    await knock.at("/start")
    assert knock.sent[0]["status"] == 408
    assert asyncio.get_running_loop().time() == pytest.approx(SLOWEST_BODY_S)


@pytest.mark.asyncio
async def test_startup_and_shutdown_pass() -> None:
    passed: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        passed.append(scope["type"])

    await Knock(app).at("/", type="lifespan")
    assert passed == ["lifespan"]


@pytest.mark.asyncio
async def test_socket_is_noted_down_while_it_is_open() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert len(knock.sessions) == 1
        assert scope["avatarbot"].session == "s1"
        assert scope["subprotocols"] == ["avatarbot"]
        await send({"type": "websocket.accept"})

    knock = Knock(app)
    await knock.socket()
    assert knock.sent == [{"type": "websocket.accept", "subprotocol": "avatarbot"}]
    assert len(knock.sessions) == 0


@pytest.mark.asyncio
async def test_session_that_does_not_end_is_ended_quietly_on_demand() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(3_600)

    knock = Knock(app)
    asyncio.get_running_loop().call_later(5, knock.sessions.cancel)
    await knock.socket()
    assert asyncio.get_running_loop().time() == pytest.approx(5)


@pytest.mark.asyncio
async def test_cancelling_from_elsewhere_is_passed_on() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(3_600)

    task = asyncio.create_task(Knock(app).socket())
    asyncio.get_running_loop().call_later(5, task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.asyncio
async def test_refused_socket_is_never_accepted() -> None:
    knock = Knock(nobody, {"type": "websocket.connect"})
    await knock.socket(headers=[HOST])
    assert knock.sent == [{"type": "websocket.close", "code": 1008}]


@pytest.mark.asyncio
async def test_nothing_begins_while_every_place_is_taken() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(5)

    knock = Knock(app, {"type": "websocket.connect"}, {"type": "http.request", "body": b"{}"})
    knock.sessions.most = 1
    first = asyncio.create_task(knock.socket())
    await asyncio.sleep(1)
    await knock.socket()
    await knock.at("/start")
    statuses = [(each["type"], each["status"]) for each in knock.sent if "status" in each]
    assert statuses == [("websocket.http.response.start", 503), ("http.response.start", 503)]
    await first


TALK_S = 10.0


async def talks(scope: Scope, receive: Receive, send: Send) -> None:
    scope["began"].append(asyncio.get_running_loop().time())
    await asyncio.sleep(TALK_S)


@pytest.mark.asyncio
async def test_crowd_begins_one_after_the_other() -> None:
    began: list[float] = []
    knock = Knock(talks)
    await asyncio.gather(*(knock.socket(began=began) for _ in range(1 + AT_ONCE + 3)))
    assert began == pytest.approx([0.0, *[0.0] * AT_ONCE, GAP_S, 2 * GAP_S, 3 * GAP_S])


@pytest.mark.asyncio
async def test_who_is_alone_does_not_wait() -> None:
    began: list[float] = []
    knock = Knock(talks)
    for _ in range(2 * AT_ONCE):
        await knock.socket(began=began)
    assert began == pytest.approx([each * TALK_S for each in range(2 * AT_ONCE)])
