"""Who may begin, where an account may have so many sessions and no more.

The slots themselves are entries of the journal, counted over all processes; here is the line of
those who wait for one. Who came first is served first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from transports.avatar import Account, JournalUnusable, NoSlotLeft
from transports.avatar.journal import Journal
from transports.avatar.owner import Owner

from .backend import Full
from .retries import insist

TURN_S = 5.0
"""How long even who does not wait for a slot waits for their turn to look for one."""

LOOK_S = 0.5
"""How often the first of the line looks whether another process has left a slot."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A place at each account that has a limit, until it is released or its owner is dead.

    Where the conversation goes on without, there may be none.
    """

    reservations: tuple[str, ...]


class Slots:
    """The slots of some accounts, a session taking one of each.

    Args:
        journal: Where they are counted.
        accounts: Those with a limit count; the others are left to their vendor.
    """

    def __init__(self, journal: Journal, accounts: Sequence[Account]) -> None:
        self._journal = journal
        self._needed = [each for each in accounts if each.needed]
        self._accounts = [(each, each.most) for each in accounts if each.most is not None]
        self._line: list[str] = []
        self._turn = asyncio.Lock()  # lets in by order of arrival
        self._freed = asyncio.Event()
        self._releasing: set[asyncio.Task[None]] = set()

    async def take(self, session: str, *, limit_s: float, patience_s: float = 0.0) -> Slot:
        """A slot for a session, before its process is told anything.

        Args:
            session: Its id, which is its place in the line.
            limit_s: For how long it is wanted at most, in seconds.
            patience_s: How long a free one is waited for, and a vendor that wants to be left alone.

        Raises:
            Full
            JournalUnusable
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience_s
        turn_by = loop.time() + max(patience_s, TURN_S)
        if self._line:
            await self._rest_s(deadline)  # who would wait in vain does not join it
        self._line.append(session)
        try:
            async with asyncio.timeout_at(turn_by) as patience:
                async with self._turn:
                    patience.reschedule(None)
                    return await self._first_free(limit_s, deadline)
        except TimeoutError:
            if patience_s <= 0:
                raise Full from None
            before = self._line.index(session)
            raise Full(f"Every place is taken, and {before} waited before this one.") from None
        finally:
            self._line.remove(session)

    async def hand(self, slot: Slot, owner: Owner) -> None:
        """Give a slot to the session's process, before that may ask the vendor.

        Raises:
            JournalUnusable
        """
        for reservation in slot.reservations:
            await self._journal.hand(reservation, owner)

    async def release(self, slot: Slot) -> None:
        """Give a slot back; does nothing to what was asked for with it.

        While the journal cannot be used, this goes on after it has returned.
        """
        await self._give_back(slot.reservations)
        self._freed.set()

    # Inside

    async def _first_free(self, limit_s: float, deadline: float) -> Slot:
        loop = asyncio.get_running_loop()
        while True:
            if rest_s := await self._rest_s(deadline):
                await asyncio.sleep(rest_s)
                continue
            self._freed.clear()
            try:
                return await self._reserve(limit_s)
            except NoSlotLeft as error:
                if (left_s := deadline - loop.time()) <= 0:
                    raise Full(_sentence(error)) from None
            with suppress(TimeoutError):  # another process may have left one
                async with asyncio.timeout(min(left_s, LOOK_S)):
                    await self._freed.wait()

    async def _rest_s(self, deadline: float) -> float:
        """For how long a vendor wants to be left alone.

        Raises:
            Full: That is longer than anybody waits here.
        """
        longest_s = 0.0
        for each in self._needed:
            rest_s = await self._journal.held_off_s(each.vendor, each.key)
            if rest_s and asyncio.get_running_loop().time() + rest_s > deadline:
                raise Full(f"{each.vendor} takes no more requests now.", retry_after_s=rest_s)
            longest_s = max(longest_s, rest_s)
        return longest_s

    async def _reserve(self, limit_s: float) -> Slot:
        taken: list[str] = []
        try:
            for each, most in self._accounts:
                reserve = self._journal.reserve(each.vendor, each.key, most=most, limit_s=limit_s)
                try:
                    taken.append(await reserve)
                except NoSlotLeft:
                    if each.needed:
                        raise
        except BaseException:
            await self._give_back(taken)
            raise
        return Slot(tuple(taken))

    async def _give_back(self, reservations: Iterable[str]) -> None:
        for reservation in reservations:
            release = partial(self._journal.release, reservation)
            try:
                await release()
            except JournalUnusable:
                # Ends with the event loop at the latest: a dead launcher's reservations are free.
                task = asyncio.create_task(insist(release), name="slot")
                self._releasing.add(task)
                task.add_done_callback(self._released)

    def _released(self, task: asyncio.Task[None]) -> None:
        self._releasing.discard(task)
        self._freed.set()


def _sentence(error: NoSlotLeft) -> str:
    text = str(error)
    return f"{text[0].upper()}{text[1:]}."
