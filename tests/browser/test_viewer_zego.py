"""A face in ZEGO's room: what the page does with the engine, and what the bot is told.

The bot is a scripted one first, so that the page is alone with the room, and then the real one.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, Route, WebSocket

from emulators.zego import serve
from emulators.zego.news import RoomMessage

from .scripted_bot import ScriptedBot
from .test_viewer import (
    LOSS_S,
    NOTE_VOICE,
    appears,
    settled,
    shows,
    started,
    until,
    until_shown,
)
from .visit import Visit, running_bot, visiting

pytestmark = pytest.mark.asyncio(loop_scope="module")

STAND_IN = Path(__file__).parent / "rooms" / "zego-express-engine.js"
ROOM = {
    "kind": "zego",
    "app_id": "1234567890",
    "server": "wss://webliveroom1234567890-api.coolzcloud.com/ws",
    "room": "avatarbot-r1",
    "stream": "avatar",
    "user": "page-1",
    "token": "SECRET-token-1",
}
DRIVE = "d5cf0d3e-0b0c-4a53-9f5c-7f2f0e4c1a11"


def visited(
    address: str, chromium: str, silence: Path, script: str = ""
) -> AbstractAsyncContextManager[tuple[Visit, ScriptedBot]]:
    return started(address, chromium, silence, avatar="zego", script=script, stand_in=STAND_IN)


async def watched(page: Page, bot: ScriptedBot) -> None:
    """The page has asked for the room, and is in it."""
    await bot.hears("avatar-watch")
    bot.say("avatar-room", **ROOM)
    await until(page, "window.room?.loggedIn")


async def joined(page: Page, bot: ScriptedBot) -> None:
    """The avatar is in the room, and the bot knows that the page plays it."""
    await watched(page, bot)
    await appears(page, bot)


async def calls(page: Page, *names: str) -> list[list[Any]]:
    """What the newest engine was asked for, in order; of these names where some are given."""
    made: list[list[Any]] = await page.evaluate("room.calls")
    return [each for each in made if not names or each[0] in names]


async def test_joined_is_said_once_picture_and_sound_both_arrive(
    address: str, chromium: str, silence: Path
) -> None:
    async with visited(address, chromium, silence) as (visit, bot):
        await watched(visit.page, bot)
        await visit.page.evaluate("room.enter('somebody')")
        await visit.page.evaluate("room.enter('avatar', ['picture'])")
        await settled()
        assert bot.heard == [], "there is no sound yet"
        await visit.page.evaluate("room.replace('sound')")
        await bot.hears("avatar-joined")
        assert await shows(visit.page) == "drawn", "the vendor does not carry the speech yet"
        bot.say("avatar-face", by="vendor")
        await until_shown(visit.page, "video")
        assert await shows(visit.page) == "video"
        assert [each for each in await calls(visit.page) if each[0] != "on"] == [
            ["constructor", 1234567890, ROOM["server"]],
            ["setLogConfig", {"logLevel": "disable", "remoteLogLevel": "disable"}],
            ["callExperimentalAPI", {"method": "onRecvRoomChannelMessage", "params": {}}],
            ["loginRoom", ROOM["room"], ROOM["token"], {"userID": "page-1", "userName": "page-1"}],
            ["startPlayingStream", "avatar"],
        ]
        assert visit.complaints == []


LOSSES = {
    "its stream is removed": ("room.drop()", "room.enter()"),
    "no frame comes": ("room.freeze()", "room.replace('picture')"),
    "the room is lost": ("room.lose()", "room.enter()"),
}


@pytest.mark.parametrize("loss", LOSSES)
async def test_loss_brings_the_drawn_face_back_and_its_end_the_video(
    loss: str, address: str, chromium: str, silence: Path
) -> None:
    lose, restore = LOSSES[loss]
    async with visited(address, chromium, silence) as (visit, bot):
        await joined(visit.page, bot)
        await visit.page.evaluate(lose)
        async with asyncio.timeout(LOSS_S):
            await bot.hears("avatar-left")
        assert await shows(visit.page) == "drawn"
        if "lost" in loss:
            await until(visit.page, "rooms.length === 2 && room.loggedIn")
            assert await visit.page.evaluate("rooms[0].isOver")
        await visit.page.evaluate(restore)
        await bot.hears("avatar-joined")
        await until_shown(visit.page, "video")


async def test_stream_that_cannot_be_let_go_is_gone_all_the_same(
    address: str, chromium: str, silence: Path
) -> None:
    async with visited(address, chromium, silence) as (visit, bot):
        await joined(visit.page, bot)
        await visit.page.evaluate("window.stuck = ['stopPlayingStream']; room.drop()")
        await bot.hears("avatar-left")
        assert await shows(visit.page) == "drawn"
        await visit.page.evaluate("window.stuck = []; room.enter()")
        await bot.hears("avatar-joined")
        assert visit.complaints == []


async def test_engine_that_cannot_be_furnished_is_destroyed_before_the_next_one_is_made(
    address: str, chromium: str, silence: Path
) -> None:
    async with visited(address, chromium, silence, "window.stuck = ['setLogConfig']") as (
        visit,
        bot,
    ):
        await bot.hears("avatar-watch")
        bot.say("avatar-room", **ROOM)
        await until(visit.page, "window.rooms?.length === 2")
        assert await visit.page.evaluate("rooms[0].isOver")
        await visit.page.evaluate("window.stuck = []")
        await until(visit.page, "room.loggedIn")


async def test_streams_of_others_come_and_go_unnoticed(
    address: str, chromium: str, silence: Path
) -> None:
    async with visited(address, chromium, silence) as (visit, bot):
        await joined(visit.page, bot)
        await visit.page.evaluate("room.enter('somebody'); room.drop('somebody')")
        await settled()
        assert bot.heard == []
        assert await shows(visit.page) == "video"
        assert await calls(visit.page, "startPlayingStream", "stopPlayingStream") == [
            ["startPlayingStream", "avatar"]
        ]


async def test_who_is_sent_out_stays_out(address: str, chromium: str, silence: Path) -> None:
    async with visited(address, chromium, silence) as (visit, bot):
        await joined(visit.page, bot)
        await visit.page.evaluate("room.kickOut()")
        async with asyncio.timeout(LOSS_S):
            await bot.hears("avatar-left")
        await settled()
        assert await visit.page.evaluate("rooms.length") == 1
        assert await visit.page.evaluate("room.isOver")
        assert await shows(visit.page) == "drawn"
        assert await visit.page.get_by_role("alert").inner_text() == ""


async def test_token_is_renewed_without_a_new_login(
    address: str, chromium: str, silence: Path
) -> None:
    async with visited(address, chromium, silence) as (visit, bot):
        await joined(visit.page, bot)
        await visit.page.evaluate("room.expire()")
        await bot.hears("avatar-watch")
        bot.say("avatar-room", **{**ROOM, "token": "SECRET-token-2"})
        await until(visit.page, "room.calls.some(([name]) => name === 'renewToken')")
        renewed = await calls(visit.page, "renewToken", "loginRoom", "startPlayingStream")
        assert renewed[2:] == [["renewToken", "SECRET-token-2", ROOM["room"]]]
        await settled()
        assert bot.heard == [], "it went on all the time"
        assert await shows(visit.page) == "video"

        bot.say("avatar-room", **{**ROOM, "room": "avatarbot-r2"})
        await until(visit.page, "rooms.length === 2 && room.loggedIn")
        assert await visit.page.evaluate("rooms[0].isOver"), "another room is another login"


async def test_lost_room_is_joined_again_with_the_newest_token(
    address: str, chromium: str, silence: Path
) -> None:
    async with visited(address, chromium, silence) as (visit, bot):
        await joined(visit.page, bot)
        bot.say("avatar-room", **{**ROOM, "token": "SECRET-token-2"})
        await until(visit.page, "room.calls.some(([name]) => name === 'renewToken')")
        await visit.page.evaluate("room.lose()")
        await until(visit.page, "rooms.length === 2 && room.loggedIn")
        [login] = await calls(visit.page, "loginRoom")
        assert login[2] == "SECRET-token-2"


async def test_login_that_is_refused_is_tried_once_and_the_person_is_told(
    address: str, chromium: str, silence: Path
) -> None:
    async with visited(address, chromium, silence, "window.refusals = [1102020]") as (visit, bot):
        await bot.hears("avatar-watch")
        bot.say("avatar-room", **ROOM)
        await visit.until_notice("The avatar's picture cannot be had.")
        assert await shows(visit.page) == "drawn"
        await settled()
        assert await visit.page.evaluate("rooms.length") == 1
        assert await visit.page.evaluate("room.isOver")
        assert bot.heard == []


async def test_token_that_is_too_old_is_asked_for_anew(
    address: str, chromium: str, silence: Path
) -> None:
    async with visited(address, chromium, silence, "window.refusals = [1102018]") as (visit, bot):
        await bot.hears("avatar-watch")
        bot.say("avatar-room", **ROOM)
        await bot.hears("avatar-watch")
        bot.say("avatar-room", **{**ROOM, "token": "SECRET-token-2"})
        await until(visit.page, "room.loggedIn")
        [login] = await calls(visit.page, "loginRoom")
        assert login[2] == "SECRET-token-2"


async def test_who_is_sent_out_for_an_old_token_comes_back_with_a_new_one(
    address: str, chromium: str, silence: Path
) -> None:
    async with visited(address, chromium, silence) as (visit, bot):
        await joined(visit.page, bot)
        await visit.page.evaluate("room.kickOut(1102018)")
        await bot.hears("avatar-left", "avatar-watch")
        bot.say("avatar-room", **{**ROOM, "token": "SECRET-token-2"})
        await until(visit.page, "rooms.length === 2 && room.loggedIn")
        [login] = await calls(visit.page, "loginRoom")
        assert login[2] == "SECRET-token-2"
        await visit.page.evaluate("room.enter()")
        await bot.hears("avatar-joined")


async def test_stream_that_cannot_be_played_is_tried_in_another_login(
    address: str, chromium: str, silence: Path
) -> None:
    async with visited(address, chromium, silence) as (visit, bot):
        await watched(visit.page, bot)
        await visit.page.evaluate("window.unplayable = [true]; room.enter()")
        await until(visit.page, "rooms.length === 2 && room.loggedIn")
        assert await visit.page.evaluate("rooms[0].isOver")
        await visit.page.evaluate("room.enter()")
        await bot.hears("avatar-joined")


async def test_login_that_is_not_answered_is_tried_again(
    address: str, chromium: str, silence: Path
) -> None:
    async with visited(address, chromium, silence, "window.silences = [true]") as (visit, bot):
        await visit.page.clock.install()
        await bot.hears("avatar-watch")
        bot.say("avatar-room", **ROOM)
        await until(visit.page, "window.room?.calls.some(([name]) => name === 'loginRoom')")
        await visit.page.clock.fast_forward(15_000)
        await until(visit.page, "rooms.length === 2 && room.loggedIn")
        assert await visit.page.evaluate("rooms[0].isOver")


async def test_room_that_never_answers_is_given_up_with_a_sentence(
    address: str, chromium: str, silence: Path
) -> None:
    script = "window.silences = new Array(99).fill(true)"
    async with visited(address, chromium, silence, script) as (visit, bot):
        await visit.page.clock.install()
        await bot.hears("avatar-watch")
        bot.say("avatar-room", **ROOM)
        alert = visit.page.get_by_role("alert")
        for tried in range(1, 10):
            await until(visit.page, f"window.rooms?.length >= {tried}")
            await visit.page.clock.run_for(20_000)
            if "The avatar's picture cannot be had." in await alert.inner_text():
                break
        assert tried > 3
        assert await visit.page.evaluate("rooms.every(({ isOver }) => isOver)")
        assert await shows(visit.page) == "drawn"


async def test_one_source_is_heard(address: str, chromium: str, silence: Path) -> None:
    async with visited(address, chromium, silence, NOTE_VOICE) as (visit, bot):
        await joined(visit.page, bot)
        audible = (
            "[...document.querySelectorAll('video, audio'), voice].filter((each) => !each.muted)"
        )
        assert await visit.page.evaluate(f"{audible}.length") == 1
        assert not await visit.page.evaluate("voice.muted || voice.paused")
        await visit.page.evaluate("room.freeze()")
        await bot.hears("avatar-left")
        assert await visit.page.evaluate(f"{audible}.length") == 0, "the drawn face speaks now"
        assert not await visit.page.evaluate("voice.paused"), (
            "it is the vendor's sound that goes on"
        )


@asynccontextmanager
async def held_back(page: Page) -> AsyncIterator[None]:
    """The engine comes when this ends, and not before."""
    let_go = asyncio.Event()

    async def wait(route: Route) -> None:
        await let_go.wait()
        await route.fallback()

    await page.route("**/assets/zego-express-engine.js", wait)
    yield
    let_go.set()


async def test_engine_that_comes_late_joins_and_one_that_comes_too_late_does_not(
    address: str, chromium: str, silence: Path
) -> None:
    async with visited(address, chromium, silence) as (visit, bot):
        await bot.hears("avatar-watch")
        async with held_back(visit.page):
            async with visit.page.expect_request("**/assets/zego-express-engine.js"):
                bot.say("avatar-room", **ROOM)
            assert await shows(visit.page) == "drawn"
        await until(visit.page, "window.room?.loggedIn")

    async with visited(address, chromium, silence) as (visit, bot):
        await bot.hears("avatar-watch")
        async with held_back(visit.page):
            async with visit.page.expect_request("**/assets/zego-express-engine.js"):
                bot.say("avatar-room", **ROOM)
            await visit.press("End")
        await until(visit.page, "window.Zego !== undefined")
        await settled()
        assert await visit.page.evaluate("window.rooms === undefined")


@pytest.mark.parametrize("failure", ["it does not come", "it does not run"])
async def test_engine_that_could_not_be_loaded_is_asked_for_again(
    failure: str, address: str, chromium: str, silence: Path
) -> None:
    async def fail(route: Route) -> None:
        if failure == "it does not come":
            await route.abort()
        else:
            await route.fulfill(body="throw 1", content_type="text/javascript")

    async with visited(address, chromium, silence) as (visit, bot):
        await bot.hears("avatar-watch")
        await visit.page.route("**/assets/zego-express-engine.js", fail, times=1)
        bot.say("avatar-room", **ROOM)
        await until(visit.page, "window.room?.loggedIn")


RELAYED = [
    {
        "Product": "digitalhuman",
        "Timestamp": 1,
        "Cmd": 1001,
        "Data": {"Status": 2, "DriveId": DRIVE},
    },
    {
        "Product": "digitalhuman",
        "Timestamp": 2,
        "Cmd": 1001,
        "Data": {"Status": 4, "DriveId": DRIVE},
    },
]
IGNORED: list[Any] = [
    {**RELAYED[0], "Product": "other"},
    {**RELAYED[0], "Cmd": 1002},
    {**RELAYED[0], "Data": {"Status": 3, "DriveId": DRIVE}},
    {**RELAYED[0], "Data": {"Status": "2", "DriveId": DRIVE}},
    {**RELAYED[0], "Data": {"Status": 2, "DriveId": "<b>"}},
    {**RELAYED[0], "Data": {"Status": 2, "DriveId": [DRIVE]}},
    {**RELAYED[0], "Data": {"Status": 2, "DriveId": "d" * 65}},
    {**RELAYED[0], "Data": None},
    {**RELAYED[0], "more": "x" * 1_000},
    {"Timestamp": 1, "SeqId": 1, "Round": 1, "Cmd": 4, "Data": {"MessageId": "m", "Text": "Hi"}},
    None,
    [],
    7,
]


async def test_room_tells_of_drives_and_only_what_is_well_formed_is_relayed(
    address: str, chromium: str, silence: Path
) -> None:
    async with visited(address, chromium, silence) as (visit, bot):
        await joined(visit.page, bot)
        bot.details.clear()
        texts = [json.dumps(each) for each in (*IGNORED, *RELAYED)]
        for text in ("{", "", *texts):
            await visit.page.evaluate("(text) => room.say(text)", text)
        await visit.page.evaluate("room.say(undefined); room.say({}); room.say('{}', 'another')")
        await bot.hears("avatar-drive", "avatar-drive")
        assert bot.details == [{"drive_id": DRIVE, "status": 2}, {"drive_id": DRIVE, "status": 4}]
        assert await shows(visit.page) == "video"
        assert visit.complaints == []

        await visit.page.evaluate(
            "(text) => { for (let i = 0; i < 500; i++) room.say(text); }", texts[-1]
        )
        await settled()
        assert len(bot.heard) <= 10, "a flood in the room is none at the bot"


async def test_end_undoes_the_last_first(address: str, chromium: str, silence: Path) -> None:
    async with visited(address, chromium, silence) as (visit, bot):
        await joined(visit.page, bot)
        await visit.press("End")
        await until(visit.page, "room.isOver")
        assert (await calls(visit.page))[-3:] == [
            ["stopPlayingStream", "avatar"],
            ["logoutRoom", ROOM["room"]],
            ["destroyEngine"],
        ]
        assert await shows(visit.page) == "drawn"
        assert await visit.page.evaluate("document.getElementById('video').srcObject") is None
        await visit.page.evaluate("room.expire(); room.enter(); room.kickOut()")
        assert bot.heard == [], "nothing is told afterwards"


async def test_next_connection_leaves_the_old_room_and_joins_the_new_one(
    address: str, chromium: str, silence: Path
) -> None:
    async with visited(address, chromium, silence) as (visit, bot):
        await joined(visit.page, bot)
        await bot.connections[-1].close(code=1012)
        await bot.hears("avatar-watch")
        bot.say("avatar-room", **{**ROOM, "room": "avatarbot-r2", "user": "page-2"})
        await until(visit.page, "rooms.length === 2 && room.loggedIn")
        assert await visit.page.evaluate("rooms[0].isOver")
        assert await shows(visit.page) == "drawn"
        await visit.page.evaluate("room.enter()")
        await bot.hears("avatar-joined")


async def test_token_stays_out_of_console_page_and_addresses(
    address: str, chromium: str, silence: Path
) -> None:
    async with visited(address, chromium, silence) as (visit, bot):
        said: list[str] = []
        visit.page.on("console", lambda message: said.append(message.text))
        await joined(visit.page, bot)
        bot.say("avatar-room", **{**ROOM, "token": "SECRET-token-2"})
        await until(visit.page, "room.calls.some(([name]) => name === 'renewToken')")
        await visit.page.evaluate("window.refusals = [1102016]; room.lose()")
        await visit.until_notice("The avatar's picture cannot be had.")
        kept = await visit.page.evaluate("JSON.stringify([localStorage, sessionStorage])")
        everything = [*said, *visit.complaints, *visit.requested, kept, await visit.page.content()]
        assert "SECRET" not in "".join(everything)
        assert await visit.page.evaluate("presets") == [{"logLevel": "disable"}]


async def test_conversation_moves_to_the_face_in_a_pause_and_back_when_it_is_removed(
    chromium: str, silence: Path, tmp_path: Path
) -> None:
    async with (
        serve() as vendor,
        running_bot(
            AVATAR="zego",
            ZEGO_APP_ID=str(vendor.knobs.app_id),
            ZEGO_SERVER_SECRET=vendor.server_secret,
            ZEGO_DIGITAL_HUMAN_API_URL=vendor.url,
            XDG_STATE_HOME=str(tmp_path),
        ) as address,
        visiting(address, chromium, silence) as visit,
        asyncio.TaskGroup() as telling,
    ):
        relayed: list[dict[str, Any]] = []

        def listen(socket: WebSocket) -> None:
            socket.on("framesent", note)

        def note(frame: str | bytes) -> None:
            said = json.loads(frame) if isinstance(frame, str) else {}
            if said.get("type") == "client-message" and said["data"]["t"] == "avatar-drive":
                relayed.append(said["data"]["d"])

        def hand_over(message: RoomMessage) -> None:
            telling.create_task(visit.page.evaluate("(text) => room.say(text)", message.content))

        visit.page.on("websocket", listen)
        await visit.page.route(
            f"**/assets/{STAND_IN.name}", lambda route: route.fulfill(path=STAND_IN)
        )
        await visit.press("Start")
        await visit.until("audible")
        assert await shows(visit.page) == "drawn", "the greeting is the drawn face's"
        await until(visit.page, "window.room?.loggedIn")
        vendor.news.listeners.append(hand_over)
        task = vendor.session()
        await visit.page.evaluate("(stream) => room.enter(stream)", task.terms.stream)
        await visit.until("message", type="avatar-face")
        await until_shown(visit.page, "video")
        assert vendor.heard() == [], "it moved in a pause"

        asked = await visit.now()
        await visit.say("Tell me a story")
        await vendor.hears(2.0)
        own = [each for each in await visit.seen("audible") if each["at"] > asked]
        assert own == [], "one source is heard, not two"
        assert {"drive_id": vendor.heard()[0].task, "status": 2} in relayed

        await visit.page.evaluate("room.expire()")
        await until(visit.page, "room.calls.some(([name]) => name === 'renewToken')")
        [[_, room, first, _]] = await calls(visit.page, "loginRoom")
        [[_, second, again]] = await calls(visit.page, "renewToken")
        assert room == again == task.terms.room
        assert first != second

        lost = await visit.now()
        await visit.page.evaluate("(stream) => room.drop(stream)", task.terms.stream)
        heard = await visit.until("audible", after=lost)
        assert heard["at"] - lost < 1_000 * LOSS_S
        assert await shows(visit.page) == "drawn"
        assert vendor.heard()[-1].cut

        vendor.news.listeners.clear()
        await visit.press("End")
        await vendor.until(lambda: not vendor.running())
        assert visit.complaints == []
