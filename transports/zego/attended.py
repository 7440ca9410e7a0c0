"""Conversations with a digital human or an agent, as the desk asks for them."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any, Protocol

from ..avatar.vendor import Opened
from .agent import ZegoAgent, place_of
from .told import Told, about
from .vendor import ZegoVendor

ROOM_NAMES = ("roomId", "userId", "userStreamId", "agentStreamId", "agentUserId")


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


class Holder(Protocol):
    """Who holds the conversation: see `ZegoAgentProcessor`."""

    @property
    def agent(self) -> ZegoAgent:
        """Whose instance it is."""

    @property
    def instance(self) -> str | None:
        """The vendor's id of it."""

    @property
    def room(self) -> str | None:
        """What its room is called."""

    @property
    def is_open(self) -> bool:
        """Whether there is one now."""

    async def viewer(self) -> Mapping[str, str] | None:
        """What is needed to be in its room."""

    async def dismiss(self) -> None:
        """End it for good."""

    def page_says(self, kind: str, data: Mapping[str, Any]) -> None:
        """What is seen of it."""

    def is_about(self, told: Told) -> bool:
        """Whether this is of it."""

    async def hear(self, told: Told) -> None:
        """What is of it."""


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


class AgentConversation:
    """See `desk.Conversation`.

    Args:
        holder: Who holds it.
        language: What is spoken.
    """

    def __init__(self, holder: Holder, language: str) -> None:
        self._holder = holder
        self.language = language

    def is_about(self, told: Told) -> bool:
        """See `ZegoAgentProcessor.is_about`."""
        return self._holder.is_about(told)

    async def hear(self, told: Told) -> None:
        """See `ZegoAgentProcessor.hear`."""
        await self._holder.hear(told)

    @property
    def names(self) -> Mapping[str, Set[str]]:
        """Those in a room are all made from its own, which it has when it is open."""
        room, agent = self._holder.room, self._holder.agent
        known = {"agentId": {agent.agent_id}, "digitalHumanId": {agent.human}}
        there = {name: {value} for name, value in _place(room).items()} if room else {}
        return {**dict.fromkeys(ROOM_NAMES, frozenset()), **known, **there}

    @property
    def ids(self) -> Set[str]:
        """Of instances."""
        instance = self._holder.instance
        return frozenset() if instance is None else {instance}

    @property
    def is_open(self) -> bool:
        """Whether there is an instance now."""
        return self._holder.is_open

    async def place(self) -> Mapping[str, str] | None:
        """With the id of the instance."""
        viewer, instance = await self._holder.viewer(), self._holder.instance
        if viewer is None or instance is None:
            return None
        return {
            **_place(viewer["room"]),
            "agentInstanceId": instance,
            "appId": viewer["app_id"],
            "server": viewer["server"],
            "token": viewer["token"],
        }

    async def dismiss(self) -> None:
        """Ends the instance."""
        await self._holder.dismiss()

    def is_watched(self) -> None:
        """As the page says it."""
        self._holder.page_says("avatar-joined", {})


def _place(room: str) -> dict[str, str]:
    place = place_of(room)
    names = (place.room, place.user, place.user_stream, place.stream, place.agent_user)
    return dict(zip(ROOM_NAMES, names, strict=True))
