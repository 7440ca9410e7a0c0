"""Calls of all who share a folder are so many in a second, and no more."""

from __future__ import annotations

import asyncio
import stat
import sys
import time
from pathlib import Path

import pytest

from transports.avatar import allowance
from transports.avatar.allowance import WINDOW_S, Allowance


def most_in_a_second(times: list[float]) -> int:
    times = sorted(times)
    return max(sum(at <= each < at + 1.0 for each in times) for at in times)


@pytest.mark.asyncio
@pytest.mark.parametrize("shared", [True, False])
async def test_twenty_sessions_of_one_account_stay_below_its_limit(
    tmp_path: Path, shared: bool
) -> None:
    loop = asyncio.get_running_loop()
    made: list[float] = []

    async def session(number: int) -> None:
        account = Allowance(tmp_path if shared else None, f"{tmp_path} 1", most=10, clock=loop.time)
        for _ in range(5):
            await account.take("Act")
            made.append(loop.time())
            await asyncio.sleep(0.01 * number)

    await asyncio.gather(*(session(number) for number in range(20)))
    assert len(made) == 100
    assert most_in_a_second(made) == 10
    assert made[-1] - made[0] == pytest.approx(9 * WINDOW_S, abs=0.3), (
        "nobody waits longer than needed"
    )


def test_who_is_alone_waits_for_nothing(tmp_path: Path) -> None:
    account = Allowance(tmp_path, "a", most=10, clock=lambda: 5.0)
    assert [account.book("Act") for _ in range(10)] == [0.0] * 10
    assert account.book("Act") == pytest.approx(WINDOW_S)
    assert account.book("Other") == 0.0
    assert Allowance(tmp_path, "b", most=10, clock=lambda: 5.0).book("Act") == 0.0


@pytest.mark.parametrize("before_s", [90_000.0, 50.0, 4.0])
def test_times_of_before_the_last_start_of_the_machine_do_not_count(
    tmp_path: Path, before_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(allowance, "boot", lambda: "the first")
    assert Allowance(tmp_path, "a", most=1, clock=lambda: before_s).book("Act") == 0.0
    monkeypatch.setattr(allowance, "boot", lambda: "the second")
    account = Allowance(tmp_path, "a", most=1, clock=lambda: 5.0)
    assert account.book("Act") == 0.0
    assert account.book("Act") == pytest.approx(WINDOW_S)


def test_the_file_is_private_and_names_nobody(tmp_path: Path) -> None:
    Allowance(tmp_path / "new", "ZEGO 1234567890", most=10).book("Act")
    (file,) = (tmp_path / "new").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert "1234567890" not in file.name


@pytest.mark.parametrize("intact_bytes", [0, 16])
@pytest.mark.parametrize("spoilt", [b"", b"\x00" * 7, b"\xff" * 800])
def test_a_file_that_is_spoilt_delays_nobody_for_long(
    tmp_path: Path, spoilt: bytes, intact_bytes: int
) -> None:
    Allowance(tmp_path, "a", most=10).book("Act")
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:intact_bytes] + spoilt)
    assert Allowance(tmp_path, "a", most=10).book("Act") == 0.0


def test_a_link_is_not_followed_and_calls_are_counted_all_the_same(tmp_path: Path) -> None:
    account = Allowance(tmp_path, f"{tmp_path}", most=1, clock=lambda: 5.0)
    account.book("Act")
    (file,) = tmp_path.iterdir()
    file.unlink()
    file.symlink_to(tmp_path / "elsewhere")
    assert account.book("Act") == 0.0
    assert account.book("Act") == pytest.approx(WINDOW_S)
    assert not (tmp_path / "elsewhere").exists()


PROGRAM = """
import asyncio, sys, time
from pathlib import Path
from transports.avatar.allowance import Allowance

async def main():
    account = Allowance(Path(sys.argv[1]), "a", most=10)
    for _ in range(6):
        await account.take("Act")
        print(time.monotonic(), flush=True)

asyncio.run(main())
"""


@pytest.mark.asyncio
@pytest.mark.real_loop
async def test_processes_count_together(tmp_path: Path) -> None:
    started = time.monotonic()
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", PROGRAM, str(tmp_path)), stdout=asyncio.subprocess.PIPE
        )
        for _ in range(5)
    ]
    async with asyncio.timeout(30):
        outputs = await asyncio.gather(*(each.communicate() for each in processes))
    made = [float(line) for output, _ in outputs for line in output.split()]
    assert len(made) == 30
    assert min(made) > started
    assert most_in_a_second(made) <= 10
