"""ZEGO's emulator takes what the vendor's own sample servers send, rebuilt from their documents."""

import asyncio
import hashlib
import json
import random
import time
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import aiohttp
import pytest
from websockets.asyncio.client import connect

from emulators.zego import Emulator
from tests.emulated.zego_client import AVATAR, counted, over, vendor

pytestmark = pytest.mark.asyncio


class Sample:
    """Asks as one of the samples does."""

    def __init__(self, emulator: Emulator, http: aiohttp.ClientSession, nonce: str) -> None:
        self.emulator = emulator
        self.http = http
        self.nonce = nonce

    async def post(self, action: str, body: Any) -> Any:
        app_id, now = str(self.emulator.knobs.app_id), str(int(time.time()))
        text = app_id + self.nonce + self.emulator.server_secret + now
        query = {
            "Action": action,
            "AppId": app_id,
            "SignatureNonce": self.nonce,
            "Timestamp": now,
            "Signature": hashlib.md5(text.encode()).hexdigest(),
            "SignatureVersion": "2.0",
        }
        url = f"{self.emulator.url}/?{urlencode(query)}"
        headers = {"Content-Type": "application/json"}
        async with self.http.post(url, data=json.dumps(body), headers=headers) as reply:
            data = await reply.json()
            assert data["Code"] == 0, data
            return data.get("Data")


async def test_the_node_sample_for_a_conversation() -> None:
    """Creates a task and drives it by socket: Start, frames of a file in a tight loop, Stop."""
    async with vendor() as (emulator, client):
        node = Sample(emulator, client.http, random.randbytes(8).hex())
        task = await node.post(
            "CreateDigitalHumanStreamTask",
            {
                "DigitalHumanConfig": {"DigitalHumanId": AVATAR},
                "RTCConfig": {"RoomId": "room_1", "StreamId": "stream_1"},
            },
        )
        await emulator.until(lambda: emulator.session().avatar.state.name == "IDLE")
        drive = await node.post("DriveByWsStream", {"TaskId": task["TaskId"]})
        pcm = counted(1.0)
        async with connect(drive["WssAddress"]) as socket:
            start = {"DriveId": drive["DriveId"], "SampleRate": 24000}
            await socket.send(json.dumps({"Action": "Start", "Payload": start}))
            for at in range(0, len(pcm), 4_096):
                await socket.send(pcm[at : at + 4_096])
            stop = {"DriveId": drive["DriveId"]}
            await socket.send(json.dumps({"Action": "Stop", "Payload": stop}))
        await over(emulator)
        assert emulator.heard()[0].audio == pcm
        await node.post("StopDigitalHumanStreamTask", {"TaskId": task["TaskId"]})
        assert not emulator.running()


async def test_the_go_sample_with_one_socket_and_one_drive_for_many_utterances() -> None:
    """Stops what it left in its rooms, then keeps a socket for all that the task says."""
    async with vendor() as (emulator, client):
        go = Sample(emulator, client.http, str(random.getrandbits(63)))
        left = await client.create("left")
        listed = await go.post("QueryDigitalHumanStreamTasks", {})
        for each in listed["TaskList"]:
            if each["RoomId"].startswith("room-"):
                await go.post("StopDigitalHumanStreamTask", {"TaskId": each["TaskId"]})
        assert emulator.sessions.pop(left).end_reason == "stopped"
        info = await go.post("GetDigitalHumanRenderInfo", {"DigitalHumanId": AVATAR})
        assert info["ClientInferencePackageUrl"]
        task = await go.post(
            "CreateDigitalHumanStreamTask",
            {
                "DigitalHumanConfig": {
                    "DigitalHumanId": AVATAR,
                    "BackgroundColor": "#00000000",
                },
                "RTCConfig": {"RoomId": "room-go", "StreamId": "stream-go"},
                "ExtraConfig": {"OutputMode": 2},
                "TTL": 3600,
            },
        )
        await emulator.until(lambda: emulator.session().avatar.state.name == "IDLE")
        drive = await go.post("DriveByWsStream", task)

        async def say(socket: Any, action: str, **more: Any) -> None:
            payload = {"DriveId": drive["DriveId"], **more}
            message = {"Action": action, "SequenceID": str(uuid4()), "Payload": payload}
            await socket.send(json.dumps(message))

        async with asyncio.timeout(10), connect(drive["WssAddress"], open_timeout=10) as socket:
            for number in range(3):
                await say(socket, "Start", SampleRate=24000)
                await socket.send(counted(0.2))
                await say(socket, "Stop")
                await over(emulator, number + 1)
        assert not any(each.cut for each in emulator.heard())
        await go.post("InterruptDriveTask", task)
        await go.post("StopDigitalHumanStreamTask", task)


async def test_the_next_sample_for_agents() -> None:
    """Registers an agent or brings it up to date, falls back to a voice, and stops it."""
    async with vendor(llm="parrot") as (emulator, client):
        node = Sample(emulator, client.http, "k3j9x0q2z1a")
        agent = {
            "AgentId": "agent-1",
            "Name": "Ann",
            "LLM": {"Url": "https://llm.invalid/v1/chat/completions", "ApiKey": "k", "Model": "m"},
            "TTS": {"Vendor": "ByteDance", "Params": {"app": {"appid": "a", "token": "t"}}},
            "ASR": {"HotWord": "avatar|10"},
        }
        for name in ("Ann", "Bea"):
            known = (await node.post("QueryAgents", {"AgentIds": ["agent-1"]}))["Agents"]
            if not known:
                await node.post("RegisterAgent", agent)
            elif known[0]["Name"] != name:
                await node.post("UpdateAgent", {**agent, "Name": name})
        assert emulator.agents["agent-1"].name == "Bea"
        body = {
            "AgentId": "agent-1",
            "UserId": "user_1",
            "RTC": {
                "RoomId": "room_1",
                "AgentStreamId": "room_1_user_1_agent",
                "AgentUserId": "user_1_agent",
                "UserStreamId": "room_1_user_1_main",
            },
            "MessageHistory": {"SyncMode": 1, "Messages": [], "WindowSize": 10},
            "CallbackConfig": {"ASRResult": 1, "LLMResult": 1, "Exception": 1},
            "AdvancedConfig": {"InterruptMode": 0},
        }
        face = {"DigitalHuman": {"DigitalHumanId": AVATAR, "ConfigId": "web", "EncodeCode": "H264"}}
        emulator.fail("CreateDigitalHumanAgentInstance", code=410001025)
        with pytest.raises(AssertionError, match="410001025"):
            await node.post("CreateDigitalHumanAgentInstance", body | face)
        created = await node.post("CreateAgentInstance", body)
        await emulator.until(lambda: emulator.session().avatar.state.name == "IDLE")
        emulator.rooms.enter("room_1", "user_1")
        instance = emulator.instance(created["AgentInstanceId"])
        assert instance
        instance.hears("hello", 0.01)
        await over(emulator)
        await node.post("DeleteAgentInstance", created)
        assert not emulator.running()


async def test_nonces_of_all_samples_are_taken() -> None:
    async with vendor() as (emulator, client):
        for nonce in ("4fd24687296dd9f3", "k3j9x0q2z1a", "7450395512627324902", "0.7231450912"):
            await Sample(emulator, client.http, nonce).post("QueryDigitalHumanStreamTasks", {})
