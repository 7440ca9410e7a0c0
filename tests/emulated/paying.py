"""A bot whose avatar is paid for, at an emulator: its settings, and where secrets show."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from emulators.heygen import Emulator
from emulators.zego import Emulator as Zego
from tests.emulated.visitor import Bot, Visitor, running_bot, visiting

GREETING = "Good morning to you, and welcome to this small conversation."
AVATAR = "1c690fe7-23e0-49f9-bfba-14344450285b"
EVERY = pytest.mark.parametrize("avatar", ["liveavatar", "heygen", "heygen-alpha"])


def account(avatar: str, emulator: Emulator | Zego) -> dict[str, str]:
    """The settings that let a bot use the emulator."""
    if isinstance(emulator, Zego):
        return {
            "AVATAR": avatar,
            "GREETING": GREETING,
            "ZEGO_APP_ID": str(emulator.knobs.app_id),
            "ZEGO_SERVER_SECRET": emulator.server_secret,
            "ZEGO_DIGITAL_HUMAN_API_URL": emulator.url,
            "ZEGO_AI_AGENT_API_URL": emulator.url,
            "ZEGO_AGENT_LLM_URL": "https://llm.example.com/v1/chat/completions",
            "ZEGO_AGENT_LLM_API_KEY": "SECRET-llm",
            "ZEGO_AGENT_TTS_PARAMS": '{"app": {"appid": "x", "token": "SECRET-voice"}}',
        }
    live = avatar == "liveavatar"
    prefix = "LIVEAVATAR" if live else "HEYGEN"
    return {
        "AVATAR": avatar,
        "GREETING": GREETING,
        f"{prefix}_API_KEY": emulator.key("liveavatar" if live else "interactive"),
        f"{prefix}_AVATAR_ID": AVATAR,
        f"{prefix}_API_URL": emulator.url,
    }


def leaks(folder: Path, bot: Bot, visitor: Visitor | None = None) -> list[str]:
    """Where a secret shows that must not: in the log, in the journal, at the page."""
    logged = [line for line in bot.log if "SECRET-" in line]
    files = (path for path in (folder / "avatarbot").rglob("*") if path.is_file())
    kept = [path.name for path in files if b"SECRET-" in path.read_bytes()]
    messages = visitor.messages if visitor else []
    told = [str(each) for each in messages if each["type"] != "avatar-room"]
    return [*logged, *kept, *(each for each in told if "SECRET-" in each)]


@asynccontextmanager
async def talking(
    folder: Path, emulator: Emulator, avatar: str = "liveavatar", **settings: str
) -> AsyncIterator[Visitor]:
    """A visit; afterwards nothing runs at the vendor, and no secret has shown."""
    async with running_bot(folder, **account(avatar, emulator) | settings) as bot:
        async with visiting(bot) as visitor:
            yield visitor
        await emulator.until(lambda: not emulator.running())
    assert leaks(folder, bot, visitor) == []


async def answer_to(visitor: Visitor, question: str) -> str:
    """What the bot says to a question, to its end; what it was saying is cut off."""
    await visitor.type(question)
    asked = await visitor.until(lambda m: m["type"] == "transcript" and m["text"] == question)
    return await visitor.answer(visitor.messages.index(asked))


async def watch(visitor: Visitor) -> None:
    """Ask where the avatar is, and say that it is seen and heard."""
    await visitor.send("client-message", {"t": "avatar-watch", "d": {}})
    await visitor.send("client-message", {"t": "avatar-joined", "d": {}})
