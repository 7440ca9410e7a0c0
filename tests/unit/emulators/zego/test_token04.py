"""Tokens for a room: both forms are opened, and what is wrong with one is named."""

import base64
from typing import Any

import pytest

from emulators.zego.token04 import EXPIRED, MALFORMED, REFUSED, BadToken, Token04

SECRET = "0123456789abcdef0123456789abcdef"
CBC = (
    "04AAAAAGVT/xAAEDAxMjM0NTY3ODlhYmNkZWYAcNwR7j4AKvPz1yXCdsPGhXpfb+3KfElaWF+U8hboEjs5kDUN2/"
    "5yEJeNs9DKw8QjSv5axed7qcqMbGNjNrHHbsDBET7BPnXgTVzjOLG5lLmntpoiOKMZIhfDyIYdBV25rqew/ZnE1C"
    "mFpShQ/bDm0K0="
)
CBC_WITH_PRIVILEGES = (
    "04AAAAAGVT/xAAEHp5eHd2dXRzcnFwb25tbGsA0DyI7OmW9j63CUfP+hWbKzCfrgm4B0Jy+6mKg7PNoJc+XnmrCy"
    "Cd+U2N7MxCgnlgQVT1Qi3Oce0YY4bIK9j/ed7iqR0s4v/wIJiBvvvh9b7wfFrTY7Mg2knv9MOBrKsfvLSIlrJ0Di"
    "W9BA9IWRIt5iszF4LV3z9xbplHm0fBjk8nKh76DBGb+3CN9HKTO3Fp/ZRQRjhyhBOTOOW9CN0MOhohJsYVqNx1te"
    "3kbbGWC7XbawfS2ObnC5JfsqNzmtN5SXVPI9QhfwABdJ3fGw7T3x4="
)
GCM = (
    "04AAAAAGVT/xAADAABAgMEBQYHCAkKCwB+VsfaDKlHu8iK5kCMQvvkMtEwOrcQngH4Ra7k3dwHlqbI2FNsFoQ1PL"
    "NL1DK5yeEAHdmuxT2GovoRbxYtaHJyG484VQYGE2ubbVl4LdVTaUB0vrAVZlfU07CAd++ReaNlwLJr6fTD8Xdiyg"
    "0x510e6QEjFbhHuL5WEDivF8KOAQ=="
)
HOLDER: dict[str, Any] = {
    "app_id": 1234567890,
    "user_id": "user_1",
    "room_id": "room_1",
    "now": 1700000001,
}


@pytest.mark.parametrize(("token", "mode"), [(CBC, "cbc"), (GCM, "gcm")])
def test_both_forms_are_opened(token: str, mode: str) -> None:
    opened = Token04.open(token, SECRET)
    assert opened == Token04(
        1234567890, "user_1", 123456789, 1700000000, 1700003600, mode, payload={}
    )
    opened.check(**HOLDER, stream_id="any")


def test_privileges_are_read_and_kept() -> None:
    opened = Token04.open(CBC_WITH_PRIVILEGES, SECRET)
    assert opened.nonce == -(2**31)
    assert opened.payload["privilege"] == {"1": 1, "2": 0}
    opened.check(**HOLDER)
    for changes in ({"room_id": "room_2"}, {"stream_id": "mine"}):
        with pytest.raises(BadToken) as refused:
            opened.check(**HOLDER | changes)
        assert refused.value.code == REFUSED


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"now": 1700003600}, EXPIRED), ({"user_id": "x"}, REFUSED), ({"app_id": 1}, REFUSED)],
)
def test_a_token_is_for_its_holder_and_its_time(changes: dict[str, Any], code: int) -> None:
    with pytest.raises(BadToken) as refused:
        Token04.open(GCM, SECRET).check(**HOLDER | changes)
    assert refused.value.code == code


@pytest.mark.parametrize("token", [CBC, GCM])
def test_a_token_that_was_changed_anywhere_or_is_of_another_secret_is_not_opened_unseen(
    token: str,
) -> None:
    blob = base64.b64decode(token[2:])
    whole = Token04.open(token, SECRET)
    for at in range(len(blob)):
        changed = blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :]
        try:
            opened = Token04.open("04" + base64.b64encode(changed).decode(), SECRET)
        except BadToken:
            continue
        assert token == CBC, "which cannot prevent it"
        assert opened != whole
    for other in ("f" * 32, SECRET[:16]):
        with pytest.raises(BadToken) as bad:
            Token04.open(token, other)
        assert bad.value.code == MALFORMED
    for cut in range(len(token)):
        with pytest.raises(BadToken):
            Token04.open(token[:cut], SECRET)
