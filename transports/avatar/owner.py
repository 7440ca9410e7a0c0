"""Which process something belongs to, and whether that process is proven dead.

A process is known by its host, the boot of that host, its number and when it was started: a number
alone is given again. Dead is only what can be looked at and is not there. A process of another
container cannot be looked at; but whoever keeps something in a folder holds a lock there for its
container, which the kernel takes away from the dead. A process of another machine may be well, and
where a system tells nothing (Windows), nobody is dead.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

if sys.platform != "win32":
    import fcntl

_PROC = Path("/proc")
_NO_LINKS = getattr(os, "O_NOFOLLOW", 0)
_PRESENT: dict[tuple[int, Path], int] = {}
"""Locked files by process and folder: open until the process dies."""


@dataclass(frozen=True, slots=True)
class Owner:
    """A process, for ever."""

    host: str
    boot: str
    pid: int
    started: str


def this_process() -> Owner:
    """The one that asks."""
    return Owner(_host(), boot(), os.getpid(), _started(os.getpid()) or "")


def of(pid: int) -> Owner:
    """A process of this machine that runs now.

    Raises:
        ProcessLookupError: It does not.
    """
    started = _started(pid)
    if started is None:
        raise ProcessLookupError(f"there is no process {pid}")
    return Owner(_host(), boot(), pid, started)


def be_present(folder: Path) -> None:
    """Say in a folder, as long as this process lives, that somebody of its container does.

    Raises:
        OSError: It cannot be said there.
    """
    said = (os.getpid(), folder)  # a copy of this process has to say it for itself
    if sys.platform == "win32" or said in _PRESENT:
        return
    file = os.open(_presence(folder, _host()), os.O_RDWR | os.O_CREAT | _NO_LINKS, 0o600)
    fcntl.flock(file, fcntl.LOCK_SH)
    _PRESENT[said] = file


def is_alive(owner: Owner) -> bool:
    """Whether it is certain that this process runs."""
    here = owner.host == _host() and owner.boot == boot()
    return here and bool(owner.started) and _started(owner.pid) == owner.started


def is_dead(owner: Owner, folder: Path) -> bool:
    """Whether it is certain that this process is gone.

    Args:
        owner: The process.
        folder: Where it was present.
    """
    if not owner.boot or not owner.started:
        return False
    if owner.host != _host():
        return owner.boot == boot() and _is_deserted(folder, owner.host)
    return owner.boot != boot() or _started(owner.pid) != owner.started


def _is_deserted(folder: Path, host: str) -> bool:
    """Whether a container of this machine, which was present in the folder, is gone."""
    if sys.platform == "win32":
        return False
    try:
        file = os.open(_presence(folder, host), os.O_RDWR | _NO_LINKS)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(file)


def _presence(folder: Path, host: str) -> Path:
    return folder / f"{sha256(host.encode()).hexdigest()[:16]}.present"


def _host() -> str:
    """The machine as seen from here; each container has process numbers of its own."""
    machine = _text(Path("/etc/machine-id"))[:12]
    numbers = os.readlink(_PROC / "self/ns/pid") if sys.platform == "linux" else ""
    # Not `platform.node()`: it keeps the name that the machine had when it was first asked.
    name = platform.node() if sys.platform == "win32" else os.uname().nodename
    return "/".join(each for each in (name, machine, numbers) if each)


@cache
def boot() -> str:
    """Names the time since the machine was started last; empty where the system has no name."""
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
