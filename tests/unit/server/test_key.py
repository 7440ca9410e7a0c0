"""The server's key file: private, whole, and never a link."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from server.errors import KeyFileError
from server.key import read_or_make_key, state_folder

posix = pytest.mark.skipif(os.name != "posix", reason="file modes and links are POSIX matters")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "avatarbot"


def test_key_is_made_once(folder: Path) -> None:
    key = read_or_make_key(folder)
    assert len(key) == 32
    assert read_or_make_key(folder) == key
    assert [path.name for path in folder.iterdir()] == ["ticket.key"]


@posix
def test_only_its_owner_can_read_it(folder: Path) -> None:
    read_or_make_key(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "ticket.key").stat().st_mode) == 0o600


@posix
@pytest.mark.parametrize("name", ["", "ticket.key"])
def test_what_others_can_read_is_refused(folder: Path, name: str) -> None:
    read_or_make_key(folder)
    (folder / name).chmod(0o755)
    with pytest.raises(KeyFileError, match="can be read by others"):
        read_or_make_key(folder)


@posix
def test_links_are_refused(folder: Path, tmp_path: Path) -> None:
    read_or_make_key(folder)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.symlink_to(folder)
    with pytest.raises(KeyFileError):
        read_or_make_key(elsewhere)
    (folder / "ticket.key").rename(folder / "other")
    for target in (folder / "other", folder / "nothing"):
        (folder / "ticket.key").symlink_to(target)
        with pytest.raises(KeyFileError):
            read_or_make_key(folder)
        (folder / "ticket.key").unlink()
    assert not (folder / "nothing").exists()


@pytest.mark.parametrize("content", [b"", b"x" * 31, b"x" * 33])
def test_half_a_key_is_refused(folder: Path, content: bytes) -> None:
    read_or_make_key(folder)
    (folder / "ticket.key").write_bytes(content)
    with pytest.raises(KeyFileError, match="Delete it"):
        read_or_make_key(folder)


def test_folder_that_cannot_be_made_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(KeyFileError, match="Set SESSION_SECRET"):
        read_or_make_key(tmp_path / "file" / "avatarbot")


def test_processes_that_race_agree(folder: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: read_or_make_key(folder), range(64)))
    assert len(keys) == 1


def test_state_folder_follows_xdg(tmp_path: Path) -> None:
    home = Path.home() / ".local" / "state" / "avatarbot"
    assert state_folder({"XDG_STATE_HOME": str(tmp_path)}) == tmp_path / "avatarbot"
    assert state_folder({"XDG_STATE_HOME": "relative"}) == home
    assert state_folder({}) == home
