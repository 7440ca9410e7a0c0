"""What sessions of the launcher do wrong, with real processes: they end, and take nothing along."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from launcher import life
from launcher.backend import BackendError, Draining, Full, Spec, StartFailed, State, Why
from launcher.life import Limits
from launcher.local import LocalBackend
from launcher.processes import Processes, processes
from launcher.reaper import Reaper
from launcher.running import Surroundings
from launcher.session_log import LARGEST, SessionLogs
from launcher.slots import Slots
from tests.emulated.processes import lives, until
from transports.avatar import Account
from transports.avatar.journal import Journal

pytestmark = pytest.mark.asyncio(loop_scope="module")

WICKED = Path(__file__).with_name("wicked_bot.py")
LIMITS = Limits(longest_s=600, memory_mb=400, start_s=20, goodbye_s=1.5, cancel_s=0.5)
PATIENCE_S = 30.0


class Count:
    """How sessions ended, in order."""

    def __init__(self) -> None:
        self.ends: list[Why] = []
        self._changed = asyncio.Event()

    def came_up(self, seconds: float) -> None: ...

    def ended(self, why: Why) -> None:
        self.ends.append(why)
        self._changed.set()

    async def next(self) -> Why:
        """How the next session ends that nobody has asked for yet."""
        async with asyncio.timeout(PATIENCE_S):
            while not self.ends:
                self._changed.clear()
                await self._changed.wait()
        return self.ends.pop(0)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> float:
    """Who does not answer is hung after so many seconds. `tests/unit` has the real figure."""
    monkeypatch.setattr(life, "PING_S", 0.25)
    monkeypatch.setattr(life, "SILENT_S", 1.0)
    return life.SILENT_S


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["fork", "spawn"])
async def source(request: pytest.FixtureRequest) -> AsyncIterator[Processes]:
    found = await processes(WICKED, request.param)
    yield found
    await found.close()


@asynccontextmanager
async def launcher(
    source: Processes,
    folder: Path,
    *,
    most: int = 50,
    limits: Limits = LIMITS,
    accounts: Sequence[Account] = (),
) -> AsyncIterator[tuple[LocalBackend, Count]]:
    count, journal = Count(), Journal(folder / "state" if accounts else None)
    logs, slots = SessionLogs(folder / "logs"), Slots(journal, accounts)
    async with Reaper(journal, accounts) as reaper:
        surroundings = Surroundings(
            source, logs, lambda *_: "ticket", slots, reaper, count, patience_s=PATIENCE_S
        )
        backend = LocalBackend(surroundings, most=most, limits=limits)
        try:
            yield backend, count
        finally:
            await backend.close()


def spec(longest_s: float = 600, **body: Any) -> Spec:
    room = {"room_url": "https://example.daily.co/room", "token": "none"}
    return Spec(str(uuid4()), "local", "daily", longest_s, room, body)


async def talking(backend: LocalBackend, wanted: Spec) -> int:
    """Starts a session, waits for its pipeline, and returns its process's number."""
    await backend.start(wanted)

    def talks() -> int | None:
        found = next(each for each in backend.sessions() if each.id == wanted.session)
        return found.pid if found.state is State.TALKING else None

    return await until(talks)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"do": "end"}, Why.FINISHED),
        ({"do": "exit", "code": 0}, Why.FINISHED),
        ({"do": "exit", "code": 1}, Why.CRASHED),
        ({"do": "crash"}, Why.CRASHED),
        ({"do": "raise"}, Why.CRASHED),
        ({"do": "grow", "mb": 600}, Why.MEMORY),
    ],
    ids=lambda each: each["do"] if isinstance(each, dict) else "",
)
async def test_an_end_is_noticed_and_its_place_is_free(
    source: Processes, tmp_path: Path, body: dict[str, Any], why: Why
) -> None:
    async with launcher(source, tmp_path, most=1) as (backend, count):
        await backend.start(spec(**body))

        assert await count.next() is why
        await backend.start(spec(do="end"))


async def test_a_bot_that_blocks_is_killed(
    source: Processes, tmp_path: Path, impatient: float
) -> None:
    async with launcher(source, tmp_path) as (backend, count):
        await backend.start(spec(do="block"))

        assert await count.next() is Why.HUNG


async def test_a_stopped_process_is_gone_a_moment_after_it_is_found_hung(
    source: Processes, tmp_path: Path, impatient: float
) -> None:
    async with launcher(source, tmp_path) as (backend, count):
        pid = await talking(backend, spec())
        stopped_at = asyncio.get_running_loop().time()
        os.kill(pid, signal.SIGSTOP)

        assert await count.next() is Why.HUNG
        assert asyncio.get_running_loop().time() - stopped_at <= impatient + 1.5
        assert not lives(pid)


async def test_a_bot_that_blocks_for_a_moment_goes_on(
    source: Processes, tmp_path: Path, impatient: float
) -> None:
    async with launcher(source, tmp_path) as (backend, count):
        wanted = spec(do="block", seconds=impatient / 2)
        await talking(backend, wanted)
        await backend.stop(wanted.session)

        assert await count.next() is Why.STOPPED


def stand_still(seconds: float) -> None:
    """As a launcher does that is stopped: its event loop turns no more."""
    time.sleep(seconds)


async def test_who_answered_while_the_launcher_stood_still_goes_on(
    source: Processes, tmp_path: Path, impatient: float
) -> None:
    async with launcher(source, tmp_path) as (backend, count):
        pid = await talking(backend, wanted := spec())
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(impatient / 2)  # it is asked, and does not answer
        os.kill(pid, signal.SIGCONT)
        stand_still(impatient + life.LATE_S)  # now it does, and nobody here listens
        await asyncio.sleep(impatient / 2)
        await backend.stop(wanted.session)

        assert await count.next() is Why.STOPPED


async def test_who_ignores_everything_is_killed_in_order(source: Processes, tmp_path: Path) -> None:
    async with launcher(source, tmp_path) as (backend, count):
        wanted = spec(do="ignore")
        pid = await talking(backend, wanted)
        asked_at = asyncio.get_running_loop().time()
        await backend.stop(wanted.session)

        took = asyncio.get_running_loop().time() - asked_at
        assert took <= LIMITS.goodbye_s + LIMITS.cancel_s + 1
        assert not lives(pid)
        assert await count.next() is Why.STOPPED


async def test_what_a_bot_has_started_dies_with_it(source: Processes, tmp_path: Path) -> None:
    async with launcher(source, tmp_path) as (backend, count):
        pid_file = tmp_path / "pid"
        pid = await talking(backend, spec(do="fork", pid_file=str(pid_file)))
        await until(lambda: pid_file.exists() and pid_file.read_text())
        os.kill(pid, signal.SIGKILL)

        assert await count.next() is Why.CRASHED
        await until(lambda: not lives(int(pid_file.read_text())))


async def test_what_a_bot_has_started_as_a_daemon_dies_with_a_forked_session(
    source: Processes, tmp_path: Path
) -> None:
    if type(source).__name__ == "Pool":
        pytest.skip("it has no parent that would know")
    async with launcher(source, tmp_path) as (backend, _):
        pid_file = tmp_path / "pid"
        await talking(backend, other := spec())
        await talking(backend, wanted := spec(do="daemon", pid_file=str(pid_file)))
        daemon = int(await until(lambda: pid_file.exists() and pid_file.read_text()))
        await backend.stop(other.session)
        assert lives(daemon), "it is of a session that goes on"
        await backend.stop(wanted.session)

        await until(lambda: not lives(daemon))


async def test_another_launcher_leaves_the_log_of_a_session_alone_while_it_runs(
    source: Processes, tmp_path: Path
) -> None:
    async with launcher(source, tmp_path) as (backend, _):
        await talking(backend, wanted := spec())
        log = tmp_path / "logs" / f"{wanted.session}.log"
        other = SessionLogs(tmp_path / "logs", kept=1)
        os.close(other.open("second"))
        assert log.exists()
        await backend.stop(wanted.session)
        os.close(other.open("third"))
        assert not log.exists()


async def test_what_a_session_logs_is_bounded(
    source: Processes, tmp_path: Path, impatient: float
) -> None:
    async with launcher(source, tmp_path) as (backend, _):
        wanted = spec(do="chatter", mb=8)
        await talking(backend, wanted)
        log = tmp_path / "logs" / f"{wanted.session}.log"
        await until(lambda: "is cut off" in log.read_text()[:200])
        assert log.stat().st_size <= LARGEST


async def test_a_session_ends_in_time_with_a_goodbye(source: Processes, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    async with launcher(source, tmp_path) as (backend, count):
        await backend.start(spec(longest_s=2, notes=str(notes)))

        assert await count.next() is Why.LONGEST_TIME
        assert notes.read_text() == "Our time is over. Goodbye."


async def test_a_drain_waits_for_those_that_end_and_says_goodbye_to_the_others(
    source: Processes, tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    async with launcher(source, tmp_path) as (backend, count):
        await talking(backend, spec(notes=str(notes), goodbye_s=0.5))
        await talking(backend, spec(do="ignore"))
        await talking(backend, short := spec())
        loop = asyncio.get_running_loop()
        began = loop.time()
        draining = asyncio.create_task(backend.drain(4))
        await asyncio.sleep(0)
        with pytest.raises(Draining):
            await backend.start(spec())
        await backend.stop(short.session)
        await draining

        assert loop.time() - began <= 5
        assert "Goodbye" in notes.read_text()
        assert sorted(count.ends) == sorted([Why.STOPPED, Why.DRAINED, Why.DRAINED])


async def test_a_second_drain_makes_short_work(source: Processes, tmp_path: Path) -> None:
    async with launcher(source, tmp_path) as (backend, _):
        await talking(backend, spec(do="ignore"))
        loop = asyncio.get_running_loop()
        slow = asyncio.create_task(backend.drain(60))
        began = loop.time()
        await backend.drain(1)
        await slow

        assert loop.time() - began <= 2


async def nothing_runs(session: str) -> None:
    raise AssertionError(session)


async def test_who_waits_for_a_slot_may_wait_for_longer_than_a_start_takes(
    source: Processes, tmp_path: Path
) -> None:
    limits, account = replace(LIMITS, start_s=2), Account("V", "SECRET-key", nothing_runs, most=1)
    async with launcher(source, tmp_path, limits=limits, accounts=[account]) as (backend, _):
        first, second = spec(), spec()
        await talking(backend, first)
        waiting = asyncio.create_task(talking(backend, second))
        await asyncio.wait({waiting}, timeout=limits.start_s + 0.5)
        assert not waiting.done()
        await backend.stop(first.session)

        assert await waiting


async def test_who_waits_for_a_slot_keeps_nobody_from_ending(
    source: Processes, tmp_path: Path
) -> None:
    account = Account("V", "SECRET-key", nothing_runs, most=1)
    async with launcher(source, tmp_path, accounts=[account]) as (backend, _):
        await talking(backend, spec())
        waiting = asyncio.create_task(backend.start(spec()))
        await asyncio.sleep(0)
        began = asyncio.get_running_loop().time()
        await backend.drain(1)

        assert asyncio.get_running_loop().time() - began <= 2
        with pytest.raises(StartFailed):
            await waiting


async def test_200_at_once_on_40_places(source: Processes, tmp_path: Path) -> None:
    limits = replace(LIMITS, start_s=60)
    async with launcher(source, tmp_path, most=40, limits=limits) as (backend, _):
        if type(source).__name__ == "Pool":
            pytest.skip("40 cold processes are no matter of a test")
        answers = await asyncio.gather(
            *(backend.start(spec()) for _ in range(200)), return_exceptions=True
        )

        assert sum(isinstance(each, Full) for each in answers) == 160
        assert not [
            each
            for each in answers
            if isinstance(each, BackendError) and not isinstance(each, Full)
        ]
        assert backend.capacity().used == 40
        await backend.drain(1)
        assert backend.capacity().used == 0


async def test_a_start_that_nobody_waits_for_any_more_leaves_nothing(
    source: Processes, tmp_path: Path
) -> None:
    async with launcher(source, tmp_path) as (backend, count):
        starting = asyncio.create_task(backend.start(spec()))
        await asyncio.sleep(0)
        starting.cancel()

        await until(lambda: not backend.sessions())
        assert count.ends in ([], [Why.STOPPED]), "with a process at hand it has begun"


async def test_a_full_disk_of_logs_is_a_failed_start(
    source: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("launcher.running.HUNG_UP_S", 0.1)
    async with launcher(source, tmp_path) as (backend, _):
        (tmp_path / "logs").rmdir()
        with pytest.raises(StartFailed):
            await backend.start(spec())

        assert backend.capacity().used == 0
