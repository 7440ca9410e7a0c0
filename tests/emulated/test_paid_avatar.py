"""`AVATAR=liveavatar` and its kin: the bot as people run it, and what it does at the vendor."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from emulators.heygen import Knobs, serve
from emulators.heygen.lifetime import Account
from tests.emulated.paying import EVERY, GREETING, account, answer_to, leaks, talking, watch
from tests.emulated.visitor import ROOT, VOICE_HZ, running_bot, visiting

pytestmark = pytest.mark.asyncio

NOTICED_S = 3.0
ENDS = "The conversation ends here."
GOES_ON = "The drawn face goes on without it."
ON_ERROR = pytest.mark.parametrize("on_error", ["end", "local"])


@EVERY
async def test_speech_reaches_the_avatar_of_who_watches_it(tmp_path: Path, avatar: str) -> None:
    async with serve() as emulator, talking(tmp_path, emulator, avatar) as visitor:
        assert (await visitor.kind("session"))["avatar"] == avatar
        await emulator.until(emulator.running)
        await watch(visitor)
        room = await visitor.kind("avatar-room")
        assert room["kind"] == "livekit"
        assert room["token"].startswith("SECRET-viewer-")
        await visitor.until(lambda m: m["type"] == "avatar-face" and m["by"] == "vendor")
        answer = await answer_to(visitor, "What is your name?")
        assert sum(each.seconds for each in emulator.heard()) > 0.03 * len(answer)
        if avatar == "liveavatar":
            asked = emulator.session().terms.request
            assert "max_session_duration" not in asked, "more than plans allow"


async def test_voice_of_who_does_not_watch_comes_by_the_page(tmp_path: Path) -> None:
    async with serve() as emulator, talking(tmp_path, emulator) as visitor:
        await emulator.until(emulator.running)
        assert await visitor.answer() == GREETING
        assert sum(visitor.heard.values()) > VOICE_HZ
        assert emulator.received("agent.speak") == []


async def test_session_may_last_as_long_as_the_conversation_and_its_goodbye(
    tmp_path: Path,
) -> None:
    async with (
        serve() as emulator,
        talking(tmp_path, emulator, MAX_SESSION_SECONDS="600") as visitor,
    ):
        await emulator.until(emulator.running)
        assert emulator.session().terms.limit_s == 660
        await visitor.send("disconnect-bot", {})
        await visitor.until_over()


@pytest.mark.parametrize("avatar", ["liveavatar", "heygen"])
async def test_goodbye_is_said_before_the_plan_ends_the_session(
    tmp_path: Path, avatar: str
) -> None:
    async with (
        serve(max_seconds=18, interactive_seconds=18) as emulator,
        talking(tmp_path, emulator, avatar) as visitor,
    ):
        notice = await visitor.until(lambda m: m["type"] == "notice")
        assert notice["text"].endswith("Goodbye.")
        assert await visitor.until_over() == 1000
        assert emulator.session().end_reason == "USER_CLOSED"


async def test_conversation_that_goes_on_without_the_avatar_outlasts_its_session(
    tmp_path: Path,
) -> None:
    async with (
        serve(max_seconds=8) as emulator,
        talking(tmp_path, emulator, AVATAR_ON_START_ERROR="local") as visitor,
    ):
        await emulator.until(emulator.running)
        notice = await visitor.until(lambda m: m["type"] == "notice")
        assert notice["text"].endswith(GOES_ON)
        assert "Ava" in await answer_to(visitor, "What is your name?")


OTHERS_ONLY = {"avatars": "a3e5c1d0-0000-4000-8000-000000000000"}
FAULTS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"call": "token", "status": 401}, {}, "does not accept the key. Check LIVEAVATAR_API_KEY."),
    ({}, {"credits": 0}, "says that the account has no credit left."),
    (
        {"call": "start", "status": 409},
        {},
        "already runs as many sessions as the account may have. Wait until one has ended.",
    ),
    (
        {},
        OTHERS_ONLY,
        "cannot show this avatar. Check LIVEAVATAR_AVATAR_ID and LIVEAVATAR_SANDBOX.",
    ),
    (
        {"call": "start", "status": 500},
        {},
        "cannot be reached, or has a problem of its own. Try again later.",
    ),
    ({}, {"omit_ws_url": True}, "answers in a way that this version does not understand."),
    (
        {"call": "token", "status": 429, "headers": {"Retry-After": "20"}},
        {},
        "takes no more requests now. Wait 20 s.",
    ),
]
"""What goes wrong at the vendor, by a reply and by a knob, and what the person is told."""


@ON_ERROR
async def test_avatar_that_cannot_start_is_told_of(tmp_path: Path, on_error: str) -> None:
    async with serve() as emulator:
        settings = account("liveavatar", emulator) | {"AVATAR_ON_START_ERROR": on_error}
        async with running_bot(tmp_path, **settings) as bot:
            for fault, knobs, said in FAULTS:
                emulator.knobs = Knobs().turned(knobs)
                emulator.accounts["liveavatar"] = Account(emulator.knobs.credits)
                if fault:
                    emulator.fail(**fault)
                async with visiting(bot) as visitor:
                    told = await visitor.kind("notice")
                    if on_error == "end":
                        async with asyncio.timeout(NOTICED_S):
                            await visitor.until_over()
                    else:
                        assert "Ava" in await answer_to(visitor, "What is your name?")
                    goes_on = ENDS if on_error == "end" else GOES_ON
                    assert told["text"] == f"LiveAvatar {said} {goes_on}"
                    assert visitor.notices() == [told["text"]]
                    assert leaks(tmp_path, bot, visitor) == []
                await emulator.until(lambda: not emulator.running())


async def test_key_that_is_wrong_is_told_of(tmp_path: Path) -> None:
    wrong = {"LIVEAVATAR_API_KEY": "SECRET-of-somebody-else"}
    async with serve() as emulator, talking(tmp_path, emulator, **wrong) as visitor:
        told = await visitor.kind("notice")
        assert "Check LIVEAVATAR_API_KEY" in told["text"]
        await visitor.until_over()


@pytest.mark.parametrize(
    "program", [(), ("-m", "launcher", "--bot", str(ROOT / "bot.py"))], ids=["bot", "launcher"]
)
async def test_one_too_many_of_the_accounts_sessions_is_told_of_and_not_asked_for(
    tmp_path: Path, program: tuple[str, ...]
) -> None:
    async with serve() as emulator:
        limit = {"LIVEAVATAR_MAX_SESSIONS": "1", "AVATAR_ON_START_ERROR": "local"}
        settings = account("liveavatar", emulator) | limit
        async with running_bot(tmp_path, *program, **settings) as bot:
            async with visiting(bot):
                await emulator.until(emulator.running)
                async with visiting(bot) as second:
                    told = await second.kind("notice")
                    assert told["text"] == (
                        "As many sessions of LiveAvatar run as LIVEAVATAR_MAX_SESSIONS allows."
                        f" Wait until one has ended. {GOES_ON}"
                    )
                    assert len(emulator.sessions) == 1
            await emulator.until(lambda: not emulator.running())
            async with visiting(bot):
                await emulator.until(emulator.running)
            await emulator.until(lambda: not emulator.running())


@ON_ERROR
async def test_avatar_that_is_never_ready_is_told_of(tmp_path: Path, on_error: str) -> None:
    async with (
        serve(never_connected=True) as emulator,
        talking(tmp_path, emulator, AVATAR_ON_START_ERROR=on_error) as visitor,
    ):
        assert await visitor.answer() == GREETING
        told = await visitor.kind("notice")
        said = "LiveAvatar did not become ready in time. Try again later."
        assert told["text"] == f"{said} {ENDS if on_error == 'end' else GOES_ON}"
        async with asyncio.timeout(NOTICED_S):
            await emulator.until(lambda: not emulator.running())
            if on_error == "end":
                await visitor.until_over()


@ON_ERROR
@pytest.mark.parametrize("how", ["close", "break", "end"])
async def test_avatar_that_is_lost_is_told_of(tmp_path: Path, how: str, on_error: str) -> None:
    ends = on_error == "end"
    async with (
        serve() as emulator,
        talking(tmp_path, emulator, AVATAR_ON_START_ERROR=on_error) as visitor,
    ):
        await emulator.until(emulator.running)
        await watch(visitor)
        await visitor.until(lambda m: m["type"] == "avatar-face" and m["by"] == "vendor")
        await visitor.type("What can you do?")
        await emulator.until(lambda: emulator.received("agent.speak"))
        emulator.script(how)
        async with asyncio.timeout(NOTICED_S):
            told = await visitor.kind("notice")
            if ends:
                await visitor.until_over()
            await emulator.until(lambda: not emulator.running())
        what = "has ended the session" if how == "end" else "was lost"
        assert what in told["text"]
        assert told["text"].endswith(ENDS if ends else GOES_ON)
        assert told.get("ends", False) == ends
        if not ends:
            asked = await visitor.until(lambda m: m.get("text") == "What can you do?")
            answer = await visitor.answer(visitor.messages.index(asked))
            assert answer.startswith("I can tell you a story")
            assert answer.endswith("interrupt me whenever you like.")
            assert "Ava" in await answer_to(visitor, "What is your name?")


async def test_sandbox_that_is_over_is_told_as_such(tmp_path: Path) -> None:
    sandbox = {"LIVEAVATAR_AVATAR_ID": "", "LIVEAVATAR_SANDBOX": "true"}
    async with serve() as emulator, talking(tmp_path, emulator, **sandbox) as visitor:
        await emulator.until(lambda: emulator.running() and emulator.record.connections)
        emulator.script("end", reason="MAX_DURATION_REACHED")
        told = await visitor.kind("notice")
        assert told["text"].startswith("A minute of LiveAvatar's sandbox is over, or")
        await visitor.until_over()


@EVERY
@pytest.mark.parametrize("how", ["hangs up", "says so"])
async def test_who_leaves_ends_the_session(tmp_path: Path, avatar: str, how: str) -> None:
    async with serve() as emulator, talking(tmp_path, emulator, avatar) as visitor:
        await emulator.until(emulator.running)
        if how == "says so":
            await visitor.send("disconnect-bot", {})
            await visitor.until_over()


@pytest.mark.parametrize("rest_delay_ms", [0, 400])
async def test_bot_that_is_told_to_stop_stops_its_session(
    tmp_path: Path, rest_delay_ms: int
) -> None:
    async with serve(rest_delay_ms=rest_delay_ms) as emulator:
        async with (
            running_bot(tmp_path, **account("liveavatar", emulator)) as bot,
            visiting(bot),
        ):
            await emulator.until(lambda: emulator.sessions)
            bot.process.terminate()
            async with asyncio.timeout(10):
                await bot.process.wait()
        assert [each for each in emulator.sessions.values() if each.ended_at is None] == []
        assert leaks(tmp_path, bot) == []
