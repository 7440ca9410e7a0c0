"""Knobs take what they can, and say what else."""

from typing import Any

import pytest

from emulators.heygen import Knobs


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"dialct": "S"}, "no knob is called dialct"),
        ({"dialect": "X"}, "dialect takes S or S-no-speak or T, not 'X'"),
        ({"starve_ms": -1}, "starve_ms takes a number"),
        ({"rate_limit": True}, "rate_limit takes a whole number"),
        ({"never_connected": 1}, "never_connected takes true or false"),
        ({"avatars": None}, "avatars takes a text"),
    ],
)
def test_what_a_knob_does_not_take_is_refused_by_name(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Knobs().turned(change)


def test_every_knob_is_an_option_with_a_meaning() -> None:
    assert {name for name, *_ in Knobs.options()} == {*Knobs.__dataclass_fields__}
    assert all(says for *_, says in Knobs.options())
    assert Knobs().turned({name: default for name, _, default, _ in Knobs.options()}) == Knobs()
