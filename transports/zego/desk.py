"""Which conversation of this process is meant: by a callback of ZEGO's, or by who asks for one.

What can be asked for is what the vendor's samples have in their back ends. Who may ask for which
conversation is decided in front of it. Ids are looked up among its own; what is foreign and what
does not exist are the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager
from typing import Protocol

from .callbacks import CallbackRefused, Callbacks
from .told import Told, Unreadable, about, parsed, told

OPENING_S = 12.0
"""How long who asks waits for a task; who then asks again waits for the same one."""


class Listener(Protocol):
    """What has opened something at ZEGO, for one conversation."""

    def is_about(self, told: Told) -> bool:
        """Whether it has opened what this is about."""

    async def hear(self, told: Told) -> None:
        """What is about it. It may move what is known; it never opens, ends or pays anything."""


class Conversation(Listener, Protocol):
    """One that may be asked for."""

    @property
    def language(self) -> str:
        """What is spoken."""

    @property
    def names(self) -> Mapping[str, Set[str]]:
        """What everything of it is called, by the samples' names of fields."""

    @property
    def ids(self) -> Set[str]:
        """ZEGO's ids of what it has opened."""

    @property
    def is_open(self) -> bool:
        """Whether there is anything to watch."""

    async def place(self) -> Mapping[str, str] | None:
        """Where it is watched, by the same names, with a token of minutes; opened if it is not.

        Returns:
            None where it is over, or could not be had.
        """

    async def dismiss(self) -> None:
        """Close it for good."""

    def is_watched(self) -> None:
        """Its picture is shown, and its sound plays."""


class Desk:
    """The conversations that there are."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        self._conversations: dict[str, Conversation] = {}

    @contextmanager
    def listening(self, listener: Listener) -> Iterator[None]:
        """It is told what is about it for as long as this is entered."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    @contextmanager
    def attending(self, session: str | None, conversation: Conversation) -> Iterator[None]:
        """It can be asked for, and is told what is about it, for as long as this is entered.

        Args:
            session: Its id; None where nobody knows one. Who comes back to it takes its place.
            conversation: What is asked.
        """
        with self.listening(conversation):
            if session is not None:
                self._conversations[session] = conversation
            try:
                yield
            finally:
                if session is not None and self._conversations.get(session) is conversation:
                    del self._conversations[session]

    # What ZEGO tells

    async def called(self, body: bytes) -> bool:
        """Tell whom a callback is about that was let in; returns whether anybody knows of it."""
        try:
            said = told(parsed(body))
        except Unreadable:
            return False
        return said is not None and await self.hear(said)

    async def hear(self, told: Told) -> bool:
        """Tell whom it is about; returns whether anybody knows of it."""
        meant = [each for each in self._listeners if each.is_about(told)]
        for listener in meant:
            await listener.hear(told)
        return bool(meant)

    # What people's own front ends ask for

    async def create(self, session: str, **given: str | None) -> Mapping[str, str] | None:
        """What a conversation has at ZEGO, opened if it is not, and where to watch it.

        Args:
            session: Whose.
            given: What who asks calls things that are ours to name.

        Returns:
            See `Conversation.place`.

        Raises:
            LookupError: There is no such conversation, or it calls something otherwise.
            TimeoutError: It is not there yet.
        """
        meant = self._meant(session, given)
        async with asyncio.timeout(OPENING_S):
            return await meant.place()

    def check(self, session: str, **given: str | None) -> Mapping[str, str]:
        """What of this a conversation calls how, as far as it can be known yet.

        Raises:
            LookupError: As `create`.
        """
        known = self._meant(session, given).names
        return {each: name for each in given for name in known[each]}

    async def token(self, session: str, **given: str | None) -> Mapping[str, str] | None:
        """As `create`, but opens nothing; None as well where there is nothing to watch."""
        meant = self._meant(session, given)
        return await meant.place() if meant.is_open else None

    async def talk(self, session: str, opened: str, language: str | None) -> None:
        """It is watched: from now on it says what the conversation says.

        Raises:
            LookupError: As `create`, or what was opened is another's, or over.
            ValueError: The conversation is in another language; the text says which.
        """
        meant = self._meant(session)
        if opened not in meant.ids or not meant.is_open:
            raise LookupError
        if language is not None and _main(language) != _main(meant.language):
            raise ValueError(f"This conversation is in {meant.language!r}.")
        meant.is_watched()

    async def stop(self, session: str, opened: str) -> None:
        """Close it for good; the conversation goes on without.

        Raises:
            LookupError: As `create`, or what was opened is another's.
        """
        meant = self._meant(session)
        if opened not in meant.ids:
            raise LookupError
        await meant.dismiss()

    def _meant(self, session: str, given: Mapping[str, str | None] = {}) -> Conversation:
        meant = self._conversations.get(session)
        if meant is None:
            raise LookupError
        known = meant.names
        if any(name is not None and name not in known[each] for each, name in given.items()):
            raise LookupError
        return meant


def reader(callbacks: Callbacks) -> Callable[[bytes], str | None]:
    """Reads what ZEGO has signed, for who stands in front.

    Returns:
        A function that says what a body is about, in ZEGO's words; None where that was told before
        or is of no interest. It raises `PermissionError` for what is not ZEGO's.
    """

    def read(body: bytes) -> str | None:
        try:
            said = callbacks.read(body)
        except CallbackRefused as error:
            raise PermissionError(str(error)) from None
        return about(said) if said else None

    return read


def _main(language: str) -> str:
    return language.replace("_", "-").partition("-")[0].lower()
