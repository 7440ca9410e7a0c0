"""Where the sockets of sessions are: a folder of each launcher, which the next one tidies up."""

from __future__ import annotations

import fcntl
import os
import tempfile
from contextlib import suppress
from pathlib import Path

LONGEST_FOLDER = 70
"""Characters. A socket's path has 107 at most, with the names of ours in it."""

_PREFIX = "avatarbot-run-"


class SocketFolder:
    """A folder (0700), locked as long as its launcher lives.

    It is where a user's programs keep such things, or else with files that pass. Those that dead
    launchers have left there are removed.
    """

    def __init__(self) -> None:
        folders = (os.environ.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir())
        fits = (each for each in folders if 0 < len(each) <= LONGEST_FOLDER and os.path.isdir(each))
        self._within = Path(next(fits, "/tmp"))
        for left in self._within.glob(f"{_PREFIX}*"):
            _remove_unless_locked(left)
        self._make()

    @property
    def path(self) -> Path:
        """The folder; another one where something has tidied it away."""
        if not self._path.is_dir():
            os.close(self._lock)
            self._make()
        return self._path

    def close(self) -> None:
        """Remove it."""
        _remove(self._path)
        os.close(self._lock)

    def _make(self) -> None:
        while True:
            self._path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=self._within))
            self._lock = _opened(self._path)
            fcntl.flock(self._lock, fcntl.LOCK_SH)
            if self._path.is_dir():  # another launcher, just starting, may have been faster
                return
            os.close(self._lock)


def _opened(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def _remove_unless_locked(folder: Path) -> None:
    with suppress(OSError):  # another user's, or gone by now
        lock = _opened(folder)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(folder)
        finally:
            os.close(lock)


def _remove(folder: Path) -> None:
    """Remove it with its sockets. What holds anything else is not ours, and stays."""
    for each in folder.glob("*.sock"):
        each.unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()
