"""Agents and what their instances are asked for, read from requests."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal

from .codes import Code, Refused
from .fields import Fields

Kind = Literal["voice", "digital human", "live"]
Blocks = dict[str, dict[str, Any]]

LLM_VENDORS = ("OpenAIChat", "OpenAIResponses")
TTS_VENDORS = ("Aliyun", "ByteDanceV3", "ByteDanceFlowing", "MiniMax", "CosyVoice", "ByteDance")
ASR_VENDORS = (
    *("Tencent", "AliyunParaformer", "AliyunFunASR", "AliyunQwenASR", "Microsoft"),
    "VolcSeedASR",
)
SWITCHES = (
    *("ASRResult", "LLMResult", "Interrupted", "UserSpeakAction", "AgentInstanceStatus"),
    "UserAudioData",
)
PRIORITIES = ("Low", "Medium", "High")

AGENT_ID = re.compile(r"[!-~]+")
RTC_ID = re.compile(r"[0-9A-Za-z_.-]+")
_USER_BYTES = 32
_DEFAULT_SILENCE_MS = 500


@dataclass(slots=True)
class Agent:
    """A template: its blocks stay as they were registered or updated."""

    id: str
    name: str
    blocks: Blocks = field(repr=False)

    def told(self) -> dict[str, Any]:
        """Returns it as it is queried, credentials in clear as the vendor does."""
        return {"AgentId": self.id, "Name": self.name, **self.blocks}


@dataclass(slots=True)
class Terms:
    """What an instance was asked for."""

    kind: Kind
    agent: Agent
    user: str
    room: str
    stream: str
    agent_user: str
    user_stream: str
    digital_human: str
    config: str
    blocks: Blocks = field(repr=False)
    messages: list[dict[str, str]] = field(repr=False)
    window: int
    silence_s: float
    switches: frozenset[str]
    can_be_cut: bool
    idle_s: float
    mute: bool
    walkie_talkie: bool


def blocks(fields: Fields) -> Blocks:
    """Returns the LLM, TTS and ASR of a request, those that it has."""
    found: Blocks = {}
    if "LLM" in fields.data:
        llm = fields.block("LLM")
        llm.choice("Vendor", *LLM_VENDORS)
        llm.text("Url")
        llm.text("Model")
        llm.text("ApiKey", default="-")
        llm.text("SystemPrompt", default="-")
        llm.number("Temperature", low=0, high=2, default=0.7)
        llm.number("TopP", low=0, high=1, default=0.9)
        llm.flag("AddAgentInfo", default=False)
        llm.block("Params", required=False)
        found["LLM"] = llm.data
    if "TTS" in fields.data:
        tts = fields.block("TTS")
        if tts.text("Vendor") not in TTS_VENDORS:
            raise tts.wrong("Vendor")
        tts.block("Params").block("app")
        found["TTS"] = tts.data
    if "ASR" in fields.data:
        asr = fields.block("ASR")
        asr.choice("Vendor", *sorted(ASR_VENDORS, key=lambda each: each != "Tencent"))
        found["ASR"] = asr.data
    return found


def terms(fields: Fields, kind: Kind, agent: Agent) -> Terms:
    """Returns what an instance is to be; its own blocks go before those of its agent."""
    live = kind == "live"
    by_url = live and "CDN" in fields.data
    rtc = fields.block("RTC", required=not by_url)
    if by_url:
        fields.block("CDN").text("Url")
    human = fields.block("DigitalHuman", required=kind != "voice")
    advanced = fields.block("AdvancedConfig", required=False)
    switches = fields.block("CallbackConfig", required=False)
    config = human.text("ConfigId", default="web")
    if config not in ("web", "mobile"):
        raise Refused(Code.CONFIG_UNSUPPORTED)
    rtc.text("StreamExtraInfo", default="-", limit=1_024)
    mute = advanced.flag("DisableTTS", default=False)
    if mute and kind != "voice":
        raise advanced.wrong("DisableTTS")
    low, high, default = (30, 86_400, 900) if live else (10, 1_800, 120)
    return Terms(
        kind=kind,
        agent=agent,
        user="" if live else fields.text("UserId", limit=_USER_BYTES, pattern=RTC_ID),
        room="" if by_url else rtc.text("RoomId", limit=128, pattern=RTC_ID),
        stream="" if by_url else rtc.text("AgentStreamId", limit=128, pattern=RTC_ID),
        agent_user=("" if by_url else rtc.text("AgentUserId", limit=_USER_BYTES, pattern=RTC_ID)),
        user_stream="" if live else rtc.text("UserStreamId", limit=128, pattern=RTC_ID),
        digital_human="" if kind == "voice" else human.text("DigitalHumanId"),
        config=config,
        blocks={**agent.blocks, **blocks(fields)},
        messages=_messages(fields.block("MessageHistory", required=False)),
        window=_window(fields.block("MessageHistory", required=False)),
        silence_s=_silence_s(fields),
        switches=frozenset(
            each for each in SWITCHES if switches.number(each, low=0, high=1, default=0)
        ),
        can_be_cut=advanced.number("InterruptMode", low=0, high=1, default=0) == 0,
        idle_s=advanced.number("MaxIdleTime", low=low, high=high, default=default),
        mute=mute,
        walkie_talkie=advanced.number("CommunicationMode", low=0, high=2, default=0) == 2,
    )


def messages(fields: Fields) -> list[dict[str, str]]:
    """Returns `Messages` of a request."""
    found: list[dict[str, str]] = []
    for each in fields.array("Messages", limit=100):
        if not isinstance(each, dict) or each.get("Role") not in ("user", "assistant"):
            raise fields.wrong("Messages")
        if not isinstance(each.get("Content"), str):
            raise fields.wrong("Messages")
        found.append({"Role": each["Role"], "Content": each["Content"]})
    return found


def _messages(history: Fields) -> list[dict[str, str]]:
    mode = history.number("SyncMode", low=0, high=1, default=0)
    return messages(history) if mode == 1 else []


def _window(history: Fields) -> int:
    return int(history.number("WindowSize", low=0, high=500, default=20))


def _silence_s(fields: Fields) -> float:
    detects = fields.block("VAD", required=False).block("TurnDetectConfig", required=False)
    silence_ms = detects.number(
        "SilenceSegmentation", low=200, high=2_000, default=_DEFAULT_SILENCE_MS
    )
    return silence_ms / 1_000
