"""A conversation with a digital human, as the desk asks for it."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any, Protocol

from ..avatar.vendor import Opened
from .told import Told, about
from .vendor import ZegoVendor


class Face(Protocol):
    """What the conversation has of it: see `AvatarTransport`."""

    @property
    def is_open(self) -> bool:
        """Whether there is one now."""

    async def face(self) -> Opened | None:
        """What is opened."""

    async def dismiss(self) -> None:
        """Close it for good."""

    def page_says(self, kind: str, data: Mapping[str, Any]) -> None:
        """What is seen of it."""


class HumanConversation:
    """See `desk.Conversation`.

    Args:
        face: Its face.
        human: The vendor of that.
        language: What is spoken.
    """

    def __init__(self, face: Face, human: ZegoVendor, language: str) -> None:
        self._face = face
        self._human = human
        self.language = language

    def is_about(self, told: Told) -> bool:
        """Whether it is of a task of its own."""
        return about(told) in self.ids

    async def hear(self, told: Told) -> None:
        """See `ZegoVendor.hear`."""
        self._human.hear(told)

    @property
    def names(self) -> Mapping[str, Set[str]]:
        """A room has one stream, of the same name."""
        return {
            "roomId": self._human.rooms,
            "streamId": self._human.rooms,
            "userId": {self._human.user},
            "digitalHumanId": {self._human.human},
        }

    @property
    def ids(self) -> Set[str]:
        """Of tasks."""
        return self._human.tasks

    @property
    def is_open(self) -> bool:
        """Whether there is a task now."""
        return self._face.is_open

    async def place(self) -> Mapping[str, str] | None:
        """With the id of the task."""
        if (opened := await self._face.face()) is None:
            return None
        viewer = self._human.viewer(opened)
        return {
            "taskId": self._human.task_of(opened),
            "roomId": viewer["room"],
            "streamId": viewer["stream"],
            "userId": viewer["user"],
            "appId": viewer["app_id"],
            "server": viewer["server"],
            "token": viewer["token"],
        }

    async def dismiss(self) -> None:
        """Stops the task."""
        await self._face.dismiss()

    def is_watched(self) -> None:
        """As the page says it."""
        self._face.page_says("avatar-joined", {})
