"""The server's own key: 256 bits in a file that only its owner can read."""

import os
import secrets
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from .errors import KeyFileError

KEY_BYTES = 32
_NO_LINKS = getattr(os, "O_NOFOLLOW", 0)  # Windows has neither the flag nor such links


def state_folder(environment: Mapping[str, str]) -> Path:
    """Where avatarbot keeps what outlives a process: `$XDG_STATE_HOME/avatarbot`."""
    given = environment.get("XDG_STATE_HOME", "")
    base = Path(given) if Path(given).is_absolute() else Path.home() / ".local" / "state"
    return base / "avatarbot"


def read_or_make_key(folder: Path) -> bytes:
    """Returns the key in the folder, made on first use. Two processes may race for it.

    Raises:
        KeyFileError: The folder or file is a link, is open to others, or cannot be used.
    """
    file = folder / "ticket.key"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_private(folder, os.lstat(folder), stat.S_ISDIR)
        if not os.path.lexists(file):
            _make(file)
        return _read(file)
    except OSError as error:
        raise KeyFileError(
            f"{file} cannot be used ({error.strerror}). Set SESSION_SECRET, or XDG_STATE_HOME to "
            "a folder that can be written."
        ) from None


def _make(file: Path) -> None:
    """Writes the whole key under another name first, so that no one reads half a key."""
    draft = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINKS, 0o600)
    try:
        with open(descriptor, "wb") as writer:
            writer.write(secrets.token_bytes(KEY_BYTES))
        with suppress(FileExistsError):  # another process was faster: its key counts
            os.link(draft, file)
    finally:
        draft.unlink()


def _read(file: Path) -> bytes:
    descriptor = os.open(file, os.O_RDONLY | _NO_LINKS)
    with open(descriptor, "rb") as reader:
        _check_private(file, os.fstat(descriptor), stat.S_ISREG)
        key = reader.read(KEY_BYTES + 1)
    if len(key) != KEY_BYTES:
        raise KeyFileError(f"{file} does not hold a key. Delete it, and a new one is made.")
    return key


def _check_private(path: Path, status: os.stat_result, is_kind: Callable[[int], bool]) -> None:
    if not is_kind(status.st_mode):
        raise KeyFileError(f"{path} is not what it should be, a plain file in a plain folder.")
    if os.name == "posix" and (status.st_uid != os.geteuid() or status.st_mode & 0o077):
        raise KeyFileError(f"{path} can be read by others. Its owner alone may: chmod go= {path}")
