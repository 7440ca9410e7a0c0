"""Who is dead is known for certain, or not said."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from transports.avatar.owner import Owner, is_dead, this_process

LOOKS = "from transports.avatar.owner import this_process; print(this_process()); input()"


def test_this_process_lives() -> None:
    me = this_process()
    assert me.pid == os.getpid()
    assert me == this_process()
    assert not is_dead(me)


@pytest.mark.skipif(sys.platform == "win32", reason="nobody is dead there")
def test_another_process_lives_until_it_has_ended() -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", LOOKS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdin
    assert child.stdout
    owner = eval(child.stdout.readline(), {"Owner": Owner})
    assert owner.pid == child.pid
    assert not is_dead(owner)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert is_dead(owner), "it has ended and nobody has asked for its end yet"
    child.communicate()
    assert is_dead(owner)


def test_a_process_of_another_boot_is_dead_and_of_another_machine_unknown() -> None:
    me = this_process()
    assert is_dead(replace(me, boot="the one before"))
    assert not is_dead(replace(me, host="elsewhere", boot="the one before"))
    assert not is_dead(replace(me, started=""))
    assert not is_dead(replace(me, boot=""))
