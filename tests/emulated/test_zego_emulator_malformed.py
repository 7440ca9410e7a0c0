"""ZEGO's emulator answers whatever it is asked in its envelope, and goes on."""

import json
from typing import Any

import pytest

from emulators.zego.gateway import SERVICES
from tests.emulated.zego_client import begin, counted, driving, finish, over, streaming

pytestmark = pytest.mark.asyncio

VALUES: list[Any] = [
    None,
    True,
    -1,
    1.5,
    10**400,
    float("nan"),
    float("inf"),
    "",
    "x" * 9_000,
    "\ud800",
    [],
    [[]],
    [{}],
    {},
    {"a": 1},
]
NAMES = {
    *("TaskId", "AgentInstanceId", "AgentId", "AgentIds", "Text", "Limit", "Offset", "Cursor"),
    *("DigitalHumanConfig", "DigitalHuman", "DigitalHumanId", "RTCConfig", "RTC", "TTL", "LLM"),
    *("TTS", "ASR", "VAD", "MessageHistory", "Messages", "CallbackConfig", "AdvancedConfig"),
    *("InterruptMode", "Priority", "Sequence", "GracefulShutdown", "UserId", "TTSConfig", "CDN"),
}
BODIES = [b"", b"{", b"\xff", b"null", b"[]", b"1", b"[" * 50_000, b'{"a":' * 50_000]


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.service)
async def test_every_action_refuses_what_it_cannot_read(service: Any) -> None:
    async with streaming(concurrency_limit=0) as (emulator, client, task):
        bodies = BODIES + [json.dumps(dict.fromkeys(NAMES, each)).encode() for each in VALUES]
        known = {"TaskId": task, "AgentId": "a"}
        await client.ask("RegisterAgent", AgentId="a")
        bodies += [json.dumps(dict.fromkeys(NAMES, each) | known).encode() for each in VALUES]
        harmless = {"StopDigitalHumanStreamTask", "UnregisterAgent"}
        for action in service.keys() - harmless:
            for body in bodies:
                query = client.query(action)
                async with client.http.post(f"{client.url}/", params=query, data=body) as reply:
                    assert reply.status == 200, (action, body[:80])
                    assert isinstance((await reply.json())["Code"], int)
        assert emulator.session(task).running
        for name in ("AppId", "Action"):
            query = client.query("GetTimbreList") | {name: "\x00é"}
            async with client.http.post(f"{client.url}/", params=query, data=b"{}") as reply:
                assert (await reply.json())["Code"] != 0


async def test_a_drive_socket_goes_on_after_whatever_it_is_sent() -> None:
    async with driving() as (emulator, _, socket, drive):
        for value in VALUES:
            for name in ("Action", "Payload"):
                message = {"Action": "Start", "Payload": {"DriveId": drive}} | {name: value}
                await socket.send(json.dumps(message))
            for name in ("DriveId", "SampleRate", "Channel", "VoiceChannel"):
                payload = {"DriveId": drive, "SampleRate": "?"} | {name: value}
                await socket.send(json.dumps({"Action": "Start", "Payload": payload}))
        await socket.send(b"\x00")
        await begin(socket, drive)
        await socket.send(counted(0.1))
        await finish(socket, drive)
        await emulator.until(lambda: emulator.received("Stop"))
        await over(emulator, len(emulator.heard()))
        assert emulator.heard()[-1].audio == counted(0.1)
