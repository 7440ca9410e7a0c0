"""The launcher with the real bot, as it is started: alone, and behind the README's nginx."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .serving import DEADLINE_S, ROOT, Call, Place, calling, free_port
from .test_launcher_door import Launcher, launched
from .test_proxy import PASSWORD, PUBLIC, folder, nginx, run_nginx, trusting  # noqa: F401

READY = {"version": "2.0.0", "about": {"library": "tests"}}


@pytest.fixture(scope="module")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    with launched(
        tmp_path_factory.mktemp("state"),
        *("--bot", str(ROOT / "bot.py"), "-v", "--drain-s", "5"),
        PUBLIC_URL=PUBLIC,
        TRUSTED_PROXIES="127.0.0.1",
        GREETING="Hello.",
    ) as launcher:
        yield launcher
    assert "eyJ" not in launcher.log, "a ticket was logged"


@pytest.fixture(scope="module")
def proxied(
    launcher: Launcher,
    nginx: str,  # noqa: F811
    folder: Path,  # noqa: F811
    trusting: ssl.SSLContext,  # noqa: F811
) -> Iterator[Place]:
    port = free_port()
    proxy = run_nginx(nginx, folder, port, launcher.port)
    yield Place(PUBLIC, port, trusting, {"Authorization": f"Basic {PASSWORD}"})
    proxy.terminate()
    proxy.wait(DEADLINE_S)


def ask(url: str, state: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """As the user whose state it is."""
    command = [sys.executable, "-m", "launcher", words[0], "--url", url, *words[1:]]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(state)}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.asyncio
async def test_real_bot_answers_through_the_launcher(launcher: Launcher) -> None:
    async with calling(launcher) as call:
        assert await call.answer_to("What is your name?")


@pytest.mark.asyncio
async def test_real_bot_answers_through_nginx_as_well(proxied: Place) -> None:
    headers = {"additional_headers": dict(proxied.headers or {})}
    async with calling(proxied, **headers) as call:
        assert await call.answer_to("What is your name?")


@pytest.mark.asyncio
async def test_who_comes_back_finds_what_was_said(launcher: Launcher) -> None:
    async with launcher.dial(launcher.start()["token"]) as wire:
        call = Call(wire)
        await call.tell("client-ready", READY)
        ticket = (await call.until_told("ticket"))["token"]
        await call.until_told("bot-stopped-speaking")
        wire.transport.abort()
    async with launcher.dial(ticket) as wire:
        back = Call(wire)
        await back.tell("client-ready", READY)
        await back.until_told("bot-ready")
        # Who is greeted again was not known: what comes first is the answer.
        await back.say("What is your name?")
        assert await back.until_told("transcript", role="user")
        said = await back.until_told("transcript", role="assistant", final=True)
        assert said["text"] != "Hello."


@pytest.mark.asyncio
async def test_command_line_begins_shows_and_ends(launcher: Launcher) -> None:
    begun = await asyncio.to_thread(ask, launcher.origin, launcher.folder, "start")
    assert set(json.loads(begun.stdout)) == {"wsUrl", "token"}
    listed = await asyncio.to_thread(ask, launcher.origin, launcher.folder, "list")
    session = next(line.split()[0] for line in listed.stdout.splitlines() if "waiting" in line)
    stopped = await asyncio.to_thread(ask, launcher.origin, launcher.folder, "stop", session)
    assert stopped.stdout == f"{session} is over.\n"
    again = await asyncio.to_thread(ask, launcher.origin, launcher.folder, "stop", session)
    assert again.returncode == 1
    assert again.stderr.endswith("avatarbot: There is no such session. (404)\n")


def test_nobody_there_gets_a_sentence(tmp_path: Path) -> None:
    done = ask(f"http://localhost:{free_port()}", tmp_path, "list")
    assert done.returncode == 1
    assert "No launcher answers at" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.asyncio
async def test_another_user_of_this_machine_neither_sees_nor_ends(
    launcher: Launcher, tmp_path: Path
) -> None:
    listed = await asyncio.to_thread(ask, launcher.origin, tmp_path, "list")
    assert "(401)" in listed.stderr
    drained = await asyncio.to_thread(ask, launcher.origin, tmp_path, "drain")
    assert "(403)" in drained.stderr


@pytest.mark.asyncio
async def test_drained_it_ends(launcher: Launcher) -> None:
    """The last one here: nothing is left to be asked."""
    done = await asyncio.to_thread(ask, launcher.origin, launcher.folder, "drain")
    assert done.stdout == "It has ended.\n"
    assert await asyncio.to_thread(launcher.ended) == 0
