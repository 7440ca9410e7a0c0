"""Calls are signed as the vendor's documents say."""

from __future__ import annotations

import pytest

from transports.zego.signature import signature, signed


@pytest.mark.parametrize(
    ("app_id", "nonce", "secret", "timestamp", "expected"),
    [
        (
            12345,
            "4fd24687296dd9f3",
            "9193cc662a4c0ec135ec71fb57194b38",
            1615186943,
            "43e5cfcca828314675f91b001390566a",
        ),
        (
            1234567890,
            "0011223344556677",
            "0123456789abcdef0123456789abcdef",
            1700000000,
            "91b50e1bf478b4327ae9eac91a96c4db",
        ),
        (
            4294967295,
            "ffffffffffffffff",
            "fedcba9876543210fedcba9876543210",
            1764547200,
            "85912afa3caa1a58a95b5b3538c2f5eb",
        ),
        (1, "a", "0" * 32, 0, "0f85e9cf7c8448005feba9e82ff1d3a2"),
    ],
    ids=["V1", "V2", "V3", "V4"],
)
def test_signature_is_the_vendors(
    app_id: int, nonce: str, secret: str, timestamp: int, expected: str
) -> None:
    assert signature(app_id, nonce, secret, timestamp) == expected
    query = signed(app_id, secret, "Act", nonce=nonce, timestamp=timestamp)
    assert query == {
        "Action": "Act",
        "AppId": str(app_id),
        "SignatureNonce": nonce,
        "Timestamp": str(timestamp),
        "Signature": expected,
        "SignatureVersion": "2.0",
    }


def test_each_call_is_signed_anew() -> None:
    nonces = {signed(1, "s" * 32, "Act")["SignatureNonce"] for _ in range(100)}
    assert len(nonces) == 100
    assert {len(each) for each in nonces} == {16}
