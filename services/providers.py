"""Who hears, thinks and speaks: the built-in parts, and those of providers with an account.

Each provider is one row of a table and one function. A row's function imports what it needs, so
that a conversation with the built-in parts starts as if there were no others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Generic, TypeVar

from pipecat.services.llm_service import LLMService
from pipecat.services.stt_service import STTService
from pipecat.services.tts_service import TTSService

from . import espeak

# How long a voice may take to begin with a sentence, or to go on with it. Pipecat's three seconds
# throw away what comes later.
_SILENCE_S = 10.0

Service = TypeVar("Service", STTService, LLMService[Any], TTSService)


class ProviderError(Exception):
    """A part cannot be built. The text is a sentence for whoever started the process."""


@dataclass(frozen=True, slots=True)
class Account:
    """What a provider has to be told. The built-in parts look at the language only.

    `instructions` are for a language model.
    """

    api_key: str | None = field(default=None, repr=False)
    url: str | None = None
    model: str = ""
    voice: str = ""
    language: str = "en"
    instructions: str = ""


@dataclass(frozen=True, slots=True)
class Provider(Generic[Service]):
    """One row: how a provider's part is called and built.

    Attributes:
        title: What people call it.
        module: Where the service is, imported before the first conversation.
        build: Makes the service of one conversation.
        key: The variable with its key.
        choices: The variables with what it has to know besides.
        package: What must be installed, and is not always; `extra` brings it.
    """

    title: str
    module: str
    build: Callable[[Account], Service]
    key: str = ""
    choices: str = ""
    package: str = ""
    extra: str = ""


def preload(stt: str | None, llm: str, tts: str | None, *, language: str) -> None:
    """Load what all conversations share. Starts no thread and opens nothing; survives a fork.

    Args:
        stt: Whose ears; None where none of ours are needed.
        llm: Whose language model.
        tts: Whose voice; None as with ears.
        language: What is spoken.

    Raises:
        ProviderError: A package is not installed, or nobody speaks the language.
    """
    for variable, name, rows in (("STT", stt, STT), ("LLM", llm, LLM), ("TTS", tts, TTS)):
        if name is None:
            continue
        row = rows[name]
        if row.package and find_spec(row.package) is None:
            raise ProviderError(
                f"{variable}={name} needs a package that is not installed: start with"
                f" `uv run --extra {row.extra} bot.py`."
            )
        module = import_module(row.module, __package__)
        if name == "local":
            module.preload()
    if tts == "local":
        _espeak_voice(language)


def speech_to_text(name: str, account: Account) -> STTService:
    """The ears of one conversation."""
    return STT[name].build(account)


def language_model(name: str, account: Account) -> LLMService[Any]:
    """The brain of one conversation."""
    return LLM[name].build(account)


def text_to_speech(name: str, account: Account) -> TTSService:
    """The voice of one conversation."""
    return TTS[name].build(account)


def _local_ears(account: Account) -> STTService:
    from .stt import LocalSTTService

    return LocalSTTService()


def _local_brain(account: Account) -> LLMService[Any]:
    from .llm import RulesLLMService

    return RulesLLMService()


def _local_voice(account: Account) -> TTSService:
    from .tts import LocalTTSService

    settings = LocalTTSService.Settings(voice=_espeak_voice(account.language))
    return LocalTTSService(settings=settings)


def _espeak_voice(language: str) -> str:
    try:
        return espeak.voice_of(language)
    except espeak.EspeakError:
        raise ProviderError(
            f"The built-in voice does not speak LANGUAGE={language}. Set a TTS with its key, or"
            " another LANGUAGE."
        ) from None


def _deepgram(account: Account) -> STTService:
    from pipecat.services.deepgram.stt import DeepgramSTTService

    return DeepgramSTTService(
        api_key=account.api_key or "",
        base_url=account.url or "",
        settings=DeepgramSTTService.Settings(model=account.model, language=account.language),
    )


def _openai(account: Account) -> LLMService[Any]:
    from .chat import ChatLLMService

    return ChatLLMService(
        # Without any, the client would look for one itself and then refuse to start.
        api_key=account.api_key or "none",
        base_url=account.url,
        settings=ChatLLMService.Settings(
            model=account.model, system_instruction=account.instructions
        ),
    )


def _elevenlabs(account: Account) -> TTSService:
    from .voices import ElevenLabsVoice

    return ElevenLabsVoice(
        api_key=account.api_key or "",
        url=_socket(account.url),
        stop_frame_timeout_s=_SILENCE_S,
        settings=ElevenLabsVoice.Settings(
            model=account.model, voice=account.voice, language=account.language
        ),
    )


def _cartesia(account: Account) -> TTSService:
    from .voices import CartesiaVoice

    return CartesiaVoice(
        api_key=account.api_key or "",
        url=f"{_socket(account.url)}/tts/websocket",
        stop_frame_timeout_s=_SILENCE_S,
        settings=CartesiaVoice.Settings(
            model=account.model, voice=account.voice, language=account.language
        ),
    )


def _socket(url: str | None) -> str:
    """The address of a WebSocket, where that of a website was given."""
    address = url or ""
    return "ws" + address.removeprefix("http") if address.startswith("http") else address


STT: Mapping[str, Provider[STTService]] = {
    "local": Provider("The built-in speech recognition", ".stt", _local_ears),
    "deepgram": Provider(
        "Deepgram, the speech recognition,",
        "pipecat.services.deepgram.stt",
        _deepgram,
        key="DEEPGRAM_API_KEY",
        choices="DEEPGRAM_MODEL and LANGUAGE",
        package="deepgram",
        extra="deepgram",
    ),
}
LLM: Mapping[str, Provider[LLMService[Any]]] = {
    "local": Provider("The built-in brain", ".llm", _local_brain),
    "openai": Provider(
        "The language model",
        ".chat",
        _openai,
        key="OPENAI_API_KEY",
        choices="OPENAI_MODEL and OPENAI_BASE_URL",
    ),
}
TTS: Mapping[str, Provider[TTSService]] = {
    "local": Provider("The built-in voice", ".tts", _local_voice),
    "elevenlabs": Provider(
        "ElevenLabs, the voice,",
        ".voices",
        _elevenlabs,
        key="ELEVENLABS_API_KEY",
        choices="ELEVENLABS_VOICE_ID and ELEVENLABS_MODEL",
    ),
    "cartesia": Provider(
        "Cartesia, the voice,",
        ".voices",
        _cartesia,
        key="CARTESIA_API_KEY",
        choices="CARTESIA_VOICE_ID and CARTESIA_MODEL",
    ),
}
