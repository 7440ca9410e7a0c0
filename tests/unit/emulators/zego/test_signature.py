"""Signatures of requests and of callbacks: the documents' own, and more."""

import pytest

from emulators.zego import signature


@pytest.mark.parametrize(
    ("app_id", "nonce", "secret", "timestamp", "signed"),
    [
        (
            *("12345", "4fd24687296dd9f3", "9193cc662a4c0ec135ec71fb57194b38", "1615186943"),
            "43e5cfcca828314675f91b001390566a",
        ),
        (
            *("1234567890", "0011223344556677", "0123456789abcdef" * 2, "1700000000"),
            "91b50e1bf478b4327ae9eac91a96c4db",
        ),
        (
            *("4294967295", "ffffffffffffffff", "fedcba9876543210" * 2, "1764547200"),
            "85912afa3caa1a58a95b5b3538c2f5eb",
        ),
        ("1", "a", "0" * 32, "0", "0f85e9cf7c8448005feba9e82ff1d3a2"),
    ],
)
def test_a_request_is_signed_as_documented(
    app_id: str, nonce: str, secret: str, timestamp: str, signed: str
) -> None:
    assert signature.of_request(app_id, nonce, secret, timestamp) == signed


@pytest.mark.parametrize(
    ("secret", "timestamp", "nonce", "signed"),
    [
        ("secret", "1470820198", "123412", "5bd59fd62953a8059fb7eaba95720f66d19e4517"),
        (
            *("0f1e2d3c4b5a69788796a5b4c3d2e1f0", "1745502313000", "7450395512627324902"),
            "a413168bfbbde5beeddd869ea308c5fec12f48bf",
        ),
        ("abcd1234", "1681221510034", "abcdd22113", "2c600312f4cb6ef011fdf9720242cb4720fb408e"),
    ],
)
def test_a_callback_is_signed_as_documented(
    secret: str, timestamp: str, nonce: str, signed: str
) -> None:
    assert signature.of_callback(secret, timestamp, nonce) == signed
