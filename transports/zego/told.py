"""What ZEGO's callbacks say, typed; who may be believed is for `callbacks`.

https://www.zegocloud.com/docs/digital-human and /aiagent-server (callbacks), as of 2026-08-21. What
is about a task has a number for its type, what is about an agent's instance has a name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from .agent_news import AgentTold, agent_told
from .tasks import LONGEST_ID, DriveStatus, TaskStatus


class Unreadable(Exception):
    """It is no callback."""


@dataclass(frozen=True, slots=True)
class TaskTold:
    """What becomes of a task.

    Attributes:
        task: The vendor's id of it.
        status: Where it is.
    """

    task: str
    status: TaskStatus


@dataclass(frozen=True, slots=True)
class DriveTold:
    """How a drive of a task goes.

    Attributes:
        task: The vendor's id of it.
        drive: The vendor's id of the drive.
        status: Where that is.
    """

    task: str
    drive: str
    status: DriveStatus


Told = TaskTold | DriveTold | AgentTold

EVENTS = frozenset(
    (
        "AgentInstanceCreated",
        "AgentInstanceDeleted",
        "Exception",
        "ASRResult",
        "LLMResult",
        "Interrupted",
        "UserSpeakAction",
        "AgentInstanceStatus",
        "AgentSpeakAction",
        "UserAudioData",
        "AgentInstanceMetaInfo",
    )
)
"""What is documented of agents."""


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
        if isinstance(content, dict) and _is_unicode(content):
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
    event = content["Event"]
    if event not in EVENTS:
        raise _Odd(f"the event {event}" if re.fullmatch(r"[A-Za-z]{1,40}", event) else "an event")
    if (said := agent_told(content)) is None:
        raise _Odd("an event of nobody's")
    return said


def _id(content: dict[str, Any], name: str) -> str:
    value = content.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_ID or not value.isprintable():
        raise _Odd(f"a {name}")
    return value


def _is_unicode(content: dict[str, Any]) -> bool:
    """Halves of surrogate pairs fail wherever a text is encoded later."""
    try:
        json.dumps(content, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True
