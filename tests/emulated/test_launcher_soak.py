"""One session after another: the launcher and its zygote are in the end what they were."""

from __future__ import annotations

from pathlib import Path

import pytest
from loguru import logger

from tests.emulated.processes import Vitals, children, lives, until, vitals
from tests.emulated.test_launcher_kills import LAUNCHER, sessions_of
from tests.emulated.visitor import running_bot, visiting

pytestmark = pytest.mark.asyncio

SETTLED = 10  # sessions before which caches and pools fill
GROWN_MB = 8.0


@pytest.mark.parametrize("count", [15, pytest.param(1_000, marks=pytest.mark.long)])
async def test_sessions_leave_nothing_in_launcher_and_zygote(tmp_path: Path, count: int) -> None:
    tenants = tmp_path / "tenants.toml"
    tenants.touch(0o600)
    tenants.write_text('[[tenant]]\nname = "soak"\npage = true\n')  # as many as it can
    options = {"GREETING": "Hello.", "TENANTS_FILE": str(tenants)}
    async with running_bot(tmp_path, *LAUNCHER, **options) as launcher:
        (zygote,) = children(launcher.process.pid)
        before: list[Vitals] = []
        for number in range(SETTLED + count):
            async with visiting(launcher) as visitor:
                await visitor.kind("bot-ready")
            await until(lambda: not sessions_of(launcher))
            if number == SETTLED:
                before = [vitals(pid) for pid in (launcher.process.pid, zygote)]
        after = [vitals(pid) for pid in (launcher.process.pid, zygote)]
        logger.info(f"after {count} sessions: {before} became {after}")
        assert all(map(lives, children(launcher.process.pid) + children(zygote)))
        for was, has in zip(before, after, strict=True):
            assert has.files <= was.files + 2
            assert has.resident_mb <= was.resident_mb + GROWN_MB
        logs = tmp_path / "avatarbot/logs"
        assert len(list(logs.iterdir())) == min(SETTLED + count, 1_000)
