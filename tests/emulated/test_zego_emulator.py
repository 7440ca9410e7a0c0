"""ZEGO's emulator over real sockets: the gateway, stream tasks, and what a drive makes heard."""

import asyncio
import time
from typing import Any

import aiohttp
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.emulated.zego_client import (
    AVATAR,
    begin,
    counted,
    driving,
    finish,
    over,
    streaming,
    vendor,
)

pytestmark = pytest.mark.asyncio

QUERY = "QueryDigitalHumanStreamTasks"
STATUS = "GetDigitalHumanStreamTaskStatus"
STOP = "StopDigitalHumanStreamTask"
INTERRUPT = "InterruptDriveTask"


# The gateway


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Action": ""}, 100000006),
        ({"Action": "NoSuchAction"}, 100000007),
        ({"AppId": "x"}, 100000001),
        ({"AppId": "4294967296"}, 100000001),
        ({"AppId": "1"}, 100000010),
        ({"Timestamp": ""}, 100000002),
        ({"Timestamp": "soon"}, 100000003),
        ({"skew_s": -700}, 100000004),
        ({"skew_s": 700}, 100000004),
        ({"skew_s": -500}, 0),
        ({"SignatureVersion": None}, 100000013),
        ({"SignatureVersion": "1.0"}, 100000014),
        ({"SignatureNonce": ""}, 100000008),
        ({"Signature": ""}, 100000009),
        ({"secret": "f" * 32}, 100000005),
    ],
)
async def test_a_call_is_let_through_only_with_a_signature_of_now(
    changes: dict[str, Any], code: int
) -> None:
    async with vendor() as (_, client):
        assert await client.code(QUERY, **changes) == code


async def test_a_nonce_may_come_twice_unless_that_is_turned_off() -> None:
    async with vendor() as (emulator, client):
        query = client.query(QUERY)
        codes = []
        for habit in ("allow", "refuse"):
            emulator.turn(replays=habit)
            async with client.http.post(f"{client.url}/", params=query, json={}) as reply:
                codes.append((await reply.json())["Code"])
        assert codes == [0, 100000005]


async def test_ten_calls_of_an_action_are_taken_in_a_second() -> None:
    async with vendor(rate_limit=10) as (emulator, client):
        codes = await asyncio.gather(*(client.code(QUERY) for _ in range(40)))
        assert codes.count(0) >= 10
        assert codes.count(400010009) == 40 - codes.count(0) > 0
        assert await client.code("GetTimbreList") == 0, "each action for itself"
        assert emulator.most_in_a_second(QUERY) > 10


async def test_half_of_the_way_is_before_a_call_takes_effect_and_half_behind() -> None:
    async with vendor(rest_latency_ms=200) as (emulator, client):
        loop = asyncio.get_running_loop()
        asked = loop.time()
        task = await client.create()
        answered = loop.time()
        began = emulator.session(task).created_at
        assert began - asked >= 0.1
        assert answered - began >= 0.1


@pytest.mark.parametrize("how", [{"code": 400010002}, {"status": 503}, {"status": 0}])
async def test_a_scripted_fault_replaces_one_reply(how: dict[str, Any]) -> None:
    async with vendor() as (emulator, client):
        emulator.fail(QUERY, **how)
        try:
            reply = await client.http.post(f"{client.url}/", params=client.query(QUERY), json={})
            assert reply.status == how.get("status", 200)
            assert (await reply.json())["Code"] != 0
        except aiohttp.ServerDisconnectedError:
            assert how == {"status": 0}
        assert await client.code(QUERY) == 0
        assert [each.code for each in emulator.record.calls] == [how.get("code"), 0]


# Stream tasks


async def test_a_task_goes_from_its_creation_to_its_end() -> None:
    async with vendor(retention_s=0.1) as (emulator, client):
        task = await client.create()
        assert [each.id for each in emulator.running()] == [task]
        await emulator.until(lambda: emulator.session().avatar.state.name == "IDLE")
        told = await client.ask(STATUS, TaskId=task)
        assert told.pop("CreateTime") == pytest.approx(time.time(), abs=3)
        assert told == {"Status": 3, "RoomId": "room-1", "StreamId": "stream-1"}
        assert [each["TaskId"] for each in (await client.ask(QUERY))["TaskList"]] == [task]
        assert await client.code(STOP, {"TaskId": task}) == 0
        assert await client.code(STOP, {"TaskId": task}) == 400000007
        assert (await client.ask(QUERY))["TaskList"] == []
        await emulator.until(lambda: emulator.session().avatar.state.name == "STOPPED")
        assert (await client.ask(STATUS, TaskId=task))["Status"] == 5
        assert await client.code("DriveByWsStream", {"TaskId": task}) == 400000007
        await asyncio.sleep(0.1)  # the time after which it is forgotten
        assert await client.code(STATUS, {"TaskId": task}) == 400000005
        assert [each.kind for each in emulator.record.sent] == ["3/1", "3/3", "3/4", "3/5"]


async def test_a_task_that_does_not_stream_yet_cannot_be_driven() -> None:
    async with vendor(never_connected=True) as (_, client):
        task = await client.create()
        for action in ("DriveByWsStream", "InterruptDriveTask", "DoAction"):
            assert await client.code(action, {"TaskId": task, "Action": "nod"}) == 400000006
        assert await client.code(STOP, {"TaskId": task}) == 0


async def test_a_task_may_fail() -> None:
    async with vendor(fail_reason="no node") as (emulator, client):
        task = await client.create()
        await emulator.until(lambda: not emulator.running())
        told = await client.ask(STATUS, TaskId=task)
        assert (told["Status"], told["FailReason"]) == (2, "no node")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"DigitalHumanConfig": {}}, 400000001),
        ({"DigitalHumanConfig": {"DigitalHumanId": "nobody"}}, 400000003),
        ({"RTCConfig": {"RoomId": "r", "StreamId": "ä"}}, 400000001),
        ({"RTCConfig": {"RoomId": "r" * 129, "StreamId": "s"}}, 400000001),
        ({"TTL": 9}, 400000001),
        ({"MaxIdleTime": 29}, 400000001),
        ({"MaxIdleTime": 30, "TTL": 10, "VideoConfig": {"Width": 1}}, 0),
    ],
)
async def test_what_a_task_is_asked_for_is_checked(changes: dict[str, Any], code: int) -> None:
    async with vendor(avatars=AVATAR) as (_, client):
        body = {
            "DigitalHumanConfig": {"DigitalHumanId": AVATAR},
            "RTCConfig": {"RoomId": "r", "StreamId": "s"},
        }
        assert await client.code("CreateDigitalHumanStreamTask", body | changes) == code


async def test_streams_are_unique_and_tasks_limited() -> None:
    async with vendor(concurrency_limit=2) as (emulator, client):
        body = {
            "DigitalHumanConfig": {"DigitalHumanId": AVATAR},
            "RTCConfig": {"RoomId": "other", "StreamId": "stream-1"},
        }
        first = await client.create()
        assert await client.code("CreateDigitalHumanStreamTask", body) == 400000015
        await client.create("stream-2")
        body["RTCConfig"]["StreamId"] = "stream-3"
        assert await client.code("CreateDigitalHumanStreamTask", body) == 400000008
        await client.ask(STOP, TaskId=first)
        await emulator.until(lambda: emulator.session(first).avatar.state.name == "STOPPED")
        await client.create()


async def test_ten_tasks_are_the_limit_unless_it_is_set() -> None:
    async with vendor() as (_, client):
        for number in range(10):
            await client.create(f"stream-{number}")
        body = {
            "DigitalHumanConfig": {"DigitalHumanId": AVATAR},
            "RTCConfig": {"RoomId": "room", "StreamId": "stream-11"},
        }
        assert await client.code("CreateDigitalHumanStreamTask", body) == 400000008


async def test_a_task_ends_by_itself() -> None:
    async with vendor(deadline_speed=200) as (emulator, client):
        idle = await client.create("idle", MaxIdleTime=30)
        old = await client.create("old", TTL=60)
        await emulator.until(lambda: not emulator.running())
        reasons = {each.id: each.end_reason for each in emulator.sessions.values()}
        assert reasons == {idle: "MaxIdleTime", old: "TTL"}


# Drives


async def test_every_sample_of_a_drive_is_heard_though_its_socket_is_gone() -> None:
    async with driving() as (emulator, _, socket, drive):
        pcm = counted(0.3)
        await begin(socket, drive)
        for at in range(0, len(pcm), 1_001):
            await socket.send(pcm[at : at + 1_001])
        await finish(socket, drive)
        await socket.close()
        await over(emulator)
        (said,) = emulator.heard()
        assert (said.audio, said.cut, said.task) == (pcm, False, drive)
        assert [each.kind for each in emulator.record.sent][2:] == ["4/2", "4/4"]


async def test_an_interrupt_ends_a_drive_at_once_and_what_comes_later_is_not_heard() -> None:
    async with driving() as (emulator, client, socket, drive):
        await begin(socket, drive)
        await socket.send(counted(2.0))
        await emulator.hears(0.1)
        await client.ask(INTERRUPT, TaskId=emulator.session().id)
        (said,) = emulator.heard()
        assert said.cut
        assert said.ended_at
        await socket.send(counted(0.1))
        await finish(socket, drive)
        await emulator.until(lambda: emulator.received("Stop"))
        (cut,) = emulator.interruptions()
        assert cut.late_bytes == len(counted(0.1))
        assert cut.cut_ids == {drive}
        assert cut.unheard == said.received - said.samples
        assert [each.taken for each in emulator.received()] == [True, True, True, False, False]
        assert emulator.heard()[0].samples == said.samples


async def test_without_stop_a_drive_stalls_and_ends_later() -> None:
    async with driving(stall_end_s=0.2) as (emulator, _, socket, drive):
        await begin(socket, drive)
        await socket.send(counted(0.2))
        await emulator.hears(0.2 - 1e-6)
        assert emulator.session().avatar.drives[drive].state == "STALLED"
        await socket.send(counted(0.1))
        await over(emulator)
        assert emulator.heard()[0].audio == counted(0.2) + counted(0.1)


async def test_a_socket_that_is_gone_without_stop_leaves_what_came_to_be_heard() -> None:
    async with driving(stall_end_s=0.1, stalled_status=3) as (emulator, _, socket, drive):
        await begin(socket, drive)
        await socket.send(counted(0.3))
        await socket.close()
        await over(emulator)
        assert emulator.heard()[0].audio == counted(0.3)
        assert emulator.record.sent[-1].kind == "4/3"


@pytest.mark.parametrize("cut_on", ["start", "reserve"])
async def test_a_new_drive_cuts_the_one_before(cut_on: str) -> None:
    async with driving(cut_on=cut_on) as (emulator, client, socket, drive):
        await begin(socket, drive)
        await socket.send(counted(2.0))
        await emulator.hears(0.1)
        following = await client.ask("DriveByWsStream", TaskId=emulator.session().id)
        assert emulator.heard()[0].cut == (cut_on == "reserve")
        await begin(socket, following["DriveId"])
        await socket.send(counted(0.1))
        await finish(socket, following["DriveId"])
        await over(emulator, 2)
        assert [each.cut for each in emulator.heard()] == [True, False]
        assert emulator.interruptions() == []


@pytest.mark.parametrize("taken", [True, False])
async def test_a_drive_may_be_reserved_while_another_one_is_heard(taken: bool) -> None:
    knobs = {"reserve_while_driven": "take" if taken else "refuse"}
    async with driving(**knobs) as (emulator, client, socket, drive):
        await begin(socket, drive)
        await socket.send(counted(0.3))
        await emulator.hears(0.1)
        task = emulator.session().id
        code = await client.code("DriveByWsStream", {"TaskId": task})
        assert code == (0 if taken else 400010002)
        await finish(socket, drive)
        await over(emulator)
        assert await client.code("DriveByWsStream", {"TaskId": task}) == 0
        assert not emulator.heard()[0].cut


@pytest.mark.parametrize("taken", [True, False])
async def test_an_interrupt_may_find_nothing_to_cut(taken: bool) -> None:
    knobs = {"idle_interrupt": "take" if taken else "refuse"}
    async with driving(**knobs) as (emulator, client, socket, drive):
        task = emulator.session().id
        assert await client.code(INTERRUPT, {"TaskId": task}) == (0 if taken else 400000001)
        await begin(socket, drive)
        await socket.send(counted(0.3))
        await emulator.hears(0.1)
        assert await client.code(INTERRUPT, {"TaskId": task}) == 0
        assert emulator.heard()[0].cut


@pytest.mark.parametrize("call", ["DriveByWsStream", INTERRUPT])
@pytest.mark.parametrize("counts", [True, False])
async def test_calls_that_drive_nothing_may_keep_a_task_from_being_idle(
    call: str, counts: bool
) -> None:
    knobs = {"idle_from": "calls" if counts else "drives", "deadline_speed": 100, "rate_limit": 0}
    async with vendor(**knobs) as (emulator, client):
        task = await client.create("idle", MaxIdleTime=30)
        await emulator.until(lambda: emulator.session().avatar.state.name == "IDLE")
        loop = asyncio.get_running_loop()
        end = loop.time() + 0.6
        codes = set()
        while loop.time() < end:
            codes.add(await client.code(call, {"TaskId": task}))
        assert codes == ({0} if counts else {0, 400000007})


async def test_an_address_is_good_for_its_time_and_a_second_socket_closes_the_first() -> None:
    async with streaming(address_s=60, deadline_speed=600) as (_, client, task):
        addresses = [
            (await client.ask("DriveByWsStream", TaskId=task))["WssAddress"] for _ in range(2)
        ]
        assert "SECRET-" in addresses[0]
        async with connect(addresses[0]) as first, connect(addresses[1]):
            with pytest.raises(ConnectionClosed):
                await first.recv()
        await asyncio.sleep(0.1)
        with pytest.raises(InvalidStatus) as refused:
            await connect(addresses[0])
        assert refused.value.response.status_code == 401
