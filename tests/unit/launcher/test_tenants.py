"""The file of tenants, and what is left for each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from launcher.tenants import (
    LOCAL,
    Quota,
    Tenant,
    Tenants,
    TenantsError,
    TooMany,
    hash_of,
    new_key,
    read,
)

HASH = hash_of("avb_key")
WHOLE = f"""
[[tenant]]
name = "acme"
key_sha256 = ["{HASH}", "{hash_of("avb_next")}"]
max_sessions = 10
starts_per_minute = 60
max_session_seconds = 1800
origins = ["https://www.acme.example", "https://acme.example:8443"]

[[tenant]]
name = "house"
page = true
admin = true
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def written(text: str) -> Path:
        file = tmp_path / "tenants.toml"
        file.touch(0o600)
        file.write_text(text)
        return file

    return written


def test_whole_file_is_read(write: Callable[[str], Path]) -> None:
    tenants = read(write(WHOLE))
    acme = tenants["acme"]
    assert (acme.max_sessions, acme.starts_per_minute, acme.max_session_seconds) == (10, 60, 1800)
    assert tenants.sites("acme") == {"https://www.acme.example", "https://acme.example:8443"}
    assert tenants.sites("house") == set()
    assert tenants.sites("nobody") == set()
    assert tenants.sites() == tenants.sites("acme")
    assert tenants.of_the_page == tenants["house"]
    assert tenants["house"].admin


def test_each_key_of_a_tenant_is_known_and_no_other(write: Callable[[str], Path]) -> None:
    tenants = read(write(WHOLE))
    assert tenants.holder("avb_key") == tenants.holder("avb_next") == "acme"
    for other in ("", "avb_", "avb_key ", HASH, "é"):
        assert tenants.holder(other) is None


def test_without_a_file_the_page_alone_has_sessions() -> None:
    tenants = Tenants()
    assert tenants.of_the_page is LOCAL
    assert not tenants.are_given
    assert tenants.holder("") is None


def test_keys_do_not_repeat() -> None:
    assert new_key() != new_key()
    assert len(new_key()) > 40


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", r"takes one or more tables \[\[tenant\]\]"),
        ("[[tenant]]", "tenant 1: name takes"),
        ("[[tenant]]\nname = 1", "tenant 1: name takes"),
        ('[[tenant]]\nname = "a b"', "tenant 1: name takes"),
        ('[[tenant]]\nname = "a"\nkey = "x"', r"tenant 1 \(a\): there is no field 'key'"),
        ('[[tenant]]\nname = "a"\nkey_sha256 = "x"', "key_sha256 takes a list"),
        ('[[tenant]]\nname = "a"\nkey_sha256 = ["x"]', "key_sha256 takes a list"),
        ('[[tenant]]\nname = "a"\nmax_sessions = 0', "max_sessions takes a number from 1"),
        ('[[tenant]]\nname = "a"\nmax_sessions = true', "max_sessions takes a number from 1"),
        ('[[tenant]]\nname = "a"\npage = 1', "page takes true or false"),
        ('[[tenant]]\nname = "a"\norigins = ["http://a.example"]', "origins takes a list"),
        ('[[tenant]]\nname = "a"\norigins = ["https://a.example/"]', "origins takes a list"),
        ('[[tenant]]\nname = "a"\n[[tenant]]\nname = "a"', "two tenants of one name"),
        (
            f'[[tenant]]\nname = "a"\nkey_sha256 = ["{HASH}"]\n'
            f'[[tenant]]\nname = "b"\nkey_sha256 = ["{HASH.upper()}"]',
            "one key twice",
        ),
        (
            '[[tenant]]\nname = "a"\npage = true\n[[tenant]]\nname = "b"\npage = true',
            "our page to more than one",
        ),
        ('x = 1\n[[tenant]]\nname = "a"', "nothing besides"),
        ("[[tenant]\n", "is no TOML: .*line 1"),
    ],
)
def test_what_makes_no_sense_is_named(
    write: Callable[[str], Path], text: str, sentence: str
) -> None:
    with pytest.raises(TenantsError, match=sentence):
        read(write(text))


def test_file_that_others_can_read_is_refused(write: Callable[[str], Path]) -> None:
    file = write(WHOLE)
    file.chmod(0o640)
    with pytest.raises(TenantsError, match="chmod 600"):
        read(file)


def test_file_that_is_not_there_or_a_link_is_refused(
    write: Callable[[str], Path], tmp_path: Path
) -> None:
    with pytest.raises(TenantsError, match="cannot be read"):
        read(tmp_path / "none.toml")
    (tmp_path / "link.toml").symlink_to(write(WHOLE))
    with pytest.raises(TenantsError, match="cannot be read"):
        read(tmp_path / "link.toml")


@pytest.mark.asyncio
async def test_a_place_counts_while_it_begins_and_once() -> None:
    quota = Quota(Tenant("a", max_sessions=2))
    known = frozenset({"1"})  # the backend counts it already, although it still begins
    with quota.place("1", frozenset()), quota.place("2", known):
        for there_are in (frozenset({"1", "2"}), known, frozenset[str]()):
            with pytest.raises(TooMany), quota.place("3", there_are):
                pass
    with quota.place("3", frozenset({"1"})):
        pass


@pytest.mark.asyncio
async def test_starts_come_back_with_time_and_refusals_cost_nothing() -> None:
    quota = Quota(Tenant("a", starts_per_minute=2))

    def begin() -> float | None:
        try:
            with quota.place("1", frozenset()):
                return None
        except TooMany as error:
            return error.retry_after_s

    assert [begin(), begin()] == [None, None]
    assert begin() == begin() == pytest.approx(30)
    await asyncio.sleep(30)
    assert begin() is None
    assert begin() == pytest.approx(30)


@pytest.mark.asyncio
async def test_page_alone_begins_sixty_in_a_minute() -> None:
    quota = Tenants().quota("local")
    for number in range(60):
        with quota.place(str(number), set()):
            pass
    with pytest.raises(TooMany), quota.place("60", set()):
        pass
