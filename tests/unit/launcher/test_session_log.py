"""Where a session's log goes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from launcher import session_log
from launcher.session_log import SessionLog, SessionLogs


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


def test_a_log_that_somebody_writes_to_stays_whoever_has_too_many(tmp_path: Path) -> None:
    mine = SessionLogs(tmp_path)
    write(mine, "over")
    running = mine.open("running")
    others = SessionLogs(tmp_path, kept=1)

    write(others, "another")

    assert {each.stem for each in tmp_path.iterdir()} == {"running", "another"}
    os.close(running)
    write(others, "one more")
    assert {each.stem for each in tmp_path.iterdir()} == {"one more"}


def test_a_log_that_grows_too_large_keeps_its_end_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_log, "LARGEST", 1_000)
    number = SessionLogs(tmp_path).open("one")
    log = SessionLog(number, "one")
    for count in range(500):
        print("line", count, file=log)
        assert os.fstat(number).st_size <= 1_000
    os.write(number, b"by a library\n" * 1_000)
    log.cut()
    print("last", file=log)

    first, *_, library, last = (tmp_path / "one.log").read_text().splitlines()
    assert first.startswith("one what stood before is cut off: the log had ")
    assert (library, last) == ("by a library", "one last")
