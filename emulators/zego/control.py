"""What a page asks of an agent over the room, in place of its back end."""

from __future__ import annotations

import json
from typing import Any

from . import agents
from .codes import Code, Refused
from .emulator import Emulator
from .fields import Fields
from .instance import Instance

ALLOWED = (
    *("SendAgentInstanceTTS", "SendAgentInstanceLLM", "InterruptAgentInstance"),
    *("StartListening", "StopListening"),
)


def receive(emulator: Emulator, room: str, to: str, content: str) -> None:
    """Takes a message for an instance in a room, and answers it there."""
    instance = next((each for each in emulator.instances() if _is(each, room, to)), None)
    try:
        message = json.loads(content)
        action, params = message["Action"], dict(message.get("Params") or {})
    except (ValueError, KeyError, TypeError):
        return
    if instance is None:  # nobody is there to answer
        return
    params["AgentInstanceId"] = instance.id
    answer: dict[str, Any] = {"Action": action, "Seq": message.get("Seq")}
    try:
        if action not in ALLOWED:
            raise Refused(Code.AGENT_PARAMETER_INVALID)
        data = agents.actions[action](emulator, Fields(params, Code.AGENT_PARAMETER_INVALID))
        answer |= {"Code": 0, "Message": "success", "Data": data or {}}
    except Refused as refused:
        answer |= {"Code": int(refused.code), "Message": refused.message}
    emulator.news.answer(room, instance.terms.agent_user, answer)


def _is(instance: Instance, room: str, to: str) -> bool:
    """Whether it is whom a message is for: one with a face has another name."""
    voice = instance.terms.kind == "voice"
    name = instance.terms.agent_user if voice else f"ai_agent_{instance.id}"
    return instance.running and instance.terms.room == room and name == to
