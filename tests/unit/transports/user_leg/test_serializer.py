"""The person's WebSocket: what is let in, what is refused, and that nothing can raise."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loguru import logger
from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    InputTransportMessageFrame,
    OutputAudioRawFrame,
    OutputTransportMessageFrame,
    OutputTransportMessageUrgentFrame,
    TextFrame,
    TTSAudioRawFrame,
)

from transports.user_leg.messages import DEEPEST, LONGEST_MESSAGE, LONGEST_TEXT
from transports.user_leg.serializer import (
    LONGEST_AUDIO,
    MOST_REQUESTS,
    WITHIN_S,
    PageSerializer,
)


def rtvi(kind: Any, data: Any = None, **more: Any) -> str:
    return json.dumps({"label": "rtvi-ai", "type": kind, "id": "1", "data": data} | more)


def deserialize(data: str | bytes, serializer: PageSerializer | None = None) -> Frame | None:
    return asyncio.run((serializer or PageSerializer()).deserialize(data))


def message(data: str) -> Any:
    """The RTVI message that is let in."""
    frame = deserialize(data)
    assert isinstance(frame, InputTransportMessageFrame)
    return frame.message


def test_microphone_is_pcm_at_16_khz() -> None:
    frame = deserialize(bytes(640))
    assert isinstance(frame, InputAudioRawFrame)
    assert (frame.audio, frame.sample_rate, frame.num_channels) == (bytes(640), 16_000, 1)
    assert frame.num_frames == 320


def test_what_the_page_says_to_the_avatar_takes_the_short_way() -> None:
    said: list[tuple[str, Any]] = []
    serializer = PageSerializer(lambda kind, data: said.append((kind, data)))
    played = {"utterance": "u", "samples": 480}
    for told in (played, None, [1]):
        data = rtvi("client-message", {"t": "avatar-played", "d": told})
        assert deserialize(data, serializer) is None
    assert said == [("avatar-played", played), ("avatar-played", {}), ("avatar-played", {})]
    other = rtvi("client-message", {"t": "weather", "d": None})
    assert isinstance(deserialize(other, serializer), InputTransportMessageFrame)


@pytest.mark.asyncio
async def test_more_requests_than_a_person_means_are_dropped() -> None:
    serializer = PageSerializer()
    text = rtvi("send-text", {"content": "hello"})
    passed = [await serializer.deserialize(text) for _ in range(1_000)]
    assert len([frame for frame in passed if frame]) == MOST_REQUESTS
    assert serializer.refused == {"too fast": 1, "flood": 999 - MOST_REQUESTS}
    assert await serializer.deserialize(rtvi("disconnect-bot"))
    await asyncio.sleep(WITHIN_S)
    assert await serializer.deserialize(text)


@pytest.mark.asyncio
async def test_page_gets_ready_once() -> None:
    serializer = PageSerializer()
    assert await serializer.deserialize(rtvi("client-ready"))
    assert await serializer.deserialize(rtvi("client-ready")) is None


def test_half_a_sample_is_dropped() -> None:
    serializer = PageSerializer()
    frame = deserialize(bytes(641), serializer)
    assert isinstance(frame, InputAudioRawFrame)
    assert len(frame.audio) == 640
    assert serializer.refused == {"half a sample": 1}


@pytest.mark.parametrize("pcm", [b"", b"\0", bytes(LONGEST_AUDIO + 2)])
def test_audio_of_an_impossible_length_is_refused(pcm: bytes) -> None:
    assert deserialize(pcm) is None


@pytest.mark.parametrize(
    ("kind", "given", "passed"),
    [
        ("client-ready", {"version": "2.0.0", "about": {"library": "x"}}, {"version": "2.0.0"}),
        ("client-ready", {"version": "2.-1.0"}, {}),
        ("client-ready", None, {}),
        ("disconnect-bot", {"anything": 1}, None),
        (
            "client-message",
            {"t": "avatar-played", "d": {"utterance": "u", "samples": 480}, "extra": 1},
            {"t": "avatar-played", "d": {"utterance": "u", "samples": 480}},
        ),
        (
            "send-text",
            {"content": " hi\0 there\n ", "options": {"audio_response": False, "x": 1}},
            {
                "content": "hi there",
                "options": {"run_immediately": True, "audio_response": False},
            },
        ),
        (
            "send-text",
            {"content": "hi", "options": "none"},
            {"content": "hi", "options": {"run_immediately": True, "audio_response": True}},
        ),
    ],
)
def test_message_passes_with_its_known_fields_only(kind: str, given: Any, passed: Any) -> None:
    expected = {"label": "rtvi-ai", "type": kind, "id": "1", "data": passed}
    assert message(rtvi(kind, given, stray="field")) == expected


@pytest.mark.parametrize(
    "kind",
    [
        "raw-audio",
        "raw-audio-batch",
        "send-file",
        "dtmf",
        "llm-function-call-result",
        "ui-event",
        "ui-snapshot",
        "ui-cancel-job-group",
        "bot-ready",
        "",
        None,
        7,
        ["send-text"],
    ],
)
def test_other_types_are_refused(kind: Any) -> None:
    assert deserialize(rtvi(kind, {"content": "hi", "t": "x"})) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        '"rtvi-ai"',
        "{",
        "[" * 30_000,
        '{"a":' * 10_000,
        rtvi("send-text", {"content": "hi"}, label="other"),
        rtvi("send-text", {"content": "hi"}, id=7),
        rtvi("send-text", {"content": "hi"}, id="i" * 129),
        rtvi("send-text", ["hi"]),
        rtvi("send-text", {"content": 7}),
        rtvi("send-text", {"content": " \0 "}),
        rtvi("send-text", {"content": "\ud800"}),
        rtvi("client-message", {"t": 7}),
        rtvi("client-message", {"t": "no spaces, no HTML <b>"}),
        rtvi("client-message", {"t": "x", "d": float("nan")}),
        rtvi("client-message", {"t": "x", "d": float("-inf")}),
        rtvi("client-message", {"t": "x", "d": 10**30}),
        rtvi("client-message", {"t": "x", "d": 0}).replace("0", "9" * 5_000),
        rtvi("client-message", {"t": "x", "d": 0}).replace("0", "1e999"),
        rtvi("client-message", {"t": "x", "d": json.loads("[" * 99 + "]" * 99)}),
        " " * (LONGEST_MESSAGE + 1),
    ],
)
def test_garbage_is_refused(text: str) -> None:
    assert deserialize(text) is None


def test_depth_that_is_allowed_passes() -> None:
    deep = json.loads("[" * DEEPEST + "]" * DEEPEST)
    assert message(rtvi("client-message", {"t": "x", "d": deep}))["data"]["d"] == deep


def test_longest_text_passes_and_a_longer_one_is_told_about() -> None:
    serializer = PageSerializer()
    told: list[str] = []
    serializer.add_event_handler("on_refused", lambda _, kind: told.append(kind))

    async def paste() -> None:
        fits = rtvi("send-text", {"content": "x" * LONGEST_TEXT})
        assert await serializer.deserialize(fits) is not None
        for length in (LONGEST_TEXT + 1, 100_000):
            assert (
                await serializer.deserialize(rtvi("send-text", {"content": "x" * length})) is None
            )
        assert await serializer.deserialize(b"") is None
        await asyncio.sleep(0.01)

    asyncio.run(paste())
    assert told == ["too long", "too long"]
    assert serializer.refused["too long"] == 2


def test_refusal_is_warned_of_once_and_without_content() -> None:
    lines: list[str] = []
    sink = logger.add(lines.append, level="TRACE")
    serializer = PageSerializer()
    for _ in range(50):
        assert deserialize(rtvi("send-file", {"url": "SECRET-"}), serializer) is None
    logger.remove(sink)
    assert serializer.refused == {"type not allowed": 50}
    assert len([line for line in lines if "refused" in line]) == 1


def serialize(frame: Frame) -> str | bytes | None:
    return asyncio.run(PageSerializer().serialize(frame))


@pytest.mark.parametrize("kind", [OutputAudioRawFrame, TTSAudioRawFrame])
def test_voice_leaves_as_pcm(kind: type[OutputAudioRawFrame]) -> None:
    assert serialize(kind(audio=b"\1\2", sample_rate=24_000, num_channels=1)) == b"\1\2"


@pytest.mark.parametrize("kind", [OutputTransportMessageFrame, OutputTransportMessageUrgentFrame])
def test_message_leaves_as_json(kind: Any) -> None:
    sent = {"label": "rtvi-ai", "type": "server-message", "data": {"text": "grüß <b>"}}
    text = serialize(kind(message=sent))
    assert isinstance(text, str)
    assert json.loads(text) == sent


def test_other_frames_stay_inside() -> None:
    assert serialize(TextFrame("hi")) is None


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
anything = st.recursive(
    leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)
kinds = st.sampled_from(["client-ready", "send-text", "client-message", "disconnect-bot"])
almost = st.fixed_dictionaries(
    {"label": st.just("rtvi-ai"), "type": kinds | anything, "id": st.just("1") | anything},
    optional={
        "data": anything
        | st.fixed_dictionaries(
            {},
            optional=dict.fromkeys(("content", "options", "t", "d", "version", "about"), anything),
        )
    },
)


@given(st.text() | st.binary() | (anything | almost).map(json.dumps))
def test_nothing_that_arrives_can_raise(data: str | bytes) -> None:
    frame = deserialize(data)
    if isinstance(frame, InputTransportMessageFrame):
        json.dumps(frame.message, allow_nan=False, ensure_ascii=False).encode()
