"""AI Agent: templates, their instances, and what an instance is told to do."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from .actions import Actions, Handler
from .agent_terms import AGENT_ID, PRIORITIES, Agent, Kind, Terms, blocks, messages, terms
from .codes import Code, Refused
from .conversation import State
from .emulator import Emulator
from .fields import Fields
from .instance import Instance

actions = Actions("agent")

_MOST_LISTED = 10
_OPTIONS = ("ClearAndInterrupt", "Enqueue")


# Templates


@actions.on("RegisterAgent")
def register(emulator: Emulator, fields: Fields) -> None:
    name = fields.text("AgentId", limit=128, pattern=AGENT_ID)
    agent = Agent(name, fields.text("Name", default="", limit=256), blocks(fields))
    if name in emulator.agents:
        raise Refused(Code.AGENT_EXISTS)
    emulator.agents[name] = agent


@actions.on("UpdateAgent")
def update(emulator: Emulator, fields: Fields) -> None:
    agent = _agent(emulator, fields)
    agent.name = fields.text("Name", default=agent.name, limit=64)
    agent.blocks = {**agent.blocks, **blocks(fields)}


@actions.on("UnregisterAgent")
def unregister(emulator: Emulator, fields: Fields) -> None:
    del emulator.agents[_agent(emulator, fields).id]


@actions.on("ListAgents")
def listed(emulator: Emulator, fields: Fields) -> dict[str, Any]:
    limit = int(fields.number("Limit", low=0, high=_MOST_LISTED, default=0)) or 5
    after = fields.text("Cursor", default="")
    names = sorted(emulator.agents)
    found = [each for each in names if each > after]
    more = len(found) > limit
    return {
        "Total": len(names),
        "Agents": [emulator.agents[each].told() for each in found[:limit]],
        "Cursor": found[limit - 1] if more else "",
    }


@actions.on("QueryAgents")
def query(emulator: Emulator, fields: Fields) -> dict[str, Any]:
    names = fields.array("AgentIds", limit=_MOST_LISTED)
    if not names or not all(isinstance(each, str) for each in names):
        raise fields.wrong("AgentIds")
    found = [emulator.agents[each] for each in names if each in emulator.agents]
    return {"Agents": [each.told() for each in found]}


# Instances


@actions.on("CreateAgentInstance")
def create(emulator: Emulator, fields: Fields) -> dict[str, Any]:
    return {"AgentInstanceId": _open(emulator, fields, "voice").id}


@actions.on("CreateDigitalHumanAgentInstance")
def create_digital_human(emulator: Emulator, fields: Fields) -> dict[str, Any]:
    return _with_face(_open(emulator, fields, "digital human"))


@actions.on("CreateLiveDigitalHumanAgentInstance")
def create_live(emulator: Emulator, fields: Fields) -> dict[str, Any]:
    return _with_face(_open(emulator, fields, "live"))


@actions.on("DeleteAgentInstance")
def delete(emulator: Emulator, fields: Fields) -> None:
    instance = _instance(emulator, fields, draining=True)
    if fields.flag("GracefulShutdown", default=False):
        instance.drain(fields.number("GracefulShutdownTimeout", low=1, high=120, default=30))
    else:
        instance.delete(0)


@actions.on("QueryAgentInstanceStatus")
def status(emulator: Emulator, fields: Fields) -> dict[str, Any]:
    return {"Status": _instance(emulator, fields, draining=True).state.told}


@actions.on("UpdateAgentInstance")
def update_instance(emulator: Emulator, fields: Fields) -> None:
    instance = _instance(emulator, fields)
    instance.terms.blocks = {**instance.terms.blocks, **blocks(fields)}
    rtc = fields.block("RTC", required=False)
    stream = rtc.text("UserStreamId", default=instance.terms.user_stream, limit=128)
    instance.terms.user_stream = stream


@actions.on("InterruptAgentInstance")
def interrupt(emulator: Emulator, fields: Fields) -> dict[str, Any]:
    instance = _instance(emulator, fields)
    if not instance.talk.turn and emulator.knobs.idle_interrupt == "refuse":
        raise Refused(Code.INTERRUPT_FAILED)
    return {"Round": instance.interrupt()}


@actions.on("SendAgentInstanceTTS")
def send_speech(emulator: Emulator, fields: Fields) -> dict[str, Any]:
    instance = _instance(emulator, fields)
    text = fields.text("Text")
    if len(text) > 300:
        raise fields.wrong("Text")
    priority, enqueue = _order(fields)
    keeps = fields.flag("AddHistory", default=True)
    return {"Round": instance.talk.say(text, priority, enqueue=enqueue, keeps=keeps)}


@actions.on("SendAgentInstanceLLM")
def send_question(emulator: Emulator, fields: Fields) -> dict[str, Any]:
    instance = _conversing(emulator, fields)
    priority, enqueue = _order(fields)
    number = instance.talk.answer(
        fields.text("Text"),
        priority,
        enqueue=enqueue,
        system=fields.text("SystemPrompt", default=""),
        asked=fields.flag("AddQuestionToHistory", default=False),
        keeps=fields.flag("AddAnswerToHistory", default=emulator.knobs.add_answer),
    )
    return {"Round": number}


@actions.on("GetAgentInstanceMsgList")
def history(emulator: Emulator, fields: Fields) -> dict[str, Any]:
    told = _conversing(emulator, fields).talk.history
    return {"Total": len(told), "MessageList": list(told)}


@actions.on("ResetAgentInstanceMsgList")
def forget(emulator: Emulator, fields: Fields) -> None:
    _conversing(emulator, fields).talk.history.clear()


@actions.on("AddAgentInstanceMsg")
def add(emulator: Emulator, fields: Fields) -> None:
    _conversing(emulator, fields).talk.history.extend(messages(fields))


def _button(act: Callable[[Instance], None]) -> Handler:
    def handler(emulator: Emulator, fields: Fields) -> dict[str, Any]:
        instance = _conversing(emulator, fields)
        sequence = int(fields.number("Sequence", low=0, high=2**63 - 1, default=0))
        if not instance.terms.walkie_talkie:
            raise Refused(Code.NOT_WALKIE_TALKIE)
        if sequence and sequence <= instance.sequence:
            raise Refused(Code.SEQUENCE_OUTDATED)
        instance.sequence = sequence
        act(instance)
        return {"Round": instance.talk.round}

    return handler


actions.on("StartListening")(_button(lambda instance: instance.talk.begin_listening(voice=False)))
actions.on("StopListening")(_button(lambda instance: instance.talk.end_listening()))


# Below


def _agent(emulator: Emulator, fields: Fields) -> Agent:
    agent = emulator.agents.get(fields.text("AgentId", limit=128))
    if agent is None:
        raise Refused(Code.AGENT_UNKNOWN)
    return agent


def _open(emulator: Emulator, fields: Fields, kind: Kind) -> Instance:
    asked = terms(fields, kind, _agent(emulator, fields))
    _check(emulator, asked)
    return emulator.open_instance(asked)


def _check(emulator: Emulator, asked: Terms) -> None:
    """Refuses an instance that there is no place for."""
    knobs, running = emulator.knobs, [each for each in emulator.instances() if each.running]
    faces = [each for each in running if each.terms.kind != "voice"]
    if asked.kind != "voice":
        if not emulator.exists(asked.digital_human):
            raise Refused(Code.AGENT_DIGITAL_HUMAN_UNKNOWN)
        if asked.stream and asked.stream in emulator.streams():
            raise Refused(Code.AGENT_STREAM_EXISTS)
        if knobs.face_limit and len(faces) >= knobs.face_limit:
            raise Refused(Code.DIGITAL_HUMAN_LIMIT)
    if knobs.instance_limit and len(running) >= knobs.instance_limit:
        raise Refused(Code.INSTANCE_LIMIT)


def _with_face(instance: Instance) -> dict[str, Any]:
    asked = instance.terms
    stream = {
        "RoomId": asked.room,
        "StreamId": asked.stream,
        "EncodeCode": "H264",
        "ConfigId": asked.config,
    }
    config = {"DigitalHumanId": asked.digital_human, "Streams": [stream]}
    encoded = base64.b64encode(json.dumps(config).encode()).decode()
    return {"AgentInstanceId": instance.id, "DigitalHumanConfig": encoded}


def _instance(emulator: Emulator, fields: Fields, *, draining: bool = False) -> Instance:
    instance = emulator.instance(fields.text("AgentInstanceId"))
    if instance is None or instance.state is State.DELETED:
        raise Refused(Code.INSTANCE_UNKNOWN)
    if instance.draining and not draining:
        raise Refused(Code.SHUTTING_DOWN)
    return instance


def _conversing(emulator: Emulator, fields: Fields) -> Instance:
    """Returns an instance that hears somebody."""
    instance = _instance(emulator, fields)
    if instance.terms.kind == "live":
        raise Refused(Code.LIVE_REFUSES)
    return instance


def _order(fields: Fields) -> tuple[int, bool]:
    """Returns how important something is, and whether it waits for its like."""
    priority = fields.choice("Priority", "Medium", "Low", "High")
    return PRIORITIES.index(priority), fields.choice("SamePriorityOption", *_OPTIONS) == "Enqueue"
