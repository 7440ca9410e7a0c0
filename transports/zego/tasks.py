"""The actions that are used of the Digital Human API.

https://www.zegocloud.com/docs/digital-human (server API), as of 2026-08-21. A task is a stream of a
digital human in a room; a drive is something that it says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from ..avatar.errors import UnexpectedReply
from ..avatar.rest import PAUSES_S, optional_texts, text_of
from .rest import Rest

LONGEST_ID = 200


class TaskStatus(IntEnum):
    """What becomes of a task."""

    STARTING = 1
    FAILED = 2
    STREAMING = 3
    STOPPING = 4
    STOPPED = 5


class DriveStatus(IntEnum):
    """What becomes of a drive."""

    QUEUED = 1
    DRIVING = 2
    FAILED = 3
    ENDED = 4
    INTERRUPTED = 5


@dataclass(frozen=True, slots=True)
class Task:
    """One that runs; what cannot be read of it is empty."""

    id: str
    room: str
    stream: str

    @property
    def is_named(self) -> bool:
        """Whether it can be said whose it is."""
        return bool(self.id and self.room and self.stream)


@dataclass(frozen=True, slots=True)
class Drive:
    """One that is reserved: its id, and the address of the socket that takes its speech."""

    id: str
    address: str = field(repr=False)


class Tasks:
    """Asked over one `Rest`.

    Args:
        vendor: For errors.
        rest: Makes the calls.
    """

    def __init__(self, vendor: str, rest: Rest) -> None:
        self._vendor = vendor
        self._rest = rest

    async def create(self, human: str, name: str, *, ttl_s: int, max_idle_s: int) -> str:
        """Let `human` stream as `name`, in a room of that name; returns the task's id."""
        body = {
            "DigitalHumanConfig": {"DigitalHumanId": human},
            "RTCConfig": {"RoomId": name, "StreamId": name},
            "TTL": ttl_s,
            "MaxIdleTime": max_idle_s,
        }
        data = await self._rest.ask("CreateDigitalHumanStreamTask", body)
        return self._id(data, "TaskId")

    async def status(self, task: str) -> int:
        """One of `TaskStatus`, as far as is known."""
        body = {"TaskId": task}
        data = await self._rest.ask("GetDigitalHumanStreamTaskStatus", body, again=True)
        status = data.get("Status") if isinstance(data, dict) else None
        if isinstance(status, bool) or not isinstance(status, int):
            raise UnexpectedReply(self._vendor, "no Status")
        return status

    async def running(self) -> list[Task]:
        """All of the project, whoever started them."""
        data = await self._rest.ask("QueryDigitalHumanStreamTasks", again=True)
        rows = data.get("TaskList") if isinstance(data, dict) else None
        if not isinstance(rows, list):
            raise UnexpectedReply(self._vendor, "no TaskList")
        return [_task(row) for row in rows]

    async def stop(self, task: str) -> None:
        """End it; the vendor lets nobody name it afterwards."""
        await self._rest.ask("StopDigitalHumanStreamTask", {"TaskId": task}, again=True)

    async def reserve(self, task: str, *, pauses_s: Sequence[float] = PAUSES_S) -> Drive:
        """A drive that takes PCM from a socket. That it is asked for twice does no harm."""
        body = {"TaskId": task}
        data = await self._rest.ask("DriveByWsStream", body, again=True, pauses_s=pauses_s)
        return Drive(self._id(data, "DriveId"), text_of(self._vendor, data, "WssAddress"))

    async def interrupt(self, task: str) -> None:
        """Cut what is driven; names no drive, so that it is never repeated by itself."""
        await self._rest.ask("InterruptDriveTask", {"TaskId": task}, pauses_s=())

    def _id(self, data: object, name: str) -> str:
        value = text_of(self._vendor, data, name)
        if len(value) > LONGEST_ID or not value.isprintable():
            raise UnexpectedReply(self._vendor, f"a {name} that is none")
        return value


def _task(row: object) -> Task:
    texts = optional_texts(row, "TaskId", "RoomId", "StreamId")
    return Task(texts.get("TaskId", ""), texts.get("RoomId", ""), texts.get("StreamId", ""))
