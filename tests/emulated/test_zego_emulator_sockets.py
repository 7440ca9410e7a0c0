"""ZEGO's emulator: what a drive socket takes, what it shows, and how it ends."""

import hashlib
import json
import ssl
import struct
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.emulated.zego_client import (
    RATE_HZ,
    begin,
    counted,
    driving,
    finish,
    over,
    say,
    streaming,
)

pytestmark = pytest.mark.asyncio

VOICE = {"TTSConfig": {"TimbreId": "timbre-calm"}}


async def test_sixteen_kilohertz_are_the_default_and_stereo_is_made_mono() -> None:
    left, right = range(0, 3_200), range(10_000, 13_200)
    both = b"".join(struct.pack("<hh", *pair) for pair in zip(left, right, strict=True))
    forms: list[tuple[dict[str, Any], int, list[int]]] = [
        ({"Channel": 2, "VoiceChannel": 1, "SampleRate": RATE_HZ}, RATE_HZ, [*left]),
        ({"Channel": 2, "VoiceChannel": 2, "SampleRate": 16_000}, 16_000, [*right]),
        ({"Channel": 2}, 16_000, [5_000 + each for each in left]),
    ]
    async with driving() as (emulator, client, socket, drive):
        for number, (form, rate_hz, expected) in enumerate(forms):
            if number:
                data = await client.ask("DriveByWsStream", TaskId=emulator.session().id)
                drive = data["DriveId"]
            await say(socket, "Start", {"DriveId": drive, **form})
            for at in range(0, len(both), 999):
                await socket.send(both[at : at + 999])
            await finish(socket, drive)
            await over(emulator, number + 1)
            said = emulator.heard()[number]
            assert said.rate_hz == rate_hz
            assert list(struct.unpack(f"<{said.samples}h", said.audio)) == expected
            assert said.seconds == len(expected) / rate_hz


ODD = [
    "",
    "{",
    "[]",
    '{"Action": 1}',
    '{"Action": "Pause", "Payload": {}}',
    '{"Action": "Start"}',
    '{"Action": "Start", "Payload": {"DriveId": "no-such-drive"}}',
    '{"Action": "Start", "Payload": {"DriveId": ["x"]}}',
    "[" * 50_000,
]


async def test_what_is_not_understood_is_ignored_unless_that_is_turned_off() -> None:
    async with driving() as (emulator, _, socket, drive):
        for text in ODD:
            await socket.send(text)
        for form in ({"SampleRate": 8_000}, {"SampleRate": "24000"}, {"Channel": 3}):
            await begin(socket, drive, **form)
        await socket.send(counted(0.1))
        assert emulator.session().avatar.state.name == "IDLE"
        await begin(socket, drive)
        await emulator.until(lambda: any(each.taken for each in emulator.received()))
        emulator.turn(bad_frame="close")
        await socket.send("{")
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
        assert closed.value.rcvd
        assert closed.value.rcvd.code == 1008


async def test_it_says_nothing_unless_that_is_turned_on() -> None:
    async with driving() as (emulator, _, socket, drive):
        await begin(socket, drive)
        await finish(socket, drive)
        await emulator.until(lambda: emulator.received("Stop"))
        emulator.turn(socket_replies="debug")
        await begin(socket, drive)
        reply = json.loads(await socket.recv())
        assert reply == {"Action": "Start", "Code": 0, "DriveId": drive}


async def test_a_used_drive_may_begin_again_unless_that_is_turned_off() -> None:
    async with driving() as (emulator, _, socket, drive):
        for number in range(2):
            await begin(socket, drive)
            await socket.send(counted(0.1))
            await finish(socket, drive)
            await over(emulator, number + 1)
        emulator.turn(reuse_drive="ignore")
        await begin(socket, drive)
        await emulator.until(lambda: len(emulator.received("Start")) == 3)
        assert not emulator.received("Start")[-1].taken


async def test_a_second_socket_can_be_refused() -> None:
    async with driving(second_socket="refuse") as (emulator, client, _, _):
        data = await client.ask("DriveByWsStream", TaskId=emulator.session().id)
        with pytest.raises(InvalidStatus) as refused:
            await connect(data["WssAddress"])
        assert refused.value.response.status_code == 409


async def test_a_socket_without_a_sound_is_closed_and_pinged_before() -> None:
    async with driving(socket_idle_s=0.2, ping_s=0.05) as (_, _, socket, _):
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
        assert closed.value.rcvd
        assert closed.value.rcvd.code == 1000


@pytest.mark.parametrize(
    ("action", "code"), [({"action": "close", "code": 1011}, 1011), ({"action": "break"}, None)]
)
async def test_a_socket_ends_as_it_is_scripted(action: dict[str, Any], code: int | None) -> None:
    async with driving() as (emulator, _, socket, _):
        emulator.script(**action)
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
        assert (closed.value.rcvd.code if closed.value.rcvd else None) == code


async def test_a_stalled_socket_is_read_later() -> None:
    async with driving() as (emulator, _, socket, drive):
        emulator.script("stall")
        await begin(socket, drive)
        await socket.send(counted(0.1))
        assert emulator.received() == []
        emulator.script("read")
        await emulator.until(lambda: emulator.received("pcm"))


async def test_the_end_of_a_task_closes_its_socket() -> None:
    async with driving() as (emulator, client, socket, drive):
        await begin(socket, drive)
        await socket.send(counted(5.0))
        await emulator.hears(0.05)
        await client.ask("StopDigitalHumanStreamTask", TaskId=emulator.session().id)
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert emulator.heard()[0].cut
        assert emulator.session().avatar.state.name == "STOPPED"


# TLS


async def test_drive_sockets_show_a_certificate_of_their_own_which_can_be_renewed() -> None:
    async with streaming(drive_tls=True) as (emulator, client, task):
        address = (await client.ask("DriveByWsStream", TaskId=task))["WssAddress"]
        assert address.startswith("wss://127.0.0.1:")
        with pytest.raises(ssl.SSLCertVerificationError):
            await connect(address)
        assert emulator.certificate
        trusting = ssl.create_default_context(cadata=emulator.certificate.pem.decode())
        careless = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        careless.check_hostname, careless.verify_mode = False, ssl.CERT_NONE
        shown = []
        for _ in range(2):
            async with connect(address, ssl=careless) as socket:
                leaf = socket.transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
                shown.append(hashlib.sha256(leaf).hexdigest())
            assert shown[-1] == emulator.certificate.fingerprint()
            async with connect(address, ssl=trusting) as socket:
                pass
            emulator.certificate.renew()
            trusting = ssl.create_default_context(cadata=emulator.certificate.pem.decode())
        assert shown[0] != shown[1]


# Other drives


async def test_drives_by_text_wait_for_each_other_unless_they_are_told_to_cut() -> None:
    async with streaming(text_ms=10) as (emulator, client, task):
        said = [
            (await client.ask("DriveByText", TaskId=task, Text=text, **VOICE))["DriveId"]
            for text in ("x" * 15, "y" * 20)
        ]
        await emulator.until(lambda: len(emulator.heard()) == 2)
        cut = await client.ask("DriveByText", TaskId=task, Text="z", InterruptMode=1, **VOICE)
        await over(emulator, 3)
        assert [each.task for each in emulator.heard()] == [*said, cut["DriveId"]]
        assert [each.cut for each in emulator.heard()] == [False, True, False]
        told: dict[str, list[int]] = {}
        for each in emulator.record.sent[2:]:
            detail = each.message["Detail"]
            told.setdefault(detail["DriveId"], []).append(detail["Status"])
        first, second, third = told[said[0]], told[said[1]], told[cut["DriveId"]]
        assert (first, third) == ([2, 4], [2, 4])
        assert second in ([1, 4], [1, 2, 4])


async def test_an_interrupt_drops_the_queue_and_drives_by_socket_cut_it() -> None:
    async with driving(interrupted_status=5) as (emulator, client, socket, drive):
        task = emulator.session().id
        for _ in range(2):
            await client.ask("DriveByAudio", TaskId=task, AudioUrl="https://x.invalid/a.mp3")
        await client.ask("InterruptDriveTask", TaskId=task)
        assert emulator.session().avatar.current is None
        assert len(emulator.interruptions()[0].cut_ids) == 2
        room = {"RoomId": "room-2", "StreamId": "voice"}
        await client.ask("DriveByRTCStream", TaskId=task, RTCConfig=room)
        await begin(socket, drive)
        await emulator.until(lambda: emulator.heard()[-1].task == drive)
        ends = [each.message["Detail"]["Status"] for each in emulator.record.sent[2:]]
        assert ends == [1, 5, 4, 2, 5]


@pytest.mark.parametrize(
    ("action", "body"),
    [
        ("DriveByText", {"Text": "x" * 1_801, **VOICE}),
        ("DriveByText", {"Text": "x"}),
        ("DriveByText", {"Text": "x", "TTSConfig": {"TimbreId": "t", "Volume": 0}}),
        ("DriveByText", {"Text": "x", "InterruptMode": 2, **VOICE}),
        ("DriveByAudio", {"AudioUrl": "file:///a.mp3"}),
        ("DriveByRTCStream", {"RTCConfig": {"RoomId": "r"}}),
        ("DoAction", {"Action": "fly"}),
        ("GetDigitalHumanList", {"Limit": 21}),
        ("GetTimbreList", {"Offset": -1}),
        ("GetDigitalHumanInfo", {}),
    ],
)
async def test_what_is_asked_for_is_checked(action: str, body: dict[str, Any]) -> None:
    async with streaming() as (_, client, task):
        assert await client.code(action, {"TaskId": task, **body}) == 400000001


async def test_lists_tell_what_there_is() -> None:
    async with streaming() as (_, client, task):
        humans = await client.ask("GetDigitalHumanList", FetchMode=2, Limit=1)
        assert (humans["Total"], len(humans["DigitalHumans"])) == (2, 1)
        name = humans["DigitalHumans"][0]["DigitalHumanId"]
        info = await client.ask("GetDigitalHumanInfo", DigitalHumanId=name)
        gesture = info["Actions"][0]["Action"]
        reply = await client.reply("DoAction", {"TaskId": task, "Action": gesture})
        assert reply["Code"] == 0
        assert "Data" not in reply
        assert (await client.ask("GetTimbreList"))["Total"] == 2
        assert "ClientInferencePackageUrl" in await client.ask(
            "GetDigitalHumanRenderInfo", DigitalHumanId=name
        )


async def test_a_call_may_have_everything_in_its_address() -> None:
    async with streaming() as (_, client, task):
        query = client.query("GetDigitalHumanStreamTaskStatus") | {"TaskId": task}
        async with client.http.get(f"{client.url}/", params=query) as reply:
            assert (await reply.json())["Data"]["Status"] == 3
        query = client.query("GetTimbreList") | {"Limit": "1"}
        async with client.http.get(f"{client.url}/", params=query) as reply:
            assert len((await reply.json())["Data"]["Timbres"]) == 1
