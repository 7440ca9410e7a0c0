"""Where processes come from: forked or kept warm, and what happens when something dies."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from loguru import logger

from launcher.messages import Cancel, Ping, Pong, Serving
from launcher.pool import Pool
from launcher.processes import BotBroken, CannotFork, Mode, ProcessError, processes
from launcher.zygote import Zygote
from services.espeak import Voice
from services.rendering import render
from services.wording import passages
from tests.emulated.processes import DEADLINE_S, children, lives, until, vitals
from tests.emulated.serving import ROOT
from tests.emulated.session_source import PARTS, SERVER, session, source, write

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks safely"),
]

BOT = (
    PARTS
    + """
import asyncio, subprocess

async def end(session): pass
async def stay(session): await asyncio.Event().wait()

async def have_child(session):
    print(subprocess.Popen(["sleep", "1000"]).pid, flush=True)
    await stay(session)
"""
)

HEARS = (
    PARTS
    + """
import asyncio
from pathlib import Path
from services.voice_activity import SileroVADAnalyzer

VOICE = Path(__file__).with_name("voice.pcm").read_bytes()

async def end(session):
    vad = await asyncio.to_thread(SileroVADAnalyzer, sample_rate=16_000)
    vad.set_sample_rate(16_000)
    for sound in (bytes(len(VOICE)), VOICE):
        pieces = [sound[start : start + 640] for start in range(0, len(sound), 640)]
        print("SPEAKING" in [(await vad.analyze_audio(each)).name for each in pieces], flush=True)
    await vad.cleanup()
"""
)

VERSION = """
async def bot(session):
    print("version {}")
"""

UNSAFE = {
    "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()": (
        "It starts a thread when it is loaded (Thread-1 (wait))."
    ),
    "import ctypes; _ = ctypes.CDLL(None); import os; os.environ; _C = ctypes.CFUNCTYPE(None, "
    "ctypes.c_void_p)(lambda _: __import__('time').sleep(1000)); _.pthread_create("
    "ctypes.byref(ctypes.c_ulong()), None, _C, None)": "A library starts a thread",
    "import socket; KEPT = socket.socket()": "It has an open socket",
    "import asyncio; LOOP = asyncio.new_event_loop()": "It has an event loop",
    "import subprocess; CHILD = subprocess.Popen(['sleep', '1000'])": "It starts a process",
}
"""What a bot does when it is loaded that a fork does not survive, and what is said of it."""


@pytest.fixture
def told() -> Any:
    """What is logged, from WARNING on."""
    lines: list[str] = []
    sink = logger.add(lines.append, level="WARNING", format="{message}")
    yield lines
    logger.remove(sink)


async def pid_of_taken(found: Any) -> int:
    """A process is taken, and killed."""
    async with session(found, "end") as running:
        await running.code()
        return running.pid


@pytest.mark.parametrize(("unsafe", "why"), UNSAFE.items())
async def test_bot_that_cannot_be_forked_is_not(tmp_path: Path, unsafe: str, why: str) -> None:
    with pytest.raises(CannotFork, match=re.escape(why)):
        await processes(write(tmp_path, BOT + unsafe), "fork", server=SERVER)


async def test_bot_that_cannot_be_forked_is_kept_warm_and_the_log_says_why(
    tmp_path: Path, told: list[str]
) -> None:
    unsafe, why = next(iter(UNSAFE.items()))
    async with source(write(tmp_path, BOT + unsafe), "auto", warm=1) as found:
        assert isinstance(found, Pool)
        assert why in told[0]
        async with session(found, "end") as running:
            assert await running.code() == 0


async def test_elsewhere_than_on_linux_nothing_is_forked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(CannotFork, match="This system"):
        await processes(write(tmp_path, BOT), "fork", server=SERVER)


async def test_loaded_model_is_not_forked(tmp_path: Path) -> None:
    bot = write(
        tmp_path,
        BOT
        + """
import importlib.resources, onnxruntime
options = onnxruntime.SessionOptions()
options.inter_op_num_threads = options.intra_op_num_threads = 1
with importlib.resources.path("pipecat.audio.vad.data", "silero_vad.onnx") as model:
    MODEL = onnxruntime.InferenceSession(str(model), options)
""",
    )
    with pytest.raises(CannotFork, match="It has an ONNX model"):
        await processes(bot, "fork", server=SERVER)


async def test_what_is_imported_late_and_cannot_be_forked_is_left_to_the_sessions(
    tmp_path: Path,
) -> None:
    write(tmp_path, "import socket; KEPT = socket.socket()", "late.py")
    bot = write(
        tmp_path,
        "import sys\nasync def bot(session):\n    print('late' in sys.modules)\n    import late\n",
    )
    async with source(bot) as found, session(found) as running:
        assert await running.code() == 0
        assert running.log == "S-1 False\n"


async def test_bot_that_cannot_be_loaded_is_told_of_in_a_sentence(tmp_path: Path) -> None:
    sentences = {
        "async def bot(_):\n    x = = 1\n": "agent.py, line 2: invalid syntax.",
        "import helper": "helper.py, line 1: invalid syntax.",
        "def bot(_): ...": "agent.py has no `async def bot(runner_args)`.",
        "raise KeyError('x')": "agent.py cannot be loaded: KeyError: 'x'",
        "raise SystemExit('Set a key.')": "agent.py cannot be loaded: SystemExit: Set a key.",
        "import os; os._exit(3)": "agent.py ends Python while it is loaded (code 3).",
    }
    write(tmp_path, "1 +", "helper.py")
    for text, sentence in sentences.items():
        with pytest.raises(BotBroken) as caught:
            await processes(write(tmp_path, text), server=SERVER)
        assert str(caught.value) == sentence
    for mode in ("auto", "spawn"):
        with pytest.raises(BotBroken, match="There is no file"):
            await processes(tmp_path / "no.py", mode, server=SERVER)


async def test_key_in_the_error_of_a_bot_is_not_logged_where_nobody_knows_it_for_one(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bot = write(tmp_path, "def read():\n    raise ValueError('SECRET-key')\nread()  # SECRET-key")
    with pytest.raises(BotBroken, match="ValueError: SECRET-key"):
        await processes(bot, server=SERVER)
    logged = capfd.readouterr().err
    assert logged.rstrip().endswith(f"ValueError: {bot}:3, {bot}:2")
    assert "SECRET-" not in logged
    with pytest.raises(BotBroken, match="There is no file"):
        await processes(tmp_path / "no.py", server=SERVER)
    assert capfd.readouterr().err == ""


async def test_killed_zygote_takes_its_sessions_along_and_the_next_one_is_there(
    tmp_path: Path,
) -> None:
    async with (
        source(write(tmp_path, BOT)) as found,
        session(found, "have_child") as first,
        session(found, "stay") as second,
    ):
        await until(lambda: first.log.endswith("\n"))
        child = int(first.log.split()[1])
        os.kill(found.pid, signal.SIGKILL)
        third = await pid_of_taken(found)  # at once: nobody has noticed yet
        assert third not in (first.pid, second.pid)
        assert await first.code() == await second.code() == -signal.SIGKILL
        await until(lambda: not lives(child))


async def test_stopped_zygote_is_replaced_and_its_sessions_live_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("launcher.parent.FORKING_S", 0.3)
    monkeypatch.setattr("launcher.parent.ENDING_S", 0.3)
    async with source(write(tmp_path, BOT)) as found:
        async with session(found, "stay") as first:
            await first.until(Serving)
            stopped = found.pid
            os.kill(stopped, signal.SIGSTOP)
            await pid_of_taken(found)
            assert found.pid != stopped
            first.tell(Ping())
            assert await first.until(Pong)
            first.tell(Cancel())
            await first.code()
        await until(lambda: not lives(stopped))


LAUNCHER = """
import asyncio, sys
from pathlib import Path
from launcher.messages import Ping
from launcher.processes import processes

async def main():
    found = await processes(Path(sys.argv[1]), sys.argv[2], server=sys.argv[3])
    taken = [await found.take() for _ in range(2)]
    waiting = [found.pid] if sys.argv[2] == "fork" else found.pids
    print(*waiting, *(each.pid for each in taken), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("mode", ["fork", "spawn"])
async def test_killed_launcher_takes_everything_along(tmp_path: Path, mode: Mode) -> None:
    bot = write(tmp_path, BOT)
    launcher = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", LAUNCHER, str(bot), mode, SERVER),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert launcher.stdout
    async with asyncio.timeout(DEADLINE_S):
        pids = [int(each) for each in (await launcher.stdout.readline()).split()]
    assert len(pids) >= 2
    assert all(map(lives, pids))
    launcher.kill()
    await launcher.wait()
    await until(lambda: not any(map(lives, pids)))


async def version(found: Any) -> str:
    async with session(found) as running:
        assert await running.code() == 0
        return running.log.split()[-1]


async def next_version(found: Any, expected: str) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while await version(found) != expected:
            pass


@pytest.mark.parametrize("mode", ["fork", "spawn"])
async def test_changed_bot_is_what_new_sessions_get(tmp_path: Path, mode: Mode) -> None:
    write(tmp_path, "NUMBER = 1", "number.py")
    text = "import number\nasync def bot(_):\n    print(f'version {} {{number.NUMBER}}')\n"
    async with source(write(tmp_path, text.format("A")), mode) as found:
        assert await version(found) == "1"
        write(tmp_path, "NUMBER = 2", "number.py")
        await next_version(found, "2")
        write(tmp_path, text.format("B").replace("{number.NUMBER}", "3"))
        await next_version(found, "3")


def slow(folder: Path, text: str) -> str:
    """A bot that is loaded when there is a file `go`, and counts in `loads` how often."""
    return f"""
import os, time
open({str(folder / "loads")!r}, "a").write("x")
while not os.path.exists({str(folder / "go")!r}):
    time.sleep(0.01)
{text}"""


async def test_new_version_is_loaded_beside_and_the_old_one_serves_meanwhile(
    tmp_path: Path,
) -> None:
    loads = tmp_path / "loads"
    async with source(write(tmp_path, VERSION.format(1))) as found:
        write(tmp_path, slow(tmp_path, VERSION.format(2)))
        async with asyncio.timeout(DEADLINE_S):
            while not loads.exists():
                assert await version(found) == "1"
        found._look_at = 0.0  # as if a second had passed
        assert await version(found) == "1"
        (tmp_path / "go").touch()
        await next_version(found, "2")
        assert loads.read_text() == "x"


async def test_who_no_longer_waits_for_the_bot_does_not_end_its_loading(tmp_path: Path) -> None:
    loads = tmp_path / "loads"
    async with source(write(tmp_path, BOT)) as found:
        write(tmp_path, slow(tmp_path, BOT))
        os.kill(found.pid, signal.SIGKILL)
        impatient, patient = asyncio.create_task(found.take()), asyncio.create_task(found.take())
        await until(loads.exists)
        impatient.cancel()
        (tmp_path / "go").touch()
        async with asyncio.timeout(DEADLINE_S):
            taken = await patient
        taken.discard()
        await taken.gone
        assert impatient.cancelled()
        assert loads.read_text() == "x"


async def test_closed_while_the_bot_is_loaded_nobody_waits_on(tmp_path: Path) -> None:
    async with source(write(tmp_path, BOT)) as found:
        write(tmp_path, slow(tmp_path, BOT))
        os.kill(found.pid, signal.SIGKILL)
        asking = asyncio.create_task(found.take())
        await until((tmp_path / "loads").exists)
        await found.close()
        with pytest.raises(ProcessError, match="No more processes"):
            await asking


async def test_zygote_of_the_old_version_ends_with_its_last_session(tmp_path: Path) -> None:
    async with source(write(tmp_path, BOT)) as found:
        async with session(found, "stay") as running:
            old = found.pid
            write(tmp_path, BOT + "# changed")
            async with asyncio.timeout(DEADLINE_S):
                while found.pid == old:
                    await pid_of_taken(found)
            running.tell(Ping())
            assert await running.until(Pong)
            assert lives(old)
        await until(lambda: not lives(old))


async def test_version_that_cannot_be_loaded_is_told_of_once_and_not_used(
    tmp_path: Path, told: list[str]
) -> None:
    async with source(write(tmp_path, VERSION.format(1))) as found:
        write(tmp_path, "import sibling")
        write(tmp_path, "x = =", "sibling.py")

        def errors() -> list[str]:
            return [each for each in told if "sibling.py, line 1" in each]

        async with asyncio.timeout(DEADLINE_S):
            while not errors():
                assert await version(found) == "1"
        found._look_at = 0.0  # as if a second had passed
        assert await version(found) == "1"
        assert len(errors()) == 1, told
        write(tmp_path, VERSION.format(2), "sibling.py")
        write(tmp_path, "from sibling import bot")
        await next_version(found, "2")


async def test_zygote_is_replaced_after_its_longest_time(tmp_path: Path) -> None:
    found = Zygote(write(tmp_path, BOT), server=SERVER, longest_s=0.0)
    await found.start()
    old = found.pid
    async with asyncio.timeout(DEADLINE_S):
        while found.pid == old:
            await pid_of_taken(found)
    await found.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
async def test_process_that_died_or_hangs_while_it_waited_is_not_handed_out(
    tmp_path: Path, number: signal.Signals
) -> None:
    async with source(write(tmp_path, BOT), "spawn", warm=2) as found:
        await until(lambda: len(found.pids) == 2)
        dead = list(found.pids)
        for pid in dead:
            os.kill(pid, number)
        async with session(found, "end") as running:  # at once: nobody has noticed yet
            assert running.pid not in dead
            assert await running.code() == 0
        await until(lambda: not any(map(lives, dead)))
        await until(lambda: len(found.pids) == 2)


@pytest.mark.parametrize("mode", ["fork", "spawn"])
async def test_bot_that_has_broken_is_not_started_again_and_again(
    tmp_path: Path, mode: Mode
) -> None:
    async with source(write(tmp_path, BOT), mode, warm=1) as found:
        starts = tmp_path / "starts"
        write(tmp_path, f"open({str(starts)!r}, 'a').write('x')\nraise ValueError('broken')")
        if mode == "fork":  # while it lives, it serves on
            os.kill(found.pid, signal.SIGKILL)
        for _ in range(20):
            with pytest.raises(ProcessError, match="ValueError: broken"):
                await found.take()
        assert len(starts.read_text()) <= 3  # as many as start at the same time, and one more
        write(tmp_path, BOT)
        assert await pid_of_taken(found)


@pytest.mark.parametrize("mode", ["fork", "spawn"])
async def test_requests_at_once_get_a_process_each(tmp_path: Path, mode: Mode) -> None:
    async with source(write(tmp_path, BOT), mode) as found, asyncio.timeout(2 * DEADLINE_S):
        taken = await asyncio.gather(*(found.take() for _ in range(6)))
        assert len({each.pid for each in taken}) == 6
        for each in taken:
            each.kill()
            assert await each.gone == -signal.SIGKILL
            each.channel.close()


async def test_process_that_nobody_waits_for_any_more_is_not_left_behind(tmp_path: Path) -> None:
    async with source(write(tmp_path, BOT)) as found:
        for turns in range(12):
            asking = asyncio.create_task(found.take())
            for _ in range(turns):
                await asyncio.sleep(0)
            asking.cancel()
            for each in await asyncio.gather(asking, return_exceptions=True):
                if not isinstance(each, BaseException):
                    each.kill()
                    await each.gone
                    each.channel.close()
        await pid_of_taken(found)
        await until(lambda: not children(found.pid))


def held(pid: int) -> tuple[int, int]:
    """How many files and children a process has."""
    return vitals(pid).files, len(children(pid))


@pytest.mark.parametrize("forks", [100, pytest.param(1_000, marks=pytest.mark.long)])
async def test_many_sessions_leave_nothing_behind(tmp_path: Path, forks: int) -> None:
    async with source(write(tmp_path, BOT)) as found:
        await pid_of_taken(found)
        before = held(found.pid), held(os.getpid())
        for _ in range(forks):
            await pid_of_taken(found)
        await until(lambda: (held(found.pid), held(os.getpid())) == before)


@pytest.mark.parametrize("forks", [20, pytest.param(1_000, marks=pytest.mark.long)])
async def test_voice_detection_works_in_each_of_many_forks_and_leaves_nothing_behind(
    tmp_path: Path, forks: int
) -> None:
    voice = [render(each, Voice("en-us"), 16_000).pcm for each in passages("Tell me a story.")]
    (tmp_path / "voice.pcm").write_bytes(b"".join(voice))
    async with source(write(tmp_path, HEARS)) as found:
        await pid_of_taken(found)
        before = held(found.pid), held(os.getpid())
        for _ in range(forks):
            async with session(found, "end") as running:
                assert await running.code() == 0
                assert running.log.split()[1::2] == ["False", "True"]
        await until(lambda: (held(found.pid), held(os.getpid())) == before)


async def test_sessions_do_not_draw_the_same_random_numbers(tmp_path: Path) -> None:
    bot = (
        "import random, numpy, uuid\nasync def bot(_):\n"
        "    print(random.random(), numpy.random.random(), uuid.uuid4())\n"
    )
    async with source(write(tmp_path, bot)) as found:
        drawn = []
        for _ in range(2):
            async with session(found) as running:
                await running.code()
                drawn += running.log.split()[1:]
        assert len({*drawn}) == 6


async def test_rehearsal_reaches_nobody_and_finds_what_is_imported_late(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        errors = tmp_path / "errors"
        bot = f"""
import socket, subprocess, sys
async def bot(session):
    if hasattr(session, "spec"):
        print("colorsys" in sys.modules)
        return
    import colorsys
    address = {server.getsockname()!r}
    with open({str(errors)!r}, "w") as told:
        for reach in (
            lambda: socket.create_connection(address),
            lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM),
            lambda: socket.getaddrinfo("localhost.example", 80),
            lambda: subprocess.run([sys.executable, "-c", "import socket; socket.socket()"],
                                   check=True),
        ):
            try:
                reach()
            except Exception as error:
                told.write(type(error).__name__ + " ")
"""
        async with source(write(tmp_path, bot)) as found, session(found) as running:
            await running.code()
            assert running.log == "S-1 True\n"
        assert errors.read_text() == "PermissionError PermissionError gaierror CalledProcessError "
        with pytest.raises(BlockingIOError):
            server.accept()


async def test_rehearsal_of_our_own_bot_reaches_nobody_and_is_complete(
    tmp_path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        address = f"127.0.0.1:{server.getsockname()[1]}"
        settings = {
            "AVATAR": "liveavatar",
            "LIVEAVATAR_API_KEY": "SECRET-liveavatar",
            "LIVEAVATAR_AVATAR_ID": "1c690fe7-23e0-49f9-bfba-14344450285b",
            "LIVEAVATAR_API_URL": f"http://{address}",
            "OPENAI_API_KEY": "SECRET-openai",
            "OPENAI_BASE_URL": f"http://{address}/v1",
            "CARTESIA_API_KEY": "SECRET-cartesia",
            "CARTESIA_API_URL": f"ws://{address}",
            "DEEPGRAM_API_KEY": "SECRET-deepgram",
            "DEEPGRAM_API_URL": f"ws://{address}",
            "XDG_STATE_HOME": str(tmp_path),
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        async with source(ROOT / "bot.py") as found:
            assert isinstance(found, Zygote)
            assert told == []
        with pytest.raises(BlockingIOError):
            server.accept()
    assert os.listdir(tmp_path) == []
