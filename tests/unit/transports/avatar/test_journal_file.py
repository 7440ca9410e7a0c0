"""A journal of an older version is brought up to date, and one of a newer version is refused."""

from __future__ import annotations

import sqlite3
from dataclasses import astuple
from pathlib import Path

import pytest

from transports.avatar.errors import JournalUnusable
from transports.avatar.journal import Journal, reap
from transports.avatar.journal_file import STEPS
from transports.avatar.owner import this_process

pytestmark = pytest.mark.asyncio

KEY = "SECRET-key"

BEFORE_STEPS = """
CREATE TABLE entry (
    id TEXT PRIMARY KEY, vendor TEXT NOT NULL, account TEXT NOT NULL, session TEXT,
    opened_at REAL NOT NULL, until REAL NOT NULL,
    host TEXT NOT NULL, boot TEXT NOT NULL, pid INTEGER NOT NULL, started TEXT NOT NULL
)
"""
"""As version 0.1.0 made it, which counted no steps."""


async def fingerprint(folder: Path) -> str:
    """How the account is called in this journal."""
    journal = Journal(folder)
    entry = await journal.intend("V", KEY, limit_s=600)
    with sqlite3.connect(folder / "journal.sqlite") as rows:
        (mark,) = rows.execute("SELECT account FROM entry WHERE id = ?", (entry,)).fetchone()
    rows.close()
    return str(mark)


async def make_old(folder: Path) -> None:
    """A journal of before, with a session of this process and one of a dead one."""
    mark = await fingerprint(folder)
    file = folder / "journal.sqlite"
    file.unlink()
    file.touch(0o600)
    me = astuple(this_process())
    with sqlite3.connect(file) as rows:
        rows.execute(BEFORE_STEPS)
        for entry, session, owner in (("a", "mine", me), ("b", "left", (*me[:3], "yesterday"))):
            values = (entry, "V", mark, session, 1.0, 2e9, *owner)
            rows.execute(f"INSERT INTO entry VALUES ({', '.join('?' * 10)})", values)
    rows.close()


async def test_journal_of_before_is_opened_with_what_stands_in_it(tmp_path: Path) -> None:
    await make_old(tmp_path)
    stopped: list[str] = []

    async def stop(session: str) -> None:
        stopped.append(session)

    journal = Journal(tmp_path)
    assert [each.session for each in await journal.entries()] == ["mine", "left"]
    assert await reap(journal, "V", KEY, stop) == []
    assert stopped == ["left"]
    standing = await journal.standing("V", KEY)
    assert (standing.named, standing.reserved) == (1, 0)
    assert standing.paid_s > 0
    with sqlite3.connect(tmp_path / "journal.sqlite") as rows:
        assert rows.execute("PRAGMA user_version").fetchone() == (len(STEPS),)
    rows.close()


async def test_journal_of_a_newer_version_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    await Journal(tmp_path).entries()
    file = tmp_path / "journal.sqlite"
    with sqlite3.connect(file) as rows:
        rows.execute(f"PRAGMA user_version = {len(STEPS) + 1}")
    rows.close()
    before = file.read_bytes()
    with pytest.raises(JournalUnusable, match="a newer version of this program has written it"):
        await Journal(tmp_path).intend("V", KEY, limit_s=600)
    assert file.read_bytes() == before


async def test_step_that_cannot_be_taken_leaves_the_journal_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_old(tmp_path)
    file = tmp_path / "journal.sqlite"
    before = file.read_bytes()
    broken = (*STEPS, ("CREATE TABLE more (id)", "no statement"))
    monkeypatch.setattr("transports.avatar.journal_file.STEPS", broken)
    with pytest.raises(JournalUnusable):
        await Journal(tmp_path).entries()
    assert file.read_bytes() == before
