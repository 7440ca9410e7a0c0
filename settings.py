"""Reads the configuration: the environment, and under it the file `.env`, once.

What is planned and does not work yet is refused, so that nobody waits for a face that this
version cannot show.
"""

import ipaddress
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal
from urllib.parse import SplitResult, urlsplit

from dotenv import dotenv_values

_NETLOC = re.compile(r"([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?", re.IGNORECASE | re.ASCII)
LONGEST_JSON = 10_000
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


TRIAL = "zego_test"
"""What ZEGO takes for its own keys in the first two weeks; no secret."""


class SettingsError(Exception):
    """A setting is missing or wrong. The text names it and what it takes, never a secret."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What can be configured in this version. One field per variable, in lower case."""

    avatar: str
    avatar_on_start_error: str
    avatar_journal: bool
    """Whether it is kept on disk what is open at a vendor and costs money."""
    liveavatar_api_key: str | None = field(repr=False)
    liveavatar_avatar_id: str
    liveavatar_api_url: str
    liveavatar_sandbox: bool
    liveavatar_max_sessions: int | None
    """How many sessions the account may have at once; None: the vendor knows."""
    heygen_api_key: str | None = field(repr=False)
    heygen_avatar_id: str
    heygen_api_url: str
    heygen_max_sessions: int | None
    zego_app_id: int | None
    zego_server_secret: str | None = field(repr=False)
    zego_digital_human_id: str
    zego_digital_human_api_url: str
    zego_web_server_url: str
    """Where the page's SDK connects to; empty: the project's default one."""
    zego_token_mode: Literal["gcm", "cbc"]
    zego_drive_tls: str
    zego_reserve: str
    zego_callback_secret: str | None = field(repr=False)
    zego_max_sessions: int | None
    zego_ai_agent_api_url: str
    zego_agent_id: str
    zego_agent_llm_url: str | None
    zego_agent_llm_api_key: str | None = field(repr=False)
    zego_agent_llm_model: str
    zego_agent_tts_vendor: str
    zego_agent_tts_params: Mapping[str, Any] | None = field(repr=False)
    zego_agent_asr_vendor: str
    zego_agent_asr_params: Mapping[str, Any] | None = field(repr=False)
    zego_agent_voice_only: bool
    """Whether a voice without a face will do where the vendor has no face left."""
    stt: str
    llm: str
    tts: str
    greeting: str
    system_prompt: str
    language: str
    max_session_seconds: int
    public_url: str | None
    """Origin under which a reverse proxy shows the page, such as `https://bot.example.com`."""
    trusted_proxies: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]
    """Reverse proxies that may connect from elsewhere, and whose `X-Forwarded-*` is believed."""
    max_sessions: int
    session_secret: bytes | None = field(repr=False)
    """256-bit key that signs tickets; None: the server keeps one of its own in a file."""
    tenants_file: Path | None
    """Who may have sessions of the launcher; None: our own page."""
    daily_api_key: str | None = field(repr=False)
    livekit_url: str | None
    livekit_api_key: str | None = field(repr=False)
    livekit_api_secret: str | None = field(repr=False)
    openai_api_key: str | None = field(repr=False)
    openai_base_url: str | None
    """Where a server answers as OpenAI's does; None: at OpenAI."""
    openai_model: str
    deepgram_api_key: str | None = field(repr=False)
    deepgram_api_url: str
    deepgram_model: str
    elevenlabs_api_key: str | None = field(repr=False)
    elevenlabs_api_url: str
    elevenlabs_voice_id: str
    elevenlabs_model: str
    cartesia_api_key: str | None = field(repr=False)
    cartesia_api_url: str
    cartesia_voice_id: str
    cartesia_model: str

    def secrets(self) -> list[str]:
        """What no log may show, as it would stand there."""
        values = [getattr(self, each.name) for each in fields(self) if not each.repr]
        texts = [each.hex() if isinstance(each, bytes) else each for each in values if each]
        inner = [each.get("app") for each in texts if isinstance(each, dict)]
        texts += [each for app in inner if isinstance(app, dict) for each in app.values()]
        return [each for each in texts if isinstance(each, str) and each != TRIAL]


@dataclass(frozen=True, slots=True)
class Variable:
    """One line of `.env.example`: how its text becomes a value, and what it takes."""

    name: str
    default: str
    takes: str
    read: Callable[[str], Any]
    """Raises `ValueError` on a text that is not taken, `NotYetError` on one that will be."""

    def value(self, environment: Mapping[str, str]) -> Any:
        """Returns the value, or the default's where the variable is unset or empty.

        Raises:
            SettingsError: The text is not taken.
        """
        text = environment.get(self.name, "").strip() or self.default
        try:
            return self.read(text)
        except NotYetError:
            raise SettingsError(
                f"{self.name}={text} is not in this version. {self.name} takes {self.takes}."
            ) from None
        except ValueError:
            raise SettingsError(f"{self.name} takes {self.takes}.") from None


class NotYetError(ValueError):
    """The value is planned."""


def _one_of(*works: str, planned: tuple[str, ...] = ()) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text in planned:
            raise NotYetError
        if text not in works:
            raise ValueError
        return text

    return read


def _either(yes: str, no: str) -> Callable[[str], bool]:
    one_of = _one_of(yes, no)
    return lambda text: one_of(text) == yes


def _language(text: str) -> str:
    if not re.fullmatch(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*", text):
        raise ValueError
    return text


def _api_key(text: str) -> str | None:
    if not re.fullmatch(r"[!-~]{0,1000}", text):
        raise ValueError
    return text or None


def _name(text: str) -> str:
    """A model or a voice, as its provider calls it; it becomes part of addresses."""
    if not re.fullmatch(r"[A-Za-z0-9][\w.:@/-]{0,199}", text) or ".." in text:
        raise ValueError
    return text


def _address(text: str, *, encrypted: Sequence[str], plain: Sequence[str]) -> SplitResult:
    """The parts of an address whose scheme is an encrypted one, or a plain one on this machine."""
    url = urlsplit(text)
    here = url.scheme in plain and url.hostname in LOOPBACK_NAMES
    if url.scheme not in encrypted and not here:
        raise ValueError
    if not _NETLOC.fullmatch(url.netloc) or (url.port or 1) < 1:
        raise ValueError
    return url


def _service(text: str) -> str | None:
    if not text:
        return None
    url = _address(text, encrypted=("https", "wss"), plain=("http", "ws"))
    if url.query or url.fragment or not re.fullmatch(r"[\w./~-]*", url.path):
        raise ValueError
    return text.rstrip("/")


def _rest(text: str) -> str:
    if not text.startswith("http"):
        raise ValueError  # a socket's
    return _service(text) or ""


def _socket(text: str) -> str:
    # The page's policy names its host, and has no notation for IPv6 addresses.
    if text and (not text.startswith("wss://") or "[" in text):
        raise ValueError
    return _service(text) or ""


def _app_id(text: str) -> int | None:
    if text and not (re.fullmatch(r"[0-9]{1,10}", text) and 0 < int(text) < 2**32):
        raise ValueError
    return int(text) if text else None


def _server_secret(text: str) -> str | None:
    if text and not re.fullmatch(r"[!-~]{32}", text):
        raise ValueError
    return text or None


def _json(text: str) -> Mapping[str, Any] | None:
    """An object, as a vendor wants to be told."""
    if not text:
        return None
    value = json.loads(text)
    if len(text) > LONGEST_JSON or not isinstance(value, dict):
        raise ValueError
    return value


def _agent(text: str) -> str:
    if not re.fullmatch(r"[\w-]{1,64}", text, re.ASCII):
        raise ValueError
    return text


def _avatar(text: str) -> str:
    if not re.fullmatch(r"[\w.-]{0,200}", text, re.ASCII):
        raise ValueError
    return text


def _text(longest: int) -> Callable[[str], str]:
    def read(text: str) -> str:
        if len(text) > longest or "\0" in text:
            raise ValueError
        return text

    return read


def _seconds(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", text) or not 10 <= int(text) <= 86_400:
        raise ValueError
    return int(text)


def _sessions(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,4}", text) or not 1 <= int(text) <= 1_000:
        raise ValueError
    return int(text)


def _slots(text: str) -> int | None:
    return _sessions(text) if text else None


def _networks(text: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    given = [each.strip() for each in text.split(",")] if text else []
    networks = tuple(ipaddress.ip_network(each) for each in given)
    if any(network.prefixlen == 0 for network in networks):
        raise ValueError  # everybody is nobody to trust
    return networks


def _secret(text: str) -> bytes | None:
    if text and not re.fullmatch(r"[0-9A-Fa-f]{64}", text):
        raise ValueError
    return bytes.fromhex(text) or None


def _file(text: str) -> Path | None:
    return Path(text) if text else None


def _livekit_url(text: str) -> str | None:
    if text:
        _address(text, encrypted=("wss",), plain=("ws",))
    return text or None


def _origin(text: str) -> str | None:
    if not text:
        return None
    url = _address(text, encrypted=("https",), plain=("http",))
    if url.path.strip("/") or url.query or url.fragment:
        raise ValueError
    return f"{url.scheme}://{url.netloc.lower()}"


AVATARS: dict[str, tuple[str, ...]] = {
    "liveavatar": ("liveavatar_api_key",),
    "heygen": ("heygen_api_key",),
    "heygen-alpha": ("heygen_api_key",),
    "zego": ("zego_app_id", "zego_server_secret"),
    "zego-agent": ("zego_app_id", "zego_server_secret"),
}
"""Who can show the face besides the page, and the settings without which they cannot."""

MANAGED = ("zego-agent",)
"""Those of them that hear, think and speak as well: STT, LLM and TTS are not used then."""

PROVIDERS: dict[str, dict[str, tuple[str, ...]]] = {
    "stt": {"deepgram": ("deepgram_api_key",)},
    "llm": {"openai": ("openai_api_key", "openai_base_url")},
    "tts": {"cartesia": ("cartesia_api_key",), "elevenlabs": ("elevenlabs_api_key",)},
}
"""Who can take which part, and the settings of which one has to be there."""

LOCAL_LANGUAGE = "en"
"""What the built-in ears and brain understand."""

A_KEY = "the key of your account"
SLOTS = "how many sessions the account may have at once, from 1 to 1000; empty: the vendor says"
A_BLOCK = "its parameters as ZEGO lists them, a JSON object"
AN_ADDRESS = "an address such as {}; without encryption on this machine only"


def _api_url(name: str, usual: str, read: Callable[[str], str | None] = _service) -> Variable:
    return Variable(name, usual, AN_ADDRESS.format(usual), read)


VARIABLES = (
    Variable(
        "AVATAR",
        "local",
        "local (the built-in face), liveavatar, heygen, heygen-alpha, zego or zego-agent",
        _one_of("local", *AVATARS, planned=("akool",)),
    ),
    Variable(
        "AVATAR_ON_START_ERROR",
        "end",
        "end or local: what an avatar that cannot start, or is lost, does to the conversation",
        _one_of("end", "local"),
    ),
    Variable(
        "AVATAR_JOURNAL",
        "on",
        "on or off: whether it is noted on disk which paid sessions are open",
        _either("on", "off"),
    ),
    Variable("LIVEAVATAR_API_KEY", "", A_KEY, _api_key),
    Variable("LIVEAVATAR_AVATAR_ID", "", "the id of an avatar", _avatar),
    _api_url("LIVEAVATAR_API_URL", "https://api.liveavatar.com", _rest),
    Variable(
        "LIVEAVATAR_SANDBOX",
        "false",
        "true or false: a session of a minute, free of charge, with the sandbox's own avatar",
        _either("true", "false"),
    ),
    Variable("LIVEAVATAR_MAX_SESSIONS", "", SLOTS, _slots),
    Variable("HEYGEN_API_KEY", "", A_KEY, _api_key),
    Variable("HEYGEN_AVATAR_ID", "", "the id of an avatar; empty: the vendor's choice", _avatar),
    _api_url("HEYGEN_API_URL", "https://api.heygen.com", _rest),
    Variable("HEYGEN_MAX_SESSIONS", "", SLOTS, _slots),
    Variable("ZEGO_APP_ID", "", "the AppID of your project, a number", _app_id),
    Variable(
        "ZEGO_SERVER_SECRET", "", "the ServerSecret of that project, 32 characters", _server_secret
    ),
    Variable(
        "ZEGO_DIGITAL_HUMAN_ID",
        "63c3aa64-1d80-4b04-a0be-1c65614eb7eb",
        "the id of a digital human; by default a public one",
        _avatar,
    ),
    _api_url("ZEGO_DIGITAL_HUMAN_API_URL", "https://aigc-digitalhuman-api.zegotech.cn", _rest),
    Variable(
        "ZEGO_WEB_SERVER_URL",
        "",
        "the server of the web SDK, as the console names it (wss://…); empty: the usual one",
        _socket,
    ),
    Variable(
        "ZEGO_TOKEN_MODE",
        "gcm",
        "gcm or cbc: how the tokens of the page are encrypted",
        _one_of("gcm", "cbc"),
    ),
    Variable(
        "ZEGO_DRIVE_TLS",
        "verify",
        "verify, pin or off: whom to believe that the drive socket is theirs",
        _one_of("verify", "pin", "off"),
    ),
    Variable(
        "ZEGO_RESERVE",
        "quiet",
        "quiet or early: whether the next utterance is reserved while one is heard",
        _one_of("quiet", "early"),
    ),
    Variable(
        "ZEGO_CALLBACK_SECRET", "", "the CallbackSecret of the project; empty: none come", _api_key
    ),
    Variable("ZEGO_MAX_SESSIONS", "", SLOTS, _slots),
    _api_url("ZEGO_AI_AGENT_API_URL", "https://aigc-aiagent-api.zegotech.cn", _rest),
    Variable("ZEGO_AGENT_ID", "avatarbot", "what the agent is registered as", _agent),
    Variable(
        "ZEGO_AGENT_LLM_URL",
        "",
        "where ZEGO asks a language model: chat completions, as OpenAI's; empty: here, for LLM's",
        _service,
    ),
    Variable("ZEGO_AGENT_LLM_API_KEY", "", "the key for it, which ZEGO is told", _api_key),
    Variable("ZEGO_AGENT_LLM_MODEL", "gpt-4.1", "the name of a model", _name),
    Variable("ZEGO_AGENT_TTS_VENDOR", "ByteDanceV3", "a voice of those that ZEGO lists", _name),
    Variable("ZEGO_AGENT_TTS_PARAMS", "", A_BLOCK, _json),
    Variable("ZEGO_AGENT_ASR_VENDOR", "Tencent", "ears of those that ZEGO lists", _name),
    Variable("ZEGO_AGENT_ASR_PARAMS", "", A_BLOCK, _json),
    Variable(
        "ZEGO_AGENT_VOICE_ONLY",
        "false",
        "true or false: a voice without a face where ZEGO has no face left",
        _either("true", "false"),
    ),
    Variable(
        "STT",
        "",
        "local or deepgram; empty: deepgram with DEEPGRAM_API_KEY, else local",
        _one_of("", "local", *PROVIDERS["stt"], planned=("openai",)),
    ),
    Variable(
        "LLM",
        "",
        "local or openai; empty: openai with OPENAI_API_KEY or OPENAI_BASE_URL, else local",
        _one_of("", "local", *PROVIDERS["llm"]),
    ),
    Variable(
        "TTS",
        "",
        "local, cartesia or elevenlabs; empty: the one whose key is set, else local",
        _one_of("", "local", *PROVIDERS["tts"], planned=("openai",)),
    ),
    Variable(
        "GREETING",
        "Hello, I am avatarbot. What can I do for you?",
        "what the bot says first, up to 500 characters",
        _text(500),
    ),
    Variable(
        "SYSTEM_PROMPT",
        "You are a friendly voice assistant. Answer in one or two short sentences.",
        "instructions to the language model, up to 20,000 characters",
        _text(20_000),
    ),
    Variable(
        "LANGUAGE",
        "en",
        "a language tag such as en, en-GB or de; the built-in ears and brain: English only",
        _language,
    ),
    Variable(
        "MAX_SESSION_SECONDS",
        "3600",
        "after how many seconds a session ends by itself, from 10 to 86400",
        _seconds,
    ),
    Variable(
        "PUBLIC_URL",
        "",
        "the address of the page behind a reverse proxy, such as https://bot.example.com",
        _origin,
    ),
    Variable(
        "TRUSTED_PROXIES",
        "",
        "where reverse proxies connect from, such as 10.0.0.2 or 172.18.0.0/16, with commas",
        _networks,
    ),
    Variable(
        "MAX_SESSIONS",
        "20",
        "how many conversations may go on at once, from 1 to 1000",
        _sessions,
    ),
    Variable(
        "SESSION_SECRET",
        "",
        "the key that signs tickets, 64 hexadecimal digits (openssl rand -hex 32)",
        _secret,
    ),
    Variable(
        "TENANTS_FILE",
        "",
        "the file of those who may have sessions of the launcher; empty: the page alone",
        _file,
    ),
    Variable("OPENAI_API_KEY", "", A_KEY, _api_key),
    Variable(
        "OPENAI_BASE_URL",
        "",
        AN_ADDRESS.format("http://localhost:11434/v1 (Ollama)"),
        _service,
    ),
    Variable("OPENAI_MODEL", "gpt-4.1", "the name of a model", _name),
    Variable("DEEPGRAM_API_KEY", "", A_KEY, _api_key),
    _api_url("DEEPGRAM_API_URL", "https://api.deepgram.com"),
    Variable("DEEPGRAM_MODEL", "nova-3-general", "the name of a model", _name),
    Variable("ELEVENLABS_API_KEY", "", A_KEY, _api_key),
    _api_url("ELEVENLABS_API_URL", "https://api.elevenlabs.io"),
    Variable("ELEVENLABS_VOICE_ID", "JBFqnCBsd6RMkjVDRZzb", "the id of a voice", _name),
    Variable("ELEVENLABS_MODEL", "eleven_flash_v2_5", "the name of a model", _name),
    Variable("CARTESIA_API_KEY", "", A_KEY, _api_key),
    _api_url("CARTESIA_API_URL", "https://api.cartesia.ai"),
    Variable(
        "CARTESIA_VOICE_ID", "71a7ad14-091c-4e8e-a314-022ece01c121", "the id of a voice", _name
    ),
    Variable("CARTESIA_MODEL", "sonic-3.6", "the name of a model", _name),
    Variable("DAILY_API_KEY", "", "a key of daily.co: people can come by a Daily room", _api_key),
    Variable(
        "LIVEKIT_URL",
        "",
        "a LiveKit server, such as wss://example.livekit.cloud: people can come by its rooms",
        _livekit_url,
    ),
    Variable("LIVEKIT_API_KEY", "", "a key of that LiveKit server", _api_key),
    Variable("LIVEKIT_API_SECRET", "", "the secret of that key", _api_key),
)

# fmt: off
PLANNED = frozenset((
    "AKOOL_API_KEY", "AKOOL_AVATAR_ID", "AKOOL_API_URL",
))
# fmt: on


def load(
    environment: Mapping[str, str] | None = None, dotenv: Path | None = Path(".env")
) -> Settings:
    """Reads every setting. The environment goes before the file, which may be absent.

    Args:
        environment: What is set; by default this process's environment. It is not changed.
        dotenv: A file of `NAME=value` lines, relative to the working directory; None for none.

    Raises:
        SettingsError: A value is not taken, two do not go together, or the file names a setting of
            a later version.
    """
    file = dotenv_values(dotenv, interpolate=False) if dotenv else {}
    # In the environment such a name may be there for another program; in the file it is for us.
    if planned := sorted(name for name in PLANNED if file.get(name)):
        raise SettingsError(f"{planned[0]} in {dotenv} is not in this version. Take the line out.")
    merged = {name: value for name, value in file.items() if value}
    merged |= os.environ if environment is None else environment
    values = {each.name.lower(): each.value(merged) for each in VARIABLES}
    for part in PROVIDERS:
        values[part] = _provider(part, values)
    _check_avatar(values)
    _refuse_languages(values)
    return Settings(**values)


def _provider(part: str, values: Mapping[str, Any]) -> str:
    """Who takes the part: who was named, or the only one that can."""
    able = {
        provider
        for provider, needs in PROVIDERS[part].items()
        if any(values[need] for need in needs)
    }
    chosen: str = values[part]
    if not chosen and len(able) > 1:
        keys = " and ".join(each.upper() for name in sorted(able) for each in PROVIDERS[part][name])
        takes = " or ".join(f"{part.upper()}={name}" for name in sorted(able))
        raise SettingsError(f"{keys} are both set: say which one to use, {takes}.")
    if chosen in PROVIDERS[part] and chosen not in able:
        needs = " or ".join(need.upper() for need in PROVIDERS[part][chosen])
        raise SettingsError(f"{part.upper()}={chosen} needs {needs}.")
    return chosen or next(iter(able), "local")


def _check_avatar(values: Mapping[str, Any]) -> None:
    """Refuses a vendor that lacks what it cannot do without."""
    avatar: str = values["avatar"]
    if missing := [need.upper() for need in AVATARS.get(avatar, ()) if not values[need]]:
        raise SettingsError(f"AVATAR={avatar} needs {' and '.join(missing)}.")
    named = values["liveavatar_avatar_id"] or values["liveavatar_sandbox"]
    if avatar == "liveavatar" and not named:
        raise SettingsError(
            "AVATAR=liveavatar needs LIVEAVATAR_AVATAR_ID, or LIVEAVATAR_SANDBOX=true, which has an"
            " avatar of its own."
        )
    if avatar == "zego-agent" and not values["zego_agent_tts_params"]:
        raise SettingsError("AVATAR=zego-agent needs ZEGO_AGENT_TTS_PARAMS, a voice.")
    if avatar in MANAGED and values["avatar_on_start_error"] == "local":
        raise SettingsError(
            f"AVATAR={avatar} hears, thinks and speaks as well: nothing goes on without it. Set"
            " AVATAR_ON_START_ERROR=end."
        )
    service = avatar.removesuffix("-alpha").removesuffix("-agent")
    if values.get(f"{service}_max_sessions") and not values["avatar_journal"]:
        raise SettingsError(
            f"{service.upper()}_MAX_SESSIONS is counted in the journal: it needs AVATAR_JOURNAL=on."
        )


def _refuse_languages(values: Mapping[str, Any]) -> None:
    language: str = values["language"]
    if language.split("-")[0] == LOCAL_LANGUAGE:
        return
    titles = {"stt": "ears understand", "llm": "brain understands"}
    if values["avatar"] in MANAGED:
        titles = {} if values["zego_agent_llm_url"] else {"llm": titles["llm"]}
    for part, title in titles.items():
        if values[part] == "local":
            others = " or ".join(f"{part.upper()}={name}" for name in PROVIDERS[part])
            raise SettingsError(
                f"LANGUAGE={language}: the built-in {title} English only. Set {others}, with its"
                " key, or LANGUAGE=en."
            )
