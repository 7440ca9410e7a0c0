"""A session's process does what the launcher says, forked or not."""

from __future__ import annotations

import json
import os
import signal
import socket
from pathlib import Path

import pytest

from launcher.messages import Cancel, Ping, Pong, SayGoodbye, Serving, Take, Talking
from launcher.processes import Mode
from tests.emulated.processes import lives, until
from tests.emulated.session_source import PARTS, session, source, write

pytestmark = pytest.mark.asyncio

BOT = (
    PARTS
    + """
import asyncio, ctypes, json, logging, subprocess, sys
from loguru import logger

async def end(session): pass
async def fail(session): raise ValueError("a mistake")
async def leave(session): sys.exit(7)
async def crash(session): ctypes.string_at(0)
async def stay(session): await asyncio.Event().wait()

async def talk(session):
    print("printed")
    print("to stderr,\\nin two lines", file=sys.stderr)
    logger.info("logged")
    logging.getLogger("a.library").warning("logged too")

async def have_children(session):
    child = subprocess.Popen(["sh", "-c", "sleep 1000 & echo $!; wait"], stdout=subprocess.PIPE)
    print(child.pid, int(child.stdout.readline()), flush=True)
    await stay(session)

async def meet(session):
    connection, head, admission = await session.taken.get()
    ticket = await session.ticket()
    connection.sendall(json.dumps([len(head), head[-1], admission, ticket]).encode())
    connection.close()
"""
)

PIPELINE = """
import asyncio
from pipecat.frames.frames import CancelFrame, EndFrame, TTSSpeakFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.workers.runner import WorkerRunner

class Voice(FrameProcessor):
    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, (TTSSpeakFrame, EndFrame, CancelFrame)):
            print(type(frame).__name__, getattr(frame, "text", ""), flush=True)
        await self.push_frame(frame, direction)

async def bot(session):
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(PipelineWorker(Pipeline([Voice()]), idle_timeout_secs=None))
    try:
        await runner.run()
    finally:
        print("tidied up", flush=True)
"""

MODES: list[Mode] = ["fork", "spawn"]


@pytest.mark.parametrize("mode", MODES)
async def test_exit_codes_are_told(tmp_path: Path, mode: Mode) -> None:
    codes = {"end": 0, "fail": 1, "leave": 7, "crash": -signal.SIGSEGV}
    async with source(write(tmp_path, BOT), mode) as processes:
        for body, code in codes.items():
            async with session(processes, body) as running:
                assert await running.code() == code, body
                assert running.heard == [Serving()]
                assert ("a mistake" in running.log) == (body == "fail")
                assert ("Segmentation fault" in running.log) == (body == "crash")


@pytest.mark.parametrize("by_us", [True, False])
@pytest.mark.parametrize("mode", MODES)
async def test_children_of_a_session_end_with_it(tmp_path: Path, mode: Mode, by_us: bool) -> None:
    async with (
        source(write(tmp_path, BOT), mode) as processes,
        session(processes, "have_children") as running,
    ):
        await until(lambda: running.log.endswith("\n"))
        children = [int(each) for each in running.log.split()[1:]]
        assert all(map(lives, children))
        if by_us:
            running.process.kill()
        else:
            os.kill(running.pid, signal.SIGKILL)
        assert await running.code() == -signal.SIGKILL
        await until(lambda: not any(map(lives, children)))


async def test_all_that_it_says_is_in_its_log_with_its_id(tmp_path: Path) -> None:
    async with (
        source(write(tmp_path, BOT)) as processes,
        session(processes, "talk") as running,
    ):
        assert await running.code() == 0
        lines = running.log.splitlines()
        assert all(line.startswith("S-1 ") for line in lines), lines
        for said in ("printed", "to stderr,", "in two lines", "logged", "logged too"):
            assert sum(line.endswith(said) for line in lines) == 1, said


async def test_bot_that_sets_up_its_logs_itself_gets_the_sessions_log(tmp_path: Path) -> None:
    bot = (
        BOT
        + """
def configure_logs(stream):
    logger.remove()
    logger.add(lambda line: stream.write("as I like it: " + line), format="{message}")
"""
    )
    async with source(write(tmp_path, bot)) as processes, session(processes, "talk") as running:
        assert await running.code() == 0
        assert "S-1 as I like it: logged\n" in running.log


async def test_connection_is_handed_over_with_a_large_head_and_a_ticket_is_asked_for(
    tmp_path: Path,
) -> None:
    head = "GET / HTTP/1.1\r\nX: " + 65_000 * "ä" + "é"
    async with (
        source(write(tmp_path, BOT)) as processes,
        session(processes, "meet") as running,
    ):
        await running.until(Serving)
        ours, theirs = socket.socketpair()
        with ours:
            running.tell(Take(head, {"page": True}), theirs)
            theirs.close()
            assert await running.code() == 0
            answer = json.loads(ours.recv(4096))
            assert answer == [len(head), 0xE9, {"page": True}, "a ticket"]
            assert ours.recv(1) == b""


async def test_ping_is_answered_before_and_while_it_runs(tmp_path: Path) -> None:
    async with source(write(tmp_path, BOT)) as processes, session(processes, "stay") as running:
        await running.until(Serving)
        running.tell(Ping())
        assert 0 < (await running.until(Pong)).memory_mb < 50


@pytest.mark.parametrize("mode", MODES)
async def test_goodbye_is_said_and_the_pipeline_ends(tmp_path: Path, mode: Mode) -> None:
    async with source(write(tmp_path, PIPELINE), mode) as processes, session(processes) as running:
        await running.until(Talking)
        running.tell(SayGoodbye("Farewell."))
        assert await running.code() == 0
        said = [line.removeprefix("S-1 ") for line in running.log.splitlines()]
        assert said[-3:] == ["TTSSpeakFrame Farewell.", "EndFrame ", "tidied up"]


async def test_cancelled_pipeline_ends_in_order(tmp_path: Path) -> None:
    async with source(write(tmp_path, PIPELINE)) as processes, session(processes) as running:
        await running.until(Talking)
        running.tell(Cancel())
        assert await running.code() == 0
        assert running.log.endswith("S-1 CancelFrame \nS-1 tidied up\n")


@pytest.mark.parametrize("message", [Cancel(), SayGoodbye("Farewell.")])
async def test_session_that_nobody_talks_to_ends_at_once(tmp_path: Path, message: object) -> None:
    async with source(write(tmp_path, BOT)) as processes, session(processes, "stay") as running:
        await running.until(Serving)
        running.tell(message)
        assert await running.code() == 0


async def test_session_ends_when_the_launcher_hangs_up(tmp_path: Path) -> None:
    async with source(write(tmp_path, PIPELINE)) as processes, session(processes) as running:
        await running.until(Talking)
        running.process.channel.close()
        assert await running.code() == 0
        assert running.log.endswith("tidied up\n")


async def test_signal_to_all_of_a_terminal_or_a_service_does_not_end_a_session(
    tmp_path: Path,
) -> None:
    async with source(write(tmp_path, BOT)) as processes, session(processes, "stay") as running:
        await running.until(Serving)
        signal.pidfd_send_signal(running.process.pidfd, signal.SIGTERM)
        signal.pidfd_send_signal(running.process.pidfd, signal.SIGINT)
        running.tell(Ping())
        assert await running.until(Pong)
