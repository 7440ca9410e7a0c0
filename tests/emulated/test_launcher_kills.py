"""Whatever is killed, nothing stays that is paid for, as far as the vendor lets us name it."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random, SystemRandom

import pytest
from loguru import logger
from websockets.exceptions import WebSocketException

from emulators.heygen import Emulator, serve
from tests.emulated.paying import account, leaks, watch
from tests.emulated.processes import children, lives, until
from tests.emulated.visitor import ROOT, Bot, running_bot, visiting

pytestmark = pytest.mark.asyncio

LAUNCHER = ("-m", "launcher", "--bot", str(ROOT / "bot.py"), "--drain-s", "1")
VISITORS = 3
SLOTS = 4
CLOSED_S = 1.0


def sessions_of(launcher: Bot) -> list[int]:
    """The processes of its sessions."""
    return [session for zygote in children(launcher.process.pid) for session in children(zygote)]


def is_closed(folder: Path, *owners: int) -> bool:
    """Whether nothing of these processes stands in the journal; of nobody, if none is named."""
    mine = f"WHERE pid IN ({','.join(map(str, owners))})" if owners else ""
    rows = sqlite3.connect(folder / "avatarbot/journal.sqlite", timeout=5)
    try:
        return rows.execute(f"SELECT * FROM entry {mine}").fetchone() is None
    finally:
        rows.close()


async def visit(launcher: Bot, over: asyncio.Event) -> None:
    """Come, and ask for the avatar, until it is over. Whom they talk with is killed meanwhile."""
    with suppress(WebSocketException, OSError):
        async with visiting(launcher) as visitor:
            await watch(visitor)
            ends = [*map(asyncio.create_task, (visitor.until_over(), over.wait()))]
            await asyncio.wait(ends, return_when="FIRST_COMPLETED")
            for each in ends:
                each.cancel()
            await asyncio.gather(*ends, return_exceptions=True)  # nobody waits for ever


@asynccontextmanager
async def crowd(launcher: Bot) -> AsyncIterator[None]:
    """Some people at once. In the end they leave."""
    over = asyncio.Event()
    visits = [asyncio.create_task(visit(launcher, over)) for _ in range(VISITORS)]
    try:
        yield
    finally:
        over.set()
        await asyncio.gather(*visits)


async def kill(launcher: Bot, victim: str, random: Random) -> int | None:
    """Kill at a random instant of the first seconds; returns who died, if it was a session."""
    await asyncio.sleep(random.uniform(0, 1.5))
    found = {
        "session": sessions_of(launcher),
        "zygote": children(launcher.process.pid),
        "launcher": [launcher.process.pid],
    }[victim]
    if not found:  # a killed zygote is missed only when somebody comes
        return None
    pid = random.choice(found)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    await until(lambda: not lives(pid))
    return pid if victim == "session" else None


async def take_turns(
    folder: Path, launcher: Bot, emulator: Emulator, kills: int, random: Random
) -> tuple[int, list[float]]:
    """Kill until it was the launcher's turn: how many kills, and how long rows stayed open."""
    took: list[float] = []
    for number in range(1, kills + 1):
        victim = random.choice(("session", "session", "session", "zygote", "launcher"))
        async with crowd(launcher):
            dead = await kill(launcher, victim, random)
            if victim == "launcher":
                await launcher.process.wait()
                return number, took
            died_at = time.monotonic()
            if dead is not None:
                await until(partial(is_closed, folder, dead))
                took.append(time.monotonic() - died_at)
        await until(lambda: not sessions_of(launcher))
        await emulator.until(lambda: not emulator.running())
        await until(partial(is_closed, folder))  # no slot is lost
    return kills, took


@pytest.mark.parametrize("kills", [12, pytest.param(1_000, marks=pytest.mark.long)])
async def test_kills_leave_nothing_running_and_no_slot_taken(tmp_path: Path, kills: int) -> None:
    seed = SystemRandom().randrange(2**32)
    logger.info(f"seed {seed}")
    random = Random(seed)
    done, took, left = 0, list[float](), 0
    async with serve(rest_delay_ms=50) as emulator:
        settings = account("liveavatar", emulator) | {"LIVEAVATAR_MAX_SESSIONS": str(SLOTS)}
        while done < kills:
            async with running_bot(tmp_path, *LAUNCHER, **settings) as launcher:
                assert emulator.running() == [], "what was left is stopped before anybody comes"
                number, seconds = await take_turns(
                    tmp_path, launcher, emulator, kills - done, random
                )
                done += number
                took += seconds
                left += len(emulator.running())
            assert leaks(tmp_path, launcher) == []
    logger.info(f"{kills} kills; killed launchers left {left} running; rows closed {sorted(took)}")
    assert max(took, default=0.0) <= CLOSED_S


async def test_two_launchers_side_by_side_leave_each_other_alone(tmp_path: Path) -> None:
    async with serve() as emulator:
        settings = account("liveavatar", emulator)
        async with AsyncExitStack() as stay:
            first = await stay.enter_async_context(running_bot(tmp_path, *LAUNCHER, **settings))
            async with visiting(first) as visitor:
                await watch(visitor)
                await emulator.until(emulator.running)
                beside = running_bot(tmp_path, *LAUNCHER, **settings)
                async with beside as second, crowd(second):
                    await emulator.until(lambda: len(emulator.running()) == 1 + VISITORS)
                    second.process.kill()
                    await second.process.wait()
                async with running_bot(tmp_path, *LAUNCHER, **settings):
                    assert len(emulator.running()) == 1
            await emulator.until(lambda: not emulator.running())


async def test_launcher_that_ends_waits_until_a_slow_vendor_has_stopped_all(tmp_path: Path) -> None:
    async with serve() as emulator:
        settings = account("liveavatar", emulator)
        async with running_bot(tmp_path, *LAUNCHER, **settings) as launcher:
            async with visiting(launcher) as visitor:
                await watch(visitor)
                await emulator.until(emulator.running)
                emulator.knobs = replace(emulator.knobs, rest_delay_ms=3_000)
                launcher.process.send_signal(signal.SIGTERM)
                await launcher.process.wait()
            assert emulator.running() == []
