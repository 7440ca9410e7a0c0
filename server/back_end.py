"""What a vendor's face wants answered over HTTP besides: to people's own front ends, to itself."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from fastapi import APIRouter
from fastapi.routing import APIRoute

from .plan import Plan, Signed


@dataclass(frozen=True, slots=True)
class BackEnd:
    """
    Attributes:
        asked: What is answered for the session that a ticket leads to.
        called: What is answered to the vendor.
        signed: Reads what the vendor signs, by path; without it there is no such path.
    """

    asked: APIRouter
    called: APIRouter
    signed: Mapping[str, Signed] = field(default_factory=dict)

    @property
    def routers(self) -> Iterator[APIRouter]:
        """Those that are served."""
        yield self.asked
        if self.signed:
            yield self.called

    def added_to(self, plan: Plan) -> Plan:
        """The plan with what is served here."""
        asked = _routes(self.asked)
        called = _routes(self.called)
        served = {path: called[path] for path in self.signed}
        return replace(
            plan,
            routes={**plan.routes, **asked, **served},
            ticketed=plan.ticketed | asked.keys(),
            signed={**plan.signed, **self.signed},
        )


def _routes(router: APIRouter) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for each in router.routes:
        if isinstance(each, APIRoute):
            found[each.path] = found.get(each.path, frozenset()).union(each.methods or ())
    return found
