"""HeyGen in somebody else's Pipecat bot: the lines of the README, and what it hears of errors."""

from __future__ import annotations

import asyncio
import re
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    EndFrame,
    ErrorFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.workers.runner import WorkerRunner

from tests.emulated.standins.heygen import Answer, heygen
from transports.avatar import KeyRefused
from transports.avatar.transport import AvatarTransport

pytestmark = pytest.mark.asyncio

README = (Path(__file__).parents[2] / "README.md").read_text()


def face_of_the_readme(url: str) -> AvatarTransport:
    section = README.split("### A HeyGen avatar in your own Pipecat bot")[1]
    (code,) = re.findall(r"```python\n(.*?)```", section.split("\n##")[0], re.DOTALL)
    code = code.replace("avatarbot.", "").replace("api_key=key", f"api_key=key, api_url={url!r}")
    names: dict[str, Any] = {}
    exec(code, names)
    made = names["face"]("a1", "SECRET-room")
    assert isinstance(made, AvatarTransport)
    return made


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LIVEKIT_URL", "wss://mine.example")
    monkeypatch.setenv("LIVEAVATAR_API_KEY", "SECRET-key")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


async def run(worker: PipelineWorker) -> None:
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    async with asyncio.timeout(30):
        await runner.run()


async def test_the_lines_of_the_readme_let_the_avatar_speak_and_end_its_session() -> None:
    pcm = bytes(range(256)) * 94
    async with heygen() as (stand_in, url):
        worker = PipelineWorker(Pipeline([face_of_the_readme(url).output()]))
        heard: list[type] = []
        worker.set_reached_downstream_filter((BotStartedSpeakingFrame, BotStoppedSpeakingFrame))
        worker.add_event_handler(
            "on_frame_reached_downstream", lambda _, frame: heard.append(type(frame))
        )
        speech = [TTSAudioRawFrame(pcm, 24_000, 1)]
        await worker.queue_frames([TTSStartedFrame(), *speech, TTSStoppedFrame(), EndFrame()])
        await run(worker)
        spoken = [m for m in stand_in.messages if m["type"] == "agent.speak"]
        assert b"".join(b64decode(message["audio"]) for message in spoken) == pcm
        assert stand_in.kinds()[-1] == "agent.speak_end"
        assert stand_in.calls[0].body["livekit_config"]["livekit_room"] == "my-room"
        assert heard == [BotStartedSpeakingFrame, BotStoppedSpeakingFrame]
        assert stand_in.running == set()


async def test_a_refused_key_reaches_the_pipeline_as_a_typed_error_with_a_sentence() -> None:
    async with heygen() as (stand_in, url):
        stand_in.answer("/v1/sessions/token", Answer(401))
        worker = PipelineWorker(Pipeline([face_of_the_readme(url).output()]))
        errors: list[ErrorFrame] = []

        @worker.event_handler("on_pipeline_error")
        async def end(_: object, error: ErrorFrame) -> None:
            errors.append(error)
            await worker.queue_frame(EndFrame())

        await run(worker)
        assert isinstance(errors[0].exception, KeyRefused)
        assert errors[0].error == "LiveAvatar refused the API key with 401"
