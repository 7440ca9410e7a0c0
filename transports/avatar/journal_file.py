"""The journal's file: private to its owner, brought up to date, refused where it is neither.

SQLite does the writing, and lets several processes share the file.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_NO_LINKS = getattr(os, "O_NOFOLLOW", 0)
_KEY_BYTES = 32

STEPS: tuple[tuple[str, ...], ...] = (
    (
        # Files of before there were steps have this table, and say that none was taken.
        """
        CREATE TABLE IF NOT EXISTS entry (
            id TEXT PRIMARY KEY, vendor TEXT NOT NULL, account TEXT NOT NULL, session TEXT,
            opened_at REAL NOT NULL, until REAL NOT NULL,
            host TEXT NOT NULL, boot TEXT NOT NULL, pid INTEGER NOT NULL, started TEXT NOT NULL
        )
        """,
    ),
    (
        "ALTER TABLE entry ADD COLUMN reserved INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE entry ADD COLUMN costs INTEGER NOT NULL DEFAULT 1",
        "ALTER TABLE entry ADD COLUMN named_at REAL",
        """
        CREATE TABLE past (
            account TEXT NOT NULL, session TEXT NOT NULL, ended_at REAL NOT NULL,
            PRIMARY KEY (account, session)
        )
        """,
        "CREATE TABLE paid (account TEXT PRIMARY KEY, seconds REAL NOT NULL)",
        "CREATE TABLE rest (account TEXT PRIMARY KEY, until REAL NOT NULL)",
    ),
)
"""How a new file becomes one of this version. A step is never changed, only followed by another;
`PRAGMA user_version` counts those that a file has taken."""


@contextmanager
def transaction(folder: Path, *, locked_s: float) -> Iterator[sqlite3.Connection]:
    """What is done with the connection is done wholly or not at all, and by nobody else meanwhile.

    Args:
        folder: Where the file is, or will be.
        locked_s: How long another process may keep it for itself, in seconds.

    Raises:
        OSError, sqlite3.Error: It cannot be used; the text says why, in a few words.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _check_private(folder.lstat(), stat.S_ISDIR)
    file = folder / "journal.sqlite"
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | _NO_LINKS, 0o600)
    try:
        _check_private(os.fstat(descriptor), stat.S_ISREG)
    finally:
        os.close(descriptor)
    rows = sqlite3.connect(file, timeout=locked_s, isolation_level=None)
    try:
        rows.execute("PRAGMA synchronous = FULL")
        rows.execute("PRAGMA secure_delete = ON")
        rows.execute("BEGIN IMMEDIATE")
        _bring_up_to_date(rows)
        yield rows
        rows.execute("COMMIT")
    finally:
        rows.close()  # rolls back what was not committed


def read_or_make_key(folder: Path) -> bytes:
    """The key of the fingerprints; the transaction around it lets one process make it.

    Raises:
        OSError: As above.
    """
    file = folder / "journal.key"
    if not os.path.lexists(file):
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINKS, 0o600)
        with open(descriptor, "wb") as writer:
            writer.write(secrets.token_bytes(_KEY_BYTES))
    descriptor = os.open(file, os.O_RDONLY | _NO_LINKS)
    with open(descriptor, "rb") as reader:
        _check_private(os.fstat(descriptor), stat.S_ISREG)
        key = reader.read(_KEY_BYTES + 1)
    if len(key) != _KEY_BYTES:
        raise OSError(0, "its key file does not hold a key")
    return key


def _bring_up_to_date(rows: sqlite3.Connection) -> None:
    (taken,) = rows.execute("PRAGMA user_version").fetchone()
    if taken > len(STEPS):
        raise OSError(0, "a newer version of this program has written it")
    if taken == len(STEPS):
        return
    for step in STEPS[taken:]:
        for statement in step:
            rows.execute(statement)
    rows.execute(f"PRAGMA user_version = {len(STEPS)}")


def _check_private(status: os.stat_result, is_kind: Callable[[int], bool]) -> None:
    if not is_kind(status.st_mode):
        raise OSError(0, "a part of it is a link, or not a plain file or folder")
    if os.name == "posix" and (status.st_uid != os.geteuid() or status.st_mode & 0o077):
        raise OSError(0, "others may read it")
