"""What the launcher has found out about a request, for the session's process that answers it.

It travels in a header of the request that is forwarded; whoever else sends such a header to the
launcher has it taken out.
"""

from __future__ import annotations

import json
from dataclasses import asdict

from starlette.types import Scope

from server.tickets import Claims

KNOWN = b"avatarbot-known"


def known_to_launcher(scope: Scope) -> list[tuple[bytes, bytes]]:
    """The header, where there is anything to tell."""
    claims, about = scope.get("avatarbot"), scope.get("avatarbot.about")
    if claims is None and not about:
        return []
    known = {"claims": asdict(claims) if claims else None, "about": about}
    return [(KNOWN, json.dumps(known).encode())]


def with_known(scope: Scope) -> Scope:
    """The request as the launcher knows it."""
    found = [value for name, value in scope["headers"] if name == KNOWN]
    if not found:
        return scope
    known = json.loads(found[0])
    return {
        **scope,
        "headers": [pair for pair in scope["headers"] if pair[0] != KNOWN],
        "avatarbot": Claims(**known["claims"]) if known["claims"] else None,
        "avatarbot.about": known["about"],
    }
