"""What vendors have in common whose sessions cost money: how one is opened, noted and closed.

A session gets a name first, by a call of the vendor's or of our own making, then it is started.
Between the two the journal gets the name. Whatever happens from then on, the session is stopped: a
call that may have started it is waited for before it is stopped, since a stop that overtakes its
start stops nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from loguru import logger

from .account import Account
from .errors import AvatarError, JournalUnusable, RateLimited, VendorRefused
from .journal import Entry, Journal, reap
from .rest import NotDone, Rest, check_address
from .undo import finish
from .vendor import Opened, Profile, UserLeg, short

UNDO_S = 5.0

R = TypeVar("R", bound=Rest)


@dataclass(frozen=True, slots=True)
class Named:
    """A session that has an id, and is not started."""

    id: str
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    limit_s: float | None = None


class NameTaken(AvatarError):
    """A session of that name is there already; another name will do."""


class _NotWanted(AvatarError):
    """Nobody waits for the session any more."""


class JournaledVendor(Generic[R]):
    """One session at a vendor; a folder fills in its calls, `dial` and `wire`.

    Args:
        name: For logs and errors.
        key: Pays.
        api_url: Address of the API.
        profile: How the avatar is spoken to.
        journal: Where paid sessions are noted; this user's own by default.
        max_sessions: How many sessions the account may have at once, counted in the journal; None
            leaves it to the vendor.

    Raises:
        ValueError: The address would show the key to others.
    """

    limit_s = 3_600.0
    """The longest time that the vendor lets a session run, as far as is known."""

    naming_costs = True
    """Whether the call that names a session may already cost something."""

    naming_opens = True
    """Whether there is something to stop as soon as a session has a name."""

    def __init__(
        self,
        name: str,
        *,
        key: str,
        api_url: str,
        profile: Profile,
        journal: Journal | None,
        max_sessions: int | None,
    ) -> None:
        self.name = name
        self.profile = profile
        self._key = key
        self._url = check_address(api_url)
        self._journal = Journal.of_this_user() if journal is None else journal
        self._max_sessions = max_sessions
        self._wanted = True
        self._at_stake = False  # whether a call that may cost something was made
        self._entries: dict[str, str] = {}

    # What a folder fills in

    def _rest(self) -> R:
        raise NotImplementedError

    async def _name(self, rest: R) -> Named:
        raise NotImplementedError

    async def _start(self, rest: R, named: Named) -> Opened:
        raise NotImplementedError

    async def _stop(self, rest: R, session: str) -> None:
        raise NotImplementedError

    async def _active(self, rest: R) -> list[str]:
        raise NotImplementedError

    async def _is_gone(self, rest: R, session: str, refusal: VendorRefused) -> bool:
        """Whether a stop was refused because there is nothing to stop."""
        raise NotImplementedError

    # `Vendor`

    def attach(self, user_leg: UserLeg) -> None:
        """Nothing is sent there: the person hears the avatar in the vendor's room."""

    def page_says(self, kind: str, data: Mapping[str, Any]) -> None:
        """The vendor itself tells what was heard."""

    def mouth(self, visemes: Mapping[str, Any]) -> None:
        """The vendor's face has a mouth of its own."""

    def viewer(self, session: Opened) -> Mapping[str, str]:
        """What the vendor returned for the page when the session was opened."""
        return session.viewer

    async def open(self) -> Opened:
        """Create and start a session.

        Raises:
            AvatarError: and then nothing is left open that the vendor lets us name.
        """
        opening = asyncio.create_task(self._open(), name=f"{self.name} opening")
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            self._wanted = False
            if not self._at_stake:
                opening.cancel()
            with suppress(TimeoutError):
                await finish(self._take_back(opening), within_s=UNDO_S)
            raise

    async def close(self, session: Opened) -> None:
        """Stop the session.

        Raises:
            AvatarError: The vendor has not confirmed it; the journal still names the session.
        """
        await self.stop(session.id)
        await self._strike(session.id)

    # Sessions of others

    async def stop(self, session: str) -> None:
        """Stop a session by its id; returns once the vendor has confirmed it.

        Args:
            session: The vendor's id.

        Raises:
            AvatarError: It is not known to be stopped.
        """
        async with self._rest() as rest:
            try:
                await self._stop(rest, session)
            except VendorRefused as error:
                if not await self._is_gone(rest, session, error):
                    raise

    async def active_sessions(self) -> list[str]:
        """The ids of all sessions of the account that run now, whoever opened them.

        Raises:
            AvatarError
        """
        async with self._rest() as rest:
            return await self._active(rest)

    @property
    def account(self) -> Account:
        """Who pays, for who keeps the account's sessions in order."""
        return Account(self.name, self._key, self.stop, self.active_sessions, self._max_sessions)

    async def reap(self) -> list[Entry]:
        """Stop what dead processes of this account have left open; for the start of a bot.

        Returns:
            What may still run, until the vendor's own limit.

        Raises:
            JournalUnusable
        """
        return await reap(self._journal, self.name, self._key, self.stop)

    # Inside

    async def _open(self) -> Opened:
        try:
            return await self._open_once()
        except NameTaken:
            return await self._open_once()

    async def _open_once(self) -> Opened:
        entry = await self._journal.intend(
            self.name,
            self._key,
            limit_s=self.limit_s,
            most=self._max_sessions,
            costs=self.naming_costs,
        )
        async with self._heeding(), self._rest() as rest:
            self._at_stake = self.naming_costs
            try:
                named = await self._name(rest)
            except BaseException as error:
                if not self.naming_costs or isinstance(error, VendorRefused | NotDone):
                    with suppress(JournalUnusable):  # what went wrong first is what counts
                        await self._journal.strike(entry)
                raise
            self._entries[named.id] = entry
            try:
                await self._journal.name(entry, named.id)
                if not self._wanted:
                    raise _NotWanted
                self._at_stake = True
                opened = await self._start(rest, named)
                if opened.limit_s is not None:
                    with suppress(JournalUnusable):  # it is noted, with a limit that we know
                        await self._journal.limit(entry, opened.limit_s)
                return opened
            except BaseException as error:
                if not self.naming_opens and isinstance(error, VendorRefused | NotDone):
                    with suppress(JournalUnusable):  # there is nothing, and it is known
                        await self._strike(named.id)
                else:
                    await self._undo(named.id)
                raise

    @asynccontextmanager
    async def _heeding(self) -> AsyncIterator[None]:
        """Around what the vendor is asked: if it says when to come again, nobody does before."""
        try:
            yield
        except RateLimited as error:
            if error.retry_after_s:
                with suppress(JournalUnusable):  # what went wrong first is what counts
                    await self._journal.hold_off(self.name, self._key, error.retry_after_s)
            raise

    async def _undo(self, session: str) -> None:
        async def undo() -> None:
            await self.stop(session)
            await self._strike(session)

        try:
            await finish(undo(), within_s=UNDO_S)
        except (AvatarError, TimeoutError) as error:
            why = error or "no answer"
            logger.warning(f"{self.name} session {short(session)} could not be stopped: {why}")

    async def _take_back(self, opening: asyncio.Task[Opened]) -> None:
        try:
            opened = await opening
        except (AvatarError, asyncio.CancelledError):
            return  # it has cleaned up after itself
        await self._undo(opened.id)

    async def _strike(self, session: str) -> None:
        if entry := self._entries.pop(session, None):
            await self._journal.strike(entry)
