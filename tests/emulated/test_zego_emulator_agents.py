"""ZEGO's emulator: the managed pipeline, from a template to what a person hears of an instance."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from emulators.zego import Emulator
from emulators.zego.instance import Instance
from tests.emulated.zego_client import AVATAR, Client, vendor

pytestmark = pytest.mark.asyncio

VOICE = {"Vendor": "ByteDanceV3", "Params": {"app": {"appid": "x", "token": "SECRET-tts"}}}
EVERYTHING = {
    "ASRResult": 1,
    "LLMResult": 1,
    "Interrupted": 1,
    "UserSpeakAction": 1,
    "AgentInstanceStatus": 1,
    "UserAudioData": 1,
}
BRIEF = {"VAD": {"TurnDetectConfig": {"SilenceSegmentation": 200}}}
ANSWER = "Hello there. How are you?"


def llm(url: str = "http://127.0.0.1:9/", **more: Any) -> dict[str, Any]:
    return {"Url": url, "Model": "m", "ApiKey": "SECRET-llm", "SystemPrompt": "Be brief.", **more}


def rtc(number: int = 1) -> dict[str, str]:
    return {
        "RoomId": f"room-{number}",
        "AgentStreamId": f"stream-{number}",
        "AgentUserId": f"agent-{number}",
        "UserStreamId": f"voice-{number}",
    }


def asked(number: int = 1, **more: Any) -> dict[str, Any]:
    """What an instance is asked for."""
    return {
        "AgentId": "a",
        "UserId": f"user-{number}",
        "RTC": rtc(number),
        "MessageHistory": {"SyncMode": 1},
        "CallbackConfig": EVERYTHING,
        **BRIEF,
        **more,
    }


FACE = {"DigitalHuman": {"DigitalHumanId": AVATAR, "ConfigId": "web"}}


@asynccontextmanager
async def joined(
    *, url: str = "http://127.0.0.1:9/", more: Any = None, **knobs: Any
) -> AsyncIterator[tuple[Emulator, Client, Instance]]:
    """An instance in its room, and its user there."""
    async with vendor(**{"text_ms": 10, **knobs}) as (emulator, client):
        await client.ask("RegisterAgent", AgentId="a", Name="Ann", LLM=llm(url), TTS=VOICE)
        emulator.rooms.enter("room-1", "user-1")
        body = asked(**(more or {}))
        action = "CreateDigitalHumanAgentInstance" if FACE.keys() <= body.keys() else None
        created = await client.ask(action or "CreateAgentInstance", **body)
        instance = emulator.instance(created["AgentInstanceId"])
        assert instance
        await emulator.until(lambda: instance.state.name == "IDLE")
        yield emulator, client, instance


def told(emulator: Emulator, *events: str) -> list[tuple[str, Any]]:
    """What callbacks tell, without what differs each time."""
    return [
        (each.kind, each.message["Data"])
        for each in emulator.record.sent
        if not events or each.kind in events
    ]


def room(emulator: Emulator) -> list[dict[str, Any]]:
    """What was said in the room."""
    return [json.loads(each.content) for each in emulator.news.messages]


Write = Callable[[str], Any]


@asynccontextmanager
async def brain(
    *pieces: str, ends: str = "stop", done: bool = True, waits_s: float = 0.0, status: int = 200
) -> AsyncIterator[tuple[str, list[dict[str, Any]]]]:
    """An OpenAI-compatible LLM that always says the same; notes what it is asked."""
    seen: list[dict[str, Any]] = []

    async def complete(request: web.Request) -> web.StreamResponse:
        assert request.headers["Authorization"] == "Bearer SECRET-llm"
        note = await request.json() | {"left": asyncio.Event()}
        seen.append(note)
        response = web.StreamResponse(status=status, headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        try:
            for piece in pieces:
                await chunk(response, {"content": piece}, None)
                await asyncio.sleep(waits_s)
            await chunk(response, {}, ends or None)
            if done:
                await response.write(b"data: [DONE]\n\n")
        except ConnectionResetError:
            note["left"].set()
        return response

    async def chunk(response: web.StreamResponse, delta: Any, finish: str | None) -> None:
        data = {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
        await response.write(f"data: {json.dumps(data)}\n\n".encode())

    app = web.Application()
    app.router.add_post("/v1/chat/completions", complete)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1/chat/completions", seen
    finally:
        await runner.cleanup()


# Templates


async def test_a_template_is_registered_once_and_then_updated() -> None:
    async with vendor() as (_, client):
        body = {"AgentId": "a", "Name": "Ann", "LLM": llm(), "TTS": VOICE}
        await client.ask("RegisterAgent", **body)
        assert await client.code("RegisterAgent", {**body, "Name": "Other"}) == 410001008
        (agent,) = (await client.ask("QueryAgents", AgentIds=["a", "b"]))["Agents"]
        assert agent == body
        await client.ask("UpdateAgent", AgentId="a", LLM={"Url": "http://x/", "Model": "n"})
        (agent,) = (await client.ask("QueryAgents", AgentIds=["a"]))["Agents"]
        assert agent == body | {"LLM": {"Url": "http://x/", "Model": "n"}}, "blocks are replaced"
        for action in ("UpdateAgent", "UnregisterAgent"):
            assert await client.code(action, {"AgentId": "b"}) == 410001009
        for name in "bcdefg":
            await client.ask("RegisterAgent", AgentId=name)
        first = await client.ask("ListAgents")
        assert (first["Total"], len(first["Agents"])) == (7, 5)
        rest = await client.ask("ListAgents", Cursor=first["Cursor"], Limit=10)
        assert [each["AgentId"] for each in rest["Agents"]] == ["f", "g"]
        assert rest["Cursor"] == ""
        assert await client.code("ListAgents", {"Limit": 11}) == 410000003
        await client.ask("UnregisterAgent", AgentId="a")
        assert await client.code("CreateAgentInstance", asked()) == 410001009


# From creation to deletion


async def test_an_instance_with_a_face_goes_from_its_creation_to_its_end() -> None:
    async with joined(more=FACE) as (emulator, client, instance):
        about = {"AgentInstanceId": instance.id}
        assert instance.id.isdecimal()
        assert len(instance.id) == 19
        assert [each.id for each in emulator.running()] == [instance.id]
        assert (await client.get("/_emulator/rooms/room-1"))["streams"] == ["stream-1"]
        assert (await client.ask("QueryAgentInstanceStatus", **about))["Status"] == "IDLE"
        assert await client.code("DeleteAgentInstance", about) == 0
        assert await client.code("DeleteAgentInstance", about) == 410001002
        (created, deleted) = emulator.record.sent
        assert (created.kind, deleted.kind) == ("AgentInstanceCreated", "AgentInstanceDeleted")
        assert deleted.message["Data"]["Code"] == 0
        assert created.message["AgentInstanceId"] == instance.id
        assert created.message["Sequence"] > 2**53


async def test_what_a_face_is_configured_with_is_told_in_base64() -> None:
    async with vendor() as (_, client):
        await client.ask("RegisterAgent", AgentId="a")
        data = await client.ask("CreateDigitalHumanAgentInstance", **asked(**FACE))
        config = json.loads(base64.b64decode(data["DigitalHumanConfig"]))
        assert config["DigitalHumanId"] == AVATAR
        assert config["Streams"][0]["StreamId"] == "stream-1"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"AgentId": "nobody"}, 410001009),
        ({"UserId": "u" * 33}, 410000003),
        ({"RTC": {"RoomId": "r"}}, 410000003),
        ({"DigitalHuman": {}}, 410000003),
        ({"DigitalHuman": {"DigitalHumanId": "nobody"}}, 410001027),
        ({"DigitalHuman": {"DigitalHumanId": AVATAR, "ConfigId": "tv"}}, 410001026),
        ({"AdvancedConfig": {"DisableTTS": True}}, 410000003),
        ({"AdvancedConfig": {"MaxIdleTime": 9}}, 410000003),
        ({"MessageHistory": {"SyncMode": 1, "Messages": [{"Role": "system"}]}}, 410000003),
        ({"VAD": {"TurnDetectConfig": {"SilenceSegmentation": 100}}}, 410000003),
    ],
)
async def test_what_an_instance_is_asked_for_is_checked(changes: Any, code: int) -> None:
    async with vendor(avatars=AVATAR) as (_, client):
        await client.ask("RegisterAgent", AgentId="a")
        body = {**asked(**FACE), **changes}
        assert await client.code("CreateDigitalHumanAgentInstance", body) == code


async def test_ten_faces_are_the_limit_unless_it_is_set() -> None:
    async with vendor() as (_, client):
        await client.ask("RegisterAgent", AgentId="a")
        action = "CreateDigitalHumanAgentInstance"
        codes = [await client.code(action, asked(number, **FACE)) for number in range(11)]
        assert codes == [0] * 10 + [410001031]


async def test_instances_are_limited_and_their_streams_unique() -> None:
    async with vendor(face_limit=1, instance_limit=3) as (emulator, client):
        await client.ask("RegisterAgent", AgentId="a")
        face, voice = "CreateDigitalHumanAgentInstance", "CreateAgentInstance"
        await client.ask(face, **asked(1, **FACE))
        assert await client.code(face, asked(2, **FACE)) == 410001031
        same = {**asked(2, **FACE), "RTC": rtc(2) | {"AgentStreamId": "stream-1"}}
        assert await client.code(face, same) == 410001030
        for number in (2, 3):
            await client.ask(voice, **asked(number))
        assert await client.code(voice, asked(4)) == 410000011
        emulator.fail(face, code=410001025)
        assert (await client.reply(face, asked(5, **FACE)))["Code"] == 410001025


async def test_the_newer_of_two_with_one_user_id_stays_and_of_two_with_one_stream_the_older() -> (
    None
):
    async with joined() as (emulator, client, first):
        second = asked(2) | {"RTC": rtc(2) | {"AgentUserId": "agent-1"}}
        await client.ask("CreateAgentInstance", **second)
        await emulator.until(lambda: first.end_code == 1203)
        third = asked(3) | {"RTC": rtc(3) | {"AgentStreamId": "stream-2"}}
        created = await client.ask("CreateAgentInstance", **third)
        await emulator.until(lambda: emulator.session(created["AgentInstanceId"]).ended_at)
        assert emulator.instance(created["AgentInstanceId"]).end_code == 1206  # type: ignore[union-attr]
        assert len(emulator.running()) == 1


async def test_an_instance_is_deleted_whose_user_is_away_for_too_long() -> None:
    more = {"AdvancedConfig": {"MaxIdleTime": 20}}
    async with joined(more=more, deadline_speed=200) as (emulator, _, instance):
        await asyncio.sleep(0.2)  # twice the time, with the user in the room
        assert instance.running
        emulator.rooms.leave("room-1", "user-1")
        await emulator.until(lambda: not instance.running)
        why = told(emulator, "Exception", "AgentInstanceDeleted")
        assert [data["Code"] for _, data in why] == [1202, 1202]


async def test_a_graceful_deletion_waits_for_the_end_of_speech() -> None:
    async with joined() as (emulator, client, instance):
        about = {"AgentInstanceId": instance.id}
        await client.ask("SendAgentInstanceTTS", **about, Text="x" * 30)
        await client.ask("DeleteAgentInstance", **about, GracefulShutdown=True)
        assert await client.code("SendAgentInstanceTTS", {**about, "Text": "y"}) == 410001041
        await emulator.until(lambda: not instance.running)
        assert emulator.heard()[0].cut is False
        await client.ask("CreateAgentInstance", **asked(2))


# Talking


async def test_a_person_is_heard_answered_by_the_llm_and_both_are_told() -> None:
    extra = {"LLM": None}
    async with brain("Hello ", "there. How", " are you?") as (url, seen):
        extra["LLM"] = llm(url, AddAgentInfo=True, Params={"max_tokens": 9})
        async with joined(url=url, more=extra) as (emulator, client, instance):
            instance.hears("what is up", 0.1)
            await emulator.until(lambda: emulator.heard() and emulator.heard()[0].ended_at)
            (question,) = seen
            assert question["messages"] == [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "what is up"},
            ]
            assert (question["stream"], question["max_tokens"]) == (True, 9)
            number = question["agent_info"]["round_id"]
            assert question["agent_info"]["agent_instance_id"] == instance.id
            states = [each for each in room(emulator) if each["Cmd"] == 6]
            assert [each["Data"]["Status"] for each in states] == [1, 2, 3, 0]
            assert states[-1]["Data"]["Reason"] == "tts_all_played"
            order = [each["Cmd"] for each in room(emulator)]
            assert order == [1, 6, 3, 3, 3, 3, 1, 6, *order[8:]]
            answers = [each for each in room(emulator) if each["Cmd"] == 4]
            assert "".join(each["Data"]["Text"] for each in answers) == ANSWER
            assert answers[0]["Data"]["StartFlag"]
            assert answers[-1]["Data"]["EndFlag"]
            assert {each["Round"] for each in answers} == {number}
            sequence = [each["SeqId"] for each in room(emulator)]
            assert sequence == sorted(set(sequence))
            wanted = ("ASRResult", "LLMResult", "UserSpeakAction", "Interrupted")
            assert told(emulator, *wanted) == [
                ("UserSpeakAction", {"UserId": "user-1", "Round": number, "Action": "SPEAK_BEGIN"}),
                ("UserSpeakAction", {"UserId": "user-1", "Round": number, "Action": "SPEAK_END"}),
                ("ASRResult", {"UserId": "user-1", "Round": number, "Text": "what is up"}),
                ("LLMResult", {"Round": number, "Text": "Hello there. "}),
                ("LLMResult", {"Round": number, "Text": "How are you?"}),
            ]
            data = await client.ask("GetAgentInstanceMsgList", AgentInstanceId=instance.id)
            assert data["MessageList"] == [
                {"Role": "user", "Content": "what is up"},
                {"Role": "assistant", "Content": ANSWER},
            ]
            assert emulator.heard()[0].seconds == pytest.approx(len(ANSWER) * 0.01, abs=0.01)
            await client.ask("DeleteAgentInstance", AgentInstanceId=instance.id)
            latency = told(emulator, "AgentInstanceDeleted")[0][1]["LatencyData"]
            assert 0 < latency["LLMTTFT"] < latency["TotalCost"]


async def test_who_speaks_while_it_speaks_cuts_it_and_it_knows_what_was_heard() -> None:
    words = [f"word{number} " for number in range(40)]
    async with (
        brain(*words, waits_s=0.01) as (url, seen),
        joined(url=url, text_ms=5) as (emulator, _, instance),
    ):
        instance.hears("tell me", 0.05)
        await emulator.until(lambda: len(seen) == 1)
        await emulator.until(lambda: instance.state.name == "SPEAKING")
        await emulator.hears(0.2)
        first = instance.talk.round
        instance.hears("stop", 0.05)
        ((_, cut),) = told(emulator, "Interrupted")
        assert (cut["Round"], cut["Reason"]) == (first, 1)
        assert "".join(words).startswith(cut["PlayedText"])
        letters = emulator.heard()[0].samples / (24_000 * 0.005)
        assert letters - 9 < len(cut["PlayedText"]) <= letters
        assert instance.talk.history[-1] == {"Role": "assistant", "Content": cut["PlayedText"]}
        assert emulator.heard()[0].cut
        await emulator.until(lambda: len(seen) == 2)
        assert seen[1]["messages"][-1] == {"role": "user", "content": "stop"}
        assert emulator.interruptions() == [], "which are the client's"


@pytest.mark.parametrize("taken", [True, False])
async def test_an_interrupt_may_find_nothing_to_cut(taken: bool) -> None:
    async with joined(idle_interrupt="take" if taken else "refuse") as (_, client, instance):
        code = await client.code("InterruptAgentInstance", {"AgentInstanceId": instance.id})
        assert code == (0 if taken else 410001024)


async def test_an_interrupt_leaves_an_llm_that_still_answers() -> None:
    async with (
        brain(*["word. "] * 500, waits_s=0.01) as (url, seen),
        joined(url=url) as (emulator, client, instance),
    ):
        instance.hears("tell me", 0.05)
        await emulator.until(lambda: instance.state.name == "SPEAKING")
        data = await client.ask("InterruptAgentInstance", AgentInstanceId=instance.id)
        assert data["Round"] == instance.talk.round
        assert instance.state.name == "IDLE"
        assert told(emulator, "Interrupted")[0][1]["Reason"] == 4
        assert len(emulator.interruptions()) == 1
        assert len(emulator.received("InterruptAgentInstance")) == 1
        async with asyncio.timeout(5):
            await seen[0]["left"].wait()


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ({"status": 500}, 2201),
        ({"status": 401}, 2203),
        ({"status": 429}, 2204),
        ({"ends": ""}, 2201),
        ({"done": False}, 2201),
    ],
)
async def test_an_llm_that_does_not_answer_as_it_has_to_makes_it_silent(
    how: Any, code: int
) -> None:
    async with brain("Hello.", **how) as (url, _), joined(url=url) as (emulator, _, instance):
        instance.hears("well", 0.01)
        await emulator.until(lambda: told(emulator, "Exception"))
        assert told(emulator, "Exception")[0][1]["Code"] == code
        await emulator.until(lambda: instance.state.name == "IDLE")


async def test_what_it_is_told_to_say_has_its_turn() -> None:
    async with joined(text_ms=20) as (emulator, client, instance):

        async def say(text: str, **how: Any) -> int:
            body = {"AgentInstanceId": instance.id, "Text": text, **how}
            return await client.code("SendAgentInstanceTTS", body)

        assert await say("x" * 301) == 410000003
        assert await say("first words", Priority="") == 410000003
        assert await say("first words") == 0
        await emulator.hears(0.1)
        for _ in range(5):
            assert await say("next", SamePriorityOption="Enqueue") == 0
        assert await say("one too many", SamePriorityOption="Enqueue") == 410001007
        assert await say("less important", Priority="Low") == 410001007
        assert await say("more important", Priority="High") == 0
        assert told(emulator, "Interrupted")[0][1]["Reason"] == 3
        instance.hears("nobody listens now", 0.01)
        await emulator.until(lambda: instance.state.name == "IDLE")
        assert [each.cut for each in emulator.heard()] == [True, False]
        assert instance.talk.history[-1]["Content"] == "more important"
        instance.hears("", 0.3)
        assert await say("not now") == 410001013
        assert await say("now", Priority="High") == 0


async def test_it_is_asked_by_its_back_end() -> None:
    async with brain("Yes.") as (url, seen), joined(url=url) as (emulator, client, instance):
        about = {"AgentInstanceId": instance.id}
        await client.ask(
            "AddAgentInstanceMsg", **about, Messages=[{"Role": "user", "Content": "a"}]
        )
        await client.ask("SendAgentInstanceLLM", **about, Text="is it?", SystemPrompt="Say yes.")
        await emulator.until(lambda: emulator.heard() and emulator.heard()[0].ended_at)
        assert [each["content"] for each in seen[0]["messages"]] == ["Say yes.", "a", "is it?"]
        assert [each["Content"] for each in instance.talk.history] == ["a", "Yes."]
        await client.ask("ResetAgentInstanceMsgList", **about)
        assert (await client.ask("GetAgentInstanceMsgList", **about))["Total"] == 0
        await client.ask("UpdateAgentInstance", **about, LLM=llm("http://127.0.0.1:9/"))
        await client.ask("SendAgentInstanceLLM", **about, Text="and now?")
        await emulator.until(lambda: told(emulator, "Exception"))


async def test_a_parrot_needs_no_llm_and_a_page_can_make_a_person_speak() -> None:
    async with joined(llm="parrot") as (emulator, client, instance):
        url = f"{client.url}/_emulator/instances/{instance.id}/hear"
        async with client.http.post(url, json={"text": "hello", "seconds": 1.0}) as reply:
            assert reply.status == 200
        await emulator.until(lambda: emulator.heard() and emulator.heard()[0].ended_at)
        assert instance.talk.history[-1]["Content"] == "You said: hello."
        assert len(told(emulator, "UserAudioData")) == 1
        emulator.rooms.leave("room-1", "user-1")
        async with client.http.post(url, json={"text": "hello"}) as reply:
            assert reply.status == 400


async def test_walkie_talkies_listen_while_the_button_is_pressed() -> None:
    more = {"AdvancedConfig": {"CommunicationMode": 2}}
    async with joined(more=more, llm="parrot") as (emulator, client, instance):
        about = {"AgentInstanceId": instance.id}
        await client.ask("StartListening", **about, Sequence=5)
        instance.hears("over", 0.01)
        await emulator.until(lambda: any(each["Cmd"] == 3 for each in room(emulator)))
        assert await client.code("StopListening", {**about, "Sequence": 5}) == 410001043
        await client.ask("StopListening", **about, Sequence=6)
        await emulator.until(lambda: len(instance.talk.history) == 2)
        assert instance.talk.history[0]["Content"] == "over"
    async with joined() as (_, client, instance):
        code = await client.code("StartListening", {"AgentInstanceId": instance.id})
        assert code == 410001042


async def test_a_live_digital_human_only_speaks() -> None:
    async with vendor(deadline_speed=100) as (emulator, client):
        await client.ask("RegisterAgent", AgentId="a", TTS=VOICE)
        body = {"AgentId": "a", **FACE, "RTC": rtc(), "AdvancedConfig": {"MaxIdleTime": 30}}
        created = await client.ask("CreateLiveDigitalHumanAgentInstance", **body)
        about = {"AgentInstanceId": created["AgentInstanceId"]}
        await emulator.until(lambda: emulator.session().avatar.state.name == "IDLE")
        await client.ask("SendAgentInstanceTTS", **about, Text="hi")
        for action in ("SendAgentInstanceLLM", "GetAgentInstanceMsgList"):
            assert await client.code(action, {**about, "Text": "?"}) == 410001049
        await emulator.until(lambda: not emulator.running())
        assert emulator.instances()[0].end_code == 1202


async def test_a_page_may_ask_over_the_room() -> None:
    async with joined(more=FACE) as (emulator, client, instance):
        params = {"Text": "hello", "Priority": "Medium", "SamePriorityOption": "Enqueue"}
        content = json.dumps({"Action": "SendAgentInstanceTTS", "Seq": "u:d:1", "Params": params})
        for to in ("agent-1", f"ai_agent_{instance.id}"):
            body = {"user": "user-1", "to": to, "content": content}
            url = f"{client.url}/_emulator/rooms/room-1/send"
            async with client.http.post(url, json=body) as reply:
                assert reply.status == 200
        await emulator.until(lambda: emulator.heard() and emulator.heard()[0].ended_at)
        (answer,) = [each for each in emulator.news.messages if each.type == 22]
        assert json.loads(answer.content)["Seq"] == "u:d:1"
        assert json.loads(answer.content)["Code"] == 0
