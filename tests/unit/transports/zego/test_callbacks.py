"""Callbacks count when they are ZEGO's, of now, ours, and new; a signature covers no more."""

from __future__ import annotations

import contextlib
import json
from random import Random
from typing import Any
from urllib.parse import quote_from_bytes

import pytest

from transports.zego.callbacks import (
    LARGEST_BODY_BYTES,
    CallbackRefused,
    Callbacks,
    signature,
)
from transports.zego.tasks import DriveStatus, TaskStatus
from transports.zego.told import DriveTold, TaskTold

SECRET = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
APP_ID = 1234567890
NOW = 1_764_547_200.0


def body(nonce: str = "n1", at: str = "1764547200000", **changes: Any) -> dict[str, Any]:
    return {
        "AppId": APP_ID,
        "TaskId": "t1",
        "EventType": 4,
        "EventTime": 1764547200000,
        "Nonce": nonce,
        "Timestamp": at,
        "Signature": signature(SECRET, at, nonce),
        "Detail": {"DriveId": "d1", "Status": 2},
    } | changes


def callbacks(now: float = NOW) -> Callbacks:
    return Callbacks(APP_ID, SECRET, clock=lambda: now)


def read(content: object, now: float = NOW) -> TaskTold | DriveTold | None:
    return callbacks(now).read(json.dumps(content).encode())


@pytest.mark.parametrize(
    ("secret", "timestamp", "nonce", "expected"),
    [
        ("secret", "1470820198", "123412", "5bd59fd62953a8059fb7eaba95720f66d19e4517"),
        (
            SECRET,
            "1745502313000",
            "7450395512627324902",
            "a413168bfbbde5beeddd869ea308c5fec12f48bf",
        ),
        ("abcd1234", "1681221510034", "abcdd22113", "2c600312f4cb6ef011fdf9720242cb4720fb408e"),
    ],
    ids=["K1", "K2", "K3"],
)
def test_signature_is_the_vendors(secret: str, timestamp: str, nonce: str, expected: str) -> None:
    assert signature(secret, timestamp, nonce) == expected


def test_what_is_told() -> None:
    assert read(body()) == DriveTold("t1", "d1", DriveStatus.DRIVING)
    task = body(EventType=3, Detail={"Status": 5, "RoomId": "r", "StreamId": "s"})
    assert read(task) == TaskTold("t1", TaskStatus.STOPPED)


def test_seconds_and_milliseconds_numbers_and_texts() -> None:
    assert read(body(at="1764547200"))
    content = json.dumps(body(nonce="7450395512627324902"))
    for number in ('"7450395512627324902"', '"1764547200000"'):
        content = content.replace(number, number.strip('"'))
    assert callbacks().read(content.encode()), "numbers are signed as they are written"


def test_a_body_may_be_encoded_for_a_url() -> None:
    assert callbacks().read(quote_from_bytes(json.dumps(body()).encode()).encode())


@pytest.mark.parametrize("seconds", [-601, 601, -1e9])
def test_the_time_is_ours_or_nothing(seconds: float) -> None:
    assert read(body(), NOW + (599 if seconds > 0 else -599))
    with pytest.raises(CallbackRefused, match="time"):
        read(body(), NOW + seconds)


def test_a_nonce_counts_once_whatever_else_is_said_with_it() -> None:
    ears = callbacks()
    assert ears.read(json.dumps(body()).encode())
    for change in ({}, {"TaskId": "t2"}, {"Detail": {"DriveId": "d1", "Status": 4}}):
        assert ears.read(json.dumps(body(**change)).encode()) is None


def test_nonces_are_forgotten_with_their_time_and_never_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("transports.zego.callbacks.MOST_NONCES", 5)
    now = NOW
    ears = Callbacks(APP_ID, SECRET, clock=lambda: now)
    for number in range(5):
        assert ears.read(json.dumps(body(f"n{number}")).encode())
    with pytest.raises(CallbackRefused, match="too many"):
        ears.read(json.dumps(body("n9")).encode())
    now += 601
    at = str(round(now * 1e3))
    assert ears.read(json.dumps(body("n9", at)).encode())


@pytest.mark.parametrize(
    "change",
    [
        {"Signature": "0" * 40},
        {"Signature": None},
        {"Signature": "ü" * 40},
        {"Timestamp": "1764547200001"},
        {"Nonce": "n2"},
        {"Nonce": {"a": 1}},
        {"AppId": 1},
        {"AppId": None},
    ],
)
def test_what_is_forged_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(CallbackRefused) as refused:
        read(body(**change))
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    "change",
    [
        {"EventType": 9},
        {"EventType": None},
        {"TaskId": []},
        {"TaskId": "x" * 201},
        {"Detail": None},
        {"Detail": {"DriveId": "d1", "Status": 6}},
        {"Detail": {"DriveId": "d1", "Status": 2.5}},
        {"Detail": {"DriveId": "d1", "Status": True}},
        {"Detail": {"DriveId": None, "Status": 2}},
        {"Detail": {"Status": 2}},
    ],
)
def test_what_is_not_understood_means_nothing(change: dict[str, Any]) -> None:
    assert read(body(**change)) is None


def test_a_thousand_bodies_that_are_none_or_were_altered() -> None:
    random = Random(6)
    ears = callbacks()
    good = json.dumps(body()).encode()
    assert ears.read(good)
    for _ in range(1_000):
        altered = bytearray(good)
        for _ in range(random.randint(1, 4)):
            match random.randrange(3):
                case 0:
                    altered[random.randrange(len(altered))] = random.randrange(256)
                case 1:
                    del altered[random.randrange(len(altered)) :][: random.randint(1, 30)]
                    altered = altered or bytearray(b" ")
                case _:
                    altered *= random.randint(1, 2)
        with contextlib.suppress(CallbackRefused):
            assert ears.read(bytes(altered)) is None
    for text in (b"", b"[" * 50_000, b"null", b"1e999", b'{"AppId":' * 5_000):
        with pytest.raises(CallbackRefused):
            ears.read(text)
    with pytest.raises(CallbackRefused, match="large"):
        ears.read(good + b" " * LARGEST_BODY_BYTES)


def test_no_secret_no_callbacks() -> None:
    with pytest.raises(ValueError, match="secret"):
        Callbacks(APP_ID, "")
