"""A vendor's face from a real LiveKit server, with the real livekit-client.

The avatar is the emulator's, which publishes what its play head says. The bot is a scripted one
first, so that the page is alone with the room, and then the real one.
"""

from __future__ import annotations

import asyncio
import base64
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
import pytest_asyncio
from livekit import api

from emulators.heygen import Emulator, serve
from emulators.heygen.lite_request import SANDBOX_AVATAR
from emulators.heygen.rooms import IDENTITY, Rooms
from emulators.playback import RATE_HZ

from .scripted_bot import ScriptedBot
from .test_viewer import NOTE_VOICE, shows
from .visit import PATIENCE_S, ROOT, Visit, free_port, running_bot, visiting

pytestmark = pytest.mark.asyncio(loop_scope="module")

SERVER = shutil.which(os.environ.get("LIVEKIT_SERVER", "livekit-server"))
CLIENT = ROOT / "web" / "viewer" / "node_modules" / "livekit-client"
KEY, SECRET = "devkey", "only-for-this-test-and-long-enough"
LOSS_S = 2.0
LOUD = 0.02

if not SERVER:
    pytest.skip("needs livekit-server (LIVEKIT_SERVER, or on PATH)", allow_module_level=True)
if not CLIENT.exists():
    pytest.skip("needs livekit-client (make viewer, which needs npm)", allow_module_level=True)

LOUDNESS = """() => {
    const context = (window.ears ??= new AudioContext());
    const stream = window.voice.srcObject;
    if (stream === null || window.voice.muted || window.voice.paused) return 0;
    if (window.heard !== stream) {
        window.heard = stream;
        window.meter = new AnalyserNode(context, { fftSize: 2048 });
        new MediaStreamAudioSourceNode(context, { mediaStream: stream }).connect(window.meter);
    }
    const samples = new Float32Array(2048);
    window.meter.getFloatTimeDomainData(samples);
    return Math.sqrt(samples.reduce((sum, each) => sum + each * each, 0) / samples.length);
}"""

COLOUR = """() => {
    const video = document.getElementById('video');
    const canvas = Object.assign(document.createElement('canvas'), { width: 640, height: 360 });
    const pen = canvas.getContext('2d');
    pen.drawImage(video, 0, 0, 640, 360);
    return [...pen.getImageData(270, 190, 1, 1).data.slice(0, 3)];
}"""


@dataclass(frozen=True)
class Server:
    """A LiveKit server."""

    port: int

    @property
    def rooms(self) -> Rooms:
        return Rooms(f"ws://127.0.0.1:{self.port}", KEY, SECRET)

    def api(self) -> api.LiveKitAPI:
        return api.LiveKitAPI(f"http://127.0.0.1:{self.port}", KEY, SECRET)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[Server]:
    assert SERVER
    port, tcp, udp = free_port(), free_port(), free_port()
    config = f"""
        port: {port}
        bind_addresses: [127.0.0.1]
        rtc: {{node_ip: 127.0.0.1, tcp_port: {tcp}, udp_port: {udp}}}
        keys: {{{KEY}: {SECRET}}}
        logging: {{level: error}}
    """
    process = await asyncio.create_subprocess_exec(SERVER, "--config-body", config)
    try:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except ConnectionError:
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    break
        yield Server(port)
    finally:
        process.kill()  # asked to end, it waits for rooms to empty
        await process.wait()


@dataclass
class Performance:
    """A page that shows the emulator's avatar."""

    visit: Visit
    bot: ScriptedBot
    vendor: Emulator
    control: aiohttp.ClientWebSocketResponse

    async def speak(self, seconds: float) -> None:
        times = np.arange(round(RATE_HZ * seconds)) / RATE_HZ
        pcm = (9_000 * np.sin(2 * np.pi * 440 * times)).astype("<i2").tobytes()
        audio = base64.b64encode(pcm).decode()
        await self.control.send_json({"type": "agent.speak", "audio": audio})

    async def loudness(self) -> float:
        return float(await self.visit.page.evaluate(LOUDNESS))

    async def until_loud(self, loud: bool) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while (await self.loudness() > LOUD) != loud:
                await asyncio.sleep(0.02)


async def opened(vendor: Emulator, http: aiohttp.ClientSession) -> dict[str, Any]:
    """A session of LiveAvatar, which runs: what its start answers."""
    asked = {"mode": "LITE", "avatar_id": SANDBOX_AVATAR, "is_sandbox": True}
    headers = {"X-API-KEY": vendor.key("liveavatar")}
    async with http.post("/v1/sessions/token", json=asked, headers=headers) as answer:
        token = (await answer.json())["data"]["session_token"]
    headers = {"Authorization": f"Bearer {token}"}
    async with http.post("/v1/sessions/start", headers=headers) as answer:
        started: dict[str, Any] = (await answer.json())["data"]
        return started


@asynccontextmanager
async def performing(server: Server, chromium: str, silence: Path) -> AsyncIterator[Performance]:
    door, page = ("-m", "tests.emulated.standin_bot"), str(ROOT / "web")
    async with (
        serve(rooms=server.rooms) as vendor,
        aiohttp.ClientSession(vendor.url) as http,
        running_bot(command=door, PAGE=page, VIEWER_OF=f"livekit {vendor.url}") as address,
        visiting(address, chromium, silence) as visit,
    ):
        session = await opened(vendor, http)
        bot = ScriptedBot("liveavatar")
        await bot.answer(visit.page)
        await visit.page.add_init_script(NOTE_VOICE)
        await visit.arrive()
        await visit.press("Start")
        await bot.hears("avatar-watch")
        url, token = session["livekit_url"], session["livekit_client_token"]
        bot.say("avatar-room", kind="livekit", url=url, token=token)
        await bot.hears("avatar-joined")
        bot.say("avatar-face", by="vendor")
        await visit.page.locator("#video").wait_for(state="visible")
        async with http.ws_connect(session["ws_url"]) as control:
            while (await control.receive_json())["state"] != "connected":
                pass
            yield Performance(visit, bot, vendor, control)


async def test_avatar_is_seen_heard_cut_and_missed(
    server: Server, chromium: str, silence: Path
) -> None:
    async with performing(server, chromium, silence) as there, server.api() as rooms:
        assert await there.visit.page.evaluate("document.getElementById('video').videoWidth") == 640
        red, green, blue = await there.visit.page.evaluate(COLOUR)
        assert red > green > blue > 100, "that is its cheek"

        assert await there.loudness() < LOUD
        await there.speak(10.0)
        await there.until_loud(True)
        assert there.vendor.heard()[0].samples > 0
        await there.control.send_json({"type": "agent.interrupt", "event_id": "1"})
        async with asyncio.timeout(1.0):
            await there.until_loud(False)

        room = there.vendor.session().id
        listed = await rooms.room.list_participants(api.ListParticipantsRequest(room=room))
        tracks = {each.identity: len(each.tracks) for each in listed.participants}
        assert tracks == {IDENTITY: 2, "client": 0}, "the page publishes nothing"

        await there.speak(10.0)
        await there.until_loud(True)
        gone = api.RoomParticipantIdentity(room=room, identity=IDENTITY)
        await rooms.room.remove_participant(gone)
        async with asyncio.timeout(LOSS_S):
            await there.bot.hears("avatar-left")
        await there.visit.page.locator("#face").wait_for(state="visible")
        assert await there.loudness() == 0
        assert there.visit.complaints == []

        dial = "new Promise((done) => { const s = new WebSocket('wss://example.com');"
        dial += "s.onerror = () => done(true); s.onopen = () => done(false); })"
        assert await there.visit.page.evaluate(dial)
        assert "Content Security Policy" in there.visit.complaints[0], "it goes nowhere else"


async def test_conversation_moves_to_the_face_in_a_pause_and_back_when_it_is_lost(
    server: Server, chromium: str, silence: Path, tmp_path: Path
) -> None:
    async with (
        serve(rooms=server.rooms) as vendor,
        running_bot(
            AVATAR="liveavatar",
            LIVEAVATAR_API_KEY=vendor.key("liveavatar"),
            LIVEAVATAR_API_URL=vendor.url,
            LIVEAVATAR_SANDBOX="true",
            XDG_STATE_HOME=str(tmp_path),
        ) as address,
        visiting(address, chromium, silence) as visit,
        server.api() as rooms,
    ):
        await visit.press("Start")
        await visit.until("audible")
        assert await shows(visit.page) == "drawn", "the greeting is the drawn face's"
        await visit.until("message", type="avatar-face")
        await visit.page.locator("#video").wait_for(state="visible")
        assert vendor.heard() == [], "it moved in a pause"

        asked = await visit.now()
        await visit.say("Tell me a story")
        await vendor.hears(2.0)
        own = [each for each in await visit.seen("audible") if each["at"] > asked]
        assert own == [], "one source is heard, not two"

        session = vendor.session()
        gone = api.RoomParticipantIdentity(room=session.id, identity=IDENTITY)
        lost = await visit.now()
        await rooms.room.remove_participant(gone)
        again = await visit.until("audible", after=lost)
        assert again["at"] - lost < 1_000 * LOSS_S
        assert await shows(visit.page) == "drawn"
        assert vendor.heard()[-1].cut

        await visit.press("End")
        await vendor.until(lambda: not vendor.running())
        assert visit.complaints == []
