"""What of a callback and of a page's hint is taken, and what means nothing."""

from __future__ import annotations

from typing import Any

import pytest

from transports.zego.agent_news import (
    LONGEST_TEXT,
    MOST_HINTS,
    AgentStatus,
    Answer,
    Created,
    CutIn,
    Deleted,
    News,
    Status,
    Told,
    Trouble,
    Voice,
    Words,
    agent_told,
    hints,
)


def piece(text: str, order: int = 1) -> dict[str, Any]:
    return {"cmd": 4, "seq_id": order, "round": 1, "data": {"Text": text}}


def called(event: str, **data: Any) -> dict[str, Any]:
    return {
        "Event": event,
        "AgentInstanceId": "1912124734317838336",
        "AgentUserId": "avatarbot-1-a",
        "RoomId": "avatarbot-1",
        "Sequence": "1234567890123456789",
        "Data": data,
    }


@pytest.mark.parametrize(
    ("content", "news"),
    [
        (called("AgentInstanceCreated", CreatedTimestamp="1"), Created()),
        (called("AgentInstanceDeleted", Code="1202"), Deleted(1202)),
        (called("Exception", Code=2203, Message="secret", Round="7"), Trouble(2203)),
        (called("UserSpeakAction", Action="SPEAK_BEGIN", Round="7"), Voice(True)),
        (called("UserSpeakAction", Action="SPEAK_END", Round="7"), Voice(False)),
        (called("ASRResult", Text="hello", Round="7"), Words("hello", final=True)),
        (called("LLMResult", Text="Hi.", Round="7"), Answer("Hi.")),
        (called("AgentInstanceStatus", Status="THINKING"), Status(AgentStatus.THINKING)),
        (called("Interrupted", Reason="1", PlayedText="Hi", Round="7"), CutIn("Hi")),
        (called("Interrupted", Reason="1"), CutIn("")),
    ],
)
def test_callbacks_say(content: dict[str, Any], news: News) -> None:
    told = agent_told(content)
    assert told
    assert told.told
    assert (told.room, told.told.news, told.told.hint) == ("avatarbot-1", news, False)
    assert told.told.order == 1234567890123456789


@pytest.mark.parametrize(
    "changed",
    [{"AgentInstanceId": 5}, {"AgentUserId": ""}, {"RoomId": "a b"}, {"RoomId": None}],
)
def test_callback_about_nothing_that_can_be_named_is_none(changed: dict[str, Any]) -> None:
    assert agent_told({**called("AgentInstanceCreated"), **changed}) is None


@pytest.mark.parametrize(
    "content",
    [
        called("AgentInstanceStatus", Status="DANCING"),
        called("AgentInstanceStatus", Status=["IDLE"]),
        called("ASRResult", Text=7),
        called("Unheard"),
        {**called("LLMResult", Text="Hi"), "Sequence": "many"},
        {**called("LLMResult", Text="Hi"), "Data": "Hi"},
        {**called("LLMResult", Text="Hi"), "Event": ["LLMResult"]},
    ],
)
def test_callback_that_says_nothing_readable_still_names_its_instance(
    content: dict[str, Any],
) -> None:
    told = agent_told(content)
    assert told
    assert told.told is None


@pytest.mark.parametrize(
    ("cmd", "data", "news"),
    [
        (1, {"SpeakStatus": 1, "UserId": "u"}, Voice(True)),
        (1, {"SpeakStatus": 2}, Voice(False)),
        (3, {"Text": "hello", "EndFlag": False}, Words("hello", final=False)),
        (3, {"Text": "hello", "EndFlag": True}, Words("hello", final=True)),
        (4, {"Text": "Hi! ", "StartFlag": True}, Answer("Hi! ")),
        (6, {"Status": 3, "OldStatus": 2}, Status(AgentStatus.SPEAKING)),
    ],
)
def test_hints_say(cmd: int, data: dict[str, Any], news: News) -> None:
    message = {"cmd": cmd, "seq_id": 140, "round": "7001", "data": data}
    assert [*hints({"messages": [message]})] == [Told(news, 7001, 140, hint=True)]


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"cmd": 4, "seq_id": 1},
        {"cmd": 4, "seq_id": 1, "data": []},
        {"cmd": 4, "seq_id": True, "data": {"Text": "a"}},
        {"cmd": 4, "seq_id": 1.5, "data": {"Text": "a"}},
        {"cmd": 4, "seq_id": -1, "data": {"Text": "a"}},
        {"cmd": 4, "seq_id": float("inf"), "data": {"Text": "a"}},
        {"cmd": 4, "seq_id": 1, "data": {"Text": {}}},
        {"cmd": 6, "seq_id": 1, "data": {"Status": 9}},
        {"cmd": 6, "seq_id": 1, "data": {"Status": []}},
        {"cmd": 1, "seq_id": 1, "data": {"SpeakStatus": "1"}},
        {"cmd": [], "seq_id": 1, "data": {"SpeakStatus": 1}},
        {"cmd": "Interrupted", "seq_id": 1, "data": {"PlayedText": "forged"}},
    ],
)
def test_hints_that_cannot_be_read_are_none(message: dict[str, Any]) -> None:
    assert [*hints({"messages": [message]})] == []


def test_page_hands_on_several_at_once_and_not_too_many() -> None:
    messages = [piece("a", order) for order in range(2 * MOST_HINTS)]
    assert len([*hints({"messages": [5, *messages]})]) == MOST_HINTS - 1
    assert [*hints({})] == [*hints({"messages": "a"})] == [*hints(piece("a"))] == []


def test_texts_have_a_length() -> None:
    (told,) = hints({"messages": [piece("a" * 10_000)]})
    assert told.news == Answer("a" * LONGEST_TEXT)


def test_both_sources_call_a_round_the_same_although_pages_know_it_less_exactly() -> None:
    exact = 1912124734317838336 + 1
    (page,) = hints({"messages": [{**piece("a"), "round": float(exact)}]})
    vendor = agent_told(called("LLMResult", Text="a", Round=str(exact)))
    assert vendor
    assert vendor.told
    assert page.round == vendor.told.round
