"""I6: calls that go wrong: repeated where that is safe, else an error, and nothing stays open."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pipecat.frames.frames import CancelFrame, EndFrame, Frame, TextFrame

from tests.emulated.contract.stage import QUICK, all_heard, running, stream, together, voice
from tests.emulated.contract.vendors import BY_REST, Row
from transports.avatar import AvatarError, RateLimited, VendorUnreachable, rest
from transports.avatar.journal import Journal

pytestmark = pytest.mark.asyncio

PATIENCE_S = 1.5  # two dozen bots open at the same moment
LATE_S = 2.0
BEFORE = ("token", "streaming.new")
FREE = ("token", "DriveByWsStream")
"""What may be asked for twice, since it costs nothing."""


@dataclass(frozen=True)
class Fault:
    """A reply that goes wrong, and what becomes of it.

    Attributes:
        error: Where it ends, if that is not in speech.
        certain: Whether it says that nothing was done.
        asked: How often the call is made.
    """

    how: dict[str, Any]
    error: type[AvatarError] | None = None
    certain: bool = False
    asked: int = 2
    knobs: dict[str, Any] = field(default_factory=dict)


def header(seconds: int) -> dict[str, str]:
    return {"Retry-After": str(seconds)}


FAULTS = {
    "429": Fault({"status": 429}, certain=True),
    "429 twice": Fault({"status": 429, "times": 2}, certain=True, asked=3),
    "429 for a second": Fault({"status": 429, "headers": header(1)}, certain=True),
    "429 for a minute": Fault({"status": 429, "headers": header(60)}, RateLimited, True, 1),
    "429 always": Fault({"status": 429, "times": 9}, RateLimited, True, 3),
    "500": Fault({"status": 500}),
    "503, and it was done": Fault({"status": 503, "done": True}),
    "no reply": Fault({"status": 0}),
    "no reply, and it was done": Fault({"status": 0, "done": True}),
    "a late reply": Fault({"status": None, "delay_s": LATE_S}),
    "a reply that is no JSON": Fault({"status": 500, "body": "SECRET-<html>"}),
}


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten seconds are long."""
    monkeypatch.setattr(rest, "CALL_TIMEOUT_S", PATIENCE_S)


@BY_REST
async def test_a_call_that_goes_wrong_is_repeated_where_that_is_safe_and_else_is_an_error(
    row: Row, tmp_path: Path
) -> None:
    await together(
        *(
            # A journal each: a vendor that asks to be left alone is, by all that share one.
            (f"{call}: {name}", opens(row, tmp_path / f"{call} {name}", call, fault))
            for call in row.calls[:2]
            for name, fault in FAULTS.items()
        )
    )


async def opens(row: Row, folder: Path, call: str, fault: Fault) -> None:
    safe = fault.certain or call in FREE
    error = fault.error if safe else VendorUnreachable
    lost = not safe and call in BEFORE
    async with running(
        row, folder, opened=False, noted=int(lost), faults={call: fault.how}, **QUICK
    ) as (
        bot,
        side,
    ):
        await bot.say(voice(0.3))
        if error is None:
            await bot.has_said()
            if len(side.sessions) == 1:  # the other one was named, and never started
                await all_heard(side)
                assert stream(side) == voice(0.3)
        else:
            assert type(await bot.error(within_s=8.0)) is error
            await bot.push(TextFrame("nobody else is concerned"))
            await bot.after.until(TextFrame, within_s=3.0)
        if fault.how["status"] is None:
            return  # nobody waits for a call whose caller has gone
        asked = fault.asked if safe else 1
        await side.until(lambda: tries(side, call) == asked)


def tries(side: Any, call: str) -> int:
    """How often a call was made until it went well."""
    made = [each for each in side.record.calls if each.name == call]
    good = (n for n, each in enumerate(made, 1) if each.status == 200 and not each.code)
    return next(good, len(made))


ENDINGS = ["429", "429 twice", "429 for a second", "500", "no reply", "a late reply"]


@BY_REST
async def test_a_stop_that_goes_wrong_is_repeated(row: Row, tmp_path: Path) -> None:
    await together(*((name, ends(row, tmp_path, FAULTS[name])) for name in ENDINGS))


async def ends(row: Row, folder: Path, fault: Fault) -> None:
    async with running(row, folder, **QUICK) as (_, side):
        side.fail(row.calls[2], **fault.how)


@BY_REST
async def test_a_session_that_cannot_be_stopped_stays_in_the_journal(
    row: Row, tmp_path: Path
) -> None:
    async with running(row, tmp_path, noted=1, **QUICK) as (bot, side):
        side.fail(row.calls[2], status=503, times=3)
        await bot.push(EndFrame())
        await bot.after.until(EndFrame, within_s=10.0)
        (session,) = side.running()
        (folder,) = await asyncio.to_thread(lambda: [*tmp_path.iterdir()])
        (entry,) = await Journal(folder).entries()
        assert entry.session == row.noted(session)
        await bot.vendor.stop(entry.session)  # type: ignore[attr-defined]


@BY_REST
@pytest.mark.parametrize("leaves", [EndFrame, CancelFrame])
async def test_who_leaves_at_any_moment_leaves_nothing_running(
    row: Row, tmp_path: Path, leaves: type[Frame]
) -> None:
    await together(
        *(
            (f"after {calls} calls", leaves_early(row, tmp_path, leaves, calls))
            for calls in range(3)
        ),
        ("in speech", leaves_in_speech(row, tmp_path, leaves)),
    )


async def leaves_early(row: Row, folder: Path, leaves: type[Frame], calls: int) -> None:
    async with running(row, folder, opened=False, leaves=leaves, rest_delay_ms=100) as (_, side):
        await side.until(lambda: len(side.record.calls) >= calls)


async def leaves_in_speech(row: Row, folder: Path, leaves: type[Frame]) -> None:
    goodbye = voice(1.5)
    async with running(row, folder, leaves=leaves, connected_delay_ms=5) as (bot, side):
        await bot.say(goodbye)
        await side.hears(0.3)
        if leaves is EndFrame:
            await bot.push(EndFrame())
            await bot.after.until(EndFrame, within_s=8.0)
            assert stream(side) == goodbye
