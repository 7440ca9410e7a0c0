"""A bot that is killed: the next start stops what it left, as far as the vendor lets us name it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random, SystemRandom
from typing import Any

import aiohttp
import pytest
from loguru import logger

from emulators.heygen import serve
from emulators.zego import serve as zego
from tests.emulated.contract.zego import zego_vendor
from tests.emulated.paying import account, leaks, watch
from tests.emulated.visitor import ROOT, Bot, running_bot, visiting
from tests.emulated.zego_client import Client

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def others(avatar: str, emulator: Any, folder: Path) -> AsyncIterator[set[str]]:
    """Tasks of other programs of the same project, one of them another avatarbot's."""
    if avatar != "zego":
        yield set()
        return
    other = zego_vendor(emulator, folder / "others")
    async with aiohttp.ClientSession() as http:
        await Client(http, emulator).create("avatarbot-by-chance")
    opened = await other.open()
    yield {each.id for each in emulator.running()}
    assert len(emulator.running()) == 2
    await other.close(opened)


MOMENTS = ("opening", "named", "running", "speaking", "closing")


async def visit_and_kill(bot: Bot, emulator: Any, moment: str, random: Random) -> None:
    """A visit to a bot that is killed at a random instant of a part of its session's life."""
    sessions, before = len(emulator.sessions), len(emulator.running())
    async with visiting(bot) as visitor:
        await watch(visitor)
        match moment:
            case "opening":
                await asyncio.sleep(random.uniform(0, 0.6))
            case "named":
                await emulator.until(lambda: len(emulator.sessions) > sessions)
                await asyncio.sleep(random.uniform(0, 0.3))
            case "running" | "closing":
                await emulator.until(lambda: len(emulator.running()) > before)
                await asyncio.sleep(random.uniform(0, 0.6))
            case "speaking":
                await visitor.until(lambda m: m["type"] == "avatar-face" and m["by"] == "vendor")
                await visitor.type("Tell me a story.")
                session = [*emulator.sessions.values()][-1]
                await emulator.until(
                    lambda: any(each.samples for each in emulator.heard(session.id))
                )
                await asyncio.sleep(random.uniform(0, 1.5))
        if moment != "closing":
            bot.process.kill()
    if moment == "closing":
        await asyncio.sleep(random.uniform(0, 0.4))
        bot.process.kill()
    await bot.process.wait()


@pytest.mark.parametrize(
    ("avatar", "kills"),
    [
        ("liveavatar", 5),
        ("heygen", 5),
        ("zego", 5),
        pytest.param("liveavatar", 200, marks=pytest.mark.long),
        pytest.param("heygen", 50, marks=pytest.mark.long),
        pytest.param("zego", 50, marks=pytest.mark.long),
    ],
)
async def test_next_start_stops_what_a_killed_bot_left_running(
    tmp_path: Path, avatar: str, kills: int
) -> None:
    seed = SystemRandom().randrange(2**32)
    logger.info(f"seed {seed}")
    random = Random(seed)
    left = 0
    vendor = zego(rest_latency_ms=150) if avatar == "zego" else serve(rest_delay_ms=150)
    async with vendor as emulator, others(avatar, emulator, tmp_path) as theirs:
        for number in range(kills + 1):
            async with running_bot(tmp_path, **account(avatar, emulator)) as bot:
                assert {each.id for each in emulator.running()} == theirs, f"after kill {number}"
                told = [line for line in bot.log if "without a name, may run until" in line]
                unended = [
                    each
                    for each in emulator.sessions.values()
                    if each.ended_at is None
                    and each.id not in theirs
                    and (avatar != "liveavatar" or each.started_at)
                ]  # before its start, one of LiveAvatar is free
                assert len(unended) <= len(told), f"after kill {number}"
                if number < kills:
                    await visit_and_kill(bot, emulator, MOMENTS[number % len(MOMENTS)], random)
                    left += len(emulator.running()) - len(theirs)
            assert leaks(tmp_path, bot) == []
    logger.info(f"{kills} kills left {left} sessions running; {len(told)} had no name")
    assert left >= kills / 5


async def test_start_beside_a_bot_that_lives_leaves_its_session_alone(tmp_path: Path) -> None:
    async with serve() as emulator:
        settings = account("liveavatar", emulator)
        async with running_bot(tmp_path, **settings) as first, visiting(first):
            await emulator.until(emulator.running)
            async with running_bot(tmp_path, **settings) as second, visiting(second):
                await emulator.until(lambda: len(emulator.running()) == 2)
            await emulator.until(lambda: len(emulator.running()) == 1)
            assert not [line for line in second.log if "of a dead bot" in line]
        await emulator.until(lambda: not emulator.running())


async def test_vendor_that_cannot_be_reached_is_told_of_and_does_not_keep_from_starting(
    tmp_path: Path,
) -> None:
    async with serve() as emulator:
        settings = account("liveavatar", emulator)
        async with running_bot(tmp_path, **settings) as bot, visiting(bot):
            await emulator.until(emulator.running)
            bot.process.kill()
            await bot.process.wait()
        (left,) = emulator.running()
        emulator.fail("stop", status=503, times=99)
        async with running_bot(tmp_path, **settings) as bot:
            (told,) = [line for line in bot.log if "of a dead bot" in line]
            assert (
                f"{left.id[:8]} of a dead bot is not stopped (LiveAvatar failed with 503)" in told
            )
            assert "may run until 20" in told
        emulator.faults.clear()
        async with running_bot(tmp_path, **settings):
            assert emulator.running() == []


async def test_journal_that_cannot_be_used_keeps_from_starting_and_can_be_done_without(
    tmp_path: Path,
) -> None:
    state = tmp_path / "avatarbot"
    state.mkdir(mode=0o700)
    (state / "journal.sqlite").symlink_to(tmp_path / "elsewhere")
    async with serve() as emulator:
        settings = account("liveavatar", emulator)
        bot = await asyncio.create_subprocess_exec(
            *(sys.executable, str(ROOT / "bot.py"), "--port", "1"),
            cwd=tmp_path,
            env={**settings, "XDG_STATE_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(20):
            _, errors = await bot.communicate()
        last = errors.decode().splitlines()[-1]
        assert bot.returncode == 1
        assert last.startswith("avatarbot: AVATAR=liveavatar costs money while it runs, and the")
        assert "AVATAR_JOURNAL=off" in last
        assert "SECRET-" not in last
        async with running_bot(tmp_path, **settings, AVATAR_JOURNAL="off") as bare:
            async with visiting(bare):
                await emulator.until(emulator.running)
            await emulator.until(lambda: not emulator.running())
            assert [line for line in bare.log if "no journal is kept" in line]
