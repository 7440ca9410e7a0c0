"""ZEGO's digital human: a face that says what our voice says, in a room of ZEGO's; and its agents,
which hear and think there as well.

    ZegoVendor  Digital Human API, driven over a socket
    ZegoAgent   AI Agent API, the whole of a conversation; a pipeline has it by `agent_processor`
    Callbacks   what ZEGO tells a server of its own accord

Written from https://www.zegocloud.com/docs/digital-human and
https://www.zegocloud.com/docs/aiagent-server and the vendor's samples, as of 2026-08-21. No live
account was used here: all of it is tested against an emulator only. What is not documented (what
the drive socket says, when a drive cuts the one before, how it ends) is taken for the worse.
"""

from ..avatar.trust import Trust
from .agent import AgentBrain, ZegoAgent
from .agent_news import AgentTold
from .agents import Blocks, Message
from .callbacks import CallbackRefused, Callbacks
from .project import TEST_HUMAN
from .told import DriveTold, TaskTold
from .vendor import PROFILE, ZegoVendor

__all__ = [
    "PROFILE",
    "TEST_HUMAN",
    "AgentBrain",
    "AgentTold",
    "Blocks",
    "CallbackRefused",
    "Callbacks",
    "DriveTold",
    "Message",
    "TaskTold",
    "Trust",
    "ZegoAgent",
    "ZegoVendor",
]
