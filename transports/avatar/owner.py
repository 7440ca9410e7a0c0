"""Which process something belongs to, and whether that process is proven dead.

A process is known by its host, the boot of that host, its number and when it was started: a number
alone is given again. Dead is only what can be looked at and is not there: a process of another
host, or of another container, may be well. Where a system tells nothing (Windows), nobody is dead.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Owner:
    """A process, for ever."""

    host: str
    boot: str
    pid: int
    started: str


def this_process() -> Owner:
    """The one that asks."""
    return Owner(_host(), _boot(), os.getpid(), _started(os.getpid()) or "")


def of(pid: int) -> Owner:
    """A process of this machine that runs now.

    Raises:
        ProcessLookupError: It does not.
    """
    started = _started(pid)
    if started is None:
        raise ProcessLookupError(f"there is no process {pid}")
    return Owner(_host(), _boot(), pid, started)


def is_dead(owner: Owner) -> bool:
    """Whether it is certain that this process is gone."""
    if owner.host != _host() or not owner.boot or not owner.started:
        return False
    return owner.boot != _boot() or _started(owner.pid) != owner.started


def _host() -> str:
    """The machine as seen from here; each container has process numbers of its own."""
    machine = _text(Path("/etc/machine-id"))[:12]
    numbers = os.readlink(_PROC / "self/ns/pid") if sys.platform == "linux" else ""
    return "/".join(each for each in (platform.node(), machine, numbers) if each)


def _boot() -> str:
    if sys.platform == "linux":
        return _text(_PROC / "sys/kernel/random/boot_id")
    if sys.platform == "darwin":
        return _said("sysctl", "-n", "kern.bootsessionuuid")
    return ""


def _started(pid: int) -> str | None:
    """When the process was started, in the system's own words; None where there is none."""
    if sys.platform == "linux":
        try:
            status = (_PROC / str(pid) / "stat").read_text()
        except OSError:
            return None
        fields = status.rpartition(")")[2].split()  # a name may hold anything
        return None if fields[0] in "ZX" else fields[19]
    if sys.platform == "darwin":
        return _said("ps", "-o", "lstart=", "-p", str(pid)) or None
    return ""


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _said(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    return done.stdout.strip()
