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


@pytest.mark.parametrize(
    ("name", "value"),
    [("AVATAR", "liveavatar"), ("AVATAR", "zego-agent"), ("TTS", "elevenlabs"), ("LANGUAGE", "de")],
)
def test_planned_value_is_not_in_this_version(name: str, value: str) -> None:
    with pytest.raises(settings.SettingsError, match=f"{name}={value} is not in this version"):
        load(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AVATAR", "Local"),
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
    (tmp_path / ".env").write_text("OPENAI_API_KEY=SECRET-1\n")
    with pytest.raises(
        settings.SettingsError, match=r"OPENAI_API_KEY in .* not in this"
    ) as refusal:
        settings.load({}, dotenv=tmp_path / ".env")
    assert "SECRET-" not in str(refusal.value)


def test_key_of_another_program_in_the_environment_does_no_harm() -> None:
    assert load(OPENAI_API_KEY="SECRET-1") == load()


def test_secret_shows_nowhere() -> None:
    key = "5ec2e7" + "0" * 58
    loaded = load(SESSION_SECRET=key)
    assert loaded.session_secret == bytes.fromhex(key)
    assert "5ec2e7" not in repr(loaded)
    assert repr(loaded.session_secret) not in repr(loaded)
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
