"""Configuration: what is taken, what is refused and in which words."""

import dataclasses
from pathlib import Path

import pytest
from dotenv import dotenv_values

import settings

ROOT = Path(__file__).parents[2]


def load(**environment: str) -> settings.Settings:
    return settings.load(environment, dotenv=None)


def test_nothing_has_to_be_set() -> None:
    loaded = load()
    assert (loaded.avatar, loaded.stt, loaded.llm, loaded.tts) == ("local",) * 4
    assert loaded.language == "en"
    assert loaded.session_secret is None
    assert loaded.public_url is None


def test_example_lists_exactly_what_works_with_its_defaults() -> None:
    example = dotenv_values(ROOT / ".env.example", interpolate=False)
    assert example == {each.name: each.default for each in settings.VARIABLES}
    assert settings.load({}, dotenv=ROOT / ".env.example") == load()


def test_every_field_has_one_variable() -> None:
    fields = {field.name.upper() for field in dataclasses.fields(settings.Settings)}
    assert fields == {each.name for each in settings.VARIABLES}
    assert not fields & settings.PLANNED


def test_environment_goes_before_the_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("GREETING=from the file\nMAX_SESSION_SECONDS=60\n")
    loaded = settings.load({"GREETING": "from outside"}, dotenv=file)
    assert (loaded.greeting, loaded.max_session_seconds) == ("from outside", 60)


def test_file_leaves_the_environment_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GREETING", raising=False)
    (tmp_path / ".env").write_text("GREETING=hello\n")
    monkeypatch.chdir(tmp_path)
    assert settings.load().greeting == "hello"
    assert "GREETING" not in settings.os.environ


AGENT = {
    "AVATAR": "zego-agent",
    "ZEGO_APP_ID": "1234567890",
    "ZEGO_SERVER_SECRET": "x" * 32,
    "ZEGO_AGENT_LLM_URL": "https://llm.example.com/v1/chat/completions",
    "ZEGO_AGENT_TTS_PARAMS": '{"app": {"appid": "zego_test", "token": "SECRET-voice"}}',
}


def test_agent_needs_a_voice_and_nothing_goes_on_without_it() -> None:
    with pytest.raises(settings.SettingsError, match="needs ZEGO_AGENT_TTS_PARAMS"):
        load(**(AGENT | {"ZEGO_AGENT_TTS_PARAMS": ""}))
    with pytest.raises(settings.SettingsError, match="built-in brain"):
        load(**(AGENT | {"ZEGO_AGENT_LLM_URL": ""}), LANGUAGE="de")
    with pytest.raises(settings.SettingsError, match="AVATAR_ON_START_ERROR=end"):
        load(**AGENT, AVATAR_ON_START_ERROR="local")
    assert load(**AGENT, LANGUAGE="de").zego_agent_tts_params == {
        "app": {"appid": "zego_test", "token": "SECRET-voice"}
    }


def test_keys_of_a_voice_are_secret_and_those_for_trying_out_are_none() -> None:
    secrets = load(**AGENT).secrets()
    assert "SECRET-voice" in secrets
    assert "zego_test" not in secrets


@pytest.mark.parametrize(
    ("name", "value"),
    [("AVATAR", "akool"), ("TTS", "openai"), ("STT", "openai")],
)
def test_planned_value_is_not_in_this_version(name: str, value: str) -> None:
    with pytest.raises(settings.SettingsError, match=f"{name}={value} is not in this version"):
        load(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AVATAR", "Local"),
        ("AVATAR_ON_START_ERROR", "retry"),
        ("AVATAR_JOURNAL", "yes"),
        ("LIVEAVATAR_AVATAR_ID", "../avatars"),
        ("LIVEAVATAR_API_URL", "wss://api.example.com"),
        ("LIVEAVATAR_API_URL", "http://api.example.com"),
        ("LIVEAVATAR_SANDBOX", "on"),
        ("ZEGO_WEB_SERVER_URL", "https://rtc.example.com/ws"),
        ("ZEGO_WEB_SERVER_URL", "ws://rtc.example.com/ws"),
        ("ZEGO_WEB_SERVER_URL", "ws://127.0.0.1:8080/ws"),
        ("ZEGO_WEB_SERVER_URL", "wss://[2001:db8::1]/ws"),
        ("ZEGO_WEB_SERVER_URL", "wss://rtc.example.com;script-src *"),
        ("ZEGO_WEB_SERVER_URL", "wss://\u017ferver.example.com/ws"),  # an s to who ignores case
        ("ZEGO_AGENT_ID", "an agent"),
        ("ZEGO_AGENT_TTS_PARAMS", "app"),
        ("ZEGO_AGENT_TTS_PARAMS", '["app"]'),
        ("ZEGO_AGENT_VOICE_ONLY", "maybe"),
        ("STT", "whisper"),
        ("LANGUAGE", "English please"),
        ("MAX_SESSION_SECONDS", "0"),
        ("MAX_SESSION_SECONDS", "-60"),
        ("MAX_SESSION_SECONDS", "1e3"),
        ("MAX_SESSION_SECONDS", "९००"),
        ("GREETING", "x" * 501),
        ("PUBLIC_URL", "bot.example.com"),
        ("PUBLIC_URL", "http://bot.example.com"),
        ("PUBLIC_URL", "https://user@bot.example.com"),
        ("PUBLIC_URL", "https://bot.example.com/bot"),
        ("PUBLIC_URL", "https://bot.example.com:99999"),
        ("PUBLIC_URL", "https://[::1"),
        ("TRUSTED_PROXIES", "proxy.example.com"),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
        ("TRUSTED_PROXIES", "10.0.0.1,"),
        ("TRUSTED_PROXIES", "0.0.0.0/0"),
        ("TRUSTED_PROXIES", "10.0.0.1,::/0"),
        ("TRUSTED_PROXIES", "*"),
        ("MAX_SESSIONS", "0"),
        ("MAX_SESSIONS", "1001"),
        ("SESSION_SECRET", "too short"),
        ("OPENAI_API_KEY", "two words"),
        ("OPENAI_BASE_URL", "http://192.168.1.5:11434/v1"),
        ("OPENAI_BASE_URL", "localhost:11434"),
        ("OPENAI_MODEL", "a model"),
        ("DEEPGRAM_API_URL", "ws://deepgram.example.com"),
        ("ELEVENLABS_API_URL", "https://key@elevenlabs.example.com"),
        ("ELEVENLABS_VOICE_ID", "../../v1/user"),
        ("CARTESIA_API_URL", "https://cartesia.example.com/?key=1"),
    ],
)
def test_wrong_value_names_the_variable_and_what_it_takes(name: str, value: str) -> None:
    takes = next(each.takes for each in settings.VARIABLES if each.name == name)
    with pytest.raises(settings.SettingsError) as refusal:
        load(**{name: value})
    assert str(refusal.value) == f"{name} takes {takes}."


def test_proxies_are_addresses_and_networks() -> None:
    networks = load(TRUSTED_PROXIES="10.0.0.2, 172.18.0.0/16,fd00::/8").trusted_proxies
    assert [str(each) for each in networks] == ["10.0.0.2/32", "172.18.0.0/16", "fd00::/8"]
    assert load().trusted_proxies == ()


def test_key_of_a_later_version_in_the_file_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("AKOOL_API_KEY=SECRET-1\n")
    with pytest.raises(settings.SettingsError, match=r"AKOOL_API_KEY in .* not in this") as refusal:
        settings.load({}, dotenv=tmp_path / ".env")
    assert "SECRET-" not in str(refusal.value)


def test_key_of_another_program_in_the_environment_does_no_harm() -> None:
    assert load(AKOOL_API_KEY="SECRET-1") == load()


@pytest.mark.parametrize(
    ("environment", "parts"),
    [
        ({"DEEPGRAM_API_KEY": "SECRET-1"}, ("deepgram", "local", "local")),
        ({"OPENAI_API_KEY": "SECRET-1"}, ("local", "openai", "local")),
        ({"OPENAI_BASE_URL": "http://localhost:11434/v1"}, ("local", "openai", "local")),
        ({"ELEVENLABS_API_KEY": "SECRET-1"}, ("local", "local", "elevenlabs")),
        ({"CARTESIA_API_KEY": "SECRET-1"}, ("local", "local", "cartesia")),
        ({"CARTESIA_API_KEY": "SECRET-1", "TTS": "local"}, ("local", "local", "local")),
        (
            {"CARTESIA_API_KEY": "SECRET-1", "ELEVENLABS_API_KEY": "SECRET-2", "TTS": "cartesia"},
            ("local", "local", "cartesia"),
        ),
    ],
)
def test_key_brings_its_provider(environment: dict[str, str], parts: tuple[str, ...]) -> None:
    loaded = load(**environment)
    assert (loaded.stt, loaded.llm, loaded.tts) == parts


def test_two_voices_are_asked_which_one() -> None:
    with pytest.raises(settings.SettingsError) as refusal:
        load(CARTESIA_API_KEY="SECRET-1", ELEVENLABS_API_KEY="SECRET-2")
    assert str(refusal.value) == (
        "CARTESIA_API_KEY and ELEVENLABS_API_KEY are both set: say which one to use,"
        " TTS=cartesia or TTS=elevenlabs."
    )


@pytest.mark.parametrize(
    ("name", "value", "needs"),
    [
        ("STT", "deepgram", "DEEPGRAM_API_KEY"),
        ("LLM", "openai", "OPENAI_API_KEY or OPENAI_BASE_URL"),
        ("TTS", "cartesia", "CARTESIA_API_KEY"),
    ],
)
def test_provider_without_its_key_is_refused(name: str, value: str, needs: str) -> None:
    with pytest.raises(settings.SettingsError, match=f"^{name}={value} needs {needs}.$"):
        load(**{name: value})


@pytest.mark.parametrize(
    ("avatar", "key"),
    [
        ("liveavatar", "LIVEAVATAR_API_KEY"),
        ("heygen", "HEYGEN_API_KEY"),
        ("heygen-alpha", "HEYGEN_API_KEY"),
    ],
)
def test_avatar_needs_its_own_key_and_no_other(avatar: str, key: str) -> None:
    others = {each: "SECRET-1" for each in ("LIVEAVATAR_API_KEY", "HEYGEN_API_KEY") if each != key}
    with pytest.raises(settings.SettingsError, match=f"^AVATAR={avatar} needs {key}.$"):
        load(AVATAR=avatar, LIVEAVATAR_SANDBOX="true", **others)
    loaded = load(AVATAR=avatar, LIVEAVATAR_SANDBOX="true", **{key: "SECRET-1"})
    assert (loaded.avatar, loaded.avatar_journal) == (avatar, True)


def test_liveavatar_shows_somebody_or_the_sandbox() -> None:
    account = {"AVATAR": "liveavatar", "LIVEAVATAR_API_KEY": "SECRET-1"}
    with pytest.raises(settings.SettingsError, match="needs LIVEAVATAR_AVATAR_ID, or"):
        load(**account)
    assert load(**account, LIVEAVATAR_AVATAR_ID="a-1").liveavatar_sandbox is False
    assert load(**account, LIVEAVATAR_SANDBOX="true").liveavatar_sandbox is True


@pytest.mark.parametrize("avatar", ["liveavatar", "heygen", "heygen-alpha"])
def test_limit_of_an_account_is_counted_in_the_journal_and_needs_it(avatar: str) -> None:
    limit = f"{avatar.removesuffix('-alpha').upper()}_MAX_SESSIONS"
    given = {"AVATAR": avatar, "LIVEAVATAR_SANDBOX": "true", limit: "3"}
    given |= {"LIVEAVATAR_API_KEY": "SECRET-1", "HEYGEN_API_KEY": "SECRET-2"}
    assert getattr(load(**given), limit.lower()) == 3
    with pytest.raises(settings.SettingsError, match=f"^{limit} is counted in the journal"):
        load(**given, AVATAR_JOURNAL="off")
    with pytest.raises(settings.SettingsError, match=f"^{limit} takes how many sessions"):
        load(**given | {limit: "0"})


def test_key_alone_brings_no_avatar_that_costs_money() -> None:
    assert load(LIVEAVATAR_API_KEY="SECRET-1", HEYGEN_API_KEY="SECRET-2").avatar == "local"


def test_other_language_needs_ears_and_a_brain_that_know_it() -> None:
    with pytest.raises(settings.SettingsError, match=r"built-in ears .* Set STT=deepgram"):
        load(LANGUAGE="de", OPENAI_API_KEY="SECRET-1")
    with pytest.raises(settings.SettingsError, match=r"built-in brain .* Set LLM=openai"):
        load(LANGUAGE="de", DEEPGRAM_API_KEY="SECRET-1")
    keys = {"OPENAI_API_KEY": "SECRET-1", "DEEPGRAM_API_KEY": "SECRET-2"}
    assert load(LANGUAGE="de-AT", **keys).language == "de-AT"
    assert load(LANGUAGE="en-GB").language == "en-GB"


@pytest.mark.parametrize("name", [each.name for each in settings.VARIABLES if "KEY" in each.name])
def test_key_shows_in_its_field_only(name: str) -> None:
    loaded = load(**{name: "SECRET-abc"})
    assert "SECRET-" not in repr(loaded)
    assert loaded.secrets() == ["SECRET-abc"]
    with pytest.raises(settings.SettingsError) as refusal:
        load(**{name: "SECRET-a b"})
    assert "SECRET-" not in str(refusal.value)


def test_secret_shows_nowhere() -> None:
    key = "5ec2e7" + "0" * 58
    loaded = load(SESSION_SECRET=key)
    assert loaded.session_secret == bytes.fromhex(key)
    assert "5ec2e7" not in repr(loaded)
    assert repr(loaded.session_secret) not in repr(loaded)
    assert loaded.secrets() == [key]
    with pytest.raises(settings.SettingsError) as refusal:
        load(SESSION_SECRET=key[:-1])
    assert "5ec2e7" not in str(refusal.value)


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        ("https://Bot.example.com/", "https://bot.example.com"),
        ("https://bot.example.com:8443", "https://bot.example.com:8443"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_public_address_is_an_origin(given: str, origin: str) -> None:
    assert load(PUBLIC_URL=given).public_url == origin
