"""I3, I6 and I7 at the control socket: lost, stalled, slow, or not where it ought to be."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    ErrorFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    OutputTransportMessageUrgentFrame,
    TextFrame,
    UserStartedSpeakingFrame,
)

from tests.emulated.contract.page import Page
from tests.emulated.contract.stage import (
    QUICK,
    RATE_HZ,
    SAMPLE_BYTES,
    Bot,
    all_heard,
    pieces,
    reply,
    running,
    stream,
    together,
    voice,
    word,
)
from tests.emulated.contract.vendors import BY_REST, DRIVEN, OVER_A_SOCKET, Row
from transports.avatar import (
    ConnectionLost,
    EndedByVendor,
    UnexpectedReply,
    VendorUnreachable,
    dial,
)

pytestmark = pytest.mark.asyncio

NOTICED_S = 3.0
KNOWN_S = 0.3
"""So well it is known what was heard, on a machine that has other things to do as well."""
SENDS_LITTLE = (socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
NEXT = voice(0.2, seed=99)


# Lost


async def connecting(bot: Bot, side: Any) -> None:
    await side.until(lambda: side.record.connections)


async def idle(bot: Bot, side: Any) -> None:
    await side.until(lambda: side.session().avatar.state.name == "IDLE", NOTICED_S)
    await connecting(bot, side)


async def listening(bot: Bot, side: Any) -> None:
    await bot.push(UserStartedSpeakingFrame())
    await side.until(lambda: side.received("agent.start_listening"))


async def in_mid_speech(bot: Bot, side: Any) -> None:
    await bot.push(*reply(pieces(voice(2.0)))[:-2])
    await side.hears(0.2)


async def sealed(bot: Bot, side: Any) -> None:
    await bot.say(voice(1.0))
    await side.hears(0.2)


async def interrupted(bot: Bot, side: Any) -> None:
    await sealed(bot, side)
    await bot.cut_in()
    await side.until(side.interruptions)


STATES: list[Callable[[Bot, Any], Awaitable[None]]] = [
    connecting,
    idle,
    listening,
    in_mid_speech,
    sealed,
    interrupted,
]
LOSSES: dict[str, dict[str, Any]] = {
    "closed": {"action": "close", "code": 1000},
    "broken by the server": {"action": "close", "code": 1011},
    "cut": {"action": "break"},
    "over": {"action": "end", "reason": "MAX_DURATION_REACHED"},
}


LOST = [(state, how) for state in STATES for how in LOSSES]
LOST_IN_SPEECH = [
    *((in_mid_speech, how) for how in LOSSES),
    *((state, "over") for state in (idle, sealed, interrupted)),
]
"""What is a loss where a connection may come and go between utterances."""


@OVER_A_SOCKET
async def test_a_connection_that_is_lost_where_it_is_needed_is_an_error_and_the_session_stopped(
    row: Row, tmp_path: Path
) -> None:
    await together(
        *(
            (f"{how} while {state.__name__}", loses(row, tmp_path, state, LOSSES[how]))
            for state, how in (LOST_IN_SPEECH if row.stays else LOST)
        )
    )


async def loses(
    row: Row,
    folder: Path,
    state: Callable[[Bot, Any], Awaitable[None]],
    loss: dict[str, Any],
) -> None:
    delay_ms = 9_000 if state is connecting else 5
    async with running(row, folder, connected_delay_ms=delay_ms) as (bot, side):
        await state(bot, side)
        side.script(**loss)
        expected = EndedByVendor if loss["action"] == "end" else ConnectionLost
        assert type(await bot.error(within_s=NOTICED_S)) is expected
        await side.until(lambda: not side.running(), NOTICED_S)
        await bot.say(NEXT)
        await bot.push(TextFrame("the rest goes on"))
        await bot.after.until(TextFrame, within_s=NOTICED_S)
        assert len(bot.before.frames(ErrorFrame)) == 1
        edges = [BotStartedSpeakingFrame, BotStoppedSpeakingFrame]
        assert bot.told == edges * (len(bot.told) // 2)


@DRIVEN
async def test_a_connection_that_is_lost_between_utterances_is_made_again_and_nobody_notices(
    row: Row, tmp_path: Path
) -> None:
    await together(
        *(
            (f"{how} while {state.__name__}", loses_nothing(row, tmp_path, state, LOSSES[how]))
            for state in (idle, sealed, interrupted)
            for how in LOSSES
            if how != "over"
        )
    )


async def loses_nothing(
    row: Row,
    folder: Path,
    state: Callable[[Bot, Any], Awaitable[None]],
    loss: dict[str, Any],
) -> None:
    async with running(row, folder, connected_delay_ms=5) as (bot, side):
        await state(bot, side)
        side.script(**loss)
        await side.until(lambda: not side.session().lines, NOTICED_S)
        for _ in range(2):
            await bot.say(NEXT)
        said = len(bot.after.frames(LLMFullResponseEndFrame))
        await bot.has_said(said + 2 if state is not sealed else 3)
        await all_heard(side)
        assert stream(side).endswith(NEXT + NEXT)
        assert bot.before.frames(ErrorFrame) == []
        assert not any(each.cut for each in side.heard()[-2:])


# Lost, and stood in for


@BY_REST
async def test_a_face_that_is_lost_in_mid_speech_is_stood_in_for_from_the_first_unheard_word(
    row: Row, tmp_path: Path
) -> None:
    await together(
        *((how, is_stood_in_for(row, tmp_path, LOSSES[how])) for how in ("cut", "closed", "over")),
        ("over, sealed", is_stood_in_for(row, tmp_path, LOSSES["over"], sealed=True)),
    )


async def is_stood_in_for(
    row: Row, folder: Path, loss: dict[str, Any], *, sealed: bool = False
) -> None:
    pcm, page = voice(3.0), Page()
    step = RATE_HZ // 4
    words = [word(f"w{number}", number * step, (number + 1) * step) for number in range(12)]
    async with running(row, folder, page=page, connected_delay_ms=5) as (bot, side):
        await idle(bot, side)
        bot.transport.page_says("avatar-joined", {})
        said = reply([*words, *pieces(pcm)])
        now = len(said) if sealed else len(said) // 2  # else the TTS goes on
        await bot.push(*said[:now])
        await side.hears(0.9)
        lost_at = asyncio.get_running_loop().time()
        side.script(**loss)
        lost = await bot.error(within_s=NOTICED_S)
        noticed_s = asyncio.get_running_loop().time() - lost_at
        assert type(lost) is (EndedByVendor if loss["action"] == "end" else ConnectionLost)
        heard = bot.words()
        await bot.push(*said[now:])
        await bot.has_said()
        await side.until(lambda: not side.running(), NOTICED_S)
        assert bot.transport.output().is_usable
        assert bot.after.frames(InterruptionFrame) == []
        assert 0 < len(heard) < len(words)
        assert bot.words() == [each.text for each in words]
        rest = stream(page)
        assert pcm.endswith(rest)
        twice_s = (len(stream(side)) + len(rest) - len(pcm)) / SAMPLE_BYTES / RATE_HZ
        await all_heard(side)  # what the vendor had goes on until it is stopped
        goes_on_s = max(each.ended_at for each in side.heard()) - lost_at
        assert -noticed_s - KNOWN_S < twice_s < max(0.0, goes_on_s) + KNOWN_S
        assert [each.message["data"]["by"] for each in told(bot, "avatar-face")] == [
            *("vendor", "local")
        ]
        await bot.say(NEXT)
        await bot.has_said(2)
        assert stream(page) == rest + NEXT
        assert len(bot.before.frames(ErrorFrame)) == 1


def told(bot: Bot, kind: str) -> list[Any]:
    """What the page was told of this kind."""
    frames: list[Any] = bot.after.frames(OutputTransportMessageUrgentFrame)
    return [each for each in frames if each.message["data"]["type"] == kind]


# Slow


@OVER_A_SOCKET
async def test_an_interrupt_overtakes_what_a_stalled_vendor_has_not_read(
    row: Row, tmp_path: Path
) -> None:
    async with running(row, tmp_path, connected_delay_ms=5) as (bot, side):
        await idle(bot, side)
        side.script("stall")
        for number in range(3):
            await bot.push(*reply([*pieces(voice(20.0, number), size=96_000)]))
        await bot.push(TextFrame("nobody waits for it"))
        await bot.after.until(TextFrame, within_s=2.0)
        await bot.cut_in()
        await bot.say(NEXT)
        side.script("read")
        await bot.has_said()
        await all_heard(side)
        assert stream(side).endswith(NEXT)
        assert len(side.received(row.interrupt)) == 1
        assert sum(each.late_bytes for each in side.interruptions()) == 0
        assert [each.cut for each in side.heard()][-1] is False


@DRIVEN
async def test_a_cut_that_goes_another_way_waits_for_no_socket(
    row: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dial, "_watch", lambda tcp: tcp.setsockopt(*SENDS_LITTLE))
    async with running(row, tmp_path, **QUICK) as (bot, side):
        await idle(bot, side)
        side.script("stall")
        await bot.push(*reply([*pieces(voice(60.0), size=480_000)]))
        await bot.push(TextFrame("nobody waits for it"))
        await bot.after.until(TextFrame, within_s=2.0)
        await asyncio.sleep(0.5)  # until all buffers are full
        await bot.cut_in()
        await side.until(side.interruptions, 1.0)
        await bot.say(NEXT)
        side.script("read")
        await bot.has_said()
        await all_heard(side)
        assert stream(side).endswith(NEXT)
        assert len(side.interruptions()) == 1
        assert sum(each.late_bytes for each in side.interruptions()) == 0


@OVER_A_SOCKET
async def test_a_slow_reader_hears_all_of_it(row: Row, tmp_path: Path) -> None:
    pcm = voice(20.0)
    async with running(row, tmp_path, **QUICK) as (bot, side):
        await idle(bot, side)
        slow = asyncio.create_task(reads_now_and_then(side))
        await bot.push(*reply(pieces(pcm, size=96_000)))
        await side.until(lambda: sum(each.received for each in side.heard()) * 2 == len(pcm), 20.0)
        slow.cancel()
        side.script("read")
        await all_heard(side)
        assert stream(side) == pcm
        assert bot.before.frames(ErrorFrame) == []


async def reads_now_and_then(side: Any) -> None:
    while True:
        side.script("stall")
        await asyncio.sleep(0.03)
        side.script("read")
        await asyncio.sleep(0.001)


@BY_REST
async def test_who_leaves_a_stalled_vendor_leaves_at_once(row: Row, tmp_path: Path) -> None:
    async with running(row, tmp_path, connected_delay_ms=5, leaves=CancelFrame) as (bot, side):
        await idle(bot, side)
        side.script("stall")
        await bot.push(*reply(pieces(voice(60.0), size=96_000)))
        await bot.before.until(LLMFullResponseEndFrame)
        left = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - left < NOTICED_S


# Where it leads to


@asynccontextmanager
async def bystander() -> AsyncIterator[tuple[str, list[str]]]:
    """Another server, which only notes who comes; `/away` leads on to it."""
    seen: list[str] = []

    async def note(request: web.Request) -> web.Response:
        seen.append(request.path)
        to = str(request.url.with_path("/elsewhere"))
        return web.Response(
            status=302 if request.path == "/away" else 200, headers={"Location": to}
        )

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", note)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"127.0.0.1:{runner.addresses[0][1]}", seen
    finally:
        await runner.cleanup()


@BY_REST
async def test_an_address_that_leads_elsewhere_is_an_error_and_nobody_comes_there(
    row: Row, tmp_path: Path
) -> None:
    async with bystander() as (host, seen):
        addresses = [
            *(f"http://{host}/", f"https://{host}/", f"ws://SECRET-user:SECRET-pw@{host}/"),
            *("ws://10.0.0.1/SECRET-x", "wss://192.168.1.1/", "wss://169.254.169.254/"),
            *(
                "wss://[::ffff:10.0.0.1]/",
                "wss://[fe80::1]/",
                "ws://1.1.1.1/",
                "file:///etc/passwd",
            ),
        ]
        await together(*((each, is_led_to(row, tmp_path, each)) for each in addresses))
        assert seen == []
        await is_led_to(row, tmp_path, f"ws://{host}/away")
        assert seen == ["/away"]


async def is_led_to(row: Row, folder: Path, address: str) -> None:
    async with running(row, folder, opened=False, ws_url=address) as (bot, side):
        error = await bot.error()
        assert isinstance(error, UnexpectedReply | VendorUnreachable)
        await side.until(lambda: not side.running())
