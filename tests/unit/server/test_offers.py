"""Who may negotiate a WebRTC connection, without a server."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from server.offers import COOKIE, Offers
from server.plan import Plan
from server.sessions import Sessions
from server.tickets import Tickets

SESSION = "11111111-2222-3333-4444-555555555555"
OFFER = {"sdp": "v=0", "type": "offer"}

pytestmark = pytest.mark.asyncio


class Negotiation:
    """Offers in front of a stand-in for the runner, which runs its bot inside the first call."""

    def __init__(self) -> None:
        self.tickets = Tickets(b"k" * 32, now=lambda: 1_000.0)
        self.sessions = Sessions()
        self.reached: list[tuple[str, Any]] = []
        self.bot_ends = asyncio.Event()
        self._offers = Offers(
            self._runner, plan=Plan({}), tickets=self.tickets, sessions=self.sessions
        )
        self._bot: asyncio.Task[None] | None = None

    async def _runner(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = json.loads((await receive())["body"])
        self.reached.append((scope["method"], request))
        answer = json.dumps({"sdp": "v=0", "type": "answer", "pc_id": "pc"}).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": answer})
        if "pc_id" not in request:
            await self.bot_ends.wait()

    async def ask(
        self, body: Any, ticket: str | None, method: str = "POST", *, cookie: bool = False
    ) -> int:
        """Sends a request; returns the status of its answer."""
        header = (b"authorization", f"Bearer {ticket}".encode())
        if cookie:
            header = (b"cookie", f"a=b; {COOKIE}={ticket}".encode())
        scope = {
            "type": "http",
            "method": method,
            "path": f"/sessions/{SESSION}/api/offer",
            "headers": [header] if ticket else [],
        }
        answered: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def receive() -> Message:
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            return {"type": "http.request", "body": raw}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start" and not answered.done():
                answered.set_result(message["status"])

        call = asyncio.create_task(self._offers(scope, receive, send))
        status = await answered
        if status == 200 and self._bot is None:
            self._bot = call
        return status

    async def end(self) -> None:
        self.bot_ends.set()
        assert self._bot
        await self._bot

    def ticket(self, session: str = SESSION) -> str:
        return self.tickets.issue(session=session)


@pytest.mark.parametrize("cookie", [False, True])
async def test_a_ticket_makes_one_connection_and_goes_on_with_it(cookie: bool) -> None:
    talk, extra = Negotiation(), {"requestData": {"prompt": "x"}, "pc_id": None}
    ticket = talk.ticket()
    assert await talk.ask(OFFER | extra, ticket, cookie=cookie) == 200
    assert len(talk.sessions) == 1
    candidate = {"candidate": "c", "sdp_mid": "0", "sdp_mline_index": 0}
    trickled = {"pc_id": "pc", "candidates": [candidate | {"more": 1}]}
    assert await talk.ask(trickled, ticket, "PATCH", cookie=cookie) == 200
    assert await talk.ask(OFFER | {"pc_id": "pc"}, ticket, cookie=cookie) == 200
    assert talk.reached == [
        ("POST", OFFER),
        ("PATCH", {"pc_id": "pc", "candidates": [candidate]}),
        ("POST", OFFER | {"pc_id": "pc", "restart_pc": False}),
    ]
    await talk.end()
    assert len(talk.sessions) == 0


async def test_a_ticket_is_of_no_use_for_a_second_connection() -> None:
    talk = Negotiation()
    ticket = talk.ticket()
    assert await talk.ask(OFFER, ticket) == 200
    assert await talk.ask(OFFER, ticket) == 404
    assert await talk.ask(OFFER | {"pc_id": "other"}, ticket) == 404
    await talk.end()
    assert await talk.ask(OFFER, ticket) == 401
    assert len(talk.reached) == 1


async def test_where_every_place_is_taken_an_offer_waits_and_keeps_its_ticket() -> None:
    talk = Negotiation()
    ticket = talk.ticket()
    talk.sessions.most = 0
    assert await talk.ask(OFFER, ticket) == 503
    assert talk.reached == []
    talk.sessions.most = 1
    assert await talk.ask(OFFER, ticket) == 200
    await talk.end()


async def test_nobody_else_gets_in() -> None:
    talk = Negotiation()
    for ticket in (None, "", "x", talk.ticket("another session")):
        assert await talk.ask(OFFER, ticket) == 401
    ticket = talk.ticket()
    assert await talk.ask(OFFER, ticket) == 200
    assert await talk.ask({"pc_id": "pc", "candidates": []}, talk.ticket(), "PATCH") == 401
    assert len(talk.reached) == 1
    await talk.end()


@pytest.mark.parametrize(
    "body",
    [b"", b"[", b"null", b"[" * 9_999, {}, {"sdp": 1, "type": "offer"}, OFFER | {"type": "answer"}],
)
async def test_what_is_no_offer_is_refused_and_costs_no_ticket(body: Any) -> None:
    talk = Negotiation()
    ticket = talk.ticket()
    assert await talk.ask(body, ticket) == 400
    assert await talk.ask(OFFER, ticket) == 200
    await talk.end()


@pytest.mark.parametrize("candidates", [None, [1], [{"candidate": 1}], [{}] * 99])
async def test_odd_candidates_are_refused(candidates: Any) -> None:
    talk = Negotiation()
    ticket = talk.ticket()
    assert await talk.ask({"candidates": []}, ticket, "PATCH") == 404
    assert await talk.ask(OFFER, ticket) == 200
    assert await talk.ask({"pc_id": "pc", "candidates": candidates}, ticket, "PATCH") == 400
    await talk.end()
