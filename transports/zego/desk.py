"""Which conversation of this process is meant: by a callback of ZEGO's, or by a request for one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from typing import Protocol

from .callbacks import CallbackRefused, Callbacks
from .told import AgentTold, Told, Unreadable, about, parsed, told


class Listener(Protocol):
    """What has opened something at ZEGO, for one conversation."""

    @property
    def tasks(self) -> Set[str]:
        """ZEGO's ids of what it has opened."""

    @property
    def rooms(self) -> Set[str]:
        """The rooms that it has named."""

    def hear(self, told: Told) -> None:
        """What is about it. It may move what is known; it never opens, ends or pays anything."""


class Desk:
    """The conversations that there are."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    @contextmanager
    def listening(self, listener: Listener) -> Iterator[None]:
        """It is told what is about it for as long as this is entered."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    def called(self, body: bytes) -> bool:
        """Tell whom a callback is about that was let in; returns whether anybody knows of it."""
        try:
            said = told(parsed(body))
        except Unreadable:
            return False
        return said is not None and self.hear(said)

    def hear(self, told: Told) -> bool:
        """Tell whom it is about; returns whether anybody knows of it."""
        meant = [each for each in self._listeners if _is_about(told, each)]
        for listener in meant:
            listener.hear(told)
        return bool(meant)


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


def _is_about(told: Told, listener: Listener) -> bool:
    """An instance is known by the room that we have named, too: its id may be still to come."""
    if about(told) in listener.tasks:
        return True
    return isinstance(told, AgentTold) and told.room in listener.rooms
