"""Where a session's log goes."""

from __future__ import annotations

import os
from pathlib import Path

from launcher.session_log import SessionLogs


def write(logs: SessionLogs, session: str) -> None:
    with open(logs.open(session), "w") as file:
        file.write("something")


def test_a_log_is_closed_to_others(tmp_path: Path) -> None:
    logs = SessionLogs(tmp_path / "logs")

    write(logs, "one")

    assert (tmp_path / "logs").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "logs/one.log").stat().st_mode & 0o777 == 0o600


def test_the_oldest_go(tmp_path: Path) -> None:
    logs = SessionLogs(tmp_path, kept=2)

    for session in ("one", "two", "three"):
        write(logs, session)

    assert {each.stem for each in tmp_path.iterdir()} == {"two", "three"}


def test_files_of_an_earlier_launcher_count(tmp_path: Path) -> None:
    write(SessionLogs(tmp_path), "new")
    write(SessionLogs(tmp_path), "old")
    os.utime(tmp_path / "old.log", (0, 0))

    write(SessionLogs(tmp_path, kept=2), "newest")

    assert {each.stem for each in tmp_path.iterdir()} == {"new", "newest"}
