"""HeyGen's emulator over real sockets: REST, the control socket, faults, and what it has heard.

The client here is a bare one: `aiohttp` for REST, `websockets` for the socket.
"""

import asyncio
import base64
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import jwt
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from emulators.heygen import Emulator, serve
from emulators.heygen.lite_request import SANDBOX_AVATAR
from emulators.heygen.rooms import Rooms

pytestmark = pytest.mark.asyncio

AVATAR = "1c690fe7-23e0-49f9-bfba-14344450285b"
FAST = {"connected_delay_ms": 10, "speak_start_ms": 20, "start_spread_ms": 10, "jitter_ms": 5}
Reply = tuple[int, dict[str, Any]]


class Client:
    """Asks for JSON, and gets it."""

    def __init__(self, http: aiohttp.ClientSession, emulator: Emulator) -> None:
        self.http = http
        self.url = emulator.url
        self.key = {"X-API-KEY": emulator.key("liveavatar")}
        self.heygen_key = {"X-API-KEY": emulator.key("interactive")}

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.http.request(method, self.url + path, json=body, headers=headers) as reply:
            return reply.status, await reply.json()

    async def post(self, path: str, body: Any = None, **headers: str) -> Reply:
        return await self.ask("POST", path, body, **headers)

    async def token(self, **body: Any) -> Reply:
        body = {"mode": "LITE", "avatar_id": AVATAR} | body
        return await self.post("/v1/sessions/token", body, **self.key)

    async def start(self, token: str) -> Reply:
        return await self.post("/v1/sessions/start", Authorization=f"Bearer {token}")

    async def started(self, **body: Any) -> dict[str, Any]:
        """Returns what `start` answers, and the token."""
        minted = (await self.token(**body))[1]["data"]
        status, reply = await self.start(minted["session_token"])
        assert status == 201, reply
        data: dict[str, Any] = {**reply["data"], "session_token": minted["session_token"]}
        return data


@asynccontextmanager
async def vendor(**knobs: Any) -> AsyncIterator[tuple[Emulator, Client]]:
    async with (
        serve(seed=1, **{**FAST, **knobs}) as emulator,
        aiohttp.ClientSession() as http,
    ):
        yield emulator, Client(http, emulator)


@asynccontextmanager
async def talking(
    **knobs: Any,
) -> AsyncIterator[tuple[Emulator, ClientConnection, dict[str, Any]]]:
    """A session whose socket is connected."""
    async with vendor(**knobs) as (emulator, client):
        session = await client.started()
        async with connect(session["ws_url"]) as socket:
            await event(socket, state="connected")
            yield emulator, socket, session


async def event(socket: ClientConnection, **fields: Any) -> dict[str, Any]:
    """Returns the next message in which these fields are so."""
    async with asyncio.timeout(5):
        while True:
            message: dict[str, Any] = json.loads(await socket.recv())
            if fields.items() <= message.items():
                return message


async def say(socket: ClientConnection, kind: str, pcm: bytes | None = None, of: str = "u") -> None:
    message = {"type": f"agent.{kind}", "event_id": of}
    if pcm is not None:
        message["audio"] = base64.b64encode(pcm).decode()
    await socket.send(json.dumps(message))


def counted(seconds: float) -> bytes:
    """Samples that count up, so that each can be told from the others."""
    return b"".join((each % 65_536).to_bytes(2, "little") for each in range(int(seconds * 24_000)))


# REST: LiveAvatar


async def test_a_session_goes_from_token_to_stop() -> None:
    async with vendor() as (emulator, client):
        status, reply = await client.token()
        assert (status, reply["code"]) == (200, 1000)
        assert not emulator.running()
        session = await client.started()
        assert [each.id for each in emulator.running()] == [session["session_id"]]
        assert session["max_session_duration"] == 1_200
        _, listed = await client.ask("GET", "/v1/sessions?type=active", **client.key)
        assert [each["id"] for each in listed["data"]["results"]] == [session["session_id"]]
        stop = {"session_id": session["session_id"], "reason": "USER_CLOSED"}
        assert (await client.post("/v1/sessions/stop", stop, **client.key))[0] == 200
        assert not emulator.running()
        _, reply = await client.ask("GET", f"/v1/sessions/{session['session_id']}", **client.key)
        assert reply["data"]["end_reason"] == "USER_CLOSED"
        assert reply["data"]["credits_consumed"] == 1
        assert [each.name for each in emulator.record.calls] == [
            *("token", "token", "start", "list", "stop", "session")
        ]


async def test_secrets_can_be_recognised() -> None:
    async with vendor() as (emulator, client):
        session = await client.started()
        secret = ("session_token", "livekit_client_token", "livekit_agent_token")
        assert all(session[each].startswith("SECRET-") for each in secret)
        assert "SECRET-" in session["ws_url"]
        assert emulator.key("liveavatar").startswith("SECRET-")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"avatar_id": None}, 422),
        ({"avatar_id": "wayne"}, 422),
        ({"mode": "CUSTOM"}, 422),
        ({"video_settings": {"quality": "best"}}, 422),
        ({"max_session_duration": 1_201}, 422),
        ({"livekit_config": {"url": "wss://x", "token": "t"}}, 422),
        ({"agora_config": {"appid": "x"}}, 422),
        ({"is_sandbox": True}, 403),
        ({"is_sandbox": True, "avatar_id": SANDBOX_AVATAR}, 200),
        ({"max_session_duration": 60}, 200),
    ],
)
async def test_token_requests_are_checked(body: dict[str, Any], status: int) -> None:
    async with vendor() as (_, client):
        answered, reply = await client.token(**body)
        assert answered == status
        assert ("detail" in reply) == (status == 422)


async def test_wrong_keys_and_tokens_are_refused() -> None:
    async with vendor() as (emulator, client):
        body = {"mode": "LITE", "avatar_id": AVATAR}
        assert (await client.post("/v1/sessions/token", body, X_API_KEY="wrong"))[0] == 401
        assert (await client.post("/v1/sessions/token", body, **client.heygen_key))[0] == 401
        assert (await client.start("wrong"))[0] == 401
        assert (await client.post("/v1/sessions/start", **client.key))[0] == 401
        minted = (await client.token())[1]["data"]
        assert (await client.start(minted["session_token"]))[0] == 201
        assert (await client.start(minted["session_token"]))[0] == 400
        assert len(emulator.running()) == 1


async def test_credits_and_concurrency_are_limits() -> None:
    async with vendor(concurrency_limit=1, credits=1) as (emulator, client):
        tokens = [(await client.token())[1]["data"]["session_token"] for _ in range(2)]
        first = await client.start(tokens[0])
        assert first[0] == 201
        status, reply = await client.token()
        assert (status, reply["message"]) == (409, "Session concurrency limit reached")
        await client.post("/v1/sessions/stop", Authorization=f"Bearer {tokens[0]}")
        assert (await client.start(tokens[1]))[0] == 403
        _, reply = await client.ask("GET", "/v1/users/credits", **client.key)
        assert reply["data"] == {"credits_left": 0}
        assert not emulator.running()


async def test_too_many_calls_in_a_second_are_told_when_to_come_back() -> None:
    async with vendor(rate_limit=2) as (_, client):
        statuses = [(await client.token())[0] for _ in range(12)]
        assert 429 in statuses
        url = f"{client.url}/v1/sessions/token"
        replies = [await client.http.post(url, headers=client.key) for _ in range(6)]
        late = next(each for each in replies if each.status == 429)
        assert late.headers["Retry-After"] == "1"


async def test_a_room_of_the_callers_own() -> None:
    def room(**grants: Any) -> dict[str, Any]:
        token = jwt.encode({"video": {"roomJoin": True, **grants}}, "k" * 32, algorithm="HS256")
        return {"livekit_url": "wss://x", "livekit_room": "r", "livekit_client_token": token}

    async with vendor() as (emulator, client):
        session = await client.started(livekit_config=room())
        assert session["livekit_url"] is None
        assert session["ws_url"]
        minted = (await client.token(livekit_config=room(canPublishData=False)))[1]["data"]
        assert (await client.start(minted["session_token"]))[0] == 500
        assert len(emulator.running()) == 1
        emulator.turn(own_room_fields="absent", omit_ws_url=True)
        assert {"livekit_url", "ws_url"}.isdisjoint(await client.started(livekit_config=room()))


@pytest.mark.parametrize("body", [{"mode": "FULL"}, {"openai_realtime_config": {"secret_id": "x"}}])
async def test_only_lite_sessions_have_a_socket(body: dict[str, Any]) -> None:
    async with vendor() as (_, client):
        assert "ws_url" not in await client.started(**body)


async def test_scripted_faults_hit_the_next_call_of_that_name() -> None:
    async with vendor() as (emulator, client):
        emulator.fail("start", status=503, body="try later", headers={"Retry-After": "2"})
        minted = (await client.token())[1]["data"]
        url, bearer = f"{client.url}/v1/sessions/start", f"Bearer {minted['session_token']}"
        async with client.http.post(url, headers={"Authorization": bearer}) as reply:
            assert (reply.status, await reply.text()) == (503, "try later")
            assert reply.headers["Retry-After"] == "2"
        assert not emulator.running()
        assert (await client.start(minted["session_token"]))[0] == 201


async def test_a_reply_can_get_lost_after_the_session_was_started() -> None:
    async with vendor() as (emulator, client):
        emulator.fail("start", status=0, done=True)
        minted = (await client.token())[1]["data"]
        with pytest.raises(aiohttp.ClientError):
            await client.start(minted["session_token"])
        assert len(emulator.running()) == 1


async def test_a_reply_can_be_late_and_a_client_that_gave_up_pays_for_the_session() -> None:
    async with vendor() as (emulator, client):
        emulator.fail("start", status=None, delay_s=0.2)
        bearer = {"Authorization": f"Bearer {(await client.token())[1]['data']['session_token']}"}
        soon = aiohttp.ClientTimeout(total=0.05)
        with pytest.raises(TimeoutError):
            await client.http.post(f"{client.url}/v1/sessions/start", headers=bearer, timeout=soon)
        assert not emulator.running()
        await emulator.until(emulator.running)


# REST: Interactive Avatar


async def test_interactive_avatar_has_its_own_calls_and_key() -> None:
    async with vendor() as (emulator, client):
        new = "/v1/streaming.new"
        assert (await client.post(new, {}, **client.key))[0] == 401
        status, reply = await client.post(new, {"version": "v2", "voice": {}}, **client.heygen_key)
        assert (status, reply["code"]) == (200, 100)
        session = reply["data"]
        of = {"session_id": session["session_id"]}
        assert (await client.post("/v1/streaming.task", of, **client.heygen_key))[0] == 400
        assert (await client.post("/v1/streaming.start", of, **client.heygen_key))[0] == 200
        async with connect(session["realtime_endpoint"]) as socket:
            await event(socket, state="connected")
            await say(socket, "speak", counted(5))
            await event(socket, type="agent.speak_started")
            await client.post("/v1/streaming.interrupt", of, **client.heygen_key)
            await event(socket, type="agent.speak_interrupted")
            assert (await client.post("/v1/streaming.stop", of, **client.heygen_key))[0] == 200
            await event(socket, state="disconnected")
        assert (await client.post("/v1/streaming.stop", of, **client.heygen_key))[0] == 400
        assert not emulator.running()


async def test_a_streaming_token_opens_one_session() -> None:
    async with vendor() as (_, client):
        _, reply = await client.post("/v1/streaming.create_token", {}, **client.heygen_key)
        bearer = {"Authorization": f"Bearer {reply['data']['token']}"}
        status, opened = await client.post("/v1/streaming.new", {}, **bearer)
        of = {"session_id": opened["data"]["session_id"]}
        assert status == 200
        assert (await client.post("/v1/streaming.start", of, **bearer))[0] == 200
        assert (await client.post("/v1/streaming.new", {}, **bearer))[0] == 401


@pytest.mark.parametrize("seconds", [29, 3_601, "60", True])
async def test_idle_limits_out_of_range_are_refused(seconds: Any) -> None:
    async with vendor() as (_, client):
        body = {"activity_idle_timeout": seconds}
        assert (await client.post("/v1/streaming.new", body, **client.heygen_key))[0] == 400


# The socket


async def test_what_is_said_is_heard_sample_by_sample() -> None:
    async with talking(playback_speed=10) as (emulator, socket, _):
        pcm = counted(3.0)
        for at in range(0, len(pcm), 19_200):
            await say(socket, "speak", pcm[at : at + 19_200])
        await say(socket, "speak_end")
        assert (await event(socket, type="agent.speak_started"))["source_event_id"] == "u"
        await event(socket, type="agent.speak_ended")
        (said,) = emulator.heard()
        assert said.audio == pcm
        assert not said.cut
        assert said.started_at
        assert said.ended_at == pytest.approx(said.started_at + 0.3)
        assert [(each.first, each.samples) for each in said.segments] == [(0, 72_000)]
        assert len(emulator.received("agent.speak")) == 8


async def test_an_interrupt_cuts_what_was_not_heard() -> None:
    async with talking() as (emulator, socket, _):
        pcm = counted(8.0)
        await say(socket, "speak", pcm)
        await emulator.hears(0.3)
        await say(socket, "interrupt", of="i")
        assert (await event(socket, type="agent.audio_buffer_cleared"))["source_event_id"] == "i"
        await event(socket, type="agent.state_updated", new_state="idle")
        (said,), (cut,) = emulator.heard(), emulator.interruptions()
        assert said.started_at
        assert said.cut
        assert said.seconds == pytest.approx(cut.at - said.started_at, abs=1e-3)
        assert 0.3 <= said.seconds < 8.0
        assert said.audio == pcm[: said.samples * 2]
        assert cut.unheard == 8 * 24_000 - said.samples


async def test_commands_before_connected_are_lost_and_written_down() -> None:
    async with vendor(connected_delay_ms=200) as (emulator, client):
        session = await client.started()
        async with connect(session["ws_url"]) as socket:
            await say(socket, "speak", counted(0.5))
            await event(socket, state="connected")
            await say(socket, "speak", counted(0.1))
            await event(socket, type="agent.audio_buffer_appended")
        assert [each.taken for each in emulator.received("agent.speak")] == [False, True]
        assert sum(each.received for each in emulator.heard()) == 2_400


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "null",
        '"agent.speak"',
        "{}",
        '{"type": 5}',
        '{"type": "agent.dance"}',
        '{"type": "agent.speak", "event_id": 7, "audio": ""}',
        '{"type": "agent.speak", "event_id": "u"}',
        '{"type": "agent.speak", "event_id": "u", "audio": 5}',
        '{"type": "agent.speak", "event_id": "u", "audio": "?"}',
        b"\0\1",
    ],
)
async def test_what_it_cannot_read_is_an_error_and_not_the_end(text: str | bytes) -> None:
    async with talking() as (_, socket, _):
        await socket.send(text)
        told = await event(socket, type="error")
        assert told["error"]["type"] == "invalid_request_error"
        await say(socket, "speak", b"\0\0")
        await event(socket, type="agent.audio_buffer_appended")


async def test_a_packet_over_the_limit_ends_the_connection() -> None:
    async with talking() as (_, socket, _):
        await say(socket, "speak", bytes(800_000))
        with pytest.raises(ConnectionClosed):
            await event(socket, type="never")
        assert socket.close_code == 1009


async def test_a_closed_socket_does_not_stop_the_session_and_may_come_back() -> None:
    async with talking() as (emulator, socket, session):
        await socket.close()
        async with connect(session["ws_url"]) as again:
            await event(again, state="connected")
            emulator.turn(redial="deny")
            assert len(emulator.running()) == 1
        with pytest.raises(InvalidStatus):
            await connect(session["ws_url"])


async def test_an_address_that_was_made_up_is_refused() -> None:
    async with vendor() as (emulator, client):
        session = await client.started()
        wrong = session["ws_url"].replace("SECRET-", "")
        with pytest.raises(InvalidStatus):
            await connect(wrong)
        assert not emulator.record.connections


@pytest.mark.parametrize(("code", "seen"), [(1011, 1011), (0, 1006)])
async def test_sockets_end_when_and_how_they_are_told_to(code: int, seen: int) -> None:
    async with talking(close_after_ms=50, close_code=code) as (emulator, socket, _):
        with pytest.raises(ConnectionClosed):
            await event(socket, type="never")
        assert socket.close_code == seen
        assert len(emulator.running()) == 1


async def test_scripts_reach_a_running_session() -> None:
    async with talking() as (emulator, socket, session):
        emulator.script("send", text="not JSON")
        assert await socket.recv() == "not JSON"
        emulator.script("stall")
        await say(socket, "speak", counted(0.1))
        emulator.script("send", text='{"type": "still here"}')
        await event(socket, type="still here")
        assert not emulator.received("agent.speak")
        emulator.script("read")
        await event(socket, type="agent.audio_buffer_appended")
        with pytest.raises(ValueError, match="no action"):
            emulator.script("explode")
        emulator.script("break", session["session_id"])
        with pytest.raises(ConnectionClosed):
            await event(socket, type="never")


async def test_alpha_verbs_speak_on_the_same_socket() -> None:
    async with talking(playback_speed=10, alpha_end_ms=20) as (emulator, socket, _):
        pcm = counted(2.0)
        await say(socket, "audio_buffer_append", pcm[:48_000])
        await say(socket, "audio_buffer_append", pcm[48_000:])
        await event(socket, type="agent.audio_buffer_appended")
        await event(socket, type="agent.audio_buffer_appended")
        assert not emulator.heard()
        await say(socket, "audio_buffer_commit", b"\0")
        await event(socket, type="agent.speak_ended")
        assert emulator.heard()[0].audio == pcm


async def test_speech_for_a_fast_reader_is_not_faster_than_the_clock() -> None:
    async with talking() as (emulator, socket, _):
        await say(socket, "speak", counted(1.0))
        await say(socket, "speak_end")
        started = (await event(socket, type="agent.speak_started")) and emulator.heard()[0]
        await event(socket, type="agent.speak_ended")
        assert asyncio.get_running_loop().time() - (started.started_at or 0) >= 1.0


# Its own pages, and by itself


async def test_admin_pages_tell_all_and_take_scripts() -> None:
    async with talking() as (emulator, socket, session):
        client = Client(aiohttp.ClientSession(), emulator)
        async with client.http:
            script = {"knobs": {"playback_speed": 10}, "fail": [{"call": "stop", "status": 429}]}
            assert (await client.post("/_emulator/script", script))[0] == 200
            wrong = {"knobs": {"playback_sped": 10}}
            assert (await client.post("/_emulator/script", wrong))[0] == 400
            await say(socket, "speak", counted(1.0))
            await say(socket, "speak_end")
            await event(socket, type="agent.speak_ended")
            _, page = await client.ask("GET", f"/_emulator/sessions/{session['session_id']}")
            assert page["samples_heard"] == 24_000
            assert page["utterances"][0]["segments"][0]["samples"] == 24_000
            assert page["utterances"][0]["chunks"][0]["size"] == 48_000
            heard = f"{client.url}/_emulator/sessions/{session['session_id']}/heard.pcm"
            async with client.http.get(heard) as reply:
                assert await reply.read() == counted(1.0)
            _, page = await client.ask("GET", "/_emulator/messages?kind=agent.speak")
            assert [each["audio_bytes"] for each in page["received"]] == [48_000]
            assert page["connections"][0]["compressed"]
            assert (await client.post("/v1/sessions/stop", {}, **client.key))[0] == 429
            _, page = await client.ask("GET", "/_emulator/calls")
            assert [each["status"] for each in page["calls"]] == [200, 201, 429]
            _, page = await client.ask("GET", "/_emulator/sessions")
            assert page["sessions"][0]["credits"] == 1
            _, page = await client.ask("GET", "/_emulator/knobs")
            assert page["knobs"]["playback_speed"] == 10


@pytest.mark.parametrize("service", ["liveavatar", "interactive"])
async def test_a_session_in_a_room_is_answered_with_a_token_to_look_and_listen(
    service: str,
) -> None:
    rooms = Rooms("ws://127.0.0.1:1", "somebody", "a secret that is long enough for it")
    async with vendor(rooms=rooms) as (emulator, client):
        if service == "liveavatar":
            room = await client.started()
            url, token = room["livekit_url"], room["livekit_client_token"]
        else:
            room = (await client.post("/v1/streaming.new", {}, **client.heygen_key))[1]["data"]
            url, token = room["url"], room["access_token"]
        claims = jwt.decode(token, options={"verify_signature": False})
        assert (url, claims["iss"]) == (rooms.url, "somebody")
        allowed = claims["video"]
        assert allowed["room"] == emulator.session().id
        assert (allowed["canSubscribe"], allowed["canPublish"]) == (True, False)
        assert not allowed["canPublishData"]


async def test_without_rooms_nobody_loads_livekits_client() -> None:
    code = "import sys, emulators.heygen.__main__; sys.exit('livekit' in sys.modules)"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
    assert await process.wait() == 0


async def test_it_runs_alone_and_prints_its_address() -> None:
    command = [sys.executable, "-m", "emulators.heygen", "--code", "100", "--fail", "avatars=503"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout
        async with asyncio.timeout(30), aiohttp.ClientSession() as http:
            line = (await process.stdout.readline()).decode()
            url = re.findall(r"http://127\.0\.0\.1:\d+", line)[0]
            async with http.get(f"{url}/v1/avatars/public") as reply:
                assert (await reply.json())["code"] == 100
            async with http.get(f"{url}/v1/avatars") as reply:
                assert reply.status == 503
    finally:
        process.terminate()
        await process.wait()
