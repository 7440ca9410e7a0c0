"""A connection that is lost: the page says so, tries again by itself, and says how it went."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, WebSocketRoute, expect

from tests.browser.visit import Visit, running_bot, visiting
from tests.emulated.serving import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")

SERVICE_RESTART = 1012
LOST = "The connection was lost. I am trying again…"
AGAIN = "We are connected again."
FORGOTTEN = "We are connected again, in a new conversation: it does not remember the old one."


class Wire:
    """The page's WebSockets, which a test can tear, and on which it can speak for the bot."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.connections: list[WebSocketRoute] = []

    async def tap(self) -> None:
        await self._page.route_web_socket("**/ws-client", self._connect)
        await self._page.reload()

    def _connect(self, route: WebSocketRoute) -> None:
        self.connections.append(route)
        route.connect_to_server()

    def say(self, **data: Any) -> None:
        message = {"label": "rtvi-ai", "type": "server-message", "data": data}
        self.connections[-1].send(json.dumps(message))

    async def tear(self, code: int = SERVICE_RESTART) -> None:
        await self.connections[-1].close(code=code)


async def tapped(visit: Visit) -> Wire:
    """Start a conversation over a wire that can be torn."""
    wire = Wire(visit.page)
    await wire.tap()
    await visit.arrive()
    await visit.press("Start")
    return wire


async def new_ticket(visit: Visit) -> str:
    """A ticket that the server takes, as it will hand them out within a session."""
    headers = {"origin": visit.address.rstrip("/")}
    answer = await visit.page.request.post(f"{visit.address}/start", headers=headers, data={})
    return str((await answer.json())["token"])


def starts(visit: Visit) -> int:
    return sum(url.endswith("/start") for url in visit.requested)


async def test_the_conversation_goes_on_where_it_broke(
    address: str, chromium: str, silence: Path
) -> None:
    async with visiting(address, chromium, silence) as visit:
        wire = await tapped(visit)
        await visit.until_greeted()
        await visit.say("My name is David")
        await visit.until_bubble("Nice to meet you, David.")
        await visit.say("Tell me a story")
        await visit.until_bubble("This is the story")
        await wire.tear()
        await visit.until_notice(LOST)
        await visit.until_notice(AGAIN)
        *_, story = await visit.bubbles()
        assert story.endswith("cut off")
        await visit.say("What is my name?")
        await visit.until_bubble("Your name is David.")
        assert starts(visit) == 1
        assert visit.complaints == []


async def test_in_a_new_conversation_the_bubbles_stay(
    address: str, chromium: str, silence: Path
) -> None:
    async with visiting(address, chromium, silence) as visit:
        wire = await tapped(visit)
        await visit.until_bubble("Hello, I am")
        wire.say(type="ticket", token="forged", remembers=True)
        await wire.tear()
        torn = await visit.now()
        await visit.until_notice(FORGOTTEN)
        await visit.until("status", after=torn, status="speaking")
        await visit.until("status", after=await visit.now(), status="listening")
        first, second = await visit.bubbles()
        assert first.endswith("cut off")
        assert second == "Bot Hello, I am avatarbot. What can I do for you?"


async def test_with_a_ticket_the_same_conversation_goes_on(
    address: str, chromium: str, silence: Path
) -> None:
    async with visiting(address, chromium, silence) as visit:
        wire = await tapped(visit)
        await visit.until_greeted()
        for _ in range(2):
            wire.say(type="ticket", token="an-older-one", remembers=True)
            wire.say(type="ticket", token=await new_ticket(visit), remembers=True)
            torn = await visit.now()
            await wire.tear()
            await visit.until_notice(AGAIN)
            await visit.until("status", after=torn, status="listening")
        assert starts(visit) == 1
        assert FORGOTTEN not in await visit.page.get_by_role("alert").inner_text()
        assert len(wire.connections) == 3
        assert "ticket" not in await visit.page.evaluate("JSON.stringify({...localStorage})")


async def test_a_refused_ticket_leads_to_a_new_conversation_that_says_so(
    address: str, chromium: str, silence: Path
) -> None:
    async with visiting(address, chromium, silence) as visit:
        wire = await tapped(visit)
        await visit.until_greeted()
        wire.say(type="ticket", token="forged", remembers=True)
        await wire.tear()
        await visit.until_notice(FORGOTTEN)
        assert starts(visit) == 2


@pytest.mark.parametrize("code", [1000, SERVICE_RESTART])
async def test_an_end_that_the_bot_announced_is_an_end(
    address: str, chromium: str, silence: Path, code: int
) -> None:
    async with visiting(address, chromium, silence) as visit:
        wire = await tapped(visit)
        await visit.until_greeted()
        wire.say(type="notice", text="Our time is over.", ends=code != 1000)
        await wire.tear(code)
        await visit.until("status", status="disconnected")
        await visit.until_notice("Our time is over.")
        await visit.until_notice("The conversation has ended. Press Start for a new one.")
        await expect(visit.page.get_by_role("button", name="Start")).to_be_visible()
        assert len(wire.connections) == 1


async def test_it_gives_up_after_a_minute_and_tries_at_once_when_the_network_is_back(
    address: str, chromium: str, silence: Path
) -> None:
    async with visiting(address, chromium, silence) as visit:
        await visit.page.clock.install()
        wire = await tapped(visit)
        await visit.until_greeted()
        tries: list[str] = []

        async def away(route: Any) -> None:
            tries.append(route.request.method)
            await route.abort()

        await visit.page.route(lambda url: url.rstrip("/") == address.rstrip("/"), away)
        await wire.tear()
        await visit.until_notice(LOST)
        for _ in range(4):
            await until_tried(tries, len(tries) + 1, visit, ahead_ms=9_000)
        before = len(tries)
        await visit.page.evaluate("dispatchEvent(new Event('online'))")
        await until_tried(tries, before + 1)
        for _ in range(8):
            await visit.page.clock.fast_forward(10_500)
            await asyncio.sleep(0.05)
        await visit.until_notice("has not come back for a minute")
        assert await visit.status() == "disconnected"
        assert set(tries) == {"HEAD"}


async def until_tried(
    tries: list[str], times: int, visit: Visit | None = None, ahead_ms: int = 0
) -> None:
    async with asyncio.timeout(10):
        while len(tries) < times:
            if visit is not None:
                await visit.page.clock.fast_forward(ahead_ms)
            await asyncio.sleep(0.02)


async def test_end_stops_the_trying(address: str, chromium: str, silence: Path) -> None:
    async with visiting(address, chromium, silence) as visit:
        wire = await tapped(visit)
        await visit.until_greeted()
        home = visit.page.url
        await visit.page.route(home, lambda route: route.abort())
        await wire.tear()
        await visit.until_notice(LOST)
        await visit.press("End")
        assert await visit.status() == "disconnected"
        assert await visit.page.get_by_role("alert").inner_text() == ""
        await visit.page.unroute(home)
        again = await visit.now()
        await visit.press("Start")
        await visit.until("status", after=again, status="speaking")
        assert len(wire.connections) == 2


async def test_a_bot_that_is_started_anew_is_found_again(chromium: str, silence: Path) -> None:
    port = free_port()
    async with AsyncExitStack() as browsers:
        async with running_bot(port) as address:
            visit = await browsers.enter_async_context(visiting(address, chromium, silence))
            await visit.press("Start")
            await visit.until_greeted()
        await visit.until_notice(LOST)
        async with running_bot(port):
            await visit.until_notice(FORGOTTEN)


async def test_what_is_sent_meanwhile_leaves_when_the_connection_is_back(
    address: str, chromium: str, silence: Path
) -> None:
    async with visiting(address, chromium, silence) as visit:
        wire = await tapped(visit)
        await visit.until_greeted()
        await wire.tear()
        await visit.until_notice(LOST)
        await visit.press("My name is Anna")
        await visit.until_notice("the message leaves as soon as we are")
        await visit.until_notice(AGAIN)
        await visit.until_bubble("My name is Anna")
        await expect(visit.page.get_by_role("textbox", name="Message")).to_have_value("")


async def test_a_bot_that_goes_as_soon_as_it_is_there_is_not_asked_for_ever(
    address: str, chromium: str, silence: Path
) -> None:
    async with visiting(address, chromium, silence) as visit:
        await visit.page.clock.install()
        wire = await tapped(visit)
        await visit.until("status", status="listening")
        async with asyncio.timeout(30):
            while await visit.status() != "disconnected":
                if await visit.status() == "listening":
                    await wire.tear()
                await visit.page.clock.fast_forward(3_000)
        await visit.until_notice("has not come back for a minute")
        assert 4 <= len(wire.connections) <= 20
