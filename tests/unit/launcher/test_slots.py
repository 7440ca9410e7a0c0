"""Who came first is served first, and nobody waits longer than they said."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from launcher.backend import Full
from launcher.slots import Slot, Slots
from transports.avatar import Account
from transports.avatar.journal import Journal
from transports.avatar.owner import this_process

pytestmark = pytest.mark.asyncio


async def stop(session: str) -> None:
    raise AssertionError("nothing runs")


def account(most: int | None) -> Account:
    return Account("V", "SECRET-key", stop, most=most)


def slots(folder: Path, most: int | None) -> Slots:
    return Slots(Journal(folder), [account(most)])


async def taken(journal: Journal) -> int:
    return (await journal.standing("V", "SECRET-key")).taken


async def test_who_has_no_patience_is_told_when_to_come_again(tmp_path: Path) -> None:
    places = slots(tmp_path, 1)
    await places.take("a", limit_s=600)
    with pytest.raises(Full, match=r"^All 1 sessions that V may have at once are taken\.$") as full:
        await places.take("b", limit_s=600)
    assert full.value.retry_after_s > 0


async def test_who_come_at_once_and_do_not_wait_get_what_is_free(tmp_path: Path) -> None:
    places = slots(tmp_path, 8)
    taking = (places.take(str(number), limit_s=600) for number in range(20))
    found = await asyncio.gather(*taking, return_exceptions=True)
    assert [type(each) for each in found] == [Slot] * 8 + [Full] * 12


async def test_vendor_that_wants_to_be_left_alone_is(tmp_path: Path) -> None:
    places = slots(tmp_path, None)
    await Journal(tmp_path).hold_off("V", "SECRET-key", 7)
    with pytest.raises(Full, match=r"^V takes no more requests now\.$") as full:
        await places.take("a", limit_s=600)
    assert 6 < full.value.retry_after_s <= 7
    await Journal(tmp_path).hold_off("V", "SECRET-key", 0)
    await places.take("a", limit_s=600)


async def test_who_waits_longer_than_the_vendor_rests_waits_that_out(tmp_path: Path) -> None:
    places, journal = slots(tmp_path, None), Journal(tmp_path)
    await journal.hold_off("V", "SECRET-key", 9)
    started = asyncio.get_running_loop().time()
    with pytest.raises(Full, match="takes no more requests"):
        await places.take("a", limit_s=600, patience_s=8)
    assert asyncio.get_running_loop().time() == started
    waiter = asyncio.create_task(places.take("b", limit_s=600, patience_s=30))
    await asyncio.sleep(5)
    assert not waiter.done()
    await journal.hold_off("V", "SECRET-key", 0)
    await waiter
    assert asyncio.get_running_loop().time() - started == pytest.approx(9, abs=0.5)


async def test_rest_is_never_longer_than_two_minutes_and_counts_where_the_vendor_is_needed(
    tmp_path: Path,
) -> None:
    journal = Journal(tmp_path)
    await journal.hold_off("V", "SECRET-key", 86_400)
    assert await journal.held_off_s("V", "SECRET-key") <= 120
    await Slots(journal, [replace(account(1), needed=False)]).take("a", limit_s=600)


async def test_who_goes_on_without_is_let_in_without_a_slot(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    places = Slots(journal, [replace(account(1), needed=False)])
    first = await places.take("a", limit_s=600)
    second = await places.take("b", limit_s=600, patience_s=60)
    assert (len(first.reservations), len(second.reservations)) == (1, 0)
    await places.hand(second, this_process())
    await places.release(second)
    assert await taken(journal) == 1


async def test_without_a_limit_there_is_no_line(tmp_path: Path) -> None:
    places = slots(tmp_path, None)
    taken = [await places.take(str(number), limit_s=600) for number in range(100)]
    assert {each.reservations for each in taken} == {()}


async def test_freed_slot_wakes_the_first_of_the_line_and_the_others_move_up(
    tmp_path: Path,
) -> None:
    places = slots(tmp_path, 1)
    slot = await places.take("a", limit_s=600)
    waiters = []
    for name in ("b", "c", "d"):
        waiters.append(asyncio.create_task(places.take(name, limit_s=600, patience_s=60)))
        await asyncio.sleep(0.01)
    with pytest.raises(Full, match=r"^Every place is taken\.$"):
        await places.take("pushes in", limit_s=600)
    before = asyncio.get_running_loop().time()
    await places.release(slot)
    slot = await waiters[0]
    assert asyncio.get_running_loop().time() - before < 0.1
    await asyncio.sleep(2)
    assert not waiters[1].done()
    waiters[1].cancel()
    await asyncio.wait({waiters[1]})
    await places.release(slot)
    await waiters[2]


async def test_slot_that_another_process_leaves_is_noticed(tmp_path: Path) -> None:
    places, others = slots(tmp_path, 1), slots(tmp_path, 1)
    slot = await others.take("a", limit_s=600)
    waiter = asyncio.create_task(places.take("b", limit_s=600, patience_s=60))
    await asyncio.sleep(5)
    await others.release(slot)
    async with asyncio.timeout(2):
        await waiter


async def test_patience_ends_and_how_many_were_before_is_told(tmp_path: Path) -> None:
    places = slots(tmp_path, 1)
    await places.take("a", limit_s=600)
    started = asyncio.get_running_loop().time()
    first, second, third = await asyncio.gather(
        places.take("b", limit_s=600, patience_s=30),
        places.take("c", limit_s=600, patience_s=10),
        places.take("d", limit_s=600, patience_s=20),
        return_exceptions=True,
    )
    assert asyncio.get_running_loop().time() - started == pytest.approx(30, abs=0.6)
    assert str(first) == "All 1 sessions that V may have at once are taken."
    assert str(second) == str(third) == "Every place is taken, and 1 waited before this one."


async def test_slot_is_used_by_the_process_it_was_handed_to(tmp_path: Path) -> None:
    places, journal = slots(tmp_path, 1), Journal(tmp_path)
    slot = await places.take("a", limit_s=600)
    await places.hand(slot, this_process())
    entry = await journal.intend("V", "SECRET-key", limit_s=600, most=1)
    assert await taken(journal) == 1
    await places.release(slot)
    assert await taken(journal) == 1, "it is a session by now"
    await journal.strike(entry)
    assert await taken(journal) == 0


async def test_who_gives_up_while_a_slot_is_being_taken_leaves_none_taken(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    places = Slots(journal, [account(1)])
    taking = asyncio.create_task(places.take("a", limit_s=600))
    await asyncio.sleep(0)
    taking.cancel()
    await asyncio.wait({taking})
    assert await taken(journal) == 0


async def test_slot_is_given_back_once_the_journal_can_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transports.avatar.journal.LOCKED_S", 0.05)
    places = slots(tmp_path, 1)
    slot = await places.take("a", limit_s=600)
    with closing(sqlite3.connect(tmp_path / "journal.sqlite", isolation_level=None)) as rows:
        rows.execute("BEGIN IMMEDIATE")
        await places.release(slot)
        await asyncio.sleep(5)
    await places.take("b", limit_s=600, patience_s=60)
