"""`AVATAR=liveavatar` and its kin: the bot as people run it, and the vendor as we know it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random, SystemRandom
from typing import Any

import pytest
from loguru import logger

from emulators.heygen import Emulator, serve
from tests.emulated.visitor import Bot, Visitor, running_bot, visiting

pytestmark = pytest.mark.asyncio

GREETING = "Good morning to you, and welcome to this small conversation."
NOTICED_S = 3.0
ENDS = "The conversation ends here."
GOES_ON = "The drawn face goes on without it."
AVATAR = "1c690fe7-23e0-49f9-bfba-14344450285b"
AVATARS = ["liveavatar", "heygen", "heygen-alpha"]
EVERY = pytest.mark.parametrize("avatar", AVATARS)


def account(avatar: str, emulator: Emulator) -> dict[str, str]:
    """The settings that let a bot use the emulator."""
    service, prefix = (
        ("liveavatar", "LIVEAVATAR") if avatar == "liveavatar" else ("interactive", "HEYGEN")
    )
    return {
        "AVATAR": avatar,
        "GREETING": GREETING,
        f"{prefix}_API_KEY": emulator.key(service),  # type: ignore[arg-type]
        f"{prefix}_AVATAR_ID": AVATAR,
        f"{prefix}_API_URL": emulator.url,
    }


def leaks(folder: Path, bot: Bot, visitor: Visitor | None = None) -> list[str]:
    """Where a secret shows: in the log, in the journal, at the page."""
    found = [line for line in bot.log if "SECRET-" in line]
    kept = [path for path in (folder / "avatarbot").iterdir() if b"SECRET-" in path.read_bytes()]
    told = [
        str(message)
        for message in (visitor.messages if visitor else [])
        if message["type"] != "avatar-room" and "SECRET-" in str(message)
    ]
    return [*found, *map(str, kept), *told]


@asynccontextmanager
async def talking(
    folder: Path, emulator: Emulator, avatar: str = "liveavatar", **settings: str
) -> AsyncIterator[Visitor]:
    """A visit; afterwards nothing runs at the vendor, and no secret shows anywhere."""
    given = account(avatar, emulator) | settings
    async with running_bot(folder, **given) as bot:
        async with visiting(bot) as visitor:
            yield visitor
        await emulator.until(lambda: not emulator.running())
    assert leaks(folder, bot, visitor) == []


@EVERY
async def test_speech_reaches_the_avatar_of_who_watches_it(tmp_path: Path, avatar: str) -> None:
    async with serve() as emulator, talking(tmp_path, emulator, avatar) as visitor:
        assert (await visitor.kind("session"))["avatar"] == avatar
        await emulator.until(emulator.running)
        await visitor.send("client-message", {"t": "avatar-joined", "d": {}})
        assert (await visitor.kind("avatar-face"))["by"] == "vendor"
        before = len(visitor.messages)
        await visitor.type("What is your name?")
        answer = await visitor.answer(before)
        heard_s = sum(each.seconds for each in emulator.heard())
        assert heard_s > 0.03 * len(answer)


async def test_voice_of_who_does_not_watch_comes_by_the_page(tmp_path: Path) -> None:
    async with serve() as emulator, talking(tmp_path, emulator) as visitor:
        await emulator.until(emulator.running)
        assert await visitor.answer() == GREETING
        assert sum(visitor.heard.values()) > 24_000
        assert emulator.received("agent.speak") == []


FAULTS: list[Any] = [
    pytest.param(
        {"fail": {"call": "token", "status": 401}},
        "LiveAvatar does not accept the key. Check LIVEAVATAR_API_KEY.",
        id="wrong key",
    ),
    pytest.param(
        {"knobs": {"credits": 0}},
        "LiveAvatar says that the account has no credit left.",
        id="no credits",
    ),
    pytest.param(
        {"fail": {"call": "start", "status": 409, "times": 9}},
        "LiveAvatar already runs as many sessions as the account may have."
        " Wait until one has ended.",
        id="too many sessions",
    ),
    pytest.param(
        {"knobs": {"avatars": "a3e5c1d0-0000-4000-8000-000000000000"}},
        "LiveAvatar cannot show this avatar. Check LIVEAVATAR_AVATAR_ID and LIVEAVATAR_SANDBOX.",
        id="no such avatar",
    ),
    pytest.param(
        {"fail": {"call": "token", "status": 429, "headers": {"Retry-After": "20"}}},
        "LiveAvatar takes no more requests now. Wait 20 s.",
        id="too many calls",
    ),
    pytest.param(
        {"fail": {"call": "start", "status": 500}},
        "LiveAvatar cannot be reached, or has a problem of its own. Try again later.",
        id="vendor down",
    ),
    pytest.param(
        {"knobs": {"omit_ws_url": True}},
        "LiveAvatar answers in a way that this version does not understand.",
        id="reply without a socket",
    ),
]


@pytest.mark.parametrize(("fault", "said"), FAULTS)
@pytest.mark.parametrize("on_error", ["end", "local"])
async def test_avatar_that_cannot_start(
    tmp_path: Path, fault: dict[str, Any], said: str, on_error: str
) -> None:
    async with serve(**fault.get("knobs", {})) as emulator:
        if "fail" in fault:
            emulator.fail(**fault["fail"])
        settings = {"AVATAR_ON_START_ERROR": on_error}
        async with talking(tmp_path, emulator, **settings) as visitor:
            told = await visitor.kind("notice")
            if on_error == "end":
                assert told["text"] == f"{said} {ENDS}"
                async with asyncio.timeout(NOTICED_S):
                    await visitor.until_over()
            else:
                assert told["text"] == f"{said} {GOES_ON}"
                assert await visitor.answer() == GREETING
                assert not visitor.ended
            assert len(visitor.notices()) == 1
        assert emulator.running() == []


@pytest.mark.parametrize("on_error", ["end", "local"])
async def test_avatar_that_is_never_ready(tmp_path: Path, on_error: str) -> None:
    async with serve(never_connected=True) as emulator:
        async with talking(tmp_path, emulator, AVATAR_ON_START_ERROR=on_error) as visitor:
            assert await visitor.answer() == GREETING
            told = await visitor.kind("notice")
            said = "LiveAvatar did not become ready in time. Try again later."
            assert told["text"] == f"{said} {ENDS if on_error == 'end' else GOES_ON}"
            if on_error == "end":
                async with asyncio.timeout(NOTICED_S):
                    await visitor.until_over()
            await emulator.until(lambda: not emulator.running())


@pytest.mark.parametrize("how", ["close", "break", "end"])
async def test_avatar_that_is_lost_ends_the_conversation(tmp_path: Path, how: str) -> None:
    async with serve() as emulator:
        async with talking(tmp_path, emulator, AVATAR_ON_START_ERROR="local") as visitor:
            await emulator.until(emulator.running)
            await visitor.send("client-message", {"t": "avatar-joined", "d": {}})
            await visitor.kind("avatar-face")
            await visitor.type("Tell me a story.")
            await emulator.until(lambda: emulator.received("agent.speak"))
            emulator.script(how)
            async with asyncio.timeout(NOTICED_S):
                told = await visitor.kind("notice")
                await visitor.until_over()
            assert told["text"] == f"The connection to LiveAvatar was lost. {ENDS}"
            assert told["ends"]
        assert emulator.running() == []


async def test_minute_of_the_sandbox_that_is_over_is_told_as_such(tmp_path: Path) -> None:
    sandbox = {"LIVEAVATAR_AVATAR_ID": "", "LIVEAVATAR_SANDBOX": "true"}
    async with serve(sandbox_seconds=3) as emulator:
        async with talking(tmp_path, emulator, **sandbox) as visitor:
            told = await visitor.kind("notice")
            assert told["text"].startswith("A minute of LiveAvatar's sandbox is over, or")
            await visitor.until_over()


@EVERY
async def test_who_hangs_up_ends_the_session(tmp_path: Path, avatar: str) -> None:
    async with serve() as emulator:
        async with talking(tmp_path, emulator, avatar):
            await emulator.until(emulator.running)
        assert emulator.running() == []
        assert len(emulator.sessions) == 1


@pytest.mark.parametrize("rest_delay_ms", [0, 400])
async def test_bot_that_is_told_to_stop_stops_its_session(
    tmp_path: Path, rest_delay_ms: int
) -> None:
    async with serve(rest_delay_ms=rest_delay_ms) as emulator:
        async with running_bot(tmp_path, **account("liveavatar", emulator)) as bot:
            async with visiting(bot):
                await emulator.until(lambda: emulator.sessions)
                bot.process.terminate()
                async with asyncio.timeout(10):
                    await bot.process.wait()
        assert emulator.running() == []
        assert leaks(tmp_path, bot) == []
        async with running_bot(tmp_path, **account("liveavatar", emulator)) as bot:
            assert not [line for line in bot.log if "dead bot" in line]


MOMENTS = ("opening", "named", "running", "speaking", "closing")


async def until_killed(bot: Bot, emulator: Emulator, moment: str, random: Random) -> None:
    """A visit to a bot that is killed at a random instant of a part of its session's life."""
    sessions = len(emulator.sessions)
    async with visiting(bot) as visitor:
        await visitor.send("client-message", {"t": "avatar-joined", "d": {}})
        match moment:
            case "opening":
                await asyncio.sleep(random.uniform(0, 0.6))
            case "named":
                await emulator.until(lambda: len(emulator.sessions) > sessions)
                await asyncio.sleep(random.uniform(0, 0.3))
            case "running" | "closing":
                await emulator.until(emulator.running)
                await asyncio.sleep(random.uniform(0, 0.6))
            case "speaking":
                await emulator.until(emulator.running)
                (session,) = emulator.running()
                await emulator.until(lambda: emulator.received("agent.speak", session.id))
                await asyncio.sleep(random.uniform(0, 1.5))
        if moment != "closing":
            bot.process.kill()
    if moment == "closing":
        await asyncio.sleep(random.uniform(0, 0.4))
        bot.process.kill()


@pytest.mark.parametrize(
    ("avatar", "kills"),
    [
        ("liveavatar", 5),
        ("heygen", 5),
        pytest.param("liveavatar", 200, marks=pytest.mark.long),
        pytest.param("heygen", 50, marks=pytest.mark.long),
    ],
)
async def test_next_start_stops_what_a_killed_bot_left_running(
    tmp_path: Path, avatar: str, kills: int
) -> None:
    """Whatever the vendor lets us name is stopped; of the rest it is told until when it may run."""
    seed = SystemRandom().randrange(2**32)
    logger.info(f"seed {seed}")
    random = Random(seed)
    left_running = 0
    async with serve(rest_delay_ms=150) as emulator:
        for number in range(kills + 1):
            async with running_bot(tmp_path, **account(avatar, emulator)) as bot:
                assert emulator.running() == [], f"after kill {number}"
                told = [line for line in bot.log if "without a name, may run until" in line]
                unended = [each for each in emulator.sessions.values() if each.ended_at is None]
                assert len(unended) <= len(told), f"after kill {number}"
                if number < kills:
                    await until_killed(bot, emulator, MOMENTS[number % len(MOMENTS)], random)
                    await bot.process.wait()
                    left_running += len(emulator.running())
            assert leaks(tmp_path, bot) == []
    logger.info(f"{kills} kills left {left_running} sessions running; {len(told)} had no name")
    assert left_running >= kills / 5
