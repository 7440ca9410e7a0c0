"""Tokens are what the vendor's own generators make, and allow what they should."""

from __future__ import annotations

import base64
import json
import struct

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from transports.zego.token04 import LONGEST_S, pack, privileges, token04

SECRET = "0123456789abcdef0123456789abcdef"
APP_ID = 1234567890
MADE, EXPIRES = 1700000000, 1700003600
T1 = (
    "04AAAAAGVT/xAAEDAxMjM0NTY3ODlhYmNkZWYAcNwR7j4AKvPz1yXCdsPGhXpfb+3KfElaWF+U8hboEjs5kDUN2/5yEJeN"
    "s9DKw8QjSv5axed7qcqMbGNjNrHHbsDBET7BPnXgTVzjOLG5lLmntpoiOKMZIhfDyIYdBV25rqew/ZnE1CmFpShQ/bDm0K0="
)
T2 = (
    "04AAAAAGVT/xAAEHp5eHd2dXRzcnFwb25tbGsA0DyI7OmW9j63CUfP+hWbKzCfrgm4B0Jy+6mKg7PNoJc+XnmrCyCd+U2N"
    "7MxCgnlgQVT1Qi3Oce0YY4bIK9j/ed7iqR0s4v/wIJiBvvvh9b7wfFrTY7Mg2knv9MOBrKsfvLSIlrJ0DiW9BA9IWRIt5i"
    "szF4LV3z9xbplHm0fBjk8nKh76DBGb+3CN9HKTO3Fp/ZRQRjhyhBOTOOW9CN0MOhohJsYVqNx1te3kbbGWC7XbawfS2Obn"
    "C5JfsqNzmtN5SXVPI9QhfwABdJ3fGw7T3x4="
)
T3 = (
    "04AAAAAGVT/xAADAABAgMEBQYHCAkKCwB+VsfaDKlHu8iK5kCMQvvkMtEwOrcQngH4Ra7k3dwHlqbI2FNsFoQ1PLNL1DK5"
    "yeEAHdmuxT2GovoRbxYtaHJyG484VQYGE2ubbVl4LdVTaUB0vrAVZlfU07CAd++ReaNlwLJr6fTD8Xdiyg0x510e6QEjFb"
    "hHuL5WEDivF8KOAQ=="
)
PRIVILEGES = '{"room_id":"room_1","privilege":{"1":1,"2":0},"stream_id_list":null}'


def content(nonce: int, payload: str) -> dict[str, str | int]:
    return {
        "app_id": APP_ID,
        "user_id": "user_1",
        "nonce": nonce,
        "ctime": MADE,
        "expire": EXPIRES,
        "payload": payload,
    }


def opened(token: str) -> dict[str, object]:
    """What a token in GCM says."""
    assert token[:2] == "04"
    blob = base64.b64decode(token[2:])
    expire, length = struct.unpack_from(">qH", blob)
    nonce = blob[10 : 10 + length]
    (size,) = struct.unpack_from(">H", blob, 10 + length)
    sealed, end = blob[12 + length : 12 + length + size], blob[12 + length + size :]
    assert end == b"\x01"
    said: dict[str, object] = json.loads(AESGCM(SECRET.encode()).decrypt(nonce, sealed, None))
    assert said["expire"] == expire
    return said


def test_vectors_of_the_vendor() -> None:
    key = SECRET.encode()
    cbc = pack(content(123456789, ""), key, mode="cbc", iv=b"0123456789abcdef")
    assert cbc == T1
    least = content(-(2**31), PRIVILEGES)
    assert pack(least, key, mode="cbc", iv=b"zyxwvutsrqponmlk") == T2
    gcm = pack(content(123456789, ""), key, mode="gcm", iv=bytes(range(12)))
    assert gcm == T3


def test_a_token_for_a_page_lets_it_watch_one_room_for_ten_minutes() -> None:
    payload = privileges("room_1", login=True)
    assert payload == PRIVILEGES
    said = opened(token04(APP_ID, SECRET, "page-1", payload=payload, now=MADE))
    assert said["user_id"] == "page-1"
    assert said["expire"] == MADE + LONGEST_S == MADE + 600
    assert said["payload"] == PRIVILEGES


def test_who_may_publish_may_publish_those_streams() -> None:
    may = json.loads(privileges("r", login=True, publish=["s1", "s2"]))
    assert may == {"room_id": "r", "privilege": {"1": 1, "2": 1}, "stream_id_list": ["s1", "s2"]}


def test_no_two_tokens_are_alike() -> None:
    tokens = {token04(APP_ID, SECRET, "u", payload="", now=MADE) for _ in range(50)}
    assert len(tokens) == 50


@pytest.mark.parametrize(
    "wrong",
    [
        {"app_id": 0},
        {"app_id": 2**32},
        {"user": ""},
        {"user": "ü" * 17},
        {"secret": "short"},
        {"lasts_s": 0},
        {"lasts_s": 601},
    ],
)
def test_what_no_token_can_be_made_of_is_refused(wrong: dict[str, object]) -> None:
    given: dict[str, object] = {"app_id": APP_ID, "secret": SECRET, "user": "u", "payload": ""}
    with pytest.raises(ValueError, match="takes"):
        token04(**given | wrong)  # type: ignore[arg-type]
