"""A process is killed with its group, and nobody who has got its number since."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from launcher.processes import kill_group

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="pidfds are for Linux alone")


@contextmanager
def running(program: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A shell in a group of its own, and its pidfd."""
    with subprocess.Popen(
        ["sh", "-c", program], start_new_session=True, stdout=subprocess.PIPE
    ) as process:
        pidfd = os.pidfd_open(process.pid)
        try:
            yield process, pidfd
        finally:
            process.kill()
            os.close(pidfd)


def test_group_is_killed_even_if_its_leader_is_dead_and_buried() -> None:
    with running("sleep 1000 & echo $!") as (leader, pidfd):
        assert leader.stdout
        assert leader.stdout.readline()
        assert leader.wait() == 0
        kill_group(leader.pid, pidfd)
        assert leader.stdout.read() == b""  # the child had it open, too


def test_another_process_with_the_same_number_is_left_alone() -> None:
    with running("exit 0") as (first, pidfd), running("exec sleep 1000") as (second, its_own):
        first.wait()
        kill_group(second.pid, pidfd)  # as if it had the number of the first one
        assert second.poll() is None
        kill_group(second.pid, its_own)
        assert second.wait() == -signal.SIGKILL
