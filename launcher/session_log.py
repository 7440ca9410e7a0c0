"""One log file per session; the oldest go when there are too many."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

KEPT = 1_000
"""Log files kept, those of running sessions included."""

_NO_LINKS = getattr(os, "O_NOFOLLOW", 0)


class SessionLogs:
    """A folder of log files, closed to others (0700, its files 0600).

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
        oldest_first = sorted(folder.glob("*.log"), key=lambda file: file.stat().st_mtime_ns)
        self._files = dict.fromkeys(oldest_first)

    def open(self, session: str) -> int:
        """Open the file of a session for appending, and return its descriptor.

        Raises:
            OSError: It cannot be opened.
        """
        file = self._folder / f"{session}.log"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | _NO_LINKS
        descriptor = os.open(file, flags, 0o600)
        self._files[file] = None
        while len(self._files) > self._kept:
            oldest = next(iter(self._files))
            del self._files[oldest]
            with suppress(OSError):
                oldest.unlink()
        return descriptor
