"""Who may have sessions, and how many: a file of tenants, each with the hashes of its keys.

    [[tenant]]
    name = "acme"
    key_sha256 = ["…"]         # `uv run -m launcher key acme` makes one; two while one is replaced
    max_sessions = 10          # at once
    starts_per_minute = 60
    max_session_seconds = 1800
    origins = ["https://www.acme.example"]   # its sites, whose pages may come with a ticket
    page = false                # whether our own page's sessions are its
    admin = false               # whether its keys may see the metrics and drain the server

Without a file there is one tenant, `local`, whose sessions our own page begins, 60 in a minute.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import re
import secrets
import stat
import tomllib
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from server.allowance import Allowance

KEY_PREFIX = "avb_"

_SITE = re.compile(r"https://[a-z0-9.-]+(:[0-9]{1,5})?")


class TenantsError(Exception):
    """The file cannot be used. The text names it, and the tenant."""


class TooMany(Exception):
    """A tenant has reached one of its limits. The text is a sentence for it."""

    def __init__(self, why: str, *, retry_after_s: float) -> None:
        super().__init__(why)
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Tenant:
    """See the file above. None: no limit of its own."""

    name: str
    key_sha256: tuple[str, ...] = ()
    max_sessions: int | None = None
    starts_per_minute: int | None = None
    max_session_seconds: int | None = None
    origins: frozenset[str] = frozenset()
    page: bool = False
    admin: bool = False


LOCAL = Tenant("local", starts_per_minute=60, page=True)


class Tenants:
    """All tenants; `server.callers.Callers` for the door.

    Args:
        tenants: Without any there is `LOCAL` alone.
    """

    def __init__(self, tenants: Sequence[Tenant] = ()) -> None:
        self.are_given = bool(tenants)
        self._by_name = {each.name: each for each in tenants or (LOCAL,)}
        self._quotas = {name: Quota(tenant) for name, tenant in self._by_name.items()}

    def __getitem__(self, name: str) -> Tenant:
        return self._by_name[name]

    @property
    def of_the_page(self) -> Tenant | None:
        """Whose sessions our own page begins."""
        return next((each for each in self._by_name.values() if each.page), None)

    def quota(self, name: str) -> Quota:
        """What is left for a tenant."""
        return self._quotas[name]

    def holder(self, key: str) -> str | None:
        """The tenant whose key it is. Takes as long for one as for any other."""
        shown = hash_of(key)
        holder = None
        for tenant in self._by_name.values():
            for known in tenant.key_sha256:
                if hmac.compare_digest(known, shown):
                    holder = tenant.name
        return holder

    def sites(self, tenant: str | None = None) -> Set[str]:
        """See `Callers`."""
        if tenant is not None:
            known = self._by_name.get(tenant)
            return known.origins if known else frozenset()
        return frozenset().union(*(each.origins for each in self._by_name.values()))


class Quota:
    """What a tenant may still begin."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self._beginning: set[str] = set()
        self._starts: Allowance | None = None

    @contextmanager
    def place(self, session: str, there_are: Set[str]) -> Iterator[None]:
        """A place for a session, for as long as it begins; then the backend counts it.

        Args:
            session: Its id.
            there_are: The ids of the tenant's sessions.

        Raises:
            TooMany: There is none. Nothing is awaited before that is known.
        """
        most = self._tenant.max_sessions
        if most is not None and len(there_are | self._beginning) >= most:
            raise TooMany(f"You have {most} sessions, which is your limit.", retry_after_s=5)
        self._count_a_start()
        self._beginning.add(session)
        try:
            yield
        finally:
            self._beginning.discard(session)

    def _count_a_start(self) -> None:
        rate = self._tenant.starts_per_minute
        if rate is None:
            return
        now = asyncio.get_running_loop().time()
        if self._starts is None:
            self._starts = Allowance(rate / 60, rate, now=now)
        if not self._starts.spend(1, now=now):
            why = f"You may begin {rate} sessions in a minute, and have."
            raise TooMany(why, retry_after_s=self._starts.due_s(1))


def new_key() -> str:
    """A key that nobody has had before."""
    return KEY_PREFIX + secrets.token_urlsafe(32)


def hash_of(key: str) -> str:
    """What the file says of a key. It has 256 bits, so that one round is enough."""
    return hashlib.sha256(key.encode()).hexdigest()


def read(path: Path) -> Tenants:
    """Read the file of tenants.

    Raises:
        TenantsError: It cannot be read, others can read it, or it says what makes no sense.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        with open(descriptor, "rb") as file:
            if os.name == "posix" and os.fstat(descriptor).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise TenantsError(f"{path} can be read by others: chmod 600 {path}")
            written = tomllib.load(file)
    except OSError as error:
        raise TenantsError(f"{path} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TenantsError(f"{path} is no TOML: {error}.") from None
    given = written.pop("tenant", None)
    if written or not isinstance(given, list) or not given:
        raise TenantsError(f"{path} takes one or more tables [[tenant]], and nothing besides.")
    tenants = [_tenant(path, number, each) for number, each in enumerate(given, 1)]
    _check_together(path, tenants)
    return Tenants(tenants)


def _check_together(path: Path, tenants: Sequence[Tenant]) -> None:
    names = [each.name for each in tenants]
    keys = [key for each in tenants for key in each.key_sha256]
    if len(set(names)) < len(names):
        raise TenantsError(f"{path} has two tenants of one name.")
    if len(set(keys)) < len(keys):
        raise TenantsError(f"{path} has one key twice.")
    if sum(each.page for each in tenants) > 1:
        raise TenantsError(f"{path} gives our page to more than one tenant.")


def _tenant(path: Path, number: int, given: Any) -> Tenant:
    where = f"{path}, tenant {number}"
    if not isinstance(given, dict) or not _is_name(given.get("name")):
        raise TenantsError(f"{where}: name takes up to 64 letters, digits, - and _.")
    where += f" ({given['name']})"
    known = {each.name for each in fields(Tenant)}
    for field, value in given.items():
        if field not in known:
            raise TenantsError(f"{where}: there is no field {field!r}.")
        check, takes = _TAKES[field]
        if not check(value):
            raise TenantsError(f"{where}: {field} takes {takes}.")
    lists: Mapping[str, Any] = {
        "key_sha256": tuple(each.lower() for each in given.get("key_sha256", ())),
        "origins": frozenset(given.get("origins", ())),
    }
    return Tenant(**{**given, **lists})


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(re.fullmatch(r"[\w-]{1,64}", value, re.ASCII))


def _is_number(value: Any) -> bool:
    return type(value) is int and 1 <= value <= 1_000_000


def _are_hashes(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(each, str) and re.fullmatch("[0-9a-fA-F]{64}", each) for each in value
    )


def _are_origins(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_site, value))


def _is_site(value: Any) -> bool:
    return isinstance(value, str) and bool(_SITE.fullmatch(value))


def _is_switch(value: Any) -> bool:
    return isinstance(value, bool)


_NUMBER = (_is_number, "a number from 1")
_SWITCH = (_is_switch, "true or false")
_TAKES = {
    "name": (_is_name, "a name"),
    "key_sha256": (_are_hashes, "a list of SHA-256 in hexadecimal digits"),
    "max_sessions": _NUMBER,
    "starts_per_minute": _NUMBER,
    "max_session_seconds": _NUMBER,
    "origins": (_are_origins, 'a list of origins, such as "https://www.example.com"'),
    "page": _SWITCH,
    "admin": _SWITCH,
}
