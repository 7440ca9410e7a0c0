"""The page, served by the launcher: nobody notices that a process is behind each conversation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from .visit import running_bot, visiting

LAUNCHER = ("-m", "launcher", "--drain-s", "0")

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def launched() -> AsyncIterator[str]:
    async with running_bot(command=LAUNCHER) as address:
        yield address


@pytest.mark.parametrize("way", ["websocket", "webrtc"])
async def test_a_person_is_greeted_answered_and_may_begin_again(
    launched: str, chromium: str, silence: Path, way: str
) -> None:
    if way == "webrtc":
        pytest.importorskip("aiortc", reason="needs aiortc (uv sync --extra webrtc)")
    async with visiting(f"{launched}/?transport={way}", chromium, silence) as visit:
        for _ in range(2):
            began = await visit.now()
            await visit.press("Start")
            await visit.until("audible", after=began)
            await visit.until("status", after=began, status="listening")
            await visit.say("What is your name?")
            await visit.until_bubble("My name is Ava")
            await visit.press("End")
            await visit.until("status", after=began, status="disconnected")
        assert visit.complaints == []


async def test_page_says_why_it_may_not_begin(chromium: str, silence: Path, tmp_path: Path) -> None:
    tenants = tmp_path / "tenants.toml"
    tenants.touch(0o600)
    tenants.write_text('[[tenant]]\nname = "acme"\n')
    async with (
        running_bot(command=LAUNCHER, TENANTS_FILE=str(tenants)) as address,
        visiting(address, chromium, silence) as visit,
    ):
        await visit.press("Start")
        await visit.until_notice("Conversations are not begun from here.")
