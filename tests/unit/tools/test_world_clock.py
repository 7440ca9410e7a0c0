"""The example of a tool: the time elsewhere, or why it is not known."""

from datetime import UTC, datetime

import pytest

from tools.world_clock import local_time

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("city", "time"),
    [
        ("Tokyo", "Saturday, 21 November 2026, 21:00"),
        ("new york", "Saturday, 21 November 2026, 07:00"),
        ("São Paulo, Brazil", "Saturday, 21 November 2026, 09:00"),
        ("Vienna", "Saturday, 21 November 2026, 13:00"),
    ],
)
def test_city_has_its_time(city: str, time: str) -> None:
    assert local_time(city, NOON) == {"city": city, "time": time}


def test_unknown_city_is_said_to_be_unknown() -> None:
    assert "No time zone is known for 'Gotham'" in local_time("Gotham", NOON)["error"]
