"""One session after another: the launcher and its zygote are in the end what they were."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from loguru import logger

from tests.emulated.processes import Vitals, children, lives, until, vitals
from tests.emulated.standins.deepgram import Deepgram
from tests.emulated.standins.serving import KEY
from tests.emulated.test_launcher_kills import LAUNCHER, sessions_of
from tests.emulated.visitor import Bot, running_bot, visiting

pytestmark = pytest.mark.asyncio

SETTLED = 10  # sessions before which caches and pools fill
GROWN_MB = 8.0
AT_ONCE = 4  # of those that are spoken with, each for some seconds
QUESTION = "What is your name?"


def as_many_as_it_can(folder: Path) -> dict[str, str]:
    """Settings of a launcher whose page may begin any number in a minute."""
    tenants = folder / "tenants.toml"
    tenants.touch(0o600)
    tenants.write_text('[[tenant]]\nname = "soak"\npage = true\n')
    return {"GREETING": "Hello.", "TENANTS_FILE": str(tenants)}


def family(launcher: Bot) -> list[Vitals]:
    """What the launcher holds, and its zygote."""
    (zygote,) = children(launcher.process.pid)
    return [vitals(pid) for pid in (launcher.process.pid, zygote)]


def is_as_before(launcher: Bot, before: list[Vitals], sessions: int) -> None:
    (zygote,) = children(launcher.process.pid)
    assert all(map(lives, [zygote, *children(zygote)]))
    after = family(launcher)
    logger.info(f"after {sessions} sessions: {before} became {after}")
    for was, has in zip(before, after, strict=True):
        assert has.files <= was.files + 2
        assert has.threads <= was.threads
        assert has.resident_mb <= was.resident_mb + GROWN_MB


@pytest.mark.parametrize("count", [15, pytest.param(1_000, marks=pytest.mark.long)])
async def test_sessions_leave_nothing_in_launcher_and_zygote(tmp_path: Path, count: int) -> None:
    async with running_bot(tmp_path, *LAUNCHER, **as_many_as_it_can(tmp_path)) as launcher:
        before: list[Vitals] = []
        for number in range(SETTLED + count):
            async with visiting(launcher) as visitor:
                await visitor.kind("bot-ready")
            await until(lambda: not sessions_of(launcher))
            if number == SETTLED:
                before = family(launcher)
        is_as_before(launcher, before, count)
        logs = tmp_path / "avatarbot/logs"
        assert len(list(logs.iterdir())) == min(SETTLED + count, 1_000)


async def speak(launcher: Bot) -> None:
    """Ask a question aloud. That it is over, Silero's model has to find out."""
    async with visiting(launcher) as visitor:
        await visitor.kind("bot-ready")
        await visitor.answer()
        before = len(visitor.messages)
        await visitor.talk(QUESTION, pause_s=1.0)
        mine = await visitor.until(lambda m: m.get("role") == "user", before)
        assert mine["text"] == QUESTION
        assert "Ava" in await visitor.answer(before)


@pytest.mark.parametrize("count", [8, pytest.param(1_000, marks=pytest.mark.long)])
async def test_sessions_that_are_spoken_with_leave_nothing_either(
    tmp_path: Path, count: int
) -> None:
    """Silero's model, with the threads of its runtime, runs in each of the copies."""
    settled = SETTLED // AT_ONCE
    async with Deepgram(*[QUESTION] * 4 * count).running() as ears:
        settings = {"DEEPGRAM_API_KEY": KEY, "DEEPGRAM_API_URL": ears}
        options = as_many_as_it_can(tmp_path) | settings
        async with running_bot(tmp_path, *LAUNCHER, **options) as launcher:
            before: list[Vitals] = []
            for number in range(settled + count // AT_ONCE):
                await asyncio.gather(*(speak(launcher) for _ in range(AT_ONCE)))
                await until(lambda: not sessions_of(launcher))
                if number == settled:
                    before = family(launcher)
            is_as_before(launcher, before, count)
    ends = [line for line in launcher.log if " is over: " in line]
    assert len(ends) == (settled + count // AT_ONCE) * AT_ONCE
    assert all("finished (exit code 0)" in line for line in ends), ends
