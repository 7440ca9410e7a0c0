"""What is told of an agent's conversation, by the vendor's callbacks and by the page.

https://www.zegocloud.com/docs/aiagent-server (callbacks) and /aiagent-web (room messages), as of
2026-08-21. Both tell the same twice, each in its own order, and each may lose some of it. A
callback is the vendor's; what the page hands on from the room is a hint.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

LONGEST_TEXT = 4_000
"""Characters of one piece; what is longer is cut there."""

MOST_HINTS = 100
"""So many are taken at once."""

_IDS = re.compile(r"[\w.-]{1,128}", re.ASCII)


class AgentStatus(IntEnum):
    """What an agent does."""

    IDLE = 0
    LISTENING = 1
    THINKING = 2
    SPEAKING = 3


@dataclass(frozen=True, slots=True)
class Voice:
    """The person begins or stops to speak."""

    began: bool


@dataclass(frozen=True, slots=True)
class Words:
    """What the person has said so far, all of it."""

    text: str
    final: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """A piece of what the agent says."""

    text: str


@dataclass(frozen=True, slots=True)
class Status:
    """What the agent does from now on."""

    status: AgentStatus


@dataclass(frozen=True, slots=True)
class CutIn:
    """What it said was cut, and so much of it was heard."""

    played: str


@dataclass(frozen=True, slots=True)
class Created:
    """It is in the room, and what it is asked is answered."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """It is over."""

    code: int


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something did not work."""

    code: int


News = Voice | Words | Answer | Status | CutIn | Created | Deleted | Trouble


@dataclass(frozen=True, slots=True)
class Told:
    """One piece of news.

    Attributes:
        news: What it says.
        round: The interaction that it is about; 0 where it is not said.
        order: Rises with each from the same source.
        hint: Whether it comes from the page.
    """

    news: News
    round: int
    order: int
    hint: bool


@dataclass(frozen=True, slots=True)
class AgentTold:
    """A callback about an instance.

    Attributes:
        instance: The vendor's id.
        agent_user: Who it is in its room: a name of ours.
        room: Likewise.
        told: What it says; None where it is of no interest here.
    """

    instance: str
    agent_user: str
    room: str
    told: Told | None


def agent_told(content: Mapping[str, Any]) -> AgentTold | None:
    """What a callback of the AI Agent API says; None where it is none that can be read.

    Args:
        content: Its body, verified. Numbers may be as they were written.
    """
    ids = [content.get(name) for name in ("AgentInstanceId", "AgentUserId", "RoomId")]
    instance, agent_user, room = (str(each) if _is_id(each) else "" for each in ids)
    if not instance or not agent_user or not room:
        return None
    given = content.get("Data")
    data = given if isinstance(given, dict) else {}
    news = _called(content.get("Event"), data)
    order = _number(content.get("Sequence"))
    told = None
    if news is not None and order is not None:
        told = Told(news, _round(data.get("Round")), order, hint=False)
    return AgentTold(instance, agent_user, room, told)


def hints(content: Mapping[str, Any]) -> Iterator[Told]:
    """What the page says that it has read in the room.

    Args:
        content: Its `messages`, as docs/frames.md has them; what is nothing is left out.
    """
    messages = content.get("messages")
    for each in messages[:MOST_HINTS] if isinstance(messages, list) else []:
        if isinstance(each, dict) and (told := _hinted(each)) is not None:
            yield told


def _hinted(message: Mapping[str, Any]) -> Told | None:
    order = _number(message.get("seq_id"))
    data = message.get("data")
    if order is None or not isinstance(data, dict):
        return None
    news: News | None = None
    match message.get("cmd"):
        case 1 if data.get("SpeakStatus") in (1, 2):
            news = Voice(data["SpeakStatus"] == 1)
        case 3 if (text := _text(data)) is not None:
            news = Words(text, final=data.get("EndFlag") is True)
        case 4 if (text := _text(data)) is not None:
            news = Answer(text)
        case 6 if data.get("Status") in (0, 1, 2, 3):
            news = Status(AgentStatus(int(data["Status"])))
    return Told(news, _round(message.get("round")), order, hint=True) if news else None


def _called(event: object, data: Mapping[str, Any]) -> News | None:
    match event:
        case "AgentInstanceCreated":
            return Created()
        case "AgentInstanceDeleted" if (code := _number(data.get("Code"))) is not None:
            return Deleted(code)
        case "Exception" if (code := _number(data.get("Code"))) is not None:
            return Trouble(code)
        case "UserSpeakAction" if data.get("Action") in ("SPEAK_BEGIN", "SPEAK_END"):
            return Voice(data["Action"] == "SPEAK_BEGIN")
        case "ASRResult" if (text := _text(data)) is not None:
            return Words(text, final=True)
        case "LLMResult" if (text := _text(data)) is not None:
            return Answer(text)
        case "AgentInstanceStatus" if str(data.get("Status")) in AgentStatus.__members__:
            return Status(AgentStatus[str(data["Status"])])
        case "Interrupted":
            return CutIn(_text({"Text": data.get("PlayedText", "")}) or "")
        case _:
            return None


def _text(data: Mapping[str, Any]) -> str | None:
    text = data.get("Text")
    return text[:LONGEST_TEXT] if isinstance(text, str) else None


def _number(value: object) -> int | None:
    """A count of theirs, which may be a text; beyond 2^53 a page has only about as much of it."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,19}", value):
        return int(value)
    if isinstance(value, int | float) and 0 <= value < 2**63 and value == int(value):
        return int(value)
    return None


def _round(value: object) -> int:
    """As exactly as a page has it, so that both sources call a round the same."""
    return int(float(_number(value) or 0))


def _is_id(value: object) -> bool:
    return isinstance(value, str) and bool(_IDS.fullmatch(value))
