"""Processes that die with a session at the vendor: it is stopped at once, and nobody else's is."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random, SystemRandom
from typing import Any

import pytest
from loguru import logger

from emulators.heygen import Emulator, serve
from launcher.reaper import Reaper
from tests.emulated.visitor import ROOT
from transports.avatar import Account, owner
from transports.avatar.journal import Journal
from transports.heygen import InteractiveVendor, LiveAvatarVendor

pytestmark = pytest.mark.asyncio

STOPPED_S = 1.0
MOST = 1_000
SESSION_S = 600

SESSION = """
import asyncio, os, sys
from pathlib import Path
from transports.avatar.journal import Journal
from transports.heygen import InteractiveVendor, LiveAvatarVendor

folder, service, url, dies = sys.argv[1:]
kind = LiveAvatarVendor if service == "liveavatar" else InteractiveVendor

class Dies(kind):
    async def _name(self, rest):
        die("before it is named")
        named = await super()._name(rest)
        die("before its name is noted")
        return named

    async def _start(self, rest, named):
        die("before it is started")
        opened = await super()._start(rest, named)
        die("when it is started")
        return opened

    async def _stop(self, rest, session):
        die("before it is stopped")
        await super()._stop(rest, session)
        die("when it is stopped")

def die(moment):
    if moment == dies:
        os.kill(os.getpid(), 9)

async def main():
    vendor = Dies(api_key=os.environ["KEY"], api_url=url, journal=Journal(Path(folder)))
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    opened = await vendor.open()
    print("open", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await vendor.close(opened)
    print("closed", flush=True)
    await asyncio.to_thread(sys.stdin.readline)

asyncio.run(main())
"""

OTHER_REAPER = """
import asyncio, os, sys
from pathlib import Path
from launcher.reaper import Reaper
from transports.avatar.journal import Journal
from transports.heygen import LiveAvatarVendor

async def main():
    journal = Journal(Path(sys.argv[1]))
    vendor = LiveAvatarVendor(api_key=os.environ["KEY"], api_url=sys.argv[3], journal=journal)
    async with Reaper(journal, [vendor.account]) as reaper:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        await reaper.before_serving()
        await reaper.sweep()
        print("done", flush=True)
        await asyncio.to_thread(sys.stdin.readline)

asyncio.run(main())
"""


class Child:
    """A process that goes on when it is told."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.owner = owner.of(process.pid)

    async def says(self) -> str:
        assert self.process.stdout
        async with asyncio.timeout(20):
            return (await self.process.stdout.readline()).decode().strip()

    def go_on(self) -> None:
        assert self.process.stdin
        self.process.stdin.write(b"\n")

    async def die(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()


@asynccontextmanager
async def child(
    folder: Path, emulator: Emulator, service: str, *, dies: str = "", program: str = SESSION
) -> AsyncIterator[Child]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, str(folder), service, emulator.url, dies),
        cwd=ROOT,
        env={"KEY": key(emulator, service)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    found = Child(process)
    try:
        assert await found.says() == "ready"
        yield found
    finally:
        await found.die()


@asynccontextmanager
async def talking(
    folder: Path, emulator: Emulator, service: str = "liveavatar"
) -> AsyncIterator[Child]:
    """A process with a session that runs."""
    async with child(folder, emulator, service) as found:
        found.go_on()
        assert await found.says() == "open"
        yield found


def key(emulator: Emulator, service: str) -> str:
    return emulator.key("liveavatar" if service == "liveavatar" else "interactive")


def account(folder: Path, emulator: Emulator, service: str = "liveavatar") -> Account:
    kind = LiveAvatarVendor if service == "liveavatar" else InteractiveVendor
    vendor = kind(
        api_key=key(emulator, service),
        api_url=emulator.url,
        journal=Journal(folder),
        max_sessions=MOST,
    )
    return vendor.account


def stops(emulator: Emulator) -> list[str | None]:
    """The sessions that the vendor was told to stop."""
    return [each.session for each in emulator.record.calls if each.name.endswith("stop")]


@pytest.mark.parametrize(
    ("service", "kills"),
    [
        ("liveavatar", 10),
        ("interactive", 5),
        pytest.param("liveavatar", 200, marks=pytest.mark.long),
        pytest.param("interactive", 50, marks=pytest.mark.long),
    ],
)
async def test_what_a_killed_process_left_is_stopped_within_a_second(
    tmp_path: Path, service: str, kills: int
) -> None:
    seed = SystemRandom().randrange(2**32)
    logger.info(f"seed {seed}")
    random = Random(seed)
    took_s: list[float] = []
    async with serve(rest_delay_ms=50) as emulator:
        paying, journal = account(tmp_path, emulator, service), Journal(tmp_path)
        async with Reaper(journal, [paying]) as reaper:
            for number in range(kills):
                reservation = await journal.reserve(
                    paying.vendor, paying.key, most=MOST, limit_s=SESSION_S
                )
                async with child(tmp_path, emulator, service) as session:
                    await journal.hand(reservation, session.owner)
                    session.go_on()
                    if number % 3 == 2:
                        assert await session.says() == "open"
                        session.go_on()
                    await asyncio.sleep(random.uniform(0, 0.25))
                    await session.die()
                    started = time.monotonic()
                    await reaper.ended(session.owner)
                    took_s.append(time.monotonic() - started)
                assert emulator.running() == [], f"after kill {number}"
                standing = (await reaper.figures()).accounts[paying.vendor]
                nameless = standing.nameless if service == "interactive" else 0
                assert standing.taken == nameless, f"after kill {number}"
            reaped = (await reaper.figures()).reaped
    logger.info(f"{kills} kills, {reaped} stopped, {max(took_s):.3f} s at most")
    assert reaped >= kills / 5
    assert max(took_s) < STOPPED_S


@pytest.mark.parametrize("service", ["liveavatar", "interactive"])
@pytest.mark.parametrize(
    ("dies", "named"),
    [
        ("before it is named", False),
        ("before its name is noted", False),
        ("before it is started", True),
        ("when it is started", True),
        ("before it is stopped", True),
        ("when it is stopped", True),
    ],
)
async def test_at_every_step_of_a_session_its_process_may_die(
    tmp_path: Path, dies: str, named: bool, service: str
) -> None:
    told: list[str] = []
    sink = logger.add(told.append, format="{message}")
    async with serve() as emulator:
        paying = account(tmp_path, emulator, service)
        async with Reaper(Journal(tmp_path), [paying]) as reaper:
            async with child(tmp_path, emulator, service, dies=dies) as session:
                session.go_on()
                session.go_on()
                async with asyncio.timeout(10):
                    assert await session.process.wait() == -9
                await reaper.ended(session.owner)
            assert emulator.running() == []
            standing = (await reaper.figures()).accounts[paying.vendor]
            kept = not named and service == "interactive"  # LiveAvatar's names cost nothing
            assert standing.taken == standing.nameless == kept
    logger.remove(sink)
    assert len([line for line in told if "without a name, may run until 20" in line]) == kept


FAULTS: list[dict[str, Any]] = [
    {"status": 500, "times": 5},
    {"status": 0, "times": 4},
    {"status": 429, "times": 2, "headers": {"Retry-After": "1"}},
    {"status": None, "delay_s": 0.3},
    {"status": None, "delay_s": 30.0, "times": 2},
    {"status": 500, "done": True, "times": 5},
    {"status": 401, "times": 2},
]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
async def test_vendor_that_fails_to_stop_is_asked_until_it_confirms(
    tmp_path: Path, fault: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("launcher.reaper.TRY_S", 0.6)
    monkeypatch.setattr("launcher.retries.FIRST_PAUSE_S", 0.05)
    async with serve() as emulator:
        paying = account(tmp_path, emulator)
        async with Reaper(Journal(tmp_path), [paying]) as reaper:
            async with talking(tmp_path, emulator) as session:
                await session.die()
            emulator.fail("stop", **fault)
            await reaper.ended(session.owner, within_s=15)
            assert emulator.running() == []
            assert (await reaper.figures()).accounts["LiveAvatar"].taken == 0


@pytest.mark.parametrize("service", ["liveavatar", "interactive"])
async def test_session_that_the_vendor_does_not_know_is_over(tmp_path: Path, service: str) -> None:
    async with serve() as emulator:
        paying = account(tmp_path, emulator, service)
        async with Reaper(Journal(tmp_path), [paying]) as reaper:
            async with talking(tmp_path, emulator, service) as session:
                await session.die()
            emulator.sessions.clear()
            await reaper.ended(session.owner)
            assert await Journal(tmp_path).entries() == []


async def test_two_reapers_stop_what_the_dead_left_once_and_nothing_of_the_living(
    tmp_path: Path,
) -> None:
    async with (
        serve() as emulator,
        talking(tmp_path, emulator),
        talking(tmp_path, emulator),
        child(tmp_path, emulator, "liveavatar", program=OTHER_REAPER) as other,
        Reaper(Journal(tmp_path), [account(tmp_path, emulator)]) as reaper,
    ):
        alive = {each.id for each in emulator.running()}
        async with talking(tmp_path, emulator) as dead:
            (left,) = {each.id for each in emulator.running()} - alive
            await dead.die()
        other.go_on()
        await asyncio.gather(reaper.ended(dead.owner), reaper.before_serving(), reaper.sweep())
        assert await other.says() == "done"
        await emulator.until(lambda: {each.id for each in emulator.running()} == alive)
        assert stops(emulator) == [left]
        assert len(await Journal(tmp_path).entries()) == 2


async def test_what_a_reaper_was_stopping_when_it_died_is_stopped_by_the_next(
    tmp_path: Path,
) -> None:
    async with serve() as emulator:
        async with talking(tmp_path, emulator) as session:
            await session.die()
        emulator.fail("stop", status=503, times=10**6)
        async with child(tmp_path, emulator, "liveavatar", program=OTHER_REAPER) as other:
            other.go_on()
            await emulator.until(lambda: emulator.record.calls[-1].name == "stop")
            await other.die()
        emulator.faults.clear()
        assert len(emulator.running()) == 1
        async with Reaper(Journal(tmp_path), [account(tmp_path, emulator)]) as reaper:
            await reaper.before_serving()
            assert emulator.running() == []


async def test_start_that_arrives_behind_the_stop_does_not_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("launcher.reaper.SOON_S", 1.5)
    async with (
        serve() as emulator,
        Reaper(Journal(tmp_path), [account(tmp_path, emulator)]) as reaper,
        child(tmp_path, emulator, "liveavatar") as session,
    ):
        emulator.fail("start", status=None, delay_s=0.5)
        emulator.fail("stop", status=404)  # what is not started is not known
        session.go_on()
        async with asyncio.timeout(10):
            while emulator.faults[0].call == "start":  # nothing tells that it has arrived
                await asyncio.sleep(0.01)
        await session.die()
        assert emulator.running() == []
        await reaper.ended(session.owner)
        assert await Journal(tmp_path).entries() == []
        await emulator.until(emulator.running)
        await emulator.until(lambda: not emulator.running())


@pytest.mark.parametrize("service", ["liveavatar", "interactive"])
async def test_sweep_stops_what_was_ours_and_runs_and_no_foreign_session(
    tmp_path: Path, service: str
) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    async with (
        serve() as emulator,
        talking(theirs, emulator, service),
        talking(ours, emulator, service),
        Reaper(Journal(ours), [account(ours, emulator, service)]) as reaper,
    ):
        kept = {each.id for each in emulator.running()}
        async with talking(ours, emulator, service) as session:
            await session.die()
        emulator.fail("stop" if service == "liveavatar" else "streaming.stop", status=404)
        await reaper.ended(session.owner)
        assert len(emulator.running()) == 3, "the vendor has confirmed what it has not done"
        await reaper.sweep()
        assert {each.id for each in emulator.running()} == kept
