"""One log file per session: its size is bounded, and the oldest go when there are too many."""

from __future__ import annotations

import fcntl
import io
import os
from contextlib import suppress
from pathlib import Path

KEPT = 1_000
"""Log files kept, those of running sessions included."""

LARGEST = 5_000_000
"""Bytes that a file may have. A larger one loses its beginning."""

_NO_LINKS = getattr(os, "O_NOFOLLOW", 0)


class SessionLogs:
    """A folder of log files, closed to others (0700, its files 0600).

    A file is locked as long as somebody has it open who writes to it: the session's process, that
    of another launcher too. Such a file stays.

    Args:
        folder: Where they are; it is made if it is not there.
        kept: How many there may be.

    Raises:
        OSError: The folder cannot be made or read.
    """

    def __init__(self, folder: Path, *, kept: int = KEPT) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._kept = kept
        ages = dict[Path, int]()
        for file in folder.glob("*.log"):
            with suppress(FileNotFoundError):  # another launcher tidies up
                ages[file] = file.stat().st_mtime_ns
        self._files = dict.fromkeys(sorted(ages, key=ages.__getitem__))

    def open(self, session: str) -> int:
        """Open the file of a session for appending, and return its descriptor.

        Raises:
            OSError: It cannot be opened.
        """
        file = self._folder / f"{session}.log"
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | _NO_LINKS
        descriptor = os.open(file, flags, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        self._files[file] = None
        for oldest in list(self._files):
            if len(self._files) <= self._kept:
                break
            if _is_removed(oldest):
                del self._files[oldest]
        return descriptor


class SessionLog(io.TextIOBase):
    """What a session's process writes to: each line has its id in front.

    Args:
        number: The descriptor of the file.
        session: Its id.
    """

    encoding = "utf-8"

    def __init__(self, number: int, session: str) -> None:
        self._number = number
        self._prefix = f"{session} "
        self._within_line = False

    def write(self, text: str) -> int:
        if text:
            lines = text.replace("\n", f"\n{self._prefix}").removesuffix(self._prefix)
            start = "" if self._within_line else self._prefix
            self._within_line = not text.endswith("\n")
            os.write(self._number, (start + lines).encode(errors="backslashreplace"))
            self.cut()
        return len(text)

    def cut(self) -> None:
        """Where the file is too large, keep what came last, and say so.

        Others write to it as well: libraries, and processes that the bot starts.
        """
        size, half = os.fstat(self._number).st_size, LARGEST // 2
        if size <= LARGEST:
            return
        with suppress(OSError):  # it goes on as it is
            _, _, kept = os.pread(self._number, half, size - half).partition(b"\n")
            os.truncate(self._number, 0)
            told = f"{self._prefix}what stood before is cut off: the log had {size} bytes\n"
            os.write(self._number, told.encode() + kept)

    def fileno(self) -> int:
        return self._number

    def writable(self) -> bool:
        return True


def _is_removed(file: Path) -> bool:
    """Remove a file, unless somebody writes to it; whether it need not be counted any more."""
    with suppress(OSError):  # it is gone, or not ours
        descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC | _NO_LINKS)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.unlink()
        except BlockingIOError:
            return False
        finally:
            os.close(descriptor)
    return True
