"""What a code of ZEGO's means for whoever asked."""

from __future__ import annotations

import pytest

from transports.avatar import (
    AvatarError,
    AvatarNotFound,
    ClockOff,
    KeyRefused,
    NoCredits,
    NotEnabled,
    RateLimited,
    TooManySessions,
    UnexpectedReply,
    VendorRefused,
    VendorUnreachable,
)
from transports.avatar.allowance import Allowance
from transports.avatar.rest import NotDone
from transports.zego.rest import Rest, refusal

CODES: dict[type[AvatarError], list[int]] = {
    KeyRefused: [100000001, 100000005, 100000010, 100000011],
    ClockOff: [100000004],
    NotEnabled: [100000017, 400000002, 400010001],
    AvatarNotFound: [400000003, 400000010, 400000016],
    TooManySessions: [400000008],
    NoCredits: [400000012],
    RateLimited: [400010009],
    NotDone: [400010002, 400010007],
    VendorUnreachable: [100000015, 400010000],
    VendorRefused: [100000007, 400000001, 400000005, 400000006, 400000007, 400000015, 999, -1],
}


@pytest.mark.parametrize(
    ("code", "kind"), [(code, kind) for kind, codes in CODES.items() for code in codes]
)
def test_each_code_is_an_error_of_its_kind(code: int, kind: type[AvatarError]) -> None:
    error = refusal("ZEGO", code)
    assert type(error) is kind
    assert error.retryable == kind.retryable


def rest() -> Rest:
    return Rest("ZEGO", "https://api.example", 1, "s" * 32, Allowance(None, "test", most=10))


@pytest.mark.parametrize(
    ("status", "content", "kind"),
    [
        (200, {"Code": 100000004, "Message": "SECRET-"}, ClockOff),
        (400, {"Code": 100000004}, ClockOff),
        (429, {"Code": 100000015}, RateLimited),
        (503, None, VendorUnreachable),
        (404, {"Code": 0}, VendorRefused),
        (200, {"Code": True}, UnexpectedReply),
        (200, {"Code": "0"}, UnexpectedReply),
        (200, [], UnexpectedReply),
        (302, None, UnexpectedReply),
    ],
)
def test_a_reply_is_told_by_its_code_first(
    status: int, content: object, kind: type[AvatarError]
) -> None:
    with pytest.raises(kind) as refused:
        rest().understand(status, content, "")
    assert type(refused.value) is kind
    assert "SECRET-" not in str(refused.value)


def test_data_may_be_missing() -> None:
    assert rest().understand(200, {"Code": 0, "Message": "Succeed"}, "") is None
    assert rest().understand(200, {"Code": 0, "Data": {"a": 1}}, "") == {"a": 1}
