"""What is paid for is noted, told apart by its owner, and kept from others."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from loguru import logger

from transports.avatar.errors import JournalUnusable, VendorUnreachable
from transports.avatar.journal import Journal, reap

pytestmark = pytest.mark.asyncio

ROOT = Path(__file__).parents[4]
KEY = "SECRET-key"

DIES = """
import asyncio, os, sys
from pathlib import Path
from transports.avatar.journal import Journal

async def main():
    journal = Journal(Path(sys.argv[1]))
    for session in sys.argv[2:]:
        entry = await journal.intend("V", "SECRET-key", limit_s=600)
        if session != "lost":
            await journal.name(entry, session)
    os.kill(os.getpid(), 9)

asyncio.run(main())
"""


def die(folder: Path, *sessions: str) -> None:
    """A process notes these, and is killed."""
    command = [sys.executable, "-c", DIES, folder, *sessions]
    assert subprocess.run(command, cwd=ROOT, timeout=60, check=False).returncode == -9


class Stops:
    def __init__(self) -> None:
        self.stopped: list[str] = []
        self.fails = False

    async def __call__(self, session: str) -> None:
        await asyncio.sleep(0.1)
        if self.fails:
            raise VendorUnreachable("V")
        self.stopped.append(session)


async def test_an_entry_is_there_from_the_intent_until_the_vendor_has_closed_it(
    tmp_path: Path,
) -> None:
    journal = Journal(tmp_path)
    entry = await journal.intend("V", KEY, limit_s=600)
    (noted,) = await journal.entries()
    assert (noted.vendor, noted.session) == ("V", None)
    assert noted.until == pytest.approx(noted.opened_at + 600)
    await journal.name(entry, "s1")
    assert [each.session for each in await journal.entries()] == ["s1"]
    await journal.strike(entry)
    assert await journal.entries() == []


async def test_what_a_killed_process_left_is_stopped_and_what_has_no_name_is_told(
    tmp_path: Path,
) -> None:
    die(tmp_path, "s1", "lost", "s2")
    stop = Stops()
    running = await reap(Journal(tmp_path), "V", KEY, stop)
    assert stop.stopped == ["s1", "s2"]
    assert [each.session for each in running] == [None]
    assert [each.session for each in await Journal(tmp_path).entries()] == [None]


async def test_what_a_living_process_has_is_left_alone(tmp_path: Path) -> None:
    journal, stop = Journal(tmp_path), Stops()
    await journal.name(await journal.intend("V", KEY, limit_s=600), "s1")
    assert await reap(Journal(tmp_path), "V", KEY, stop) == []
    assert stop.stopped == []
    assert len(await journal.entries()) == 1


async def test_two_that_start_at_once_stop_each_session_once(tmp_path: Path) -> None:
    die(tmp_path, "s1", "s2")
    stop = Stops()
    await asyncio.gather(*(reap(Journal(tmp_path), "V", KEY, stop) for _ in range(4)))
    assert sorted(stop.stopped) == ["s1", "s2"]


async def test_a_number_that_was_given_again_is_another_process(tmp_path: Path) -> None:
    journal, stop = Journal(tmp_path), Stops()
    await journal.name(await journal.intend("V", KEY, limit_s=600), "s1")
    with sqlite3.connect(tmp_path / "journal.sqlite") as rows:
        rows.execute("UPDATE entry SET started = 'yesterday'")
    rows.close()
    assert await reap(journal, "V", KEY, stop) == []
    assert stop.stopped == ["s1"]


@pytest.mark.parametrize("column", ["host", "started"])
async def test_of_a_process_that_cannot_be_looked_at_nobody_says_that_it_is_dead(
    tmp_path: Path, column: str
) -> None:
    die(tmp_path, "s1")
    with sqlite3.connect(tmp_path / "journal.sqlite") as rows:
        rows.execute(f"UPDATE entry SET {column} = ''")
    rows.close()
    stop = Stops()
    await reap(Journal(tmp_path), "V", KEY, stop)
    assert stop.stopped == []


async def test_another_account_stops_nothing_of_this_one(tmp_path: Path) -> None:
    die(tmp_path, "s1")
    stop = Stops()
    assert await reap(Journal(tmp_path), "V", "SECRET-other", stop) == []
    assert await reap(Journal(tmp_path), "W", KEY, stop) == []
    assert stop.stopped == []


async def test_a_stop_that_is_not_confirmed_stays_noted_for_the_next_start(tmp_path: Path) -> None:
    die(tmp_path, "s1")
    stop = Stops()
    stop.fails = True
    assert [each.session for each in await reap(Journal(tmp_path), "V", KEY, stop)] == ["s1"]
    assert len(await Journal(tmp_path).entries()) == 1
    stop.fails = False
    assert await reap(Journal(tmp_path), "V", KEY, stop) == [], "who failed lives on"
    assert stop.stopped == ["s1"]


async def test_vendor_that_does_not_answer_is_not_waited_for_and_what_may_run_is_told(
    tmp_path: Path,
) -> None:
    die(tmp_path, "s1", "lost", "s2")
    told: list[str] = []
    sink = logger.add(told.append, format="{message}")

    async def stop(session: str) -> None:
        await asyncio.sleep(3600)

    async with asyncio.timeout(6):
        running = await reap(Journal(tmp_path), "V", KEY, stop, within_s=5)
    logger.remove(sink)
    assert [each.session for each in running] == ["s1", None, "s2"]
    assert len(told) == 3
    assert all("may run until 20" in line for line in told)
    assert "s2 of a dead bot is not stopped (V did not answer)" in told[2]


async def test_past_the_vendors_limit_what_has_no_name_is_over_and_what_has_one_is_stopped(
    tmp_path: Path,
) -> None:
    die(tmp_path, "lost", "s1")
    with sqlite3.connect(tmp_path / "journal.sqlite") as rows:
        rows.execute("UPDATE entry SET until = 0")
    rows.close()
    stop = Stops()
    assert await reap(Journal(tmp_path), "V", KEY, stop) == []
    assert stop.stopped == ["s1"]
    assert await Journal(tmp_path).entries() == []


async def test_who_is_cancelled_while_noting_leaves_no_note(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    intending = asyncio.create_task(journal.intend("V", KEY, limit_s=600))
    await asyncio.sleep(0)
    intending.cancel()
    await asyncio.wait({intending})
    assert intending.cancelled()
    assert await journal.entries() == []


async def test_at_rest_there_is_no_key_and_nobody_else_can_read(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    journal = Journal(folder)
    await journal.name(await journal.intend("V", KEY, limit_s=600), "s1")
    files = sorted(folder.iterdir())
    assert [each.name for each in files if each.suffix != ".present"] == [
        "journal.key",
        "journal.sqlite",
    ]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(each.stat().st_mode) for each in files} == {0o600}
    assert all(b"SECRET-" not in each.read_bytes() for each in files)


def link(folder: Path) -> None:
    (folder / "journal.sqlite").symlink_to(folder / "elsewhere")


def link_key(folder: Path) -> None:
    (folder / "elsewhere").write_bytes(bytes(32))
    (folder / "journal.key").symlink_to(folder / "elsewhere")


def open_to_others(folder: Path) -> None:
    folder.chmod(0o755)


def open_file(folder: Path) -> None:
    (folder / "journal.sqlite").touch(0o644)


def garbage(folder: Path) -> None:
    (folder / "journal.sqlite").touch(0o600)
    (folder / "journal.sqlite").write_bytes(b"no database" * 100)


def short_key(folder: Path) -> None:
    (folder / "journal.key").touch(0o600)


@pytest.mark.parametrize(
    "spoil",
    [link, link_key, open_to_others, open_file, garbage, short_key],
    ids=lambda f: f.__name__,
)
async def test_a_journal_that_is_not_what_it_should_be_is_refused(
    tmp_path: Path, spoil: object
) -> None:
    folder = tmp_path / "state"
    folder.mkdir(0o700)
    spoil(folder)  # type: ignore[operator]
    with pytest.raises(JournalUnusable):
        await Journal(folder).intend("V", KEY, limit_s=600)


async def test_a_link_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(0o700)
    (tmp_path / "state").symlink_to(tmp_path / "real")
    with pytest.raises(JournalUnusable):
        await Journal(tmp_path / "state").intend("V", KEY, limit_s=600)


async def test_a_journal_that_another_process_keeps_locked_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transports.avatar.journal.LOCKED_S", 0.05)
    journal = Journal(tmp_path)
    await journal.entries()
    rows = sqlite3.connect(tmp_path / "journal.sqlite", isolation_level=None)
    rows.execute("BEGIN EXCLUSIVE")
    with pytest.raises(JournalUnusable, match="locked"):
        await journal.intend("V", KEY, limit_s=600)
    rows.close()


def keep_out(folder: Path) -> None:
    folder.chmod(0o500)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root writes everywhere")
async def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    keep_out(tmp_path)
    with pytest.raises(JournalUnusable):
        await Journal(tmp_path / "state").intend("V", KEY, limit_s=600)


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
            await journal.intend("V" * 500, "SECRET-key", limit_s=600)
    except JournalUnusable as error:
        print("refused")

asyncio.run(main())
"""


def fill(folder: Path) -> bytes:
    """What a process says that may write no more than a page."""
    command = [sys.executable, "-c", FULL, folder]
    return subprocess.run(command, cwd=ROOT, timeout=60, check=True, capture_output=True).stdout


@pytest.mark.skipif(sys.platform == "win32", reason="has no such limit")
async def test_a_disk_that_is_full_is_refused(tmp_path: Path) -> None:
    assert fill(tmp_path) == b"refused\n"


async def test_without_a_journal_each_session_is_warned_of() -> None:
    lines: list[str] = []
    sink = logger.add(lines.append, format="{message}")
    journal = Journal(None)
    entry = await journal.intend("V", KEY, limit_s=600)
    await journal.name(entry, "s1")
    await journal.strike(entry)
    assert await journal.entries() == await journal.adopt("V", KEY) == []
    logger.remove(sink)
    assert "may be left running" in lines[0]
