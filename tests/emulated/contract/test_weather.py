"""I4, I7 and I9: a vendor that tells too much, too late, too little, or what nobody understands."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from loguru import logger
from pipecat.frames.frames import BotStartedSpeakingFrame, BotStoppedSpeakingFrame, ErrorFrame

from tests.emulated.contract.page import Page
from tests.emulated.contract.stage import (
    QUICK,
    RATE_HZ,
    Bot,
    all_heard,
    running,
    stream,
    together,
    voice,
)
from tests.emulated.contract.vendors import CONTROLLED, LOCAL, REMOTE, Row

pytestmark = pytest.mark.asyncio

PAIR = [BotStartedSpeakingFrame, BotStoppedSpeakingFrame]
AFTERWARDS_S = 2.5
"""Until the bot knows that it is silent, behind the last sample, whatever it is told (I7)."""

WEATHER: dict[str, dict[str, float]] = {
    "twice": {"event_repeat": 1.0},
    "a second late": {"event_delay_ms": 1_000},
    "out of order": {"event_jitter_ms": 300},
    "no ends": {"drop_speak_ended": 1.0},
    "half of it": {"event_drop": 0.5, "event_jitter_ms": 100},
    "nothing": {"event_drop": 1.0},
    "200 ms later than its profile says": {"event_drop": 1.0, "speak_start_ms": 400},
}


async def test_whatever_becomes_of_acknowledgements_speech_is_whole_and_a_cut_is_one(
    tmp_path: Path,
) -> None:
    late: dict[str, tuple[int, int]] = {}
    await together(
        *(
            (f"{row.name}, {name}", speaks_in(row, tmp_path, name, late))
            for row in REMOTE
            for name in WEATHER
        )
    )
    logger.info(f"start and end, in ms late: {json.dumps(late)}")
    assert all(abs(start) < 1_500 for start, _ in late.values())


async def speaks_in(row: Row, folder: Path, name: str, late: dict[str, tuple[int, int]]) -> None:
    first, cut, last = voice(0.8, 1), voice(3.0, 2), voice(0.5, 3)
    knobs = {"connected_delay_ms": 5, "start_spread_ms": 0, "jitter_ms": 0}
    async with running(row, folder, **knobs | WEATHER[name]) as (bot, side):
        await bot.say(first)
        await all_heard(side)
        await bot.has_said(within_s=AFTERWARDS_S)
        late[f"{row.name}, {name}"] = late_ms(bot, side)
        assert stream(side) == first
        await bot.say(cut)
        await side.hears(1.2)
        await bot.cut_in()
        await side.until(side.interruptions)
        heard = stream(side)
        assert heard.removeprefix(first) == cut[: len(heard) - len(first)]
        await bot.say(last)
        await side.until(lambda: len(side.heard()) == 3)
        await all_heard(side)
        await bot.has_said(2, within_s=AFTERWARDS_S)
        assert stream(side) == heard + last
        assert len(side.interruptions()) == 1
        assert side.interruptions()[0].late_bytes == 0
        assert bot.told in (PAIR * 2, PAIR * 3), "who is told nothing may miss what is cut soon"
        assert bot.before.frames(ErrorFrame) == []


def late_ms(bot: Bot, side: Any) -> tuple[int, int]:
    """How late the first start and end were told."""
    segments = side.heard()[0].segments
    end = segments[-1].at + segments[-1].samples / RATE_HZ
    (started,), (stopped,) = map(bot.after.times, PAIR)
    return round(1e3 * (started - segments[0].at)), round(1e3 * (stopped - end))


# What is not understood


NAMES = [
    "session.state_updated",
    "agent.state_updated",
    "agent.speak_started",
    "agent.speak_ended",
    "agent.speak_interrupted",
    "agent.audio_buffer_appended",
    "agent.audio_buffer_committed",
    "agent.audio_buffer_cleared",
    "agent.idle_started",
    "agent.idle_ended",
    "error",
    "warning",
]
VALUES: list[Any] = [
    None,
    True,
    0,
    -1.5,
    10**400,
    "",
    "x" * 9_000,
    "\ud800",
    [],
    [[]],
    {},
    {"a": 1},
]
FIELDS = ["event_id", "source_event_id", "task", "state", "new_state", "previous_state", "error"]


def malformed() -> Iterator[str | bytes]:
    """Every shape of JSON, in every place, and what is no JSON at all."""
    yield from ("", " ", "{", "nul", "NaN", "\x00", "[" * 50_000, '{"a":' * 50_000, "{}{}")
    yield from (b"", b"\x00\xff", b'{"type": "session.stopped"}', b"x" * 100_000)
    for value in VALUES:
        yield json.dumps(value)
        yield json.dumps({"type": value})
        for name in NAMES:
            yield json.dumps({"type": name} | dict.fromkeys(FIELDS, value))
            yield json.dumps({"type": name, "task": {"id": value}, "error": {"type": value}})


UNKNOWN = ("agent.state", "agent.something_new", "quota.updated")


@CONTROLLED
async def test_what_is_not_understood_ends_nothing_and_is_warned_of_once(
    row: Row, tmp_path: Path
) -> None:
    warnings: list[str] = []
    last = asyncio.Event()

    def note(line: str) -> None:
        warnings.append(line)
        if UNKNOWN[-1] in line:
            last.set()

    sink = logger.add(note, level="WARNING", format="{message}")
    try:
        async with running(row, tmp_path, **QUICK) as (bot, side):
            await bot.say(voice(0.5, 1))
            await all_heard(side)
            for text in malformed():
                if not is_over(text):
                    side.script("send", text=text)
            for _ in range(3):
                for kind in UNKNOWN:
                    side.script("send", text=json.dumps({"type": kind, "state": ["odd"]}))
            async with asyncio.timeout(10.0):
                await last.wait()
            await bot.say(voice(1.0, 2))
            await side.hears(1.5 - 1e-6)
            assert bot.before.frames(ErrorFrame) == []
    finally:
        logger.remove(sink)
    counted = Counter(line.strip() for line in warnings if "not understood" in line)
    assert set(counted.values()) == {1}
    assert len(counted) < 40
    for kind in (*UNKNOWN, "malformed"):
        assert sum(line.endswith(f": {kind}") for line in counted) == 1


def is_over(text: str | bytes) -> bool:
    """Whether it says that the session has ended; nobody can go on after that."""
    return "disconnected" in str(text)


# The built-in face


LIES: list[dict[str, Any]] = [
    *({"utterance": "u", "samples": value} for value in (*VALUES, -1, 10**9, float("nan"))),
    *({"utterance": value, "samples": 1} for value in VALUES if not isinstance(value, str)),
    {},
    {"samples": 5},
]


async def test_a_page_that_lies_or_says_nothing_harms_nobody(tmp_path: Path) -> None:
    await together(
        ("lies", hears_lies(tmp_path)),
        ("nothing", hears_nothing(tmp_path)),
    )


async def hears_lies(folder: Path) -> None:
    async with running(LOCAL, folder) as (bot, page):
        await bot.say(voice(0.8, 1))
        await page.hears(0.2)
        (utterance,) = page.heard()
        for lie in LIES:
            bot.transport.page_says("avatar-played", lie)
            bot.transport.page_says("avatar-played", lie | {"utterance": utterance.source})
        await bot.has_said()
        await all_heard(page)
        await bot.say(voice(0.3, 2))
        await bot.has_said(2)
        await all_heard(page)
        assert stream(page) == voice(0.8, 1) + voice(0.3, 2)
        assert bot.before.frames(ErrorFrame) == []


async def hears_nothing(folder: Path) -> None:
    async with running(LOCAL, folder) as (bot, page):
        assert isinstance(page, Page)
        page.reports = False
        await bot.say(voice(0.8, 1))
        await bot.has_said()
        await all_heard(page)
        assert stream(page) == voice(0.8, 1)
        assert bot.told == PAIR
