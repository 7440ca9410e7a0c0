"""The control socket's codec: each dialect says the same of the same speech, once."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loguru import logger

from transports.avatar.commands import Begin, EndSpeech, Interrupt, KeepAlive, Listen, Speak
from transports.avatar.errors import Ending
from transports.avatar.events import Ended, Event, Interrupted, Started, Talking
from transports.heygen.alpha import AlphaWire
from transports.heygen.wire import MOST_KINDS, ControlWire

PCM = bytes(range(100)) * 2


def wire(kind: type[ControlWire] = ControlWire) -> ControlWire:
    made = kind("HeyGen")
    assert made.decode(event("session.state_updated", state="connected")) == []
    return made


def event(kind: str, **more: Any) -> str:
    return json.dumps({"type": kind, "event_id": "of-the-server", **more})


def state(new: str, old: str = "idle") -> str:
    return event("agent.state_updated", source_event_id=None, previous_state=old, new_state=new)


def told(made: ControlWire, *commands: Any) -> list[dict[str, Any]]:
    return [json.loads(message) for command in commands for message in made.encode(command)]


def say(made: ControlWire, *names: str) -> None:
    for name in names:
        told(made, Speak(0, name, PCM), EndSpeech(0, name, 100))


def heard(made: ControlWire, *messages: str) -> list[Event]:
    """What is told of the speech itself."""
    events = [each for message in messages for each in made.decode(message)]
    return [each for each in events if not isinstance(each, Talking)]


# What is told


def test_an_utterance_is_its_pieces_and_its_end_under_one_id() -> None:
    made = wire()
    begin = Begin(0, "u1", "run", 0, 24_000, True)
    messages = told(
        made, begin, Speak(0, "u1", PCM), Speak(0, "u1", b"\1\0"), EndSpeech(0, "u1", 9)
    )
    kinds = ["agent.speak", "agent.speak", "agent.speak_end"]
    assert [each["type"] for each in messages] == kinds
    assert {each["event_id"] for each in messages} == {"u1"}
    assert b"".join(b64decode(each["audio"]) for each in messages[:2]) == PCM + b"\1\0"
    assert {*messages[2]} == {"type", "event_id"}


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        (Interrupt(0, None), "agent.interrupt"),
        (Interrupt(0, "u1", hold=True), "agent.interrupt"),
        (Listen(0, True), "agent.start_listening"),
        (Listen(0, False), "agent.stop_listening"),
        (KeepAlive(0), "session.keep_alive"),
    ],
)
def test_each_other_command_is_one_verb_with_an_id_of_its_own(command: Any, kind: str) -> None:
    first, second = told(wire(), command, command)
    assert first["type"] == second["type"] == kind
    assert first["event_id"] != second["event_id"]
    assert "u1" not in first.values()


def test_alpha_appends_and_commits_each_piece_and_clears_behind_an_interrupt() -> None:
    made = wire(AlphaWire)
    messages = told(made, Speak(0, "u1", PCM), EndSpeech(0, "u1", 100), Interrupt(0, "u1"))
    kinds = ["audio_buffer_append", "audio_buffer_commit", "interrupt", "audio_buffer_clear"]
    assert [each["type"] for each in messages] == [f"agent.{kind}" for kind in kinds]
    assert b64decode(messages[0]["audio"]) == PCM
    assert all(each["event_id"] for each in messages)
    assert [each["type"] for each in told(made, Listen(0, True), Listen(0, False))] == [
        "agent.start_listening",
        "agent.stop_listening",
    ]


# What is said


def test_it_is_ready_when_the_server_says_connected_and_over_when_it_says_so() -> None:
    made = ControlWire("HeyGen")
    made.decode(event("session.state_updated", state="new"))
    assert not made.ready
    made.decode(event("session.state_updated", state="connected"))
    assert made.ready
    assert not made.over
    for last in ("closing", "closed", "disconnected"):
        made = wire()
        made.decode(event("session.state_updated", state=last))
        assert made.over is Ending.UNKNOWN
    assert ControlWire("HeyGen", awaits_connected=False).ready


@pytest.mark.parametrize(
    ("reason", "why"),
    [
        ("MAX_DURATION_REACHED", Ending.LIMIT),
        ("IDLE_TIMEOUT", Ending.IDLE),
        ("NO_CREDITS", Ending.CREDITS),
        ("USER_CLOSED", Ending.STOPPED),
        ("SOMETHING_NEW", Ending.UNKNOWN),
        (["odd"], Ending.UNKNOWN),
        (None, Ending.UNKNOWN),
    ],
)
def test_why_it_is_over_is_known_where_the_server_says_so(reason: object, why: Ending) -> None:
    made = wire()
    made.decode(event("session.stopped", end_reason=reason))
    made.decode(event("session.state_updated", state="disconnected"))
    assert made.over is why


def test_dialect_s_names_what_it_is_about() -> None:
    made = wire()
    say(made, "u1", "u2")
    assert heard(
        made,
        event("agent.audio_buffer_appended", source_event_id="u1"),
        state("talking"),
        event("agent.speak_started", source_event_id="u1"),
        event("agent.audio_buffer_committed", source_event_id="u1"),
    ) == [Started(), Started("u1")]
    assert heard(
        made,
        event("agent.speak_ended", source_event_id="u1"),
        state("idle", "talking"),
        event("agent.speak_started", source_event_id="u2"),
        event("agent.speak_ended", source_event_id="u2"),
        state("idle", "talking"),
    ) == [Ended("u1"), Started("u2"), Ended("u2")]


def test_dialect_t_numbers_tasks_in_the_order_in_which_they_were_sent() -> None:
    made = wire()
    say(made, "u1", "u2")
    assert heard(
        made,
        event("agent.audio_buffer_appended", task={"id": "t1"}),
        event("agent.idle_ended", task={"id": "t0"}),
        event("agent.speak_started", task={"id": "t1"}),
        event("agent.audio_buffer_appended", task={"id": "t2"}),
        event("agent.speak_ended", task={"id": "t1"}),
        event("agent.speak_started", task={"id": "t2"}),
        event("agent.speak_ended", task={"id": "t2"}),
        event("agent.idle_started", task={"id": "t3"}),
    ) == [Started("u1"), Ended("u1"), Started("u2"), Ended("u2")]


def test_without_speak_events_the_states_tell() -> None:
    made = wire()
    say(made, "u1")
    assert made.decode(state("talking")) == [Talking(True), Started()]
    assert made.decode(state("idle", "talking")) == [Talking(False), Ended()]


def test_speech_that_is_not_complete_has_not_ended_when_the_avatar_idles() -> None:
    made = wire()
    told(made, Speak(0, "u1", PCM))
    made.decode(state("talking"))
    assert made.decode(state("idle", "talking")) == [Talking(False)]


def test_what_is_said_twice_counts_once() -> None:
    made = wire()
    say(made, "u1", "u2")
    started = event("agent.speak_started", source_event_id="u1")
    ended = event("agent.speak_ended", source_event_id="u1")
    messages = (state("talking"), state("talking"), started, started, ended, ended)
    assert heard(made, *messages) == [Started(), Started("u1"), Ended("u1")]
    made = wire()
    say(made, "u1", "u2")
    task = {"id": "t1"}
    messages = (
        event("agent.speak_started", task=task),
        event("agent.speak_started", task=task),
        event("agent.speak_ended", task=task),
        event("agent.speak_ended", task=task),
    )
    assert heard(made, *messages) == [Started("u1"), Ended("u1")]


def test_an_end_that_was_lost_is_told_by_the_next_start() -> None:
    made = wire()
    say(made, "u1", "u2")
    heard(made, event("agent.speak_started", source_event_id="u1"))
    assert heard(made, event("agent.speak_started", source_event_id="u2")) == [
        Ended("u1"),
        Started("u2"),
    ]


def test_after_an_interrupt_nothing_is_said_of_the_speech_before() -> None:
    made = wire()
    say(made, "u1")
    heard(made, event("agent.speak_started", source_event_id="u1"))
    (interrupt,) = told(made, Interrupt(1, "u1"))
    say(made, "u2")
    assert heard(made, event("agent.speak_ended", source_event_id="u1")) == []
    cleared = event("agent.audio_buffer_cleared", source_event_id=interrupt["event_id"])
    assert heard(made, cleared) == [Interrupted()]
    interrupted = event("agent.speak_interrupted", source_event_id="u1")
    assert heard(made, interrupted, state("idle", "talking")) == [Interrupted("u1")]
    assert heard(made, event("agent.speak_started", source_event_id="u2")) == [Started("u2")]


def test_talk_that_was_under_way_is_not_taken_for_the_speech_after_the_interrupt() -> None:
    made = wire()
    say(made, "u1")
    told(made, Interrupt(1, "u1"))
    say(made, "u2")
    assert made.decode(state("talking")) == [Talking(True)]
    assert made.decode(state("idle", "talking")) == [Interrupted(), Talking(False)]
    assert made.decode(state("talking")) == [Talking(True), Started()]


def test_idleness_that_an_interrupt_brings_late_is_not_the_end_of_the_speech_after_it() -> None:
    made = wire()
    say(made, "u1")
    (interrupt,) = told(made, Interrupt(0, "u1"))
    say(made, "u2")
    cleared = event("agent.audio_buffer_cleared", source_event_id=interrupt["event_id"])
    late = [state("talking"), cleared, state("idle", "talking")]
    assert heard(made, *late) == [Interrupted()]
    assert heard(made, state("talking"), state("idle", "talking")) == [Started(), Ended()]


def test_the_answer_to_an_earlier_interrupt_is_not_that_to_the_last() -> None:
    made = wire()
    say(made, "u1")
    (first,) = told(made, Interrupt(1, "u1"))
    say(made, "u2")
    told(made, Interrupt(2, "u2"))
    cleared = event("agent.audio_buffer_cleared", source_event_id=first["event_id"])
    assert heard(made, cleared) == []


def test_in_dialect_t_receipts_tell_when_an_interrupt_without_an_answer_is_past() -> None:
    made = wire()
    say(made, "u1")
    told(made, Interrupt(1, "u1"))
    say(made, "u2")
    assert heard(
        made,
        event("agent.audio_buffer_appended", task={"id": "t1"}),
        event("agent.speak_started", task={"id": "t1"}),
        event("agent.audio_buffer_appended", task={"id": "t2"}),
        event("agent.speak_started", task={"id": "t2"}),
        event("agent.speak_ended", task={"id": "t2"}),
    ) == [Started("u2"), Ended("u2")]


def test_it_knows_no_more_of_a_vendor_that_never_answers_than_it_has_room_for() -> None:
    made = wire()
    for number in range(1_000):
        say(made, f"u{number}")
    assert heard(made, event("agent.speak_started", source_event_id="u999"))[-1] == Started("u999")


# What is odd


@pytest.mark.parametrize(
    "message",
    [
        *(b"\0\1", "", "null", "[]", "1", '"text"', "{", "{}", '{"type": 1}', "[" * 100_000),
        *('{"type": "agent.state_updated"}', '{"type": "agent.speak_started", "task": 3}'),
        '{"type": "agent.speak_ended", "source_event_id": {"a": []}, "task": {"id": 7}}',
        '{"type": "error", "error": "text"}',
    ],
)
def test_a_malformed_message_means_nothing_and_ends_nothing(message: object) -> None:
    made = wire()
    assert made.decode(message) == []
    say(made, "u1")
    assert heard(made, event("agent.speak_started", source_event_id="u1")) == [Started("u1")]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
KINDS = st.sampled_from(
    [
        *("agent.speak_started", "agent.speak_ended", "agent.speak_interrupted", "error"),
        *("agent.audio_buffer_appended", "agent.audio_buffer_cleared", "agent.state_updated"),
        *("session.state_updated", "warning", "agent.idle_started", "agent.something"),
    ]
)
FIELDS = st.sampled_from(["task", "source_event_id", "new_state", "state", "error", "warning"])


@given(KINDS, st.dictionaries(FIELDS, JSON), st.integers(0, 3))
def test_no_shape_of_an_event_raises(kind: str, fields: dict[str, Any], utterances: int) -> None:
    made = wire()
    say(made, *(f"u{number}" for number in range(utterances)))
    made.decode(json.dumps({"type": kind} | fields))


def test_what_is_not_understood_is_counted_and_warned_of_once_a_kind_without_its_content() -> None:
    lines: list[str] = []
    sink = logger.add(lines.append, format="{message}")
    made = wire()
    for _ in range(3):
        made.decode(event("agent.dances", how="SECRET-ly"))
        made.decode(event("error", error={"type": "video_starvation", "message": "SECRET-"}))
        made.decode(event("Not A Kind\n" * 100))
    for number in range(1_000):
        made.decode(event("agent.k" + "x" * (number % 60) + "y" * (number // 60)))
    logger.remove(sink)
    assert made.odd["agent.dances"] == made.odd["error.video_starvation"] == 3
    assert len(made.odd) <= MOST_KINDS + 1
    assert sum("agent.dances" in line for line in lines) == 1
    assert len(lines) <= MOST_KINDS + 1
