"""Who is dead is known for certain, or not said."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from transports.avatar.owner import Owner, is_alive, is_dead, this_process

NOWHERE = Path("/nowhere")
IN_CONTAINER = """
import sys
from pathlib import Path
from transports.avatar.owner import be_present, this_process
be_present(Path(sys.argv[1]))
print(this_process(), flush=True)
sys.stdin.read()
"""
LOOKS = "from transports.avatar.owner import this_process; print(this_process()); input()"


def test_this_process_lives() -> None:
    me = this_process()
    assert me.pid == os.getpid()
    assert me == this_process()
    assert not is_dead(me, NOWHERE)
    assert is_alive(me) == (sys.platform != "win32")


@pytest.mark.skipif(sys.platform == "win32", reason="it has no uname")
def test_machine_that_is_renamed_is_told_by_all_its_processes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    this_process()
    renamed = os.uname_result(("Linux", "renamed", "6", "1", "x86_64"))
    monkeypatch.setattr(os, "uname", lambda: renamed)
    assert this_process().host.split("/")[0] == "renamed"


@pytest.mark.skipif(sys.platform == "win32", reason="nobody is dead there")
def test_another_process_lives_until_it_has_ended() -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", LOOKS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdin
    assert child.stdout
    owner = eval(child.stdout.readline(), {"Owner": Owner})
    assert owner.pid == child.pid
    assert not is_dead(owner, NOWHERE)
    assert is_alive(owner)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert is_dead(owner, NOWHERE), "it has ended and nobody has asked for its end yet"
    assert not is_alive(owner)
    child.communicate()
    assert is_dead(owner, NOWHERE)


def test_a_process_of_another_boot_is_dead_and_of_another_machine_unknown() -> None:
    me = this_process()
    assert is_dead(replace(me, boot="the one before"), NOWHERE)
    assert not is_dead(replace(me, host="elsewhere", boot="the one before"), NOWHERE)
    assert not is_dead(replace(me, started=""), NOWHERE)
    assert not is_dead(replace(me, boot=""), NOWHERE)
    others = ({"boot": "the one before"}, {"host": "elsewhere"}, {"started": ""}, {"boot": ""})
    assert not any(is_alive(replace(me, **each)) for each in others)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux has containers")
def test_who_was_in_a_container_is_dead_when_nobody_of_it_is_there_any_more(tmp_path: Path) -> None:
    container = subprocess.Popen(
        [
            *("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child"),
            *(sys.executable, "-c", IN_CONTAINER, str(tmp_path)),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert container.stdin
    assert container.stdout
    told = container.stdout.readline()
    if not told:
        pytest.skip("this user may have no containers")
    owner = eval(told, {"Owner": Owner})
    assert owner.host != this_process().host
    assert not is_dead(owner, tmp_path), "it is there"
    assert not is_dead(owner, NOWHERE), "nobody knows"
    os.kill(container.pid, signal.SIGKILL)
    container.stdout.read()  # until nobody can write to it any more
    container.communicate()
    assert is_dead(owner, tmp_path)
