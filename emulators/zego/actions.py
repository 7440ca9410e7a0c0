"""The actions of both services: each takes a request's fields and returns `Data`, or refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from .fields import Fields

if TYPE_CHECKING:
    from .emulator import Emulator

Service = Literal["digital human", "agent"]
Handler = Callable[["Emulator", Fields], dict[str, Any] | None]


class Actions(dict[str, Handler]):
    """Those of one service, by name."""

    def __init__(self, service: Service) -> None:
        super().__init__()
        self.service = service

    def on(self, name: str) -> Callable[[Handler], Handler]:
        """Makes a function what answers an action."""

        def register(handler: Handler) -> Handler:
            self[name] = handler
            return handler

        return register
