"""What processes ask of Linux: to die with their parent, to be given orphans, to be cut off."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import signal
import socket
import struct
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38

# Of each machine: its number in a filter, and those of socket() and io_uring_setup() there.
_MACHINES = {"x86_64": (0xC000003E, 41, 425), "aarch64": (0xC00000B7, 198, 425)}


def die_with(parent: int) -> None:
    """Have the kernel kill this process as soon as its parent is dead. Elsewhere it does nothing.

    "Parent" is to the kernel the *thread* that has started the process: a launcher starts
    processes from its main thread only, which lives as long as it does.

    Args:
        parent: The pid of the parent; if it is dead by now, this process ends here.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def adopt_orphans() -> None:
    """Become the parent of what children leave behind, so that somebody buries it."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def refuse_network() -> None:
    """From here on, neither this process nor what it starts can open a socket to elsewhere.

    The kernel refuses it, to libraries that are not written in Python too. Only for a process with
    one thread, and there is no way back.

    Raises:
        OSError: It cannot be had here.
    """
    if sys.platform != "linux" or platform.machine() not in _MACHINES:
        raise OSError(errno.ENOSYS, "no filter for this system")
    machine, open_socket, open_ring = _MACHINES[platform.machine()]
    load, equal, end = 0x20, 0x15, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K
    steps = [
        (load, 0, 0, 4),  # the machine's number
        (equal, 0, 6, machine),
        (load, 0, 0, 0),  # the call's number
        (equal, 4, 0, open_ring),  # it can do all that other calls can
        (equal, 0, 2, open_socket),
        (load, 0, 0, 16),  # its first argument
        (equal, 0, 1, socket.AF_UNIX),
        (end, 0, 0, 0x7FFF0000),  # SECCOMP_RET_ALLOW
        (end, 0, 0, 0x00050000 | errno.EACCES),  # SECCOMP_RET_ERRNO
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in steps))
    program = ctypes.create_string_buffer(struct.pack("HP", len(steps), ctypes.addressof(code)))
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(program))


def _prctl(option: int, *values: int) -> None:
    if sys.platform != "linux":
        return
    given = [ctypes.c_ulong(each) for each in (*values, 0, 0, 0, 0)[:4]]
    if ctypes.CDLL(None, use_errno=True).prctl(option, *given):
        raise OSError(ctypes.get_errno(), "prctl")
