"""A bot with ZEGO's digital human, at the emulator, which calls it back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from emulators.zego import Emulator
from tests.emulated.paying import leaks
from tests.emulated.visitor import ROOT, Bot, running_bot

LAUNCHER = ("-m", "launcher", "--bot", str(ROOT / "bot.py"))
PROGRAMS = pytest.mark.parametrize("program", [(), LAUNCHER], ids=["bot", "launcher"])


@asynccontextmanager
async def zego_bot(
    folder: Path, emulator: Emulator, *program: str, **settings: str
) -> AsyncIterator[Bot]:
    """A bot that ZEGO calls back, and nothing secret of which is logged."""
    account = {
        "AVATAR": "zego",
        "GREETING": "Good morning to you, and welcome to this small conversation.",
        "ZEGO_APP_ID": str(emulator.knobs.app_id),
        "ZEGO_SERVER_SECRET": emulator.server_secret,
        "ZEGO_CALLBACK_SECRET": emulator.callback_secret,
        "ZEGO_DIGITAL_HUMAN_API_URL": emulator.url,
    }
    async with running_bot(folder, *program, **account | settings) as bot:
        emulator.knobs = emulator.knobs.turned({"callback_url": f"{bot.origin}/callbacks/zego"})
        yield bot
    assert leaks(folder, bot) == []
