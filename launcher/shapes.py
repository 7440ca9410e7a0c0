"""What goes over HTTP, for whoever reads `/openapi.json`."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from .backend import Way


class StartRequest(BaseModel):
    """How the person comes, and what the bot is told."""

    transport: Way = "websocket"
    body: Any = Field(None, description="For the bot, from a server with a key only.")
    createDailyRoom: bool = False
    enableDefaultIceServers: bool = False


class StartAnswer(BaseModel):
    """The way in. Which of the fields are there depends on the transport."""

    sessionId: str | None = None
    wsUrl: str | None = None
    token: str | None = None
    apiToken: str | None = Field(None, description="For what a session's face is asked for.")
    iceConfig: dict[str, Any] | None = None
    dailyRoom: str | None = None
    dailyToken: str | None = None
    url: str | None = None


class SessionState(BaseModel):
    """A session as it stands."""

    sessionId: str
    transport: Way
    state: str
    began: float = Field(description="Seconds of the epoch.")


class Status(BaseModel):
    """Pipecat's."""

    status: str
    transports: list[str]


class Health(BaseModel):
    """Nothing is wrong."""

    status: str


class Problem(BaseModel):
    """What went wrong, in a sentence."""

    detail: str
