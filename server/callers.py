"""Who may call besides our own page: other people's servers with a key, and the sites they have."""

from collections.abc import Set
from typing import Protocol


class Callers(Protocol):
    """Tenants, as far as the door has to know them."""

    def holder(self, key: str) -> str | None:
        """The tenant whose key it is; None: nobody's."""

    def sites(self, tenant: str | None = None) -> Set[str]:
        """Origins of a tenant's sites, whose pages may come with a ticket; by default of all."""


class Nobody:
    """There is only our own page."""

    def holder(self, key: str) -> str | None:
        return None

    def sites(self, tenant: str | None = None) -> Set[str]:
        return frozenset()
