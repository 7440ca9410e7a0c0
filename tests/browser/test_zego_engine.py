"""ZEGO's real engine, as far as it goes without its cloud, and how well the stand-in knows it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from emulators.zego import serve
from server.viewer import CLIENTS
from tests.emulated.paying import account

from .scripted_bot import ScriptedBot
from .test_viewer import settled, started, until
from .test_viewer_agent import ROOM, SENT, talking
from .test_viewer_zego import STAND_IN
from .visit import PATIENCE_S, ROOT, Visit, running_bot, visiting

pytestmark = pytest.mark.asyncio(loop_scope="module")

NPM = ROOT / "web" / "viewer" / "node_modules"
TYPES = NPM / "zego-express-engine-webrtc" / "sdk" / "code" / "zh"
VERSION = "3.12.0"

if not (NPM / CLIENTS["zego"].file).is_file():
    pytest.skip("needs ZEGO's engine (make viewer, which needs npm)", allow_module_level=True)

NOTE_VIOLATIONS = """
window.violations = [];
document.addEventListener('securitypolicyviolation', ({ effectiveDirective, blockedURI }) =>
    window.violations.push(`${effectiveDirective} ${blockedURI}`));
"""

REFUSED = {
    "style-src-elem inline": "the look of a dialog, which nobody opens",
    "script-src-elem inline": "what its statistics had loaded from somewhere, to run it here",
}
"""All that it tries against our policy; it goes on without."""

METHODS = """() => {
    const methods = {};
    const { ZegoExpressEngine } = Zego;
    let at = ZegoExpressEngine.prototype;
    for (; at !== Object.prototype; at = Object.getPrototypeOf(at))
        for (const name of Object.getOwnPropertyNames(at))
            if (typeof at[name] === 'function') methods[name] ??= at[name].length;
    methods.constructor = ZegoExpressEngine.length;
    methods.presetLogConfig = ZegoExpressEngine.presetLogConfig.length;
    return methods;
}"""


class Arguments(NamedTuple):
    """How many a function takes."""

    least: int
    most: int


def parts(text: str, start: int) -> list[str]:
    """What stands between a bracket and the one that closes it, parted at the commas."""
    found, depth = [""], 0
    for each in text[start:]:
        depth += (each in "({[<") - (each in ")}]>")
        if depth == 0:
            return [part.strip() for part in found if part.strip()]
        if each == "," and depth == 1:
            found.append("")
        elif depth > 1 or each != "(":
            found[-1] += each
    raise AssertionError("a bracket is never closed")


def arguments(text: str, start: int) -> Arguments:
    given = parts(text.replace("=>", "  "), start)
    optional = [each for each in given if re.match(r"\w+\?\s*:", each)]
    return Arguments(len(given) - len(optional), len(given))


def declared() -> Iterator[tuple[str, Arguments]]:
    """The engine's methods, as its own types have them."""
    for name in ("zego.client.rtm.d.ts", "zego.client.web.d.ts"):
        text = re.sub(r"/\*.*?\*/", "", (TYPES / name).read_text(), flags=re.DOTALL)
        for found in re.finditer(r"^    (?:static )?(\w+)(?:<.*>)?(?=\()", text, re.MULTILINE):
            yield found[1], arguments(text, found.end())


def told() -> dict[str, Arguments]:
    """The engine's events, each with what its takers are told."""
    names = ("ZegoExpressEntity.web.d.ts", "ZegoExpressEntity.rtm.d.ts")
    texts = [
        re.sub(r"/\*.*?\*/", "", (TYPES / name).read_text(), flags=re.DOTALL) for name in names
    ]
    takers = {
        found[1]: arguments(text, found.end())
        for text in texts
        for found in re.finditer(r"type (\w+CallBack) = (?=\()", text)
    }
    events = [
        found for text in texts for found in re.findall(r"^    (\w+): (\w+CallBack);", text, re.M)
    ]
    return {event: takers[taker] for event, taker in events}


async def test_stand_in_takes_what_the_engine_takes(
    address: str, chromium: str, silence: Path
) -> None:
    real = dict(declared())
    events = told()
    async with started(address, chromium, silence, avatar="zego-agent", stand_in=STAND_IN) as (
        visit,
        bot,
    ):
        await talking(visit.page, bot)
        await visit.press("Sound")
        picker = visit.page.get_by_label("Microphone", exact=True)
        await picker.select_option("Fake Audio Input 2")
        await until(visit.page, f"{SENT}.label === 'Fake Audio Input 2'")
        await visit.page.evaluate("room.cease('me')")
        await visit.page.evaluate("room.expire(); room.say('{}'); room.replace('picture')")
        await visit.page.evaluate("room.replace('sound'); room.drop(); room.enter()")
        methods = await visit.page.evaluate(METHODS)
        bot.say("avatar-room", **{**ROOM, "token": "SECRET-token-2"})
        await until(visit.page, "room.calls.some(([name]) => name === 'renewToken')")
        await visit.page.evaluate("room.kickOut()")
        calls = await visit.page.evaluate("room.calls")
        fired = await visit.page.evaluate("room.fired")
        heard = await visit.page.evaluate("[...room.takers].map(([name, { length }]) => name)")

    assert {*methods} - {"presetLogConfig"} == {name for name, *_ in calls}, "all of it was tried"
    for name, count in methods.items():
        assert real[name].least <= count <= real[name].most, name
    for name, *given in calls:
        assert real[name].least <= len(given) <= real[name].most, f"the page calls {name}"
    assert {name for name, _ in fired} == {*heard}, "every event that is listened to was tried"
    for name, count in fired:
        assert events[name].least <= count <= events[name].most, name


@asynccontextmanager
async def furnished(chromium: str, silence: Path) -> AsyncIterator[tuple[Visit, ScriptedBot]]:
    """A conversation at a server that serves the real engine, with the policy for it."""
    door = ("-m", "tests.emulated.standin_bot")
    of = "zego https://aigc-digitalhuman-api.zegotech.cn"
    async with (
        running_bot(command=door, PAGE=str(ROOT / "web"), VIEWER_OF=of) as address,
        visiting(address, chromium, silence) as visit,
    ):
        bot = ScriptedBot("zego")
        await bot.answer(visit.page)
        await visit.page.add_init_script(NOTE_VIOLATIONS)
        await visit.arrive()
        await visit.press("Start")
        await bot.hears("avatar-watch")
        yield visit, bot


async def test_real_engine_runs_under_our_policy(chromium: str, silence: Path) -> None:
    async with furnished(chromium, silence) as (visit, bot):
        dialled: list[str] = []
        said: list[str] = []
        failures: list[object] = []
        visit.page.on("websocket", lambda socket: dialled.append(socket.url))
        visit.page.on("console", lambda message: said.append(message.text))
        visit.page.on("pageerror", lambda error: failures.append(error))
        bot.say("avatar-room", **ROOM)
        async with asyncio.timeout(PATIENCE_S):
            while not dialled:
                await asyncio.sleep(0.02)
        await settled()
        assert await visit.page.evaluate("Zego.ZegoExpressEngine.version") == VERSION
        methods = await visit.page.evaluate(METHODS)
        asked = {name for name, _ in declared()} & {*re.findall(r"\w+", _page())}
        assert {"loginRoom", "startPublishingStream", "destroyEngine"} <= asked <= {*methods}

        domains = {".".join((urlsplit(url).hostname or "").split(".")[-2:]) for url in dialled}
        assert domains <= {each.rpartition("*.")[2] for each in CLIENTS["zego"].rooms}
        able = "new Zego.ZegoExpressEngine(1, '').checkSystemRequirements('webRTC')"
        assert (await visit.page.evaluate(able))["result"] is True
        await visit.press("End")
        await settled()
        assert {*await visit.page.evaluate("violations")} == {*REFUSED}
        assert failures == []
        kept = await visit.page.evaluate("JSON.stringify([localStorage, sessionStorage])")
        assert "SECRET" not in "".join([*said, *dialled, *visit.requested, kept])


DIAL = """(url) => new Promise((ended) => {
    new WebSocket(url).onerror = () => setTimeout(ended);
})"""


async def test_page_may_dial_the_server_that_the_settings_name_and_no_other(
    chromium: str, silence: Path, tmp_path: Path
) -> None:
    server = "wss://localhost:9/ws"
    async with (
        serve() as vendor,
        running_bot(
            **account("zego", vendor), ZEGO_WEB_SERVER_URL=server, XDG_STATE_HOME=str(tmp_path)
        ) as address,
        visiting(address, chromium, silence) as visit,
    ):
        await visit.page.add_init_script(NOTE_VIOLATIONS)
        await visit.arrive()
        await visit.page.evaluate(DIAL, server)
        await visit.page.evaluate(DIAL, "wss://localhost:10/ws")
        assert await visit.page.evaluate("violations") == ["connect-src wss://localhost:10/ws"]


COPIES = """async () => {
    const [microphone] = (await navigator.mediaDevices.getUserMedia({ audio: true })).getTracks();
    let asked = 0;
    navigator.mediaDevices.getUserMedia = () => { asked += 1; };
    const engine = new Zego.ZegoExpressEngine(1, '');
    const [first, second] = [microphone.clone(), microphone.clone()];
    const stream = await engine.createStream({ custom: { source: new MediaStream([first]) } });
    const isGiven = stream.getTracks()[0] === first;
    const { errorCode } = await engine.replaceTrack(stream, second);
    const isReplaced = stream.getTracks()[0] === second;
    engine.destroyStream(stream);
    engine.destroyEngine();
    const live = [second, microphone].map(({ readyState }) => readyState === 'live');
    return { isGiven, errorCode, isReplaced, live, asked };
}"""


async def test_real_engine_publishes_the_track_it_is_given_and_stops_it(
    chromium: str, silence: Path
) -> None:
    async with furnished(chromium, silence) as (visit, bot):
        bot.say("avatar-room", **ROOM)
        await until(visit.page, "window.Zego !== undefined")
        assert await visit.page.evaluate(COPIES) == {
            "isGiven": True,
            "errorCode": 0,
            "isReplaced": True,
            "live": [False, True],
            "asked": 0,
        }


def _page() -> str:
    files = ("zego-room.js", "zego-microphone.js")
    return "".join((ROOT / "web" / name).read_text() for name in files)
