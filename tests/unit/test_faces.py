"""Who shows the face: built from the settings, and every error of it in a sentence."""

from __future__ import annotations

import inspect

import pytest

import faces
import settings
from transports import avatar
from transports.avatar import (
    AvatarError,
    CertificateRefused,
    ConnectionLost,
    EndedByVendor,
    Ending,
    PartFailed,
    RateLimited,
)
from transports.heygen import AlphaVendor, InteractiveVendor, LiveAvatarVendor
from transports.zego import ZegoVendor

KEYS = {
    "LIVEAVATAR_API_KEY": "SECRET-1",
    "LIVEAVATAR_AVATAR_ID": "a1",
    "HEYGEN_API_KEY": "SECRET-2",
    "ZEGO_APP_ID": "1234567890",
    "ZEGO_SERVER_SECRET": "SECRET-3".ljust(32, "x"),
    "ZEGO_AGENT_LLM_URL": "https://llm.example.com/v1/chat/completions",
    "ZEGO_AGENT_TTS_PARAMS": '{"app": {"appid": "x", "token": "SECRET-4"}}',
}
KINDS = [
    each
    for each in vars(avatar).values()
    if inspect.isclass(each) and issubclass(each, AvatarError)
]


ROWS = {**faces.FACES, **faces.AGENTS}


def load(avatar: str, **environment: str) -> settings.Settings:
    return settings.load({"AVATAR": avatar, **KEYS, **environment}, dotenv=None)


def test_every_choice_of_avatar_has_a_row() -> None:
    assert {*ROWS} == {*settings.AVATARS}
    assert {*faces.AGENTS} == {*settings.MANAGED}
    variables = {each.name for each in settings.VARIABLES}
    for name, face in ROWS.items():
        assert face.key == " and ".join(each.upper() for each in settings.AVATARS[name])
        assert {each.strip(",") for each in face.choices.split() if each.isupper()} <= variables
        assert face.slots in variables


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("liveavatar", LiveAvatarVendor),
        ("heygen", InteractiveVendor),
        ("heygen-alpha", AlphaVendor),
        ("zego", ZegoVendor),
    ],
)
def test_settings_make_the_vendor(name: str, kind: type) -> None:
    assert type(faces.vendor(load(name))) is kind


@pytest.mark.parametrize(
    ("name", "vendor", "most"),
    [
        ("liveavatar", "LiveAvatar", 7),
        ("heygen", "HeyGen", 3),
        ("heygen-alpha", "HeyGen", 3),
        ("zego", "ZEGO", 5),
        ("zego-agent", "ZEGO's AI Agent", 5),
    ],
)
def test_account_of_the_face_is_known_with_its_limit(name: str, vendor: str, most: int) -> None:
    slots = {"LIVEAVATAR_MAX_SESSIONS": "7", "HEYGEN_MAX_SESSIONS": "3", "ZEGO_MAX_SESSIONS": "5"}
    (account,) = faces.accounts(load(name, **slots))
    assert (account.vendor, account.most) == (vendor, most)
    assert "SECRET-" not in repr(account)
    assert faces.accounts(load(name))[0].most is None
    assert faces.accounts(load("local")) == []


@pytest.mark.parametrize("name", ROWS)
def test_room_that_the_settings_name_is_where_zegos_faces_are(name: str) -> None:
    config = load(name, ZEGO_WEB_SERVER_URL="wss://rtc.example.com/ws")
    assert faces.room_url(config) == ("wss://rtc.example.com/ws" if "zego" in name else "")


def test_account_is_not_needed_where_the_drawn_face_goes_on() -> None:
    needed = {
        how: faces.accounts(load("liveavatar", AVATAR_ON_START_ERROR=how))[0].needed
        for how in ("end", "local")
    }
    assert needed == {"end": True, "local": False}


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_error_has_a_sentence_that_quotes_nobody(kind: type[AvatarError], name: str) -> None:
    error = kind.__new__(kind)
    error.args = ("SECRET-quoted",)
    text = faces.explain(load(name), error)
    assert text
    assert text.endswith(".")
    assert "{" not in text
    assert "SECRET-" not in text
    assert ROWS[name].title in text
    assert text != f"{ROWS[name].title} has failed." or kind is AvatarError


@pytest.mark.parametrize(("lasting", "words"), [(True, "ZEGO_AGENT_TTS_PARAMS"), (False, "again")])
def test_part_of_an_agent_is_named(lasting: bool, words: str) -> None:
    error = PartFailed("ZEGO", "voice", 2303, lasting=lasting)
    text = faces.explain(load("zego-agent"), error)
    assert text
    assert text.startswith("The voice of ZEGO")
    assert words in text


def test_who_is_asked_to_wait_is_told_how_long() -> None:
    told = faces.explain(load("heygen"), RateLimited("HeyGen", 429, 7.0))
    assert told == "HeyGen takes no more requests now. Wait 7 s."


def test_minute_of_the_sandbox_is_no_fault_of_the_network() -> None:
    lost = ConnectionLost("LiveAvatar")
    assert faces.explain(load("liveavatar"), lost) == "The connection to LiveAvatar was lost."
    in_sandbox = faces.explain(load("liveavatar", LIVEAVATAR_SANDBOX="true"), lost)
    assert in_sandbox
    assert "sandbox" in in_sandbox


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("why", Ending)
def test_why_a_vendor_has_ended_it_is_told_with_the_setting_where_there_is_one(
    why: Ending, name: str
) -> None:
    text = faces.explain(load(name), EndedByVendor(ROWS[name].title, why=why))
    assert text
    assert text.startswith(f"{ROWS[name].title} has ended the session.")
    assert ("MAX_SESSION_SECONDS" in text) == (why in (Ending.LIMIT, Ending.IDLE))
    assert "{" not in text


def test_who_cannot_be_verified_is_told_of_with_the_setting_where_there_is_one() -> None:
    refused = CertificateRefused("Vendor")
    assert "ZEGO_DRIVE_TLS" in str(faces.explain(load("zego"), refused))
    assert "ZEGO" not in str(faces.explain(load("heygen"), refused))


def test_fault_of_our_own_is_not_blamed_on_the_vendor() -> None:
    assert faces.explain(load("liveavatar"), ZeroDivisionError()) is None
