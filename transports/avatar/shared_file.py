"""A small file beside the journal that this user's processes read and write in turn."""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

if sys.platform != "win32":
    import fcntl

_NO_LINKS = getattr(os, "O_NOFOLLOW", 0)

LOCKED_S = 0.25
"""Each process keeps it for well below a millisecond."""


@contextmanager
def shared_file(file: Path, *, locked_s: float = LOCKED_S) -> Iterator[BinaryIO]:
    """The file, open for reading and writing, for this process alone; made where there is none.

    Args:
        file: Its path.
        locked_s: How long to wait for another process, which stops the whole thread, in seconds.

    Raises:
        BlockingIOError: Another process keeps it.
        OSError: It is not private to its owner, or a link.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | _NO_LINKS, 0o600)
    with open(descriptor, "r+b") as opened:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "it is not a plain file")
        if os.name == "posix" and (status.st_uid != os.geteuid() or status.st_mode & 0o077):
            raise OSError(0, "others may read it")
        _lock(descriptor, locked_s)
        yield opened


def replace_file(file: Path, content: bytes) -> None:
    """Write it anew as a whole: whoever is killed meanwhile leaves what was there.

    Args:
        file: Its path; the lock that keeps others away is another file's.
        content: All that it has from now on.

    Raises:
        OSError
    """
    new = file.with_suffix(".new")
    new.unlink(missing_ok=True)  # of who was killed
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINKS, 0o600)
    with open(descriptor, "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(descriptor)
    os.replace(new, file)


def _lock(descriptor: int, locked_s: float) -> None:
    """Until the file is closed."""
    if sys.platform != "win32":
        deadline = time.monotonic() + locked_s
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise BlockingIOError(0, "another process keeps it") from None
                time.sleep(0.0005)
            else:
                return
