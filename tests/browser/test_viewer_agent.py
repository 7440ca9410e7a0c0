"""An agent in ZEGO's room: it hears the page's microphone there, and tells of the conversation."""

from __future__ import annotations

import asyncio
import json
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from emulators.zego import serve
from tests.emulated.paying import GREETING, account

from .scripted_bot import ScriptedBot
from .test_viewer import (
    NOTE_VOICE,
    appears,
    not_installed,
    settled,
    shows,
    started,
    until,
    until_shown,
)
from .test_viewer_zego import ROOM as FACE
from .test_viewer_zego import STAND_IN, calls
from .visit import Visit, running_bot, visiting

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROOM = {**FACE, "kind": "zego-agent", "publish": "me", "face": "yes"}

GIVEN = """
const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
window.given = [];
navigator.mediaDevices.getUserMedia = async (wish) => {
    await window.thinking;
    const stream = await ask(wish);
    window.given.push(...stream.getAudioTracks());
    return stream;
};
"""
"""Notes what the browser has given of the microphone."""

DENIED = """
navigator.mediaDevices.getUserMedia = () =>
    Promise.reject(new DOMException('', 'NotAllowedError'));
"""

SENT = "room.published.get('me')?.getAudioTracks()[0]"


def visited(
    address: str, chromium: str, silence: Path, script: str = ""
) -> AbstractAsyncContextManager[tuple[Visit, ScriptedBot]]:
    script = GIVEN + script
    return started(
        address, chromium, silence, avatar="zego-agent", script=script, stand_in=STAND_IN
    )


async def entered(page: Page, bot: ScriptedBot, **other: str) -> None:
    """The page is in the room."""
    await bot.hears("avatar-watch")
    bot.say("avatar-room", **{**ROOM, **other})
    await until(page, "window.room?.loggedIn")


async def heard(page: Page, bot: ScriptedBot) -> None:
    """And the person can be heard there."""
    await entered(page, bot)
    await until(page, "room.published.has('me')")


async def talking(page: Page, bot: ScriptedBot) -> None:
    """And the agent speaks."""
    await heard(page, bot)
    await appears(page, bot)


async def test_microphone_is_published_once_and_the_bot_hears_nothing(
    address: str, chromium: str, silence: Path
) -> None:
    async with visited(address, chromium, silence) as (visit, bot):
        await bot.until(lambda _: bot.pieces > 0)
        await talking(visit.page, bot)
        before = bot.pieces
        await settled()
        assert bot.pieces == before
        assert await visit.page.evaluate("given.length") == 1, "the person is asked once"
        label = await visit.page.evaluate("given[0].label")
        assert (await calls(visit.page, "createStream", "startPublishingStream")) == [
            ["createStream", {"custom": {"source": [label]}}],
            ["startPublishingStream", "me", [label]],
        ]
        device = "getSettings().deviceId"
        assert await visit.page.evaluate(f"{SENT}.{device} === given[0].{device}")
        assert await visit.page.evaluate(f"{SENT}.readyState") == "live"
        assert await visit.page.get_by_role("alert").inner_text() == ""
        assert visit.complaints == []


async def test_nobody_listens_before_the_agent_is_there_and_when_it_is_gone(
    address: str, chromium: str, silence: Path
) -> None:
    async with visited(address, chromium, silence) as (visit, bot):
        await heard(visit.page, bot)
        assert await visit.status() == "connecting"
        await appears(visit.page, bot)
        assert await visit.status() == "listening"
        await visit.page.evaluate("room.lose()")
        await bot.hears("avatar-left")
        assert await visit.status() == "connecting"


async def test_mute_silences_it_in_the_room(address: str, chromium: str, silence: Path) -> None:
    async with visited(address, chromium, silence) as (visit, bot):
        await visit.press("Mute")
        await heard(visit.page, bot)
        assert not await visit.page.evaluate(f"{SENT}.enabled"), "it was muted before"
        await visit.press("Muted")
        assert await visit.page.evaluate(f"{SENT}.enabled")
        await visit.press("Mute")
        assert not await visit.page.evaluate(f"{SENT}.enabled")
        assert len(await calls(visit.page, "startPublishingStream")) == 1


async def test_permission_that_comes_late_is_still_used(
    address: str, chromium: str, silence: Path
) -> None:
    script = "window.thinking = new Promise((resolve) => (window.allow = resolve));"
    async with visited(address, chromium, silence, script) as (visit, bot):
        await entered(visit.page, bot)
        await settled(0.3)
        assert await calls(visit.page, "createStream") == []
        await visit.page.evaluate("allow()")
        await until(visit.page, "room.published.has('me')")


async def test_without_a_microphone_the_agent_is_seen_and_can_be_written_to(
    address: str, chromium: str, silence: Path
) -> None:
    async with visited(address, chromium, silence, DENIED) as (visit, bot):
        await entered(visit.page, bot)
        await visit.page.evaluate("room.enter()")
        await bot.hears("avatar-joined")
        await visit.until_notice("The microphone is not allowed.")
        await visit.until_notice("You can go on by typing.")
        assert await calls(visit.page, "createStream") == []
        await visit.say("Hello")
        await bot.until(lambda _: bot.typed == ["Hello"])


async def test_who_is_not_answered_is_shown_to_be_listened_to_again(
    address: str, chromium: str, silence: Path
) -> None:
    async with visited(address, chromium, silence) as (visit, bot):
        await talking(visit.page, bot)
        asked = await visit.now()
        await visit.say("Hello")
        await visit.until("status", after=asked, status="thinking")
        bot.say("no-answer")
        await visit.until("status", after=asked, status="listening")


async def test_another_microphone_takes_its_place_in_the_stream(
    address: str, chromium: str, silence: Path
) -> None:
    async with visited(address, chromium, silence) as (visit, bot):
        await heard(visit.page, bot)
        await visit.page.evaluate(f"window.first = {SENT}")
        await visit.press("Sound")
        await visit.page.get_by_label("Microphone", exact=True).select_option("Fake Audio Input 2")
        await until(visit.page, f"{SENT}.label === 'Fake Audio Input 2'")
        await until(visit.page, "first.readyState === 'ended'")
        assert await visit.page.evaluate(f"{SENT}.readyState") == "live"
        assert len(await calls(visit.page, "startPublishingStream")) == 1


async def test_microphone_that_is_gone_is_taken_out_of_the_room_and_one_that_comes_put_in(
    address: str, chromium: str, silence: Path
) -> None:
    async with visited(address, chromium, silence) as (visit, bot):
        await heard(visit.page, bot)
        unplug = """
            window.thinking = new Promise((resolve) => (window.plug = resolve));
            given[0].dispatchEvent(new Event('ended'));
        """
        await visit.page.evaluate(f"window.first = {SENT}; {unplug}")
        await visit.until_notice("The microphone was unplugged or switched off.")
        await until(visit.page, "!room.published.has('me') && first.readyState === 'ended'")
        await visit.page.evaluate("plug()")
        await until(visit.page, "room.published.has('me')")


async def test_microphone_that_goes_before_it_is_published_is_not(
    address: str, chromium: str, silence: Path
) -> None:
    script = "window.creating = new Promise((resolve) => (window.create = resolve));"
    async with visited(address, chromium, silence, script) as (visit, bot):
        await entered(visit.page, bot)
        await until(visit.page, "room.calls.some(([name]) => name === 'createStream')")
        await visit.press("End")
        await visit.page.evaluate("create()")
        await until(visit.page, "room.calls.some(([name]) => name === 'destroyStream')")
        assert await calls(visit.page, "startPublishingStream") == []


async def test_who_cannot_be_heard_is_told_and_when_it_is_over_no_more(
    address: str, chromium: str, silence: Path
) -> None:
    async with visited(address, chromium, silence, "window.unpublishable = [true]") as (visit, bot):
        await entered(visit.page, bot)
        await visit.page.evaluate("room.enter()")
        await bot.hears("avatar-joined")
        await visit.until_notice("You cannot be heard in the avatar's room.")
        assert await visit.page.evaluate("rooms.length") == 1, "the engine has tried again itself"
        await visit.page.evaluate("room.publish('me', [...room.local][0])")
        await visit.page.get_by_role("alert").get_by_text("heard").wait_for(state="detached")


async def test_its_voice_is_heard_without_a_picture(
    address: str, chromium: str, silence: Path
) -> None:
    async with visited(address, chromium, silence, NOTE_VOICE) as (visit, bot):
        await heard(visit.page, bot)
        await visit.page.evaluate("room.enter('avatar', ['sound'])")
        await bot.hears("avatar-joined")
        bot.say("avatar-face", by="vendor")
        await settled(0.3)
        assert await shows(visit.page) == "drawn"
        await visit.page.evaluate("room.replace('picture')")
        await until_shown(visit.page, "video")
        await visit.page.evaluate("room.freeze()")
        await until_shown(visit.page, "drawn")
        assert not await visit.page.evaluate("voice.muted || voice.paused")
        assert bot.heard == [], "it is heard all the time"


def said(cmd: int, seq_id: Any = 140, **data: Any) -> dict[str, Any]:
    """A message as an agent writes it."""
    return {
        "Timestamp": 1765790414,
        "TimestampMs": 1765790414021,
        "SeqId": seq_id,
        "Round": 7001,
        "Cmd": cmd,
        "Legacy": False,
        "Data": data,
    }


WORDS = {"MessageId": "m1", "UserId": "page-1", "StartFlag": False, "EndFlag": True}
TOLD = [
    (said(1, 101, SpeakStatus=1, UserId="page-1"), {"SpeakStatus": 1}),
    (said(3, 140, Text="hello there", **WORDS), {"Text": "hello there", "EndFlag": True}),
    (said(6, 141, OldStatus=1, Status=2, Reason="llm_begin"), {"Status": 2}),
    (said(4, 151, Text="you", **WORDS), {"Text": "you", "EndFlag": True}),
    (said(4, 150, Text="Hi <b>", **WORDS), {"Text": "Hi <b>", "EndFlag": True}),
    (said(4, 152, Text="x" * 4_000, **WORDS), {"Text": "x" * 4_000, "EndFlag": True}),
]


def messages(bot: ScriptedBot) -> list[Any]:
    """All that was relayed, whatever came together."""
    return [each for told in bot.details for each in told.get("messages", [])]


IGNORED: list[Any] = [
    said(2, SpeakStatus=1),
    said(102, action="dance"),
    said(1, SpeakStatus=3),
    said(1, SpeakStatus="1"),
    said(1),
    {**said(1), "Data": None},
    {**said(1), "Data": "SpeakStatus"},
    {**said(1, SpeakStatus=1), "Cmd": "1"},
    {**said(1, SpeakStatus=1), "Cmd": None},
    {**said(1, SpeakStatus=1), "Round": None},
    {**said(1, SpeakStatus=1), "Round": -1},
    said(1, "140", SpeakStatus=1),
    said(1, [140], SpeakStatus=1),
    said(3, Text=7, **WORDS),
    said(3, Text=["hello"], **WORDS),
    said(3, Text="hello", EndFlag="yes"),
    said(3, Text="hello"),
    said(4, Text="x" * 4_001, **WORDS),
    said(4, Text="hello", more="x" * 8_000, **WORDS),
    said(6, Status=4),
    said(6, Status=None),
    {"Product": "digitalhuman", "Cmd": 1001, "Data": {"Status": 2, "DriveId": "d"}},
    None,
    [],
    7,
]


async def test_what_the_agent_tells_is_relayed_in_order_and_only_what_is_well_formed(
    address: str, chromium: str, silence: Path
) -> None:
    async with visited(address, chromium, silence) as (visit, bot):
        await talking(visit.page, bot)
        bot.details.clear()
        huge = json.dumps(said(1, SpeakStatus=1)).replace("140", "1e999")
        for text in ("{", "", huge, *map(json.dumps, IGNORED)):
            await visit.page.evaluate("(text) => room.say(text)", text)
        await visit.page.evaluate("room.say(undefined); room.say({})")
        for told, _ in TOLD:
            text = json.dumps(told)
            await visit.page.evaluate("(text) => room.say(text, 'another')", text)
            await visit.page.evaluate(
                "(text) => room.say(text, 'onRecvRoomChannelMessage', 22)", text
            )
            await visit.page.evaluate("(text) => room.say(text)", text)
        await bot.until(lambda _: len(messages(bot)) == len(TOLD))
        assert messages(bot) == [
            {"cmd": told["Cmd"], "seq_id": told["SeqId"], "round": 7001, "data": data}
            for told, data in TOLD
        ]
        assert visit.complaints == []


async def test_burst_is_relayed_whole_and_a_flood_in_the_room_is_none_at_the_bot(
    address: str, chromium: str, silence: Path
) -> None:
    async with visited(address, chromium, silence) as (visit, bot):
        await talking(visit.page, bot)
        bot.details.clear()
        flood = """([text, count]) => {
            for (let i = 1; i <= count; i++) room.say(text.replace('ORDER', i));
        }"""
        text = json.dumps(said(4, "ORDER", Text="word ", **WORDS)).replace('"ORDER"', "ORDER")
        await visit.page.evaluate(flood, [text, 130])
        await bot.until(lambda _: len(messages(bot)) == 130)
        assert [each["seq_id"] for each in messages(bot)] == [*range(1, 131)]
        assert len(bot.details) <= 4, "it comes in bundles"

        await visit.page.evaluate(flood, [text, 5_000])
        at = len(bot.heard)
        await settled(2.0)
        assert 3 <= len(bot.heard) - at <= 20
        await visit.page.evaluate(flood, [text, 400])
        await visit.page.evaluate("room.kickOut()")
        await bot.until(lambda told: "avatar-left" in told)
        left = len(bot.heard)
        await settled()
        assert len(bot.heard) == left, "what waited is dropped with the room"


async def test_token_is_renewed_while_the_person_speaks(
    address: str, chromium: str, silence: Path
) -> None:
    async with visited(address, chromium, silence) as (visit, bot):
        await talking(visit.page, bot)
        await visit.page.evaluate("room.expire()")
        await bot.hears("avatar-watch")
        bot.say("avatar-room", **{**ROOM, "token": "SECRET-token-2"})
        await until(visit.page, "room.calls.some(([name]) => name === 'renewToken')")
        assert await calls(visit.page, "renewToken", "startPublishingStream", "loginRoom") == [
            ["loginRoom", ROOM["room"], ROOM["token"], {"userID": "page-1", "userName": "page-1"}],
            ["startPublishingStream", "me", await visit.page.evaluate("[given[0].label]")],
            ["renewToken", "SECRET-token-2", ROOM["room"]],
        ]
        bot.say("avatar-room", **{**ROOM, "publish": "somebody"})
        await until(visit.page, "rooms.length === 2 && room.published.has('somebody')")
        assert await visit.page.evaluate("rooms[0].isOver")


async def test_lost_room_is_joined_again_with_the_microphone(
    address: str, chromium: str, silence: Path
) -> None:
    async with visited(address, chromium, silence) as (visit, bot):
        await talking(visit.page, bot)
        await visit.page.evaluate("room.lose()")
        await bot.hears("avatar-left")
        await visit.until_notice("The avatar's room cannot be reached. I am trying again…")
        await until(visit.page, "rooms.length === 2 && room.published.has('me')")
        assert await visit.page.evaluate(f"{SENT}.readyState") == "live"
        assert await visit.page.evaluate("given.length") == 1
        await visit.page.evaluate("room.enter()")
        await bot.hears("avatar-joined")
        assert await visit.page.get_by_role("alert").inner_text() == ""


async def test_room_that_cannot_be_joined_is_said_to_be_the_only_voice(
    address: str, chromium: str, silence: Path
) -> None:
    async with visited(address, chromium, silence, "window.refusals = [1102020]") as (visit, bot):
        await bot.hears("avatar-watch")
        bot.say("avatar-room", **ROOM)
        await visit.until_notice("The avatar's room cannot be reached, and there is no voice")
        assert await calls(visit.page, "createStream") == []
        assert await visit.page.evaluate("room.isOver")


async def test_without_the_engine_it_is_said_at_once_that_nothing_is_heard(
    address: str, chromium: str, silence: Path
) -> None:
    async with visited(address, chromium, silence) as (visit, bot):
        await visit.page.route(f"**/assets/{STAND_IN.name}", not_installed)
        await bot.hears("avatar-watch")
        bot.say("avatar-room", **ROOM)
        await visit.until_notice("is not installed. The bot's log says which command installs it.")
        await visit.until_notice("Until then nothing is heard.")


async def test_who_is_sent_out_stays_out_and_is_told(
    address: str, chromium: str, silence: Path
) -> None:
    async with visited(address, chromium, silence) as (visit, bot):
        await talking(visit.page, bot)
        await visit.page.evaluate(f"window.first = {SENT}; room.kickOut()")
        await bot.hears("avatar-left")
        await visit.until_notice("The avatar's room cannot be reached, and there is no voice")
        await settled()
        assert await visit.page.evaluate("rooms.length === 1 && room.isOver")
        assert await visit.page.evaluate("first.readyState") == "ended"
        assert await shows(visit.page) == "drawn"


async def test_end_undoes_the_last_first(address: str, chromium: str, silence: Path) -> None:
    async with visited(address, chromium, silence) as (visit, bot):
        await talking(visit.page, bot)
        await visit.page.evaluate(f"window.first = {SENT}")
        await visit.press("End")
        await until(visit.page, "room.isOver")
        label = await visit.page.evaluate("given[0].label")
        assert (await calls(visit.page))[-5:] == [
            ["stopPublishingStream", "me"],
            ["destroyStream", [label]],
            ["stopPlayingStream", "avatar"],
            ["logoutRoom", ROOM["room"]],
            ["destroyEngine"],
        ]
        ended = "[first, ...given].every(({ readyState }) => readyState === 'ended')"
        assert await visit.page.evaluate(ended)


STEPS = [
    "stopPublishingStream",
    "destroyStream",
    "stopPlayingStream",
    "logoutRoom",
    "destroyEngine",
]
"""What is undone, in this order."""


@pytest.mark.parametrize("stuck", [*STEPS, "all of them"])
async def test_step_that_fails_at_the_end_keeps_none_of_the_others_from_being_taken(
    stuck: str, address: str, chromium: str, silence: Path
) -> None:
    async with visited(address, chromium, silence) as (visit, bot):
        await talking(visit.page, bot)
        await visit.page.evaluate(f"window.first = {SENT}")
        stuck_at = STEPS if stuck == "all of them" else [stuck]
        await visit.page.evaluate("(stuck) => { window.stuck = stuck; }", stuck_at)
        await visit.press("End")
        await visit.until("status", status="disconnected")
        assert [name for name, *_ in (await calls(visit.page))[-5:]] == STEPS
        ended = "[first, ...given].every(({ readyState }) => readyState === 'ended')"
        assert await visit.page.evaluate(ended), "nobody is heard any more"
        assert await visit.page.evaluate("document.getElementById('video').srcObject") is None
        assert await shows(visit.page) == "drawn"
        assert visit.complaints == []


async def test_microphone_that_could_not_be_taken_out_is_put_in_again(
    address: str, chromium: str, silence: Path
) -> None:
    async with visited(address, chromium, silence) as (visit, bot):
        await heard(visit.page, bot)
        unplug = """
            window.thinking = new Promise((resolve) => (window.plug = resolve));
            window.stuck = ['stopPublishingStream', 'destroyStream'];
            given[0].dispatchEvent(new Event('ended'));
        """
        await visit.page.evaluate(f"window.first = {SENT}; {unplug}")
        await until(visit.page, "first.readyState === 'ended'")
        await visit.page.evaluate("room.cease('me'); window.stuck = []; plug()")
        await until(visit.page, f"{SENT}?.readyState === 'live'")
        assert visit.complaints == []


PEERS = """
window.peers = [];
window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(...given) { super(...given); window.peers.push(this); }
};
"""


@pytest.mark.parametrize("transport", ["websocket", "webrtc"])
async def test_conversation_with_the_bot_is_held_in_the_room(
    transport: str, chromium: str, silence: Path, tmp_path: Path
) -> None:
    if transport == "webrtc":
        pytest.importorskip("aiortc", reason="needs aiortc (uv sync --extra webrtc)")
    async with (
        serve(llm="parrot") as vendor,
        running_bot(XDG_STATE_HOME=str(tmp_path), **account("zego-agent", vendor)) as address,
        visiting(f"{address}?transport={transport}", chromium, silence) as visit,
        asyncio.TaskGroup() as tasks,
    ):
        told: asyncio.Queue[str] = asyncio.Queue()

        async def tell() -> None:
            while True:
                await visit.page.evaluate("(text) => room.say(text)", await told.get())

        pieces: list[bytes] = []

        def note(frame: str | bytes) -> None:
            if isinstance(frame, bytes):
                pieces.append(frame)

        visit.page.on("websocket", lambda socket: socket.on("framesent", note))
        await visit.page.add_init_script(PEERS)
        await visit.arrive()
        vendor.news.listeners.append(lambda message: told.put_nowait(message.content))
        await visit.page.route(
            f"**/assets/{STAND_IN.name}", lambda route: route.fulfill(path=STAND_IN)
        )
        await visit.press("Start")
        await until(visit.page, "window.room?.loggedIn && room.published.size === 1")
        telling = tasks.create_task(tell())
        sent = len(pieces)
        [instance] = vendor.instances()
        [[_, room, _, user]] = await calls(visit.page, "loginRoom")
        [[_, stream, _]] = await calls(visit.page, "startPublishingStream")
        assert (room, user["userID"]) == (instance.terms.room, instance.terms.user)
        assert stream == instance.terms.user_stream
        vendor.rooms.enter(room, user["userID"])
        await vendor.until(lambda: instance.terms.stream in vendor.published(room))
        await visit.page.evaluate("(stream) => room.enter(stream)", instance.terms.stream)
        await until_shown(visit.page, "video")
        await visit.until_bubble(GREETING)
        await visit.until("status", status="speaking")
        await visit.until("status", after=await visit.now(), status="listening")

        asked = await visit.now()
        instance.hears("hello there", 0.3)
        await visit.until_bubble("You said: hello there.")
        for status in ("thinking", "speaking", "listening"):
            asked = (await visit.until("status", after=asked, status=status))["at"]
        await until(visit.page, "document.querySelector('.is-open') === null")

        await visit.say("what is new")
        await visit.until_bubble("You said: what is new.")
        await visit.until("status", status="speaking", after=asked)
        instance.hears("stop", 0.3)
        bubbles = await visit.until_bubble("You said: stop.")
        assert bubbles[1:] == [
            "You · spoken hello there",
            "Bot You said: hello there.",
            "You · typed what is new",
            "Bot You said: what is new. — cut off",
            "You · spoken stop",
            "Bot You said: stop.",
        ]

        assert len(pieces) == sent
        senders = "peers.flatMap((peer) => peer.getSenders()).filter(({ track }) => track !== null)"
        assert await visit.page.evaluate(f"{senders}.length") == 0
        assert await visit.page.evaluate("peers.length") == (transport == "webrtc")
        await visit.press("End")
        await until(visit.page, "room.isOver")
        vendor.rooms.leave(room, user["userID"])
        await vendor.until(lambda: not vendor.running())
        telling.cancel()
        assert visit.complaints == []
