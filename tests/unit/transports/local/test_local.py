"""The built-in face as a vendor: what it sends to the page, and what it believes of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from transports.avatar.commands import Begin, EndSpeech, Speak
from transports.avatar.events import Played
from transports.local import LocalVendor
from transports.local.mouth import Mouth


class Leg:
    """A user leg that writes down what it carries."""

    def __init__(self) -> None:
        self.carried: list[Any] = []

    async def speak(self, pcm: bytes, sample_rate: int, *, interruptible: bool) -> None:
        self.carried.append((len(pcm), sample_rate, interruptible))

    async def flush(self) -> None:
        self.carried.append("flush")

    async def tell(self, data: Mapping[str, Any]) -> None:
        self.carried.append(dict(data))


def visemes(*pairs: tuple[int, str], run: str = "run") -> dict[str, Any]:
    return {"context": run, "sample_rate": 24_000, "visemes": [list(pair) for pair in pairs]}


@pytest.mark.asyncio
async def test_an_utterance_is_announced_mouthed_spoken_and_ended_in_order() -> None:
    vendor, leg = LocalVendor(), Leg()
    vendor.attach(leg)
    vendor.mouth(visemes((0, "sil"), (100, "PP"), (20_000, "aa")))
    async with vendor.dial(await vendor.open()) as socket:
        await socket.send(Begin(0, "u1", "run", 0, 24_000, True))
        await socket.send(Speak(0, "u1", bytes(1_920)))
        await socket.send(EndSpeech(0, "u1", 960))
    assert leg.carried == [
        {"type": "avatar-begin", "utterance": "u1", "sample_rate": 24_000},
        {"type": "avatar-visemes", "utterance": "u1", "visemes": [(0, "sil"), (100, "PP")]},
        (1_920, 24_000, True),
        "flush",
        {"type": "avatar-end", "utterance": "u1", "samples": 960},
    ]


@pytest.mark.parametrize(
    ("data", "events"),
    [
        ({"utterance": "u1", "samples": 480}, [Played("u1", 480)]),
        ({"utterance": "u1", "samples": 4.5}, []),
        ({"utterance": "u1", "samples": True}, []),
        ({"utterance": 7, "samples": 1}, []),
        ({}, []),
    ],
)
def test_what_the_page_says_is_an_event_or_nothing(data: dict[str, Any], events: object) -> None:
    assert LocalVendor().wire().decode(data) == events


def test_a_flood_of_reports_is_not_kept() -> None:
    vendor = LocalVendor()
    for _ in range(10_000):
        vendor.page_says("avatar-played", {})


def test_shapes_go_out_once_before_their_audio() -> None:
    mouth = Mouth()
    mouth.learn(visemes((0, "sil"), (1_000, "PP"), (30_000, "aa")))
    mouth.begin("run", 0)
    assert mouth.next(960) == [(0, "sil"), (1_000, "PP")]
    assert mouth.next(960) == []
    assert mouth.next(29_000) == [(30_000, "aa")]


def test_speech_that_goes_on_after_a_hold_takes_its_mouth_along() -> None:
    mouth = Mouth()
    mouth.learn(visemes((0, "sil"), (1_000, "PP"), (9_000, "aa"), (12_000, "O")))
    mouth.begin("run", 0)
    mouth.next(960)
    mouth.begin("run", 5_000)
    assert mouth.next(960) == [(0, "PP"), (4_000, "aa"), (7_000, "O")]


@pytest.mark.parametrize(
    "message",
    [{}, {"context": 1, "visemes": []}, {"context": "r", "visemes": "x"}],
)
def test_shapes_in_an_unknown_form_are_left_out(message: dict[str, Any]) -> None:
    mouth = Mouth()
    mouth.learn(message)
    mouth.begin("r", 0)
    assert mouth.next(960) == []
