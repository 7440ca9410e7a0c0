"""What callbacks say, typed; what is not understood is counted, and means nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from transports.zego.callbacks import CallbackRefused, Callbacks, signature
from transports.zego.desk import Desk
from transports.zego.tasks import DriveStatus, TaskStatus
from transports.zego.told import (
    AgentCut,
    AgentSaid,
    AgentSpeaks,
    AgentState,
    DriveTold,
    InstanceCreated,
    InstanceDeleted,
    InstanceTrouble,
    Interrupter,
    PersonSaid,
    PersonSpeaks,
    TaskTold,
    Told,
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


@pytest.mark.parametrize(
    ("content", "meant"),
    [
        (event("AgentInstanceCreated", {"CreatedTimestamp": 1}), InstanceCreated(*WHOSE)),
        (event("AgentInstanceDeleted", {"Code": 1202}), InstanceDeleted(*WHOSE, 1202)),
        (event("Exception", {"Code": 2203, "Message": "x"}), InstanceTrouble(*WHOSE, 2203)),
        (
            event("ASRResult", {"UserId": "u", "Round": 2**62, "Text": "Hi"}),
            PersonSaid(*WHOSE, 2**62, "u", "Hi"),
        ),
        (event("LLMResult", {"Round": 7, "Text": "\ud800"}), AgentSaid(*WHOSE, 7, "?")),
        (
            event("Interrupted", {"Round": 7, "Reason": 1, "PlayedText": "So"}),
            AgentCut(*WHOSE, 7, Interrupter.PERSON, "So"),
        ),
        (
            event("UserSpeakAction", {"UserId": "u", "Round": 7, "Action": "SPEAK_BEGIN"}),
            PersonSpeaks(*WHOSE, 7, "u", True),
        ),
        (event("AgentSpeakAction", {"Action": "SPEAK_END"}), AgentSpeaks(*WHOSE, False)),
        (
            event("AgentInstanceStatus", {"Round": 7, "Status": "IDLE"}),
            AgentState(*WHOSE, 7, "IDLE"),
        ),
        (event("AgentSpeakAction", {"Round": 7, "Status": "IDLE"}), AgentState(*WHOSE, 7, "IDLE")),
    ],
)
def test_events_of_an_agent(content: dict[str, Any], meant: Told) -> None:
    assert understood(content) == (meant, [])


def test_what_is_known_and_of_no_interest_is_not_odd() -> None:
    assert understood(event("UserAudioData", {"Audio": "AAAA"})) == (None, [])
    assert understood(event("AgentInstanceMetaInfo")) == (None, [])


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (event("Sneezed"), "the event Sneezed"),
        (event("Sneezed\nINFO all is well"), "an event"),
        (event("x" * 41), "an event"),
        (event("LLMResult", {"Round": 7, "Text": 7}), "a Text"),
        (event("LLMResult", {"Round": 7, "Text": "x" * 16_001}), "a Text"),
        (event("LLMResult", {"Round": "7", "Text": "x"}), "a Round"),
        (event("LLMResult", {"Round": True, "Text": "x"}), "a Round"),
        (event("LLMResult", {"Round": 1e300, "Text": "x"}), "a Round"),
        (event("LLMResult", "x"), "a Round"),
        (event("Interrupted", {"Round": 7, "Reason": 9, "PlayedText": ""}), "a Reason"),
        (event("AgentInstanceStatus", {"Round": 7, "Status": "ASLEEP"}), "a Status"),
        (event("AgentInstanceCreated", RoomId=None), "a RoomId"),
        (event("AgentInstanceCreated", AgentInstanceId="x" * 201), "a AgentInstanceId"),
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
    tasks = frozenset({"t", "1912"})
    rooms = frozenset({"room_2"})

    def __init__(self) -> None:
        self.heard: list[Told] = []

    def hear(self, told: Told) -> None:
        self.heard.append(told)


def test_desk_tells_whom_it_is_about_and_nobody_else() -> None:
    desk, there = Desk(), Listening()
    mine: list[Told] = [
        TaskTold("t", TaskStatus.STREAMING),
        DriveTold("t", "d", DriveStatus.ENDED),
        InstanceDeleted("1912", "x", "x", 0),
        InstanceCreated("new", "x", "room_2"),
    ]
    others: list[Told] = [
        TaskTold("other", TaskStatus.STOPPED),
        InstanceCreated("other", "room_2", "other"),
    ]
    assert not desk.hear(mine[0]), "nobody is there"
    with desk.listening(there):
        assert all(desk.hear(each) for each in mine)
        assert not any(desk.hear(each) for each in others)
    assert not desk.hear(mine[0])
    assert there.heard == mine
