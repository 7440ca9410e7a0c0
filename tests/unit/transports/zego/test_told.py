"""What callbacks say, typed; what is not understood is counted, and means nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from transports.zego.agent_news import AgentTold, Answer
from transports.zego.callbacks import CallbackRefused, Callbacks, signature
from transports.zego.desk import Desk
from transports.zego.tasks import DriveStatus, TaskStatus
from transports.zego.told import (
    EVENTS,
    DriveTold,
    TaskTold,
    Told,
    Unreadable,
    about,
    parsed,
    told,
)

WHOSE = ("1912", "agent_1", "room_1")
SECRET = "abcd1234"


def event(name: str, data: Any = None, **changes: Any) -> dict[str, Any]:
    whose = dict(zip(("AgentInstanceId", "AgentUserId", "RoomId"), WHOSE, strict=True))
    common = {"Event": name, "AgentId": "a", "Name": "Ava", "Sequence": 9007199254740993}
    return {**common, **whose, "Data": data or {}, **changes}


def understood(content: dict[str, Any]) -> tuple[Told | None, list[str]]:
    odd: list[str] = []
    return told(parsed(json.dumps(content).encode()), odd.append), odd


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_events_of_an_agent_are_known(name: str) -> None:
    said, odd = understood(event(name))
    assert isinstance(said, AgentTold)
    assert (said.instance, said.agent_user, said.room) == WHOSE
    assert odd == []


def test_news_of_an_agent() -> None:
    said, _ = understood(event("LLMResult", {"Round": 7, "Text": "Hi"}))
    assert isinstance(said, AgentTold)
    assert said.told
    assert said.told.news == Answer("Hi")
    with pytest.raises(Unreadable):
        understood(event("LLMResult", {"Round": 7, "Text": "\ud800"}))


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (event("Sneezed"), "the event Sneezed"),
        (event("AgentInstanceCreated", RoomId=None), "an event of nobody's"),
        (event("Sneezed\nINFO all is well"), "an event"),
        (event("x" * 41), "an event"),
        ({"TaskId": "t", "EventType": 9, "Detail": {}}, "an EventType"),
        ({"TaskId": "t", "EventType": 3, "Detail": {"Status": 6}}, "a Status of EventType 3"),
    ],
)
def test_what_is_not_understood_is_counted_by_its_kind(content: dict[str, Any], kind: str) -> None:
    assert understood(content) == (None, [kind])


def signed(nonce: str, timestamp: str, **content: Any) -> bytes:
    return json.dumps(
        {
            "AppId": 1,
            "Nonce": nonce,
            "Timestamp": timestamp,
            "Signature": signature(SECRET, timestamp, nonce),
            **content,
        }
    ).encode()


def drive(status: int) -> dict[str, Any]:
    return {"TaskId": "t", "EventType": 4, "Detail": {"DriveId": "d", "Status": status}}


def test_where_the_time_ends_and_the_nonce_begins_cannot_be_moved() -> None:
    """The signature is of both, one behind the other: it is the same for another division."""
    assert signature(SECRET, "1681221510", "7847450") == signature(SECRET, "1681221510784", "7450")
    ears = Callbacks(1, SECRET, clock=lambda: 1681221511.0)
    assert ears.read(signed("7450", "1681221510784", **drive(2)))
    assert ears.read(signed("7847450", "1681221510", **drive(4))) is None


def test_what_was_signed_before_this_process_began_does_not_count() -> None:
    ears = Callbacks(1, SECRET, clock=lambda: 1681221511.0, since=1681221510.5)
    with pytest.raises(CallbackRefused):
        ears.read(signed("n1", "1681221510499", **drive(2)))
    assert ears.read(signed("n2", "1681221510500", **drive(2)))


class Listening:
    def __init__(self) -> None:
        self.heard: list[Told] = []

    def is_about(self, told: Told) -> bool:
        return about(told) == "t"

    async def hear(self, told: Told) -> None:
        self.heard.append(told)


@pytest.mark.asyncio
async def test_desk_tells_whom_it_is_about_and_nobody_else() -> None:
    desk, there = Desk(), Listening()
    mine = [TaskTold("t", TaskStatus.STREAMING), DriveTold("t", "d", DriveStatus.ENDED)]
    assert not await desk.hear(mine[0]), "nobody is there"
    with desk.listening(there):
        assert await desk.hear(mine[0])
        assert not await desk.hear(TaskTold("other", TaskStatus.STOPPED))
        assert await desk.hear(mine[1])
    assert not await desk.hear(mine[0])
    assert there.heard == mine
