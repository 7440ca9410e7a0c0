"""What ZEGO's callbacks say, typed; who may be believed is for `callbacks`.

https://www.zegocloud.com/docs/digital-human and /aiagent-server (callbacks), as of 2026-08-21. What
is about a task has a number for its type, what is about an agent's instance has a name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeVar
from urllib.parse import unquote_to_bytes

from .tasks import LONGEST_ID, DriveStatus, TaskStatus

LONGEST_TEXT = 16_000
"""Characters of what somebody said."""


class Unreadable(Exception):
    """It is no callback."""


@dataclass(frozen=True, slots=True)
class TaskTold:
    """What becomes of a task."""

    task: str
    status: TaskStatus


@dataclass(frozen=True, slots=True)
class DriveTold:
    """How a drive of a task goes."""

    task: str
    drive: str
    status: DriveStatus


@dataclass(frozen=True, slots=True)
class AgentTold:
    """Something about an agent's instance.

    Attributes:
        instance: The vendor's id of it.
        agent_user: The name in the room that we gave it.
        room: The room that we gave it.
    """

    instance: str
    agent_user: str
    room: str


@dataclass(frozen=True, slots=True)
class InstanceCreated(AgentTold):
    """It has joined the room and is heard there."""


@dataclass(frozen=True, slots=True)
class InstanceDeleted(AgentTold):
    """It is gone: by a call (0), or by itself."""

    code: int


@dataclass(frozen=True, slots=True)
class InstanceTrouble(AgentTold):
    """Something went wrong in it. The vendor's sentence is not kept: it may quote a key."""

    code: int


@dataclass(frozen=True, slots=True)
class PersonSaid(AgentTold):
    """What its ears have understood."""

    round: int
    user: str
    text: str


@dataclass(frozen=True, slots=True)
class AgentSaid(AgentTold):
    """A sentence of its answer."""

    round: int
    text: str


class Interrupter(IntEnum):
    """Who has cut an answer."""

    PERSON = 1
    ASKED = 2
    TOLD_TO_SPEAK = 3
    TOLD_TO_STOP = 4


@dataclass(frozen=True, slots=True)
class AgentCut(AgentTold):
    """Its answer was cut; so much of it was heard."""

    round: int
    by: Interrupter
    heard: str


@dataclass(frozen=True, slots=True)
class PersonSpeaks(AgentTold):
    """The person begins to speak, or stops."""

    round: int
    user: str
    begins: bool


@dataclass(frozen=True, slots=True)
class AgentSpeaks(AgentTold):
    """It begins to speak, or stops. Deprecated by the vendor."""

    begins: bool


@dataclass(frozen=True, slots=True)
class AgentState(AgentTold):
    """`IDLE`, `LISTENING`, `THINKING` or `SPEAKING`."""

    round: int
    state: str


Told = TaskTold | DriveTold | AgentTold

UNUSED = frozenset(("UserAudioData", "AgentInstanceMetaInfo"))
"""Events that are known, and of no interest."""

T = TypeVar("T")

_STATES = ("IDLE", "LISTENING", "THINKING", "SPEAKING")
_BEGINS = {"SPEAK_BEGIN": True, "SPEAK_END": False}


class _Number(str):
    """As it was written: what is signed is its text, and it may be larger than others can read."""


class _Odd(Exception):
    """A field is not what it should be."""


def parsed(body: bytes) -> dict[str, Any]:
    """The content of a body; its numbers are texts.

    Raises:
        Unreadable
    """
    for text in (body, unquote_to_bytes(body)):
        try:
            content = json.loads(text, parse_int=_Number, parse_float=_Number)
        except (ValueError, RecursionError):
            continue
        if isinstance(content, dict):
            return content
    raise Unreadable


def told(content: dict[str, Any], odd: Callable[[str], object] = lambda kind: None) -> Told | None:
    """What it says; None where that is of no interest.

    Args:
        content: As `parsed`.
        odd: Called with the kind of what is not understood.
    """
    event = content.get("Event")
    known = _agent if isinstance(event, str) else _task
    try:
        return known(content)
    except _Odd as error:
        odd(str(error))
        return None


def about(told: Told) -> str:
    """The vendor's id of what it is about."""
    return told.instance if isinstance(told, AgentTold) else told.task


def _task(content: dict[str, Any]) -> Told:
    detail = content.get("Detail")
    kind = str(content.get("EventType"))
    if kind not in ("3", "4"):
        raise _Odd("an EventType")
    if not isinstance(detail, dict):
        raise _Odd(f"EventType {kind}")
    task, status = _id(content, "TaskId"), detail.get("Status")
    if not isinstance(status, _Number) or not re.fullmatch(r"[1-5]", status):
        raise _Odd(f"a Status of EventType {kind}")
    if kind == "3":
        return TaskTold(task, TaskStatus(int(status)))
    return DriveTold(task, _id(detail, "DriveId"), DriveStatus(int(status)))


def _agent(content: dict[str, Any]) -> Told | None:
    event, data = content["Event"], content.get("Data")
    data = data if isinstance(data, dict) else {}
    whose = _id(content, "AgentInstanceId"), _id(content, "AgentUserId"), _id(content, "RoomId")
    match event:
        case "AgentInstanceCreated":
            return InstanceCreated(*whose)
        case "AgentInstanceDeleted":
            return InstanceDeleted(*whose, _number(data, "Code"))
        case "Exception":
            return InstanceTrouble(*whose, _number(data, "Code"))
        case "ASRResult":
            return PersonSaid(
                *whose, _number(data, "Round"), _id(data, "UserId"), _text(data, "Text")
            )
        case "LLMResult":
            return AgentSaid(*whose, _number(data, "Round"), _text(data, "Text"))
        case "Interrupted":
            return AgentCut(
                *whose,
                _number(data, "Round"),
                _one_of(data, "Reason", {str(each.value): each for each in Interrupter}),
                _text(data, "PlayedText"),
            )
        case "UserSpeakAction":
            begins = _one_of(data, "Action", _BEGINS)
            return PersonSpeaks(*whose, _number(data, "Round"), _id(data, "UserId"), begins)
        case "AgentSpeakAction" if "Action" in data:
            return AgentSpeaks(*whose, _one_of(data, "Action", _BEGINS))
        case "AgentInstanceStatus" | "AgentSpeakAction":  # a sample has the other's name
            state = _one_of(data, "Status", {each: each for each in _STATES})
            return AgentState(*whose, _number(data, "Round"), state)
        case _ if event in UNUSED:
            return None
    raise _Odd(f"the event {event}" if re.fullmatch(r"[A-Za-z]{1,40}", event) else "an event")


def _id(content: dict[str, Any], name: str) -> str:
    value = content.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_ID or not value.isprintable():
        raise _Odd(f"a {name}")
    return value


def _text(content: dict[str, Any], name: str) -> str:
    value = content.get(name)
    if not isinstance(value, str) or isinstance(value, _Number) or len(value) > LONGEST_TEXT:
        raise _Odd(f"a {name}")
    return value.encode("utf-8", "replace").decode()  # no halves of surrogate pairs


def _number(content: dict[str, Any], name: str) -> int:
    value = content.get(name)
    if not isinstance(value, _Number) or not re.fullmatch(r"-?[0-9]{1,20}", value):
        raise _Odd(f"a {name}")
    return int(value)


def _one_of(content: dict[str, Any], name: str, known: dict[str, T]) -> T:
    value = content.get(name)
    if not isinstance(value, str) or value not in known:
        raise _Odd(f"a {name}")
    return known[value]
