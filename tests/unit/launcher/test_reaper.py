"""What a vendor answers decides when it is asked again, and what is told."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from loguru import logger

from launcher.reaper import Reaper
from transports.avatar import Account, JournalUnusable, RateLimited, VendorUnreachable
from transports.avatar.journal import Entry, Journal, reap
from transports.avatar.owner import Owner, this_process

pytestmark = pytest.mark.asyncio

KEY = "SECRET-key"


class Vendor:
    """Stops sessions, after it has failed as often as it is told."""

    def __init__(self, *failures: Exception | None) -> None:
        self.failures = list(failures)  # None: no answer at all
        self.stopped: list[str] = []
        self.asked_at: list[float] = []
        self.running: list[str] = []

    @property
    def account(self) -> Account:
        return Account("V", KEY, self.stop, self.list_running)

    async def stop(self, session: str) -> None:
        self.asked_at.append(asyncio.get_running_loop().time())
        if self.failures:
            if failure := self.failures.pop(0):
                raise failure
            await asyncio.sleep(3_600)
        self.stopped.append(session)

    async def list_running(self) -> list[str]:
        return self.running


def dead() -> Owner:
    """A process that is gone."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    me = this_process()
    return Owner(me.host, me.boot, process.pid, "yesterday")


async def leave(folder: Path, *sessions: str | None, owner: Owner | None = None) -> Owner:
    """A dead process has left these; None has no name."""
    journal, owner = Journal(folder), owner or dead()
    for session in sessions:
        entry = await journal.intend("V", KEY, limit_s=600)
        if session:
            await journal.name(entry, session)
        with sqlite3.connect(folder / "journal.sqlite") as rows:
            rows.execute(
                "UPDATE entry SET pid = ?, started = ? WHERE id = ?",
                (owner.pid, owner.started, entry),
            )
        rows.close()
    return owner


@contextmanager
def told() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = logger.add(lines.append, format="{message}")
    yield lines
    logger.remove(sink)


async def open_sessions(folder: Path) -> list[str | None]:
    return [each.session for each in await Journal(folder).entries()]


async def test_vendor_is_asked_again_with_growing_pauses_until_it_confirms(tmp_path: Path) -> None:
    owner = await leave(tmp_path, "s1")
    vendor = Vendor(*(VendorUnreachable("V", 500) for _ in range(4)))
    with told() as lines:
        async with Reaper(Journal(tmp_path), [vendor.account]) as reaper:
            await reaper.ended(owner)
            figures = await reaper.figures()
    assert vendor.stopped == ["s1"]
    assert await open_sessions(tmp_path) == []
    assert (figures.reaped, figures.open_tries) == (1, 0)
    pauses = [after - before for before, after in pairwise(vendor.asked_at)]
    assert pauses == pytest.approx([0.25, 0.5, 1, 2])
    assert [line for line in lines if "not stopped yet (V failed with 500)" in line]
    assert len([line for line in lines if "V session s1 of a dead bot" in line]) == 2, lines


async def test_vendor_that_asks_to_wait_is_asked_no_sooner(tmp_path: Path) -> None:
    owner = await leave(tmp_path, "s1")
    vendor = Vendor(RateLimited("V", 429, 30.0))
    async with Reaper(Journal(tmp_path), [vendor.account]) as reaper:
        await reaper.ended(owner, within_s=60)
    first, second = vendor.asked_at
    assert second - first == pytest.approx(30)


async def test_vendor_that_does_not_answer_is_not_waited_for_and_asked_again_meanwhile(
    tmp_path: Path,
) -> None:
    owner = await leave(tmp_path, "s1")
    vendor = Vendor(None, None)
    async with Reaper(Journal(tmp_path), [vendor.account]) as reaper:
        started = asyncio.get_running_loop().time()
        await reaper.ended(owner, within_s=3)
        assert asyncio.get_running_loop().time() - started == pytest.approx(3)
        assert (await reaper.figures()).open_tries == 1
        await asyncio.sleep(30)
        assert vendor.stopped == ["s1"]
    assert await open_sessions(tmp_path) == []


async def test_past_the_vendors_limit_it_is_given_up_and_its_slot_is_free(tmp_path: Path) -> None:
    owner = await leave(tmp_path, "s1")
    with sqlite3.connect(tmp_path / "journal.sqlite") as rows:
        rows.execute("UPDATE entry SET until = 0")
    rows.close()
    vendor = Vendor(VendorUnreachable("V"))
    with told() as lines:
        async with Reaper(Journal(tmp_path), [vendor.account]) as reaper:
            await reaper.ended(owner)
            assert (await reaper.figures()).accounts["V"].taken == 0
            vendor.running = ["s1"]
            await reaper.sweep()
    assert "s1 of a dead bot is given up: the vendor's limit is past" in lines[0]
    assert vendor.stopped == ["s1"], "it ran, and was known as ours"


async def test_session_without_a_name_is_told_once_and_keeps_its_slot(tmp_path: Path) -> None:
    owner = await leave(tmp_path, None)
    vendor = Vendor()
    with told() as lines:
        async with Reaper(Journal(tmp_path), [vendor.account]) as reaper:
            await reaper.before_serving()
            await reaper.ended(owner)
            await reaper.sweep()
            assert (await reaper.figures()).accounts["V"].nameless == 1
    (line,) = lines
    assert "a V session of a dead bot, without a name, may run until 20" in line


async def test_start_goes_on_after_a_while_and_the_vendor_is_asked_meanwhile(
    tmp_path: Path,
) -> None:
    await leave(tmp_path, "s1", "s2")
    vendor = Vendor(None, None, None, None)
    with told() as lines:
        async with Reaper(Journal(tmp_path), [vendor.account]) as reaper:
            await reaper.before_serving(within_s=5)
            assert vendor.stopped == []
            await asyncio.sleep(60)
    assert sorted(vendor.stopped) == ["s1", "s2"]
    assert [line for line in lines if "2 sessions of dead bots are being stopped meanwhile" in line]


async def test_what_is_not_stopped_at_the_end_is_told_and_left_to_the_next_start(
    tmp_path: Path,
) -> None:
    owner = await leave(tmp_path, "s1")
    with told() as lines:
        async with Reaper(Journal(tmp_path), [Vendor(None, None).account]) as reaper:
            await reaper.ended(owner, within_s=1)
    assert "s1 of a dead bot is not stopped: the next start goes on with it" in lines[-1]
    assert await open_sessions(tmp_path) == ["s1"]


async def test_end_waits_for_a_slow_vendor_and_for_nothing_else(tmp_path: Path) -> None:
    now = asyncio.get_running_loop().time
    owner = await leave(tmp_path, "s1")
    vendor = Vendor(VendorUnreachable("V"), VendorUnreachable("V"), VendorUnreachable("V"))
    async with Reaper(Journal(tmp_path), [vendor.account]) as reaper:
        await reaper.ended(owner, within_s=0)
        began = now()
    assert vendor.stopped == ["s1"]
    assert now() - began == pytest.approx(0.25 + 0.5 + 1)
    async with Reaper(Journal(tmp_path), [vendor.account]):
        began = now()
    assert now() == began


async def test_journal_that_cannot_be_used_keeps_from_starting(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").symlink_to(tmp_path / "elsewhere")
    async with Reaper(Journal(tmp_path), [Vendor().account]) as reaper:
        with pytest.raises(JournalUnusable):
            await reaper.before_serving()
        assert (await reaper.figures()).accounts == {}


async def test_journal_that_cannot_be_used_for_a_while_is_waited_for(tmp_path: Path) -> None:
    owner = await leave(tmp_path, "s1")
    vendor = Vendor()
    file, hidden = tmp_path / "journal.sqlite", tmp_path / "hidden"
    file.rename(hidden)
    file.symlink_to(hidden)
    async with Reaper(Journal(tmp_path), [vendor.account]) as reaper:
        await reaper.ended(owner, within_s=5)
        assert vendor.stopped == []
        file.unlink()
        hidden.rename(file)
        await asyncio.sleep(60)
    assert vendor.stopped == ["s1"]


async def test_now_and_then_what_was_ours_and_runs_is_stopped_and_nothing_else(
    tmp_path: Path,
) -> None:
    owner = await leave(tmp_path, "ours")
    vendor = Vendor()
    journal = Journal(tmp_path)
    await journal.name(await journal.intend("V", KEY, limit_s=600), "talks")
    async with Reaper(journal, [vendor.account], sweep_s=100) as reaper:
        await reaper.ended(owner)
        await asyncio.sleep(20)
        vendor.stopped.clear()
        vendor.running = ["foreign", "ours", "talks"]
        await leave(tmp_path, "left by a bot")
        await asyncio.sleep(80)
        assert vendor.stopped == []
        await asyncio.sleep(20)
    assert sorted(vendor.stopped) == ["left by a bot", "ours"]


async def test_what_a_bot_beside_could_not_stop_is_stopped_by_the_next_sweep(
    tmp_path: Path,
) -> None:
    await leave(tmp_path, "s1")
    vendor = Vendor(VendorUnreachable("V"))
    assert len(await reap(Journal(tmp_path), "V", KEY, vendor.stop)) == 1
    async with Reaper(Journal(tmp_path), [vendor.account], sweep_s=100):
        await asyncio.sleep(101)
        assert vendor.stopped == ["s1"]


async def test_soon_after_a_stop_it_is_looked_whether_it_has_stayed_so(tmp_path: Path) -> None:
    owner = await leave(tmp_path, "s1")
    vendor = Vendor()
    async with Reaper(Journal(tmp_path), [vendor.account], sweep_s=10_000) as reaper:
        await reaper.ended(owner)
        vendor.running = ["s1"]
        await asyncio.sleep(15)
        assert vendor.stopped == ["s1", "s1"]
        vendor.running = []
        await asyncio.sleep(1_000)
    assert vendor.stopped == ["s1", "s1"]


async def test_vendors_code_that_trips_over_a_reply_ends_nothing_and_is_asked_again(
    tmp_path: Path,
) -> None:
    owner = await leave(tmp_path, "s1")
    vendor = Vendor(KeyError("data"), KeyError("data"))
    looked = 0

    async def running() -> list[str]:
        nonlocal looked
        looked += 1
        raise KeyError("data")

    account = replace(vendor.account, running=running)
    with told() as lines:
        async with Reaper(Journal(tmp_path), [account], sweep_s=100) as reaper:
            await reaper.ended(owner)
            assert vendor.stopped == ["s1"]
            await asyncio.sleep(250)
    assert looked == 3, "soon after the stop, and each 100 s"
    assert "Traceback" in "".join(lines)
    assert "not stopped yet (V returned what its code does not expect)" in "".join(lines)


async def test_fault_of_our_own_ends_nothing_but_what_it_is_in(tmp_path: Path) -> None:
    class Faulty(Journal):
        async def adopt(self, *args: Any, of: Owner | None = None) -> list[Entry]:
            if of:
                raise KeyError("of")
            return await super().adopt(*args, of=of)

    owner = await leave(tmp_path, "s1")
    vendor = Vendor()
    with told() as lines:
        async with Reaper(Faulty(tmp_path), [vendor.account], sweep_s=100) as reaper:
            await reaper.ended(owner)
            assert "KeyError" in lines[0]
            await asyncio.sleep(101)
    assert vendor.stopped == ["s1"], "a sweep has found it"


async def test_error_inside_passes_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        async with Reaper(Journal(tmp_path), [Vendor().account]):
            raise ZeroDivisionError
