"""ZEGO's digital human: a face that says what our voice says, in a room of ZEGO's.

    ZegoVendor  Digital Human API, driven over a socket
    Callbacks   what ZEGO tells a server of its own accord

Written from https://www.zegocloud.com/docs/digital-human and the vendor's samples, as of
2026-08-21. No live account was used here: all of it is tested against an emulator only. What is
not documented (what the drive socket says, when a drive cuts the one before, how it ends) is taken
for the worse.
"""

from ..avatar.trust import Trust
from .callbacks import CallbackRefused, Callbacks, DriveTold, TaskTold
from .vendor import PROFILE, TEST_HUMAN, ZegoVendor

__all__ = [
    "PROFILE",
    "TEST_HUMAN",
    "CallbackRefused",
    "Callbacks",
    "DriveTold",
    "TaskTold",
    "Trust",
    "ZegoVendor",
]
