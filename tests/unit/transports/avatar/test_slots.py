"""An account's slots are entries of the journal: so many and no more, over all processes."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from transports.avatar import owner
from transports.avatar.errors import JournalUnusable, NoSlotLeft
from transports.avatar.journal import Journal, Standing

pytestmark = pytest.mark.asyncio

ROOT = Path(__file__).parents[4]
KEY = "SECRET-key"

RESERVES = """
import asyncio, sys
from pathlib import Path
from transports.avatar.errors import NoSlotLeft
from transports.avatar.journal import Journal

async def main():
    journal = Journal(Path(sys.argv[1]))
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        await journal.reserve("V", "SECRET-key", most=int(sys.argv[2]), limit_s=600)
    except NoSlotLeft as error:
        print("refused", error.taken, flush=True)
    else:
        print("got", flush=True)
    sys.stdin.readline()

asyncio.run(main())
"""

INTENDS = """
import asyncio, sys
from pathlib import Path
from transports.avatar.journal import Journal

async def main():
    journal = Journal(Path(sys.argv[1]))
    print("ready", flush=True)
    sys.stdin.readline()
    costs = sys.argv[2:] != ["free"]
    entry = await journal.intend("V", "SECRET-key", limit_s=600, most=1, costs=costs)
    print(entry, flush=True)
    sys.stdin.readline()

asyncio.run(main())
"""


@contextmanager
def waiting(program: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A process that waits to be told to go on, and is killed in the end."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    process = subprocess.Popen(
        command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def says(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def go_on(process: subprocess.Popen[str]) -> None:
    assert process.stdin
    process.stdin.write("\n")
    process.stdin.flush()


async def standing(folder: Path) -> Standing:
    return await Journal(folder).standing("V", KEY)


@pytest.mark.parametrize(
    ("processes", "most"), [(20, 8), pytest.param(200, 40, marks=pytest.mark.long)]
)
async def test_of_many_processes_that_reserve_at_once_as_many_get_a_slot_as_there_are(
    tmp_path: Path, processes: int, most: int
) -> None:
    with ExitStack() as stack:
        children = [
            stack.enter_context(waiting(RESERVES, tmp_path, most)) for _ in range(processes)
        ]
        assert {says(each) for each in children} == {"ready"}
        for each in children:
            go_on(each)
        answers = [says(each) for each in children]
        assert answers.count("got") == most
        assert answers.count(f"refused {most}") == processes - most
        assert (await standing(tmp_path)).reserved == most
    assert (await standing(tmp_path)).reserved == 0, "they are dead"


async def test_two_hundred_starts_of_one_launcher_on_forty_slots_are_forty(
    tmp_path: Path,
) -> None:
    journal = Journal(tmp_path)
    starts = (journal.reserve("V", KEY, most=40, limit_s=600) for _ in range(200))
    got = await asyncio.gather(*starts, return_exceptions=True)
    assert sum(isinstance(each, str) for each in got) == 40
    assert sum(isinstance(each, NoSlotLeft) for each in got) == 160


async def test_slot_is_one_from_the_reservation_to_the_end_of_the_session(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    await journal.reserve("V", KEY, most=1, limit_s=600)
    assert await standing(tmp_path) == Standing(reserved=1)
    assert await journal.entries() == [], "nothing runs"
    entry = await journal.intend("V", KEY, limit_s=600, most=1)
    assert await standing(tmp_path) == Standing(nameless=1)
    await journal.name(entry, "s1")
    assert await standing(tmp_path) == Standing(named=1)
    with pytest.raises(NoSlotLeft, match="all 1 sessions that V may have at once are taken"):
        await journal.reserve("V", KEY, most=1, limit_s=600)
    await journal.strike(entry)
    assert (await standing(tmp_path)).taken == 0
    await journal.intend("V", KEY, limit_s=600, most=1)


async def test_without_a_reservation_the_limit_counts_all_the_same(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    await journal.intend("V", KEY, limit_s=600, most=1)
    with pytest.raises(NoSlotLeft):
        await journal.intend("V", KEY, limit_s=600, most=1)
    await journal.intend("V", KEY, limit_s=600)
    await journal.intend("V", "SECRET-other", limit_s=600, most=1)
    await journal.intend("W", KEY, limit_s=600, most=1)


async def test_reservation_that_is_handed_over_is_used_by_that_process_alone(
    tmp_path: Path,
) -> None:
    journal = Journal(tmp_path)
    with waiting(INTENDS, tmp_path) as other:
        reservation = await journal.reserve("V", KEY, most=1, limit_s=600)
        await journal.hand(reservation, owner.of(other.pid))
        with pytest.raises(NoSlotLeft):
            await journal.intend("V", KEY, limit_s=600, most=1)
        assert says(other) == "ready"
        go_on(other)
        entry = says(other)
        assert [each.id for each in await journal.entries()] == [entry]
        assert (await standing(tmp_path)).taken == 1
        await journal.release(reservation)
        assert (await standing(tmp_path)).taken == 1, "it is a session by now"
    assert (await standing(tmp_path)).taken == 1, "it may run"


async def test_reservation_ends_with_its_process_its_release_and_its_time(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    with waiting(INTENDS, tmp_path) as other:
        assert says(other) == "ready"
        process = owner.of(other.pid)
        await journal.hand(await journal.reserve("V", KEY, most=1, limit_s=600), process)
    with pytest.raises(ProcessLookupError):
        owner.of(other.pid)
    released = await journal.reserve("V", KEY, most=1, limit_s=600)
    await journal.release(released)
    await journal.reserve("V", KEY, most=1, limit_s=-1)
    await journal.reserve("V", KEY, most=1, limit_s=600)


@pytest.mark.parametrize(
    "column", ["pid", "host", "started"], ids=["alive", "elsewhere", "unknown"]
)
async def test_slot_is_free_past_the_vendors_limit_whoever_had_it(
    tmp_path: Path, column: str
) -> None:
    journal = Journal(tmp_path)
    entry = await journal.intend("V", KEY, limit_s=600)
    await journal.name(entry, "s1")
    with sqlite3.connect(tmp_path / "journal.sqlite") as rows:
        rows.execute("UPDATE entry SET named_at = named_at - 100, until = until - 610")
        if column != "pid":
            rows.execute(f"UPDATE entry SET {column} = ''")
    rows.close()
    await journal.release(await journal.reserve("V", KEY, most=1, limit_s=600))
    left = [] if column != "pid" else ["s1"]
    assert [each.session for each in await journal.entries()] == left
    assert (await standing(tmp_path)).taken == 0
    await journal.strike(entry)
    assert (await standing(tmp_path)).paid_s == pytest.approx(90, abs=5), "once"
    assert await journal.strays("V", KEY, ["s1"]) == ["s1"]


async def test_limit_is_the_one_that_the_vendor_tells(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    entry = await journal.intend("V", KEY, limit_s=-1, most=1)
    await journal.name(entry, "s1")
    assert (await standing(tmp_path)).taken == 0
    await journal.limit(entry, 600)
    assert (await standing(tmp_path)).taken == 1
    with pytest.raises(NoSlotLeft):
        await journal.reserve("V", KEY, most=1, limit_s=600)
    await journal.limit(entry, 0)
    await journal.reserve("V", KEY, most=1, limit_s=600)


async def test_what_never_cost_is_nothing_once_its_process_is_dead(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    with waiting(INTENDS, tmp_path, "free") as other:
        assert says(other) == "ready"
        go_on(other)
        assert says(other)
        with pytest.raises(NoSlotLeft):
            await journal.intend("V", KEY, limit_s=600, most=1, costs=False)
        assert len(await journal.entries()) == 1
    await journal.intend("V", KEY, limit_s=600, most=1, costs=False)
    with pytest.raises(NoSlotLeft):
        await journal.intend("V", KEY, limit_s=600, most=1, costs=False)


async def test_who_saw_a_process_die_takes_its_reservation_away_and_adopts_its_sessions_alone(
    tmp_path: Path,
) -> None:
    journal = Journal(tmp_path)
    with waiting(INTENDS, tmp_path) as other:
        gone = owner.of(other.pid)
        mine = await journal.intend("V", KEY, limit_s=600)
        await journal.name(mine, "mine")
        await journal.reserve("V", KEY, most=5, limit_s=600)
        reservation = await journal.reserve("V", KEY, most=5, limit_s=600)
        await journal.hand(reservation, gone)
        assert await journal.adopt("V", KEY, of=gone) == []
    assert await standing(tmp_path) == Standing(reserved=1, named=1)


async def test_who_is_cancelled_while_reserving_has_no_slot(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    reserving = asyncio.create_task(journal.reserve("V", KEY, most=1, limit_s=600))
    await asyncio.sleep(0)
    reserving.cancel()
    await asyncio.wait({reserving})
    assert reserving.cancelled()
    await journal.reserve("V", KEY, most=1, limit_s=600)


async def test_what_is_over_is_paid_for_from_its_name_to_its_end_or_its_limit(
    tmp_path: Path,
) -> None:
    journal = Journal(tmp_path)
    for named_before_s, limit_s in ((100, 600), (1_000, 600)):
        entry = await journal.intend("V", KEY, limit_s=limit_s)
        await journal.name(entry, f"s{limit_s}-{named_before_s}")
        with sqlite3.connect(tmp_path / "journal.sqlite") as rows:
            rows.execute(
                "UPDATE entry SET named_at = named_at - ?, until = until - ?",
                (named_before_s, named_before_s),
            )
        rows.close()
        await journal.strike(entry)
    never = await journal.intend("V", KEY, limit_s=600)
    await journal.strike(never)
    assert (await standing(tmp_path)).paid_s == pytest.approx(700, abs=5)
    assert (await Journal(tmp_path).standing("V", "SECRET-other")).paid_s == 0


async def test_what_was_ours_is_known_for_a_day_and_nothing_else_is(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for name in ("old", "over", "runs"):
        entry = await journal.intend("V", KEY, limit_s=600)
        await journal.name(entry, name)
        if name != "runs":
            await journal.strike(entry)
        if name == "old":
            with sqlite3.connect(tmp_path / "journal.sqlite") as rows:
                rows.execute("UPDATE past SET ended_at = ended_at - 90000")
            rows.close()
    running = ["foreign", "old", "over", "runs"]
    assert await journal.strays("V", KEY, running) == ["over"]
    assert await journal.strays("V", "SECRET-other", running) == []


async def test_journal_that_is_locked_gives_no_slot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transports.avatar.journal.LOCKED_S", 0.05)
    journal = Journal(tmp_path)
    await journal.entries()
    rows = sqlite3.connect(tmp_path / "journal.sqlite", isolation_level=None)
    rows.execute("BEGIN EXCLUSIVE")
    with pytest.raises(JournalUnusable, match="locked"):
        await journal.reserve("V", KEY, most=1, limit_s=600)
    rows.close()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root writes everywhere")
async def test_journal_that_is_read_only_gives_no_slot(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    await journal.entries()
    (tmp_path / "journal.sqlite").chmod(0o400)
    with pytest.raises(JournalUnusable):
        await journal.reserve("V", KEY, most=1, limit_s=600)


FULL = """
import asyncio, resource, sys
from pathlib import Path
from transports.avatar.errors import JournalUnusable
from transports.avatar.journal import Journal

async def main():
    journal = Journal(Path(sys.argv[1]))
    await journal.entries()
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    try:
        for _ in range(100):
            await journal.reserve("V" * 500, "SECRET-key", most=100, limit_s=600)
    except JournalUnusable:
        print("refused")

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no such limit")
async def test_disk_that_is_full_gives_no_slot(tmp_path: Path) -> None:
    with waiting(FULL, tmp_path) as process:
        assert says(process) == "refused"


async def test_without_a_journal_there_is_nothing_to_count() -> None:
    journal = Journal(None)
    reservation = await journal.reserve("V", KEY, most=0, limit_s=600)
    await journal.release(reservation)
    assert await journal.standing("V", KEY) == Standing()
    assert await journal.strays("V", KEY, ["s1"]) == []
