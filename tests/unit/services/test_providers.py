"""The table of providers: what is imported when, and what is said where something is missing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from services import espeak, providers
from services.chat import ChatLLMService
from services.providers import Account, ProviderError

ROOT = Path(__file__).parents[3]
ACCOUNT = Account("SECRET-1", "https://api.example.com", "a-model", "a-voice", "en")


def test_account_does_not_show_its_key() -> None:
    assert "SECRET-" not in repr(ACCOUNT)


def test_built_in_parts_start_without_the_libraries_of_others() -> None:
    code = (
        "from services import providers; import sys;"
        "providers.preload('local', 'local', 'local', language='en');"
        "print({'openai', 'deepgram', 'pipecat.services.elevenlabs.tts'} & {*sys.modules})"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "set()"


def test_language_model_is_loaded_before_the_first_conversation_of_an_agent(
    tmp_path: Path,
) -> None:
    code = (
        "import bot, sys; bot.preload();print({'services.chat', 'services.stt'} & {*sys.modules})"
    )
    settings = {
        "AVATAR": "zego-agent",
        "ZEGO_APP_ID": "1",
        "ZEGO_SERVER_SECRET": "x" * 32,
        "ZEGO_AGENT_TTS_PARAMS": '{"app": {}}',
        "LLM": "openai",
        "OPENAI_API_KEY": "x",
        "PUBLIC_URL": "https://bot.example.com",
    }
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), **settings},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == "{'services.chat'}"


def test_missing_package_is_named_with_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "find_spec", lambda _: None)
    with pytest.raises(ProviderError) as refusal:
        providers.preload("deepgram", "local", "local", language="en")
    assert str(refusal.value) == (
        "STT=deepgram needs a package that is not installed: start with"
        " `uv run --extra deepgram bot.py`."
    )


@pytest.mark.parametrize(
    ("language", "voice"),
    [("en", "en-us"), ("en-GB", "en"), ("de", "de"), ("de-AT", "de"), ("pt-BR", "pt-br")],
)
def test_built_in_voice_speaks_the_language(language: str, voice: str) -> None:
    assert espeak.voice_of(language) == voice


def test_language_that_the_built_in_voice_does_not_speak_is_refused() -> None:
    with pytest.raises(ProviderError, match="does not speak LANGUAGE=xx"):
        providers.preload("local", "local", "local", language="xx")


def test_model_of_another_server_is_told_nothing_by_a_developer() -> None:
    build = providers.LLM["openai"].build
    assert not build(ACCOUNT).supports_developer_role
    assert build(Account("SECRET-1", None, "gpt-4.1")).supports_developer_role


def test_client_does_not_repeat_requests_by_itself() -> None:
    service = providers.LLM["openai"].build(ACCOUNT)
    assert isinstance(service, ChatLLMService)
    client = service.create_client(api_key="SECRET-1", base_url="https://api.example.com")
    assert client.max_retries == 0
