"""A vendor's face on the page: shown while it really arrives, and the drawn one otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Page, Route

from .scripted_bot import ScriptedBot
from .test_access import violations
from .visit import PATIENCE_S, Visit, visiting

pytestmark = pytest.mark.asyncio(loop_scope="module")

STAND_IN = Path(__file__).parent / "rooms" / "livekit-client.js"
ROOM = {"kind": "livekit", "url": "wss://somewhere.livekit.cloud", "token": "SECRET-token"}
LOSS_S = 2.0
"""So soon the bot knows that nothing arrives any more."""

NOTE_VOICE = """
window.Audio = class extends Audio { constructor() { super(); window.voice = this; } };
"""

BLOCKED = """
const play = HTMLAudioElement.prototype.play;
window.allowed = false;
HTMLAudioElement.prototype.play = function () {
    if (window.allowed) return play.call(this);
    return Promise.reject(new DOMException("", "NotAllowedError"));
};
"""


@asynccontextmanager
async def started(
    address: str,
    chromium: str,
    silence: Path,
    *,
    avatar: str = "liveavatar",
    script: str = "",
    stand_in: Path = STAND_IN,
) -> AsyncIterator[tuple[Visit, ScriptedBot]]:
    """A conversation with a scripted bot, and the stand-in where the vendor's client would be."""

    async def serve(route: Route) -> None:
        await route.fulfill(path=stand_in, content_type="text/javascript")

    async with visiting(address, chromium, silence) as visit:
        bot = ScriptedBot(avatar)
        await bot.answer(visit.page)
        await visit.page.route(f"**/assets/{stand_in.name}", serve)
        await visit.page.add_init_script(script)
        await visit.arrive()
        await visit.press("Start")
        await visit.until("status", status="listening")
        yield visit, bot


async def until(page: Page, condition: str) -> None:
    """Wait until it holds. Playwright's own waiting is against the page's policy."""
    async with asyncio.timeout(PATIENCE_S):
        while not await page.evaluate(condition):
            await asyncio.sleep(0.02)


async def until_shown(page: Page, face: str) -> None:
    await until(page, f"document.documentElement.dataset.face === '{face}'")


async def appears(page: Page, bot: ScriptedBot) -> None:
    """The avatar comes into the room, the page says that it plays, and shows it."""
    await page.evaluate("room.enter()")
    await bot.hears("avatar-joined")
    bot.say("avatar-face", by="vendor")
    await until_shown(page, "video")


async def watched(page: Page, bot: ScriptedBot) -> None:
    """The page has asked for the room, and is in it."""
    await bot.hears("avatar-watch")
    bot.say("avatar-room", **ROOM)
    await until(page, "window.room?.joined.length > 0")


async def joined(page: Page, bot: ScriptedBot) -> None:
    """The avatar is in the room, and the bot knows that the page plays it."""
    await watched(page, bot)
    await appears(page, bot)


async def shows(page: Page) -> str:
    visible = [
        name
        for name, part in (("video", "#video"), ("drawn", "#face"))
        if await page.locator(part).is_visible()
    ]
    [only] = visible
    return only


async def settled(seconds: float = 1.0) -> None:
    """Nothing is awaited: what must not happen would have happened by now."""
    await asyncio.sleep(seconds)


async def test_without_a_vendor_nothing_is_asked_for_and_nothing_is_loaded(
    address: str, chromium: str, silence: Path
) -> None:
    async with started(address, chromium, silence, avatar="local") as (visit, bot):
        await settled()
        assert bot.heard == []
        assert not [url for url in visit.requested if "livekit-client" in url]
        assert await shows(visit.page) == "drawn"


async def test_joined_is_said_once_picture_and_sound_both_arrive(
    address: str, chromium: str, silence: Path
) -> None:
    async with started(address, chromium, silence) as (visit, bot):
        await watched(visit.page, bot)
        await visit.page.evaluate("room.enter('heygen', ['video'])")
        await settled()
        assert bot.heard == [], "there is no sound yet"
        await visit.page.evaluate("room.publish('audio')")
        await bot.hears("avatar-joined")
        assert await shows(visit.page) == "drawn", "the vendor does not carry the speech yet"
        bot.say("avatar-face", by="vendor")
        await until_shown(visit.page, "video")
        assert await shows(visit.page) == "video"
        bot.say("avatar-face", by="local")
        await until_shown(visit.page, "drawn")
        assert await shows(visit.page) == "drawn"
        assert await visit.page.evaluate("room.published") == []
        assert await visit.page.evaluate("window.logLevels") == ["silent"]
        assert visit.complaints == []


async def test_avatar_of_another_name_is_who_shows_a_picture(
    address: str, chromium: str, silence: Path
) -> None:
    async with started(address, chromium, silence) as (visit, bot):
        await watched(visit.page, bot)
        await visit.page.evaluate("room.enter('somebody', ['audio'])")
        await visit.page.evaluate("room.publish('video')")
        await bot.hears("avatar-joined")


LOSSES = {
    "the track ends": ("room.unpublish('video')", "room.publish('video')"),
    "its sound ends": ("room.unpublish('audio')", "room.publish('audio')"),
    "the room mutes it": ("room.mute('audio', true)", "room.mute('audio', false)"),
    "no frame comes": ("room.freeze()", "room.unpublish('video'); room.publish('video')"),
    "the room is lost": ("room.lose(0)", "room.enter()"),
}


@pytest.mark.parametrize("loss", LOSSES)
async def test_loss_brings_the_drawn_face_back_and_its_end_the_video(
    loss: str, address: str, chromium: str, silence: Path
) -> None:
    lose, restore = LOSSES[loss]
    async with started(address, chromium, silence) as (visit, bot):
        await joined(visit.page, bot)
        await visit.page.evaluate(lose)
        async with asyncio.timeout(LOSS_S):
            await bot.hears("avatar-left")
        assert await shows(visit.page) == "drawn"
        if "lost" in loss:
            await until(visit.page, "room.joined.length === 2")
        await visit.page.evaluate(restore)
        await bot.hears("avatar-joined")
        await until_shown(visit.page, "video")


async def test_sound_that_the_browser_holds_back_is_none_until_there_is_a_click(
    address: str, chromium: str, silence: Path
) -> None:
    async with started(address, chromium, silence, script=BLOCKED) as (visit, bot):
        await watched(visit.page, bot)
        await visit.page.evaluate("room.enter()")
        await settled()
        assert bot.heard == []
        await visit.page.evaluate("window.allowed = true")
        await visit.page.locator("body").click(position={"x": 5, "y": 5})
        await bot.hears("avatar-joined")


async def test_its_sound_comes_out_of_the_loudspeaker_that_was_chosen(
    address: str, chromium: str, silence: Path
) -> None:
    async with started(address, chromium, silence, script=NOTE_VOICE) as (visit, bot):
        await joined(visit.page, bot)
        await visit.press("Sound")
        picker = visit.page.get_by_label("Loudspeaker")
        await picker.select_option("Fake Audio Output 1")
        await until(visit.page, f"window.voice.sinkId === '{await picker.input_value()}'")
        assert not await visit.page.evaluate("window.voice.paused")


async def test_face_that_the_bot_has_lost_is_not_heard_beside_the_one_that_goes_on(
    address: str, chromium: str, silence: Path
) -> None:
    async with started(address, chromium, silence, script=NOTE_VOICE) as (visit, bot):
        await joined(visit.page, bot)
        assert not await visit.page.evaluate("window.voice.muted")
        bot.say("avatar-face", by="local")
        await until_shown(visit.page, "drawn")
        await settled(0.3)
        assert await visit.page.evaluate("window.voice.muted")
        bot.say("avatar-face", by="vendor")
        await until_shown(visit.page, "video")
        assert not await visit.page.evaluate("window.voice.muted")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_beside_a_video(
    scheme: str, address: str, chromium: str, silence: Path
) -> None:
    async with started(address, chromium, silence) as (visit, bot):
        await visit.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        await joined(visit.page, bot)
        assert await violations(visit.page) == []
        named = visit.page.get_by_label("The bot, listening")
        assert await named.evaluate("(element) => element.tagName") == "VIDEO"


async def test_room_that_refuses_is_asked_once_and_the_person_is_told(
    address: str, chromium: str, silence: Path
) -> None:
    script = "window.refusal = 0"
    async with started(address, chromium, silence, script=script) as (visit, bot):
        await watched(visit.page, bot)
        await visit.until_notice("The avatar's picture cannot be had.")
        assert await visit.page.evaluate("room.joined.length") == 1
        await visit.press("End")
        await visit.page.get_by_role("alert").get_by_text("picture").wait_for(state="detached")


async def not_installed(route: Route) -> None:
    await route.fulfill(status=404)


async def test_client_that_is_not_installed_is_said_to_be_at_once(
    address: str, chromium: str, silence: Path
) -> None:
    async with started(address, chromium, silence) as (visit, bot):
        await visit.page.route(f"**/assets/{STAND_IN.name}", not_installed)
        await bot.hears("avatar-watch")
        bot.say("avatar-room", **ROOM)
        await visit.until_notice("is not installed. The bot's log says which command installs it.")
        await visit.until_notice("Until then the drawn face speaks.")


async def test_room_that_the_vendor_has_ended_is_not_asked_for_again(
    address: str, chromium: str, silence: Path
) -> None:
    async with started(address, chromium, silence) as (visit, bot):
        await joined(visit.page, bot)
        await visit.page.evaluate("room.lose(5)")
        await bot.hears("avatar-left")
        await settled()
        assert await visit.page.evaluate("room.joined.length") == 1
        assert await visit.page.get_by_role("alert").inner_text() == ""


async def test_end_leaves_the_room_and_stops_the_sound(
    address: str, chromium: str, silence: Path
) -> None:
    async with started(address, chromium, silence) as (visit, bot):
        await joined(visit.page, bot)
        await visit.press("End")
        await until(visit.page, "room.isOver")
        assert await shows(visit.page) == "drawn"
        assert await visit.page.evaluate("document.getElementById('video').srcObject") is None


async def test_next_connection_leaves_the_old_room_and_joins_the_new_one(
    address: str, chromium: str, silence: Path
) -> None:
    async with started(address, chromium, silence) as (visit, bot):
        await joined(visit.page, bot)
        await bot.connections[-1].close(code=1012)
        await bot.hears("avatar-watch")
        bot.say("avatar-room", **{**ROOM, "url": "wss://other.livekit.cloud"})
        await until(visit.page, "rooms.length === 2 && rooms[1].joined.length === 1")
        assert await visit.page.evaluate("rooms[0].isOver")
        assert await visit.page.evaluate("rooms[1].joined") == ["wss://other.livekit.cloud"]
        assert await shows(visit.page) == "drawn"
        await visit.page.evaluate("room.enter()")
        await bot.hears("avatar-joined")
