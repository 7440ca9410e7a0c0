"""Ends at the vendors what sessions leave behind.

Whatever kills a session's process, its entries in the journal are taken over at once, and what they
name is stopped, again and again, until the vendor confirms it or its own limit is past. What dead
launchers and bots left is stopped before anybody is let in. Now and then the vendor's own list is
asked for what was ours, was over, and runs all the same.

What a living process has is left alone, whoever started it; so is what no entry of ours ever named.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Self

from loguru import logger

from transports.avatar import (
    Account,
    AvatarError,
    JournalUnusable,
    RateLimited,
    UnexpectedReply,
    VendorUnreachable,
)
from transports.avatar.journal import REAP_S, Entry, Journal, Standing
from transports.avatar.owner import Owner
from transports.avatar.vendor import short

from .retries import insist, pauses_s

TRY_S = 10.0
"""How long a vendor may take to answer, in seconds."""

SWEEP_S = 180.0
"""How often the vendor's own list is looked at, in seconds."""

SOON_S = 10.0
"""And how soon after a session was stopped here: what its dead process had asked for last, such as
its start, may have arrived behind the stop."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What there is to be told of money.

    Attributes:
        accounts: How each vendor's account stands, over all processes that share the journal.
        reaped: How many sessions of dead processes were ended here.
        open_tries: How many sessions are being ended now.
    """

    accounts: Mapping[str, Standing] = field(default_factory=dict)
    reaped: int = 0
    open_tries: int = 0


class Reaper:
    """Looks after the sessions of some accounts: `async with Reaper(…) as reaper`.

    Its end waits up to `REAP_S` for what is being stopped.

    Args:
        journal: Where they stand.
        accounts: Who pays for them. What other accounts pay for is left alone.
        sweep_s: See `SWEEP_S`.
    """

    def __init__(
        self, journal: Journal, accounts: Sequence[Account], *, sweep_s: float = SWEEP_S
    ) -> None:
        self._journal = journal
        self._accounts = accounts
        self._sweep_s = sweep_s
        self._group = asyncio.TaskGroup()
        self._running: set[asyncio.Task[None]] = set()
        self._told: set[str] = set()
        self._trying: dict[str, Entry] = {}
        self._look_soon = asyncio.Event()
        self._standings: Mapping[str, Standing] = {}
        self._reaped = 0

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        self._sweeping = self._go(self._sweep_now_and_then)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._sweeping.cancel()
        await _wait([*self._running - {self._sweeping}], REAP_S)
        for entry in self._trying.values():
            logger.warning(f"{entry} is not stopped: the next start goes on with it")
        for task in self._running:
            task.cancel()
        await self._group.__aexit__(None, None, None)  # what went wrong inside is not of the group

    async def before_serving(self, *, within_s: float = REAP_S) -> None:
        """Stop what dead launchers and bots have left; what takes longer goes on meanwhile.

        Raises:
            JournalUnusable: And then nothing that costs money should be started.
        """
        stops: list[asyncio.Task[None]] = []
        for account in self._accounts:
            stops += self._end(account, await self._journal.adopt(account.vendor, account.key))
        await _wait(stops, within_s)
        if self._trying:
            logger.warning(f"{len(self._trying)} sessions of dead bots are being stopped meanwhile")

    async def ended(self, owner: Owner, *, within_s: float = REAP_S) -> None:
        """Stop what a session's process has left; what takes longer goes on meanwhile.

        Args:
            owner: The process. The caller has seen it die.
            within_s: How long it is waited for, in seconds.
        """
        await _wait([self._go(partial(self._left_by, owner))], within_s)

    async def sweep(self) -> None:
        """Stop what was ours, is over, and runs according to the vendor; and what the dead left.

        A vendor may confirm what it does not do, or start what it was told to stop first.

        Raises:
            AvatarError: A vendor or the journal could not be asked.
        """
        for account in self._accounts:
            self._end(account, await self._journal.adopt(account.vendor, account.key))
            if account.running is None:
                continue
            async with _asking(account):
                running = await account.running()
            for session in await self._journal.strays(account.vendor, account.key, running):
                await self._stop_stray(account, session)

    async def figures(self) -> Figures:
        """What there is to be told; of the accounts what was last seen, if they cannot be read."""
        with suppress(JournalUnusable):
            self._standings = {
                each.vendor: await self._journal.standing(each.vendor, each.key)
                for each in self._accounts
            }
        return Figures(self._standings, self._reaped, len(self._trying))

    # Inside

    def _go(self, work: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        task = self._group.create_task(_survived(work))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def _sweep_now_and_then(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._sweep_s):
                    await self._look_soon.wait()
                    self._look_soon.clear()
                await asyncio.sleep(SOON_S)
            await _survived(self._try_to_sweep)

    async def _try_to_sweep(self) -> None:
        try:
            await self.sweep()
        except AvatarError as error:
            logger.warning(f"what runs at the vendor could not be looked at: {error}")

    async def _left_by(self, owner: Owner) -> None:
        stops: list[asyncio.Task[None]] = []
        for account in self._accounts:
            adopt = partial(self._journal.adopt, account.vendor, account.key, of=owner)
            stops += self._end(account, await insist(adopt))
        await _wait(stops, None)

    def _end(self, account: Account, entries: Iterable[Entry]) -> list[asyncio.Task[None]]:
        """Begin to stop what can be named, and tell the rest, once."""
        stops = []
        for entry in entries:
            if entry.session is not None:
                stops.append(self._go(partial(self._stop, account, entry, entry.session)))
            elif entry.id not in self._told:
                self._told.add(entry.id)
                logger.warning(f"{entry} may run until {entry.until_text}")
        return stops

    async def _stop(self, account: Account, entry: Entry, session: str) -> None:
        self._trying[entry.id] = entry
        if await self._is_confirmed(account, entry, session):
            logger.info(f"{entry} is stopped")
        else:
            logger.warning(f"{entry} is given up: the vendor's limit is past")
        await insist(partial(self._journal.strike, entry.id))
        del self._trying[entry.id]
        self._reaped += 1
        self._look_soon.set()

    async def _stop_stray(self, account: Account, session: str) -> None:
        name = f"{account.vendor} session {short(session)}"
        try:
            async with _asking(account):
                await account.stop(session)
        except AvatarError as error:
            logger.warning(f"{name} was over, and runs; it is not stopped yet ({error})")
        else:
            logger.warning(f"{name} was over, and ran; it is stopped")
            self._reaped += 1

    async def _is_confirmed(self, account: Account, entry: Entry, session: str) -> bool:
        """Whether the vendor has confirmed before its own limit that it is over."""
        for tries, pause_s in enumerate(pauses_s()):
            try:
                async with _asking(account):
                    await account.stop(session)
                return True
            except AvatarError as error:
                if time.time() > entry.until:
                    return False
                if not tries:
                    why = f"{entry} is not stopped yet ({error})"
                    logger.warning(f"{why}, and may run until {entry.until_text}")
                asked_s = error.retry_after_s if isinstance(error, RateLimited) else None
            await asyncio.sleep(max(pause_s, asked_s or 0.0))
        raise AssertionError("pauses do not end")


async def _survived(work: Callable[[], Awaitable[None]]) -> None:
    """Do it; a fault in it is told, and is nobody else's."""
    try:
        await work()
    except Exception:  # noqa: BLE001 - it must not end all sessions; a sweep comes again
        logger.exception("what was left running could not be looked after")


@asynccontextmanager
async def _asking(account: Account) -> AsyncIterator[None]:
    """Around what a vendor is asked: it has so long, and what goes wrong is an `AvatarError`."""
    try:
        async with asyncio.timeout(TRY_S):
            yield
    except AvatarError:
        raise
    except TimeoutError:
        raise VendorUnreachable(account.vendor) from None
    except Exception as error:  # its code trips over a reply: told, and asked again like others
        logger.exception(f"{account.vendor} could not be asked")
        raise UnexpectedReply(account.vendor, "what its code does not expect") from error


async def _wait(tasks: Sequence[asyncio.Task[None]], within_s: float | None) -> None:
    if tasks:
        await asyncio.wait(tasks, timeout=within_s)
