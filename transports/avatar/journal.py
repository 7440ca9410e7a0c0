"""What has been opened at a vendor and costs money, kept on disk until the vendor has closed it.

An entry is written before the vendor is asked, gets the session's id before the vendor could start
billing, and is taken out when the vendor has confirmed that the session is over. What is left in
it by a process that died is stopped by the next start (`reap`). An entry without an id, whose reply
was lost, cannot be stopped: where naming a session may cost something, it is told as running until
the vendor's own limit.

Where an account may have so many sessions and no more, its entries are the slots: they are counted
over all processes in the transaction that adds one. A slot can be reserved before anything is asked
and handed to the process that will ask; it is free again when its entry is taken out.

At rest: ids, times, owner, a keyed fingerprint of the account, and for how long it has paid. No
tokens, no URLs. The folder is for its owner alone (0700), so are the files (0600); links are
refused. SQLite works in a thread of its own.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import math
import os
import sqlite3
import time
from collections.abc import Awaitable, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from loguru import logger

from .errors import AvatarError, JournalUnusable, NoSlotLeft, RateLimited
from .journal_file import read_or_make_key, transaction
from .owner import Owner, be_present, is_alive, is_dead, this_process
from .vendor import short

__all__ = ["Entry", "Journal", "Standing", "reap"]

LOCKED_S = 5.0
"""How long other processes may keep the file for themselves. A write waits for the disk, some 20 ms
where that is busy, and whoever waits is not served in order: two hundred at once take seconds."""

REAP_S = 10.0
"""How long the start of a bot may wait for what dead ones have left."""

LONGEST_REST_S = 120.0
"""A vendor that wants to be left alone for longer is asked again after this."""

REMEMBERED_S = 86_400.0
"""For how long the ids of sessions that are over are known as ours."""

_OWNER = "(host, boot, pid, started) = (?, ?, ?, ?)"
_FREE = "session IS NULL AND NOT costs"

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
        owner: Whose it is; of one that was adopted, whose it was.
    """

    id: str
    vendor: str
    session: str | None
    opened_at: float
    until: float
    owner: Owner

    def __str__(self) -> str:
        """As a log calls it, once nobody has it any more."""
        if self.session is None:
            return f"a {self.vendor} session of a dead bot, without a name,"
        return f"{self.vendor} session {short(self.session)} of a dead bot"

    @property
    def until_text(self) -> str:
        """`until` as people read it."""
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(self.until))


@dataclass(frozen=True, slots=True)
class Standing:
    """How an account stands.

    Attributes:
        reserved: Slots that nothing was asked for yet.
        nameless: Sessions whose id is not known, or not yet.
        named: Sessions that run.
        paid_s: How long all that are over have run, in seconds.
    """

    reserved: int = 0
    nameless: int = 0
    named: int = 0
    paid_s: float = 0.0

    @property
    def taken(self) -> int:
        """How many slots are."""
        return self.reserved + self.nameless + self.named


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

    @property
    def folder(self) -> Path | None:
        """Where it is kept, for what else this user's processes have to know together."""
        return self._folder

    # Slots

    async def reserve(self, vendor: str, account: str, *, most: int, limit_s: float) -> str:
        """Take a slot, before anything is asked of the vendor; returns the reservation's id.

        It is this process's until it is handed on. It is over when it is released, when its owner
        is dead, and after `limit_s`.

        Args:
            vendor: Its name.
            account: The key that pays.
            most: How many slots the account has.
            limit_s: For how long it is wanted at most, in seconds.

        Raises:
            NoSlotLeft
            JournalUnusable
        """
        reservation = uuid4().hex

        def write(rows: sqlite3.Connection) -> None:
            mine = self._fingerprint(vendor, account)
            self._check_slots(rows, vendor, mine, most)
            me = this_process()
            _add(rows, reservation, vendor, mine, me, limit_s, reserved=True, costs=False)

        await self._add_or_leave_nothing(reservation, write)
        return reservation

    async def hand(self, reservation: str, owner: Owner) -> None:
        """Give a reservation to the process that will ask the vendor, before it does.

        Raises:
            JournalUnusable
        """
        await self._do(
            lambda rows: rows.execute(
                "UPDATE entry SET host = ?, boot = ?, pid = ?, started = ?"
                " WHERE id = ? AND reserved",
                (*_columns(owner), reservation),
            )
        )

    async def release(self, reservation: str) -> None:
        """Give a slot back that nothing was asked for. Does nothing to a session.

        Raises:
            JournalUnusable
        """
        await self._do(
            lambda rows: rows.execute("DELETE FROM entry WHERE id = ? AND reserved", (reservation,))
        )

    async def hold_off(self, vendor: str, account: str, seconds: float) -> None:
        """Note that the vendor wants to be left alone for a while.

        Raises:
            JournalUnusable
        """
        until = time.time() + min(seconds, LONGEST_REST_S)
        await self._do(
            lambda rows: rows.execute(
                "INSERT OR REPLACE INTO rest VALUES (?, ?)",
                (self._fingerprint(vendor, account), until),
            )
        )

    async def held_off_s(self, vendor: str, account: str) -> float:
        """For how long the vendor still wants to be left alone, in seconds.

        Raises:
            JournalUnusable
        """

        return await self._do(lambda rows: _rest_s(rows, self._fingerprint(vendor, account))) or 0.0

    # A session

    async def intend(
        self,
        vendor: str,
        account: str,
        *,
        limit_s: float,
        most: int | None = None,
        costs: bool = True,
    ) -> str:
        """Note that a session is about to be asked for; returns the entry's id.

        A reservation of this process for the account becomes the entry. Without one, a slot is
        taken here, where there is a limit.

        Args:
            vendor: Its name.
            account: The key that pays. Only its fingerprint is kept.
            limit_s: After how long the vendor ends a session by itself.
            most: How many sessions the account may have at once; None leaves it to the vendor.
            costs: Whether it may cost something before it has a name; else it is nothing once its
                process is dead.

        Raises:
            RateLimited: The vendor wants to be left alone.
            NoSlotLeft
            JournalUnusable: And then a session that costs money must not be opened.
        """
        entry = uuid4().hex
        if self._folder is None:
            logger.warning(f"no journal is kept: a {vendor} session may be left running")
            return entry

        def write(rows: sqlite3.Connection) -> None:
            mine, me = self._fingerprint(vendor, account), this_process()
            if rest_s := _rest_s(rows, mine):
                raise RateLimited(vendor, 429, float(math.ceil(rest_s)))
            reservation = rows.execute(
                f"SELECT id FROM entry WHERE reserved AND account = ? AND {_OWNER}",
                (mine, *_columns(me)),
            ).fetchone()
            if reservation:
                rows.execute("DELETE FROM entry WHERE id = ?", reservation)
            elif most is not None:
                self._check_slots(rows, vendor, mine, most)
            _add(rows, entry, vendor, mine, me, limit_s, costs=costs)

        await self._add_or_leave_nothing(entry, write)
        return entry

    async def name(self, entry: str, session: str) -> None:
        """Note the vendor's id, before anything else is asked of the vendor.

        Raises:
            JournalUnusable
        """
        await self._do(
            lambda rows: rows.execute(
                "UPDATE entry SET session = ?, named_at = ? WHERE id = ?",
                (session, time.time(), entry),
            )
        )

    async def limit(self, entry: str, seconds: float) -> None:
        """Note after how long from now the vendor ends the session, where it has said so.

        Raises:
            JournalUnusable: And then the limit that was noted first stays.
        """
        until = time.time() + seconds
        await self._do(
            lambda rows: rows.execute("UPDATE entry SET until = ? WHERE id = ?", (until, entry))
        )

    async def strike(self, entry: str) -> None:
        """The session is over, or never was. Its slot is free.

        Raises:
            JournalUnusable
        """
        await self._do(lambda rows: _strike(rows, entry))

    # What there is

    async def entries(self) -> list[Entry]:
        """All that may run, oldest first.

        Raises:
            JournalUnusable
        """
        return await self._do(_all) or []

    async def standing(self, vendor: str, account: str) -> Standing:
        """How an account stands.

        Raises:
            JournalUnusable
        """

        def read(rows: sqlite3.Connection) -> Standing:
            mine = self._fingerprint(vendor, account)
            self._tidy(rows)
            found = rows.execute(
                "SELECT total(reserved), total(NOT reserved AND session IS NULL),"
                " total(session IS NOT NULL) FROM entry WHERE account = ? AND until > ?",
                (mine, time.time()),
            )
            reserved, nameless, named = map(int, found.fetchone())
            found = rows.execute("SELECT total(seconds) FROM paid WHERE account = ?", (mine,))
            return Standing(reserved, nameless, named, paid_s=found.fetchone()[0])

        return await self._do(read) or Standing()

    async def adopt(self, vendor: str, account: str, *, of: Owner | None = None) -> list[Entry]:
        """Take over what dead processes have left of this account.

        What has no session's id is taken out when it has passed the vendor's limit; until then it
        is told to everyone, and belongs to nobody. What never cost is taken out at once. Two
        processes that adopt at the same time get each of the others once.

        Args:
            vendor: Its name.
            account: The key that pays.
            of: Whose; the caller has seen it die. All that can be seen to be dead where None.

        Raises:
            JournalUnusable
        """

        def take(rows: sqlite3.Connection) -> list[Entry]:
            me = this_process()
            mine = self._fingerprint(vendor, account)
            self._tidy(rows)
            if of:
                rows.execute(f"DELETE FROM entry WHERE {_FREE} AND {_OWNER}", _columns(of))
            left = [
                entry
                for entry in _all(rows, vendor=vendor, account=mine)
                if (entry.owner == of if of else self._is_dead(entry.owner))
            ]
            rows.executemany(
                "UPDATE entry SET host = ?, boot = ?, pid = ?, started = ? WHERE id = ?",
                [(*_columns(me), entry.id) for entry in left if entry.session is not None],
            )
            return left

        return await self._do(take) or []

    async def give_back(self, entry: Entry) -> None:
        """Leave what was adopted to the next one who adopts.

        Raises:
            JournalUnusable
        """
        await self._do(
            lambda rows: rows.execute(
                "UPDATE entry SET host = ?, boot = ?, pid = ?, started = ? WHERE id = ?",
                (*_columns(entry.owner), entry.id),
            )
        )

    async def strays(self, vendor: str, account: str, running: Collection[str]) -> list[str]:
        """Those of the sessions that were ours and are over, as far as is remembered.

        Args:
            vendor: Its name.
            account: The key that pays.
            running: The vendor's ids of what runs.

        Raises:
            JournalUnusable
        """

        def read(rows: sqlite3.Connection) -> list[str]:
            known = rows.execute(
                "SELECT session FROM past WHERE account = ?"
                " AND session NOT IN (SELECT session FROM entry WHERE session IS NOT NULL)",
                (self._fingerprint(vendor, account),),
            )
            return sorted({session for (session,) in known} & {*running})

        return await self._do(read) or []

    # Inside; from here on in the journal's thread

    async def _add_or_leave_nothing(
        self, entry: str, write: Callable[[sqlite3.Connection], None]
    ) -> None:
        try:
            await self._do(write)
        except asyncio.CancelledError:
            self._later("DELETE FROM entry WHERE id = ?", entry)  # behind the one that adds it
            raise

    async def _do(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        if self._folder is None:
            return None
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._transact, work)

    def _later(self, statement: str, *values: str) -> None:
        if self._folder is not None:
            self._thread.submit(self._transact, lambda rows: rows.execute(statement, values))

    def _transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """One connection for one transaction: they are few, and none survives a fork."""
        assert self._folder is not None
        try:
            with transaction(self._folder, locked_s=LOCKED_S) as rows:
                self._key = self._key or read_or_make_key(self._folder)
                be_present(self._folder)
                return work(rows)
        except (OSError, sqlite3.Error) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise JournalUnusable(reason or type(error).__name__) from None

    def _check_slots(self, rows: sqlite3.Connection, vendor: str, account: str, most: int) -> None:
        self._tidy(rows)
        found = rows.execute(
            "SELECT count(*) FROM entry WHERE account = ? AND until > ?", (account, time.time())
        )
        (taken,) = found.fetchone()
        if taken >= most:
            raise NoSlotLeft(vendor, taken)

    def _tidy(self, rows: sqlite3.Connection) -> None:
        """Take out what is over by itself: past its limit, or it never cost and nobody has it.

        What has a session's id is left to who has it, past its limit as well, and once that process
        is seen to be dead to who adopts it. Of whom nothing can be seen, nobody ever would take it.
        """
        now = time.time()
        owners = "SELECT id, host, boot, pid, started FROM entry WHERE"
        rows.execute("DELETE FROM entry WHERE session IS NULL AND until < ?", (now,))
        free = rows.execute(f"{owners} {_FREE}").fetchall()
        dead = [(entry,) for entry, *owner in free if self._is_dead(Owner(*owner))]
        rows.executemany("DELETE FROM entry WHERE id = ?", dead)
        for entry, *columns in rows.execute(f"{owners} until < ?", (now,)).fetchall():
            owner = Owner(*columns)
            if not is_alive(owner) and not self._is_dead(owner):
                _strike(rows, entry)

    def _is_dead(self, owner: Owner) -> bool:
        assert self._folder is not None
        return is_dead(owner, self._folder)

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

    What is not confirmed is left to whoever comes next, such as a launcher beside this process.

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
        if entry.session is None:
            logger.warning(f"{entry} may run until {entry.until_text}")
            running.append(entry)
            continue
        try:
            async with asyncio.timeout_at(deadline):
                await stop(entry.session)
        except (AvatarError, TimeoutError) as error:
            why = error if isinstance(error, AvatarError) else f"{vendor} did not answer"
            logger.warning(f"{entry} is not stopped ({why}), and may run until {entry.until_text}")
            running.append(entry)
            await journal.give_back(entry)
        else:
            logger.info(f"{entry} is stopped")
            await journal.strike(entry.id)
    return running


def _columns(owner: Owner) -> tuple[str, str, int, str]:
    return owner.host, owner.boot, owner.pid, owner.started


def _add(
    rows: sqlite3.Connection,
    entry: str,
    vendor: str,
    account: str,
    owner: Owner,
    limit_s: float,
    *,
    reserved: bool = False,
    costs: bool,
) -> None:
    now = time.time()
    rows.execute(
        "INSERT INTO entry (id, vendor, account, opened_at, until, reserved, costs,"
        " host, boot, pid, started) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (entry, vendor, account, now, now + limit_s, reserved, costs, *_columns(owner)),
    )


def _strike(rows: sqlite3.Connection, entry: str) -> None:
    now = time.time()
    rows.execute(
        "INSERT INTO paid SELECT account,"
        " max(0, min(?, until) - coalesce(named_at, opened_at)) FROM entry"
        " WHERE id = ? AND session IS NOT NULL"
        " ON CONFLICT (account) DO UPDATE SET seconds = seconds + excluded.seconds",
        (now, entry),
    )
    rows.execute(
        "INSERT OR REPLACE INTO past SELECT account, session, ? FROM entry"
        " WHERE id = ? AND session IS NOT NULL",
        (now, entry),
    )
    rows.execute("DELETE FROM past WHERE ended_at < ?", (now - REMEMBERED_S,))
    rows.execute("DELETE FROM entry WHERE id = ?", (entry,))


def _rest_s(rows: sqlite3.Connection, account: str) -> float:
    found = rows.execute("SELECT until FROM rest WHERE account = ?", (account,)).fetchone()
    return max(0.0, found[0] - time.time()) if found else 0.0


def _all(rows: sqlite3.Connection, **equal: str) -> list[Entry]:
    where = "".join(f" AND {column} = ?" for column in equal)
    found = rows.execute(
        "SELECT id, vendor, session, opened_at, until, host, boot, pid, started FROM entry"
        f" WHERE NOT reserved{where} ORDER BY opened_at",
        tuple(equal.values()),
    )
    return [
        Entry(entry, vendor, session, opened_at, until, Owner(*owner))
        for entry, vendor, session, opened_at, until, *owner in found
    ]
