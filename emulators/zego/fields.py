"""Reads the fields of a request, and refuses what is not as the documents say."""

from __future__ import annotations

import re
from typing import Any

from .codes import Code, Refused

ID = re.compile(r"[0-9A-Za-z_-]+")


class Fields:
    """An object of a request. What it does not name is ignored.

    Args:
        data: The object.
        invalid: The code of a field that is not as it has to be.
        path: Where the object is.
        spelled: Whether numbers come as texts, as in a query.
    """

    def __init__(
        self, data: dict[str, Any], invalid: Code, path: str = "", *, spelled: bool = False
    ) -> None:
        self.data = data
        self._invalid = invalid
        self._path = path
        self._spelled = spelled

    def text(
        self,
        name: str,
        *,
        default: str | None = None,
        limit: int = 65_535,
        pattern: re.Pattern[str] | None = None,
    ) -> str:
        """Returns a text of so many bytes at most; without a default it has to be there."""
        value = self.data.get(name)
        if value in (None, "") and default is not None:
            return default
        if not isinstance(value, str) or not value:
            raise self.wrong(name)
        if len(value.encode(errors="surrogatepass")) > limit:
            raise self.wrong(name)
        if pattern and not pattern.fullmatch(value):
            raise self.wrong(name)
        return value

    def number(self, name: str, *, low: float, high: float, default: float | None = None) -> float:
        """Returns a number between two; without a default it has to be there."""
        value = self.data.get(name)
        if value is None and default is not None:
            return default
        if self._spelled and isinstance(value, str) and re.fullmatch(r"-?\d{1,15}", value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.wrong(name)
        if not low <= value <= high:  # nor is what is no number
            raise self.wrong(name)
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        value = self.data.get(name, default)
        if not isinstance(value, bool):
            raise self.wrong(name)
        return value

    def choice(self, name: str, *allowed: str) -> str:
        """Returns one of some texts, the first one if there is none."""
        value = self.data.get(name, allowed[0])
        if value not in allowed:
            raise self.wrong(name)
        return str(value)

    def array(self, name: str, *, limit: int) -> list[Any]:
        value = self.data.get(name, [])
        if not isinstance(value, list) or len(value) > limit:
            raise self.wrong(name)
        return value

    def block(self, name: str, *, required: bool = True) -> Fields:
        """Returns an object inside this one, an empty one if it may be absent."""
        value = self.data.get(name)
        if value is None and not required:
            value = {}
        if not isinstance(value, dict):
            raise self.wrong(name)
        return Fields(value, self._invalid, f"{self._path}{name}.", spelled=self._spelled)

    def wrong(self, name: str) -> Refused:
        """Returns the refusal of a field."""
        return Refused(self._invalid, f"{self._path}{name} is invalid")
