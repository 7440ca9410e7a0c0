"""What has been opened at a vendor and costs money, kept on disk until the vendor has closed it.

An entry is written before the vendor is asked, gets the session's id before the vendor could start
billing, and is taken out when the vendor has confirmed that the session is over. What is left in
it by a process that died is stopped by the next start (`reap`). An entry without an id, whose reply
was lost, cannot be stopped: it is told as running until the vendor's own limit.

At rest: ids, times, owner, and a keyed fingerprint of the account. No tokens, no URLs. The folder
is for its owner alone (0700), so are the files (0600); links are refused. SQLite does the writing,
in a thread of its own, and lets several processes share the file.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import secrets
import sqlite3
import stat
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from loguru import logger

from .errors import AvatarError, JournalUnusable
from .owner import Owner, is_dead, this_process
from .vendor import short

__all__ = ["Entry", "Journal", "reap"]

LOCKED_S = 2.0
"""How long another process may keep the file for itself."""

REAP_S = 10.0
"""How long the start of a bot may wait for what dead ones have left."""

_NO_LINKS = getattr(os, "O_NOFOLLOW", 0)
_KEY_BYTES = 32
_TABLE = """
CREATE TABLE IF NOT EXISTS entry (
    id TEXT PRIMARY KEY, vendor TEXT NOT NULL, account TEXT NOT NULL, session TEXT,
    opened_at REAL NOT NULL, until REAL NOT NULL,
    host TEXT NOT NULL, boot TEXT NOT NULL, pid INTEGER NOT NULL, started TEXT NOT NULL
)
"""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry:
    """A session that may run.

    Attributes:
        id: Ours.
        vendor: The vendor's name.
        session: The vendor's id, or None where the reply that named it was lost.
        opened_at: When it was asked for, in seconds of the epoch.
        until: When the vendor ends it by itself at the latest, likewise.
    """

    id: str
    vendor: str
    session: str | None
    opened_at: float
    until: float


class Journal:
    """The entries of this machine's user, shared by all processes that use the same folder.

    Args:
        folder: Where it is kept; None keeps none, and says so for each session.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")
        self._key = b""

    @classmethod
    def of_this_user(cls) -> Journal:
        """The one in `$XDG_STATE_HOME/avatarbot`, by default `~/.local/state/avatarbot`."""
        given = os.environ.get("XDG_STATE_HOME", "")
        base = Path(given) if Path(given).is_absolute() else Path.home() / ".local" / "state"
        return cls(base / "avatarbot")

    async def intend(self, vendor: str, account: str, *, limit_s: float) -> str:
        """Note that a session is about to be asked for; returns the entry's id.

        Args:
            vendor: Its name.
            account: The key that pays. Only its fingerprint is kept.
            limit_s: After how long the vendor ends a session by itself.

        Raises:
            JournalUnusable: And then a session that costs money must not be opened.
        """
        entry = uuid4().hex
        if self._folder is None:
            logger.warning(f"no journal is kept: a {vendor} session may be left running")
            return entry

        def write(rows: sqlite3.Connection) -> None:
            now, me = time.time(), this_process()
            account_mark = self._fingerprint(vendor, account)
            owner = (me.host, me.boot, me.pid, me.started)
            rows.execute(
                "INSERT INTO entry VALUES (?, ?, ?, NULL, ?, ?, ?, ?, ?, ?)",
                (entry, vendor, account_mark, now, now + limit_s, *owner),
            )

        try:
            await self._do(write)
        except asyncio.CancelledError:
            self._later("DELETE FROM entry WHERE id = ?", entry)  # behind the one that adds it
            raise
        return entry

    async def name(self, entry: str, session: str) -> None:
        """Note the vendor's id, before anything else is asked of the vendor.

        Raises:
            JournalUnusable
        """
        await self._do(
            lambda rows: rows.execute("UPDATE entry SET session = ? WHERE id = ?", (session, entry))
        )

    async def strike(self, entry: str) -> None:
        """The session is over, or never was.

        Raises:
            JournalUnusable
        """
        await self._do(lambda rows: rows.execute("DELETE FROM entry WHERE id = ?", (entry,)))

    async def entries(self) -> list[Entry]:
        """All that may run, oldest first.

        Raises:
            JournalUnusable
        """
        return await self._do(lambda rows: [entry for entry, _ in _all(rows)]) or []

    async def adopt(self, vendor: str, account: str) -> list[Entry]:
        """Take over what dead processes have left of this account.

        What has no session's id is taken out when it has passed the vendor's limit; until then it
        is told to everyone, and belongs to nobody. Two processes that adopt at the same time get
        each of the others once.

        Raises:
            JournalUnusable
        """

        def take(rows: sqlite3.Connection) -> list[Entry]:
            me, now = this_process(), time.time()
            mine = self._fingerprint(vendor, account)
            rows.execute("DELETE FROM entry WHERE session IS NULL AND until < ?", (now,))
            left = [
                entry for entry, owner in _all(rows, vendor=vendor, account=mine) if is_dead(owner)
            ]
            rows.executemany(
                "UPDATE entry SET host = ?, boot = ?, pid = ?, started = ? WHERE id = ?",
                [
                    (me.host, me.boot, me.pid, me.started, entry.id)
                    for entry in left
                    if entry.session is not None
                ],
            )
            return left

        return await self._do(take) or []

    # Inside; from here on in the journal's thread

    async def _do(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        if self._folder is None:
            return None
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._transact, work)

    def _later(self, statement: str, *values: str) -> None:
        self._thread.submit(self._transact, lambda rows: rows.execute(statement, values))

    def _transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """One connection for one transaction: they are few, and none survives a fork."""
        assert self._folder is not None
        try:
            with self._open(self._folder) as rows:
                self._key = self._key or _read_or_make_key(self._folder)
                return work(rows)
        except (OSError, sqlite3.Error) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise JournalUnusable(reason or type(error).__name__) from None

    @contextmanager
    def _open(self, folder: Path) -> Iterator[sqlite3.Connection]:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_private(folder.lstat(), stat.S_ISDIR)
        file = folder / "journal.sqlite"
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | _NO_LINKS, 0o600)
        try:
            _check_private(os.fstat(descriptor), stat.S_ISREG)
        finally:
            os.close(descriptor)
        rows = sqlite3.connect(file, timeout=LOCKED_S, isolation_level=None)
        try:
            rows.execute("PRAGMA synchronous = FULL")
            rows.execute("PRAGMA secure_delete = ON")
            rows.execute("BEGIN IMMEDIATE")
            rows.execute(_TABLE)
            yield rows
            rows.execute("COMMIT")
        finally:
            rows.close()  # rolls back what was not committed

    def _fingerprint(self, vendor: str, account: str) -> str:
        text = f"{vendor}\0{account}".encode()
        return hmac.new(self._key, text, hashlib.sha256).hexdigest()[:32]


async def reap(
    journal: Journal,
    vendor: str,
    account: str,
    stop: Callable[[str], Awaitable[None]],
    *,
    within_s: float = REAP_S,
) -> list[Entry]:
    """Stop what dead processes have left open; each is told in the log, and how long it may run.

    Args:
        journal: Where it stands.
        vendor: The vendor's name.
        account: The key that paid for it.
        stop: Stops a session by the vendor's id; returns once the vendor has confirmed it.
        within_s: How long all of them may take, in seconds.

    Returns:
        What may still run: its reply was lost, or the vendor did not confirm.

    Raises:
        JournalUnusable
    """
    running = []
    deadline = asyncio.get_running_loop().time() + within_s
    for entry in await journal.adopt(vendor, account):
        until = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.until))
        if entry.session is None:
            logger.warning(
                f"a {vendor} session of a dead bot, without a name, may run until {until}"
            )
            running.append(entry)
            continue
        name = f"{vendor} session {short(entry.session)} of a dead bot"
        try:
            async with asyncio.timeout_at(deadline):
                await stop(entry.session)
        except (AvatarError, TimeoutError) as error:
            why = error if isinstance(error, AvatarError) else f"{vendor} did not answer"
            logger.warning(f"{name} is not stopped ({why}), and may run until {until}")
            running.append(entry)
        else:
            logger.info(f"{name} is stopped")
            await journal.strike(entry.id)
    return running


def _all(rows: sqlite3.Connection, **equal: str) -> list[tuple[Entry, Owner]]:
    where = "".join(f" AND {column} = ?" for column in equal)
    found = rows.execute(
        "SELECT id, vendor, session, opened_at, until, host, boot, pid, started FROM entry"
        f" WHERE 1{where} ORDER BY opened_at",
        tuple(equal.values()),
    )
    return [(Entry(*row[:5]), Owner(*row[5:])) for row in found]


def _read_or_make_key(folder: Path) -> bytes:
    """The key of the fingerprints; the transaction around it lets one process make it."""
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


def _check_private(status: os.stat_result, is_kind: Callable[[int], bool]) -> None:
    if not is_kind(status.st_mode):
        raise OSError(0, "a part of it is a link, or not a plain file or folder")
    if os.name == "posix" and (status.st_uid != os.geteuid() or status.st_mode & 0o077):
        raise OSError(0, "others may read it")
