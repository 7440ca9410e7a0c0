"""Whether a process that has loaded a bot can be forked.

A fork copies memory, and the one thread that asks for it. What other threads were about is lost,
with the locks that they hold at that moment; an open socket or an event loop is shared with all
copies. So there must be none. Nothing is excepted: of what bots import, OpenBLAS (numpy) and
onnxruntime start threads by themselves, and neither does in `zygote.ENVIRONMENT`.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
from collections.abc import Set
from contextlib import suppress
from pathlib import Path

_SHARED = {
    "anon_inode:[eventpoll]": "an event loop",
    "anon_inode:[io_uring]": "an event loop",
    "anon_inode:[eventfd]": "an event loop",
    "socket:": "an open socket",
}
"""What must not be among the open files, by how their names begin."""


def open_files() -> frozenset[str]:
    """What this process has open, by the kernel's names. Those of sockets are unique."""
    names = set()
    for each in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the one that listed them
            names.add(f"{each} {os.readlink(f'/proc/self/fd/{each}')}")
    return frozenset(names)


def obstacle(before: Set[str]) -> str | None:
    """Why this process cannot be forked: a sentence, or None.

    Args:
        before: The files that were open before the bot was loaded.
    """
    return _thread() or _loop() or _file(before) or _child() or _model()


def _thread() -> str | None:
    named = [each.name for each in threading.enumerate() if each is not threading.main_thread()]
    if named:
        return f"It starts a thread when it is loaded ({named[0]})."
    tasks = Path("/proc/self/task")
    others = [each for each in tasks.iterdir() if each.name != str(os.getpid())]
    if others:
        name = (others[0] / "comm").read_text().strip()
        return f"A library starts a thread when it is loaded ({name})."
    return None


def _loop() -> str | None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return None
    return "An event loop runs in it."


def _file(before: Set[str]) -> str | None:
    names = [each.partition(" ")[2] for each in open_files() - before]
    for start, what in _SHARED.items():
        if any(name.startswith(start) for name in names):
            return f"It has {what} when it is loaded."
    return None


def _child() -> str | None:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return "It starts a process when it is loaded."


def _model() -> str | None:
    """A loaded model has threads, or crashes when a copy of it is freed (onnxruntime, 31961)."""
    onnx = sys.modules.get("onnxruntime")
    if onnx and any(isinstance(each, onnx.InferenceSession) for each in gc.get_objects()):
        return "It has an ONNX model when it is loaded."
    return None
