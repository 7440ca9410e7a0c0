"""The unchanged bot under Pipecat Cloud's server, and people with Pipecat's own clients.

The server is a stand-in (`standins/pipecat_cloud.py`). `uv run --group peers pytest` on this file
has it call the bot with the classes of Pipecat Cloud's own package.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from httpx import ASGITransport, AsyncClient
from pipecat.frames.protobufs import frames_pb2
from websockets.asyncio.client import ClientConnection, connect

import bot
from emulators.heygen import serve
from tests.emulated.paying import account
from tests.emulated.serving import DEADLINE_S, ROOT, Call, Server, free_port
from tests.emulated.standins.openai import OpenAI
from tests.emulated.standins.pipecat_cloud import application
from tests.emulated.standins.serving import Refuse
from tests.emulated.visitor import OURS

pytestmark = pytest.mark.asyncio

protocol: Any = frames_pb2

READY = {
    "label": "rtvi-ai",
    "type": "client-ready",
    "id": "1",
    "data": {"version": "2.0.0", "about": {"library": "tests"}},
}
SESSION = "5b1f6a52-9c1c-4a3e-8f5a-2d1f0a7c9e10"
GRACE_S = 5.0
"""What a process that may end takes at most: its imports are many."""


class Protobuf:
    """A WebSocket on which Pipecat's protocol buffers travel; inside: JSON, and PCM."""

    def __init__(self, wire: ClientConnection) -> None:
        self._wire = wire

    async def send(self, text: str) -> None:
        frame = protocol.Frame(message=protocol.MessageFrame(data=text))
        await self._wire.send(frame.SerializeToString())

    async def recv(self) -> str | bytes:
        frame = protocol.Frame.FromString(await self._wire.recv())
        return frame.message.data if frame.HasField("message") else frame.audio.audio


class Cloud:
    """The server, with a bot in it."""

    def __init__(self, server: Server, port: int) -> None:
        self.server = server
        self.port = port

    def stop(self) -> None:
        os.kill(self.server.process.pid, signal.SIGTERM)

    async def ended(self, within_s: float = GRACE_S) -> int:
        """Waits for the end of its process; returns the code."""
        async with asyncio.timeout(within_s):
            return await asyncio.to_thread(self.server.ended)

    async def logged(self, text: str) -> None:
        """Waits until the log says this."""
        async with asyncio.timeout(DEADLINE_S):
            while text not in self.server.log:
                await asyncio.sleep(0.05)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Sends a request, as the platform does; returns status and answer."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
        given = {"Content-Type": "application/json"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, json.dumps(body), given)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    @asynccontextmanager
    async def call(self, body: Any = None) -> AsyncIterator[Call]:
        """Somebody comes, and is there for as long as this is entered."""
        given = {"body": base64.b64encode(json.dumps(body).encode())} if body else {}
        async with connect(
            f"ws://127.0.0.1:{self.port}/ws?{urlencode(given)}",
            additional_headers={"X-Daily-Session-Id": SESSION},
            proxy=None,
            max_size=None,
            close_timeout=1,
        ) as wire:
            call = Call(Protobuf(wire))  # type: ignore[arg-type]
            await call.wire.send(json.dumps(READY))
            yield call


@contextmanager
def running(folder: Path, **environment: str) -> Iterator[Cloud]:
    """Serves, and ends; no secret may show in what it logs, however much that is."""
    port = free_port()
    given = {name: "" for name in os.environ if name.startswith(OURS)}
    given |= {"PORT": str(port), "HOME": str(folder), "XDG_STATE_HOME": "", "GREETING": "Hello."}
    given |= {"PIPECAT_LOG_LEVEL": "TRACE", **environment}
    command = ("-m", "tests.emulated.standins.pipecat_cloud", str(ROOT))
    server = Server(*command, cwd=folder, **given)
    try:
        yield Cloud(server.opened(), port)
    finally:
        server.stop()
    leaks = [line for line in server.errors if "SECRET-" in line]
    assert not leaks, leaks[0]


async def hear_hello(call: Call) -> None:
    await call.until_told("bot-ready")
    await call.until(lambda message: isinstance(message, bytes) and any(message))
    await call.until_told("bot-stopped-speaking")


async def cut_in(call: Call) -> dict[str, Any]:
    """Has a story told, and asks something else meanwhile; returns what became of the story."""
    await call.say("Tell me a story.")
    await call.until_told("transcript", text="Tell me a story.")
    story = await call.until_told("transcript", role="assistant")
    await call.say("What is your name?")
    return await call.until_told("transcript", turn=story["turn"], final=True)


async def test_one_after_the_other_is_greeted_and_can_cut_in(tmp_path: Path) -> None:
    with running(tmp_path) as cloud:
        assert cloud.ask("GET", "/readyz") == (200, {"status": "ok"})
        async with cloud.call() as call:
            await hear_hello(call)
        async with cloud.call({"user": "Anna", "greeting": "of no concern"}) as call:
            await hear_hello(call)
            assert (await cut_in(call))["cut"]
            answer = await call.until_told("transcript", role="assistant", final=True)
            assert "Ava" in answer["text"]
        await cloud.logged("Stopping bot session")
        assert "Exception running bot()" not in cloud.server.log


async def test_who_is_there_when_it_is_told_to_stop_talks_on(tmp_path: Path) -> None:
    with running(tmp_path) as cloud:
        async with cloud.call() as call:
            await call.until_told("bot-started-speaking")
            cloud.stop()
            await call.until_told("bot-stopped-speaking")
            with pytest.raises(ConnectionRefusedError):
                async with cloud.call():
                    pass
            assert "Ava" in await call.answer_to("What is your name?")
        assert await cloud.ended() == 0


async def test_what_is_paid_for_ends_with_who_stays_too_long(tmp_path: Path) -> None:
    """The process itself may hang: Pipecat 1.14 waits for tasks that asyncio has ended with it."""
    async with serve() as emulator:
        paid = account("liveavatar", emulator) | {"AVATAR_JOURNAL": "off"}
        with running(tmp_path, SHUTDOWN_TIMEOUT="1", **paid) as cloud:
            async with cloud.call() as call:
                await call.until_told("bot-ready")
                await call.tell("client-message", {"t": "avatar-watch", "d": {}})
                await emulator.until(emulator.running)
                await call.say("Tell me a story.")
                await call.until_told("bot-started-speaking")
                cloud.stop()
                async with asyncio.timeout(1 + GRACE_S):
                    await emulator.until(lambda: not emulator.running())


async def test_paid_avatar_is_refused_where_it_cannot_be_noted_down(tmp_path: Path) -> None:
    nowhere = tmp_path / "read-only"
    nowhere.touch()  # no folder: whatever the rights, nothing can be written below it
    async with serve() as emulator:
        with running(tmp_path, HOME=str(nowhere), **account("liveavatar", emulator)) as cloud:
            async with cloud.call() as call:
                await call.until_told("bot-ready")
                await call.tell("client-message", {"t": "avatar-watch", "d": {}})
                told = await call.until_told("notice")
                assert told["text"].startswith("It cannot be noted down that LiveAvatar is paid")
                assert told["ends"]
            await cloud.logged("Not a directory")
        assert emulator.sessions == {}


async def test_paid_avatar_runs_without_a_journal_where_that_is_said(tmp_path: Path) -> None:
    nowhere = tmp_path / "read-only"
    nowhere.touch()
    async with serve() as emulator:
        paid = account("liveavatar", emulator) | {"AVATAR_JOURNAL": "off"}
        with running(tmp_path, HOME=str(nowhere), **paid) as cloud:
            async with cloud.call() as call:
                await hear_hello(call)
                await call.tell("client-message", {"t": "avatar-watch", "d": {}})
                room = await call.until_told("avatar-room")
                assert room["token"].startswith("SECRET-viewer-")
                await call.tell("client-message", {"t": "avatar-joined", "d": {}})
                await call.until_told("avatar-face", by="vendor")
                await call.say("What is your name?")
                await emulator.until(lambda: sum(each.seconds for each in emulator.heard()) > 0.5)
            await emulator.until(lambda: not emulator.running())
            assert "no journal is kept: a LiveAvatar session may be left running" in (
                cloud.server.log
            )


async def test_key_that_a_service_quotes_is_not_logged(tmp_path: Path) -> None:
    """Nobody calls `main()` there, and the sink is not ours: it shows variables in tracebacks."""
    async with OpenAI(Refuse(401)).running() as url:
        key = {"OPENAI_API_KEY": "SECRET-another-key-9876543210", "OPENAI_BASE_URL": url}
        with running(tmp_path, **key) as cloud:
            async with cloud.call() as call:
                await hear_hello(call)
                await call.say("What is the capital of France?")
                assert "OPENAI_API_KEY" in (await call.until_told("notice"))["text"]


async def test_session_of_webrtc_lasts_as_long_as_the_request_that_began_it(
    tmp_path: Path,
) -> None:
    aiortc = pytest.importorskip("aiortc", reason="needs aiortc (uv sync --extra webrtc)")
    with running(tmp_path) as cloud:
        given = {"X_Daily_Transport_Type": "webrtc", "X_Daily_Session_Id": SESSION}
        session = asyncio.create_task(asyncio.to_thread(cloud.ask, "POST", "/bot", {}, **given))
        peer = aiortc.RTCPeerConnection()
        peer.addTransceiver("audio")
        channel, told = peer.createDataChannel("messages"), asyncio.Queue[dict[str, Any]]()
        channel.on("open", lambda: channel.send(json.dumps(READY)))
        channel.on("message", lambda text: told.put_nowait(json.loads(text)))
        await peer.setLocalDescription(await peer.createOffer())
        offer = {"sdp": peer.localDescription.sdp, "type": peer.localDescription.type}
        status, answer = await asyncio.to_thread(cloud.ask, "POST", "/api/offer", offer)
        assert status == 200
        await peer.setRemoteDescription(aiortc.RTCSessionDescription(answer["sdp"], answer["type"]))
        async with asyncio.timeout(DEADLINE_S):
            while (await told.get())["type"] != "bot-started-speaking":
                pass
        voice = peer.getReceivers()[0].track
        async with asyncio.timeout(DEADLINE_S):
            while not (await voice.recv()).to_ndarray().any():
                pass
        assert not session.done()
        await peer.close()
        async with asyncio.timeout(DEADLINE_S):
            assert await session == (200, {})


async def test_daily_session_ends_when_the_platform_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("daily", reason="needs daily-python (uv sync --extra daily)")
    from tests.emulated.native import daily

    rooms = daily.replace(monkeypatch)
    headers = {
        "X-Daily-Session-Id": SESSION,
        "X-Daily-Room-Url": "https://example.daily.co/room",
        "X-Daily-Room-Token": "SECRET-daily",
        "X-Pcc-Max-Session-Seconds": "3",
    }
    transport = ASGITransport(application(bot))
    async with AsyncClient(transport=transport, base_url="http://cloud", timeout=None) as platform:
        session = asyncio.create_task(platform.post("/bot", json={"a": 1}, headers=headers))
        async with asyncio.timeout(DEADLINE_S):
            while not hasattr(rooms, "latest"):
                await asyncio.sleep(0.01)
            room = rooms.latest
            await room.connected.wait()
            room.come()
            while not room.loudspeaker.last_heard():
                await asyncio.sleep(0.01)
            answer = await session
    assert (answer.status_code, answer.json()) == (200, {})
    del rooms.latest  # it is nobody else's
    assert not room.connected.is_set(), "it has not left"
