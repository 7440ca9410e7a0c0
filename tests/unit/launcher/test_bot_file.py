"""What a bot consists of, and whether it has changed. How it is loaded: `tests/emulated`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from launcher import bot_file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "agent.py"
    path.write_text("x = 1")
    return path


def test_fingerprint_is_the_same_until_a_file_changes(file: Path) -> None:
    before = bot_file.fingerprint([str(file)])
    assert bot_file.fingerprint([str(file)]) == before
    stat = file.stat()
    file.write_text("x = 2")
    os.utime(file, ns=(stat.st_mtime_ns, stat.st_mtime_ns + 1))
    assert bot_file.fingerprint(before) != before


def test_file_of_another_size_or_none_at_all_has_changed(file: Path) -> None:
    before = bot_file.fingerprint([str(file)])
    stat = file.stat()
    file.write_text("x = 10")
    os.utime(file, ns=(stat.st_mtime_ns, stat.st_mtime_ns))
    changed = bot_file.fingerprint(before)
    file.unlink()
    gone = bot_file.fingerprint(before)
    assert before != changed != gone
    assert bot_file.fingerprint(gone) == gone


def test_bot_consists_of_its_file_and_loaded_ones_of_its_folder_but_not_of_what_is_installed() -> (
    None
):
    root = Path(__file__).parents[3]
    found = bot_file.files(root / "bot.py")
    assert str(root / "bot.py") in found
    assert str(root / "launcher" / "bot_file.py") in found
    assert not [each for each in found if "site-packages" in each]


@pytest.mark.parametrize(
    ("path", "why"),
    [("absent.py", "There is no file"), ("agent.txt", "is no file of Python")],
)
def test_what_is_no_bot_is_told_of(tmp_path: Path, path: str, why: str) -> None:
    (tmp_path / "agent.txt").write_text("")
    with pytest.raises(bot_file.BotError, match=why):
        bot_file.load(tmp_path / path)


def test_bot_with_the_name_of_a_loaded_module_is_refused(tmp_path: Path) -> None:
    (tmp_path / "asyncio.py").write_text("")
    with pytest.raises(bot_file.BotError, match="rename it"):
        bot_file.load(tmp_path / "asyncio.py")
