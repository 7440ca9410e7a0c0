"""Which conversation of this process is meant: by a callback of ZEGO's, or by who asks for one.

What can be asked for is what the vendor's samples have in their back ends. Who may ask for which
conversation is decided in front of it. Ids are looked up among its own; what is foreign and what
does not exist are the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from ..avatar.vendor import Opened
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


class Human(Protocol):
    """A digital human, as its vendor knows it."""

    @property
    def tasks(self) -> Set[str]:
        """ZEGO's ids of what it has opened."""

    @property
    def rooms(self) -> Set[str]:
        """The rooms that it has named."""

    def hear(self, told: Told) -> None:
        """What is about one of its tasks."""

    @property
    def human(self) -> str:
        """Who is shown."""

    @property
    def user(self) -> str:
        """Who watches, by the name in the token."""

    def task_of(self, session: Opened) -> str:
        """ZEGO's id of what was opened."""

    def viewer(self, session: Opened) -> Mapping[str, str]:
        """What shows it, with a token of minutes."""


class Face(Protocol):
    """The same as the conversation knows it: see `AvatarTransport`."""

    @property
    def is_open(self) -> bool:
        """Whether there is one now."""

    async def face(self) -> Opened | None:
        """What is opened."""

    async def dismiss(self) -> None:
        """Close it for good."""

    def page_says(self, kind: str, data: Mapping[str, Any]) -> None:
        """What is seen of it."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """One that may be asked for.

    Attributes:
        face: Its face.
        human: The vendor of that.
        language: What is spoken.
    """

    face: Face
    human: Human
    language: str

    def is_about(self, told: Told) -> bool:
        """See `Listener`."""
        return about(told) in self.human.tasks

    async def hear(self, told: Told) -> None:
        """See `Listener`."""
        self.human.hear(told)


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

    async def create(self, session: str, **given: str | None) -> dict[str, str] | None:
        """The task of a conversation, opened if it is not, and where to watch it.

        Args:
            session: Whose.
            given: What who asks calls things that are ours to name: `roomId`, `streamId`, `userId`
                and `digitalHumanId`.

        Returns:
            None where its face is over, or could not be had.

        Raises:
            LookupError: There is no such conversation, or it calls something otherwise.
            TimeoutError: The task is not there yet.
        """
        meant = self._meant(session, given)
        async with asyncio.timeout(OPENING_S):
            opened = await meant.face.face()
        if opened is None:
            return None
        return {"taskId": meant.human.task_of(opened), **_place(meant.human.viewer(opened))}

    async def token(self, session: str, **given: str | None) -> dict[str, str] | None:
        """As `create`, with a token of minutes; opens nothing.

        Returns:
            None where there is nothing to watch.
        """
        meant = self._meant(session, given)
        if not meant.face.is_open or (opened := await meant.face.face()) is None:
            return None
        viewer = meant.human.viewer(opened)
        return {"token": viewer["token"], **_place(viewer)}

    async def talk(self, session: str, task: str, language: str | None) -> None:
        """The task is watched: from now on it says what the conversation says.

        Raises:
            LookupError: As `create`, or it is another's task, or over.
            ValueError: The conversation is in another language; the text says which.
        """
        meant = self._meant(session)
        opened = await meant.face.face() if meant.face.is_open else None
        if opened is None or meant.human.task_of(opened) != task:
            raise LookupError
        if language is not None and _main(language) != _main(meant.language):
            raise ValueError(f"This conversation is in {meant.language!r}.")
        meant.face.page_says("avatar-joined", {})

    async def stop(self, session: str, task: str) -> None:
        """Close the task for good; the conversation goes on without.

        Raises:
            LookupError: As `create`, or it is another's task.
        """
        meant = self._meant(session)
        if task not in meant.human.tasks:
            raise LookupError
        await meant.face.dismiss()

    def _meant(self, session: str, given: Mapping[str, str | None] = {}) -> Conversation:
        meant = self._conversations.get(session)
        if meant is None:
            raise LookupError
        human = meant.human
        known: Mapping[str, Set[str]] = {
            "roomId": human.rooms,
            "streamId": human.rooms,
            "userId": {human.user},
            "digitalHumanId": {human.human},
        }
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


def _place(viewer: Mapping[str, str]) -> dict[str, str]:
    """Where to watch, in the words of the vendor's samples."""
    return {
        "roomId": viewer["room"],
        "streamId": viewer["stream"],
        "userId": viewer["user"],
        "appId": viewer["app_id"],
        "server": viewer["server"],
    }


def _main(language: str) -> str:
    return language.replace("_", "-").partition("-")[0].lower()
