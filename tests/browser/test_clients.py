"""Pipecat's own clients for JavaScript, in a real browser, against the real bot."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from .visit import Visit, browsing, record, running_bot

BUNDLE = Path(__file__).parent / "clients" / "build" / "clients.js"

pytestmark = pytest.mark.skipif(
    not BUNDLE.exists() and not os.environ.get("AVATARBOT_REQUIRE_BROWSER"),
    reason="needs Pipecat's clients (make clients, which needs npm)",
)


@asynccontextmanager
async def visiting_with_a_client(address: str, chromium: str, wav: Path) -> AsyncIterator[Visit]:
    """A page of our origin with somebody else's code."""
    async with browsing(chromium, wav) as browser:
        # A page that only a test serves would be of no address space, and could not dial.
        page = await browser.new_page(bypass_csp=True)
        await page.goto(address)
        await page.add_script_tag(path=BUNDLE)
        yield Visit(page, address)


@pytest.mark.asyncio
@pytest.mark.parametrize("transport", ["websocket", "webrtc"])
async def test_pipecats_client_is_greeted_heard_and_obeyed(
    transport: str, chromium: str, tmp_path: Path
) -> None:
    wav = tmp_path / "microphone.wav"
    record(wav, (6.0, "Tell me a story.", 4.0, "What is your name?", 20.0))
    async with (
        running_bot() as address,
        visiting_with_a_client(address, chromium, wav) as visit,
    ):
        await visit.page.evaluate("(transport) => connect(transport)", transport)
        greeted = await visit.until("bot-started")
        await visit.until("bot-stopped")
        heard = await visit.until("user-transcript")
        assert heard["detail"]["text"]
        answered = await visit.until("bot-started", after=greeted["at"])
        # The microphone goes on in the middle of the answer.
        cut_in = await visit.until("user-started", after=answered["at"])
        silent = await visit.until("bot-stopped", after=answered["at"])
        assert silent["at"] - cut_in["at"] < 200
        heard_again = await visit.until("user-transcript", after=cut_in["at"])
        await visit.until("bot-started", after=heard_again["at"])
        assert await visit.seen("error") == []
