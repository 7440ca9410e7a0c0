"""What the requests of people's own front ends have in common: who asks, and how it is answered.

Paths and fields are those of ZEGO's samples, so that a front end that was written after them finds
what it knows. What they leave open is closed here: who asks shows a ticket, and gets at what is its
conversation's and nothing else. Names are ours. Whom it shows, what it is told and what that costs
nobody decides who asks.
"""

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field

from .admission import admission

Name = Annotated[str, Field(min_length=1, max_length=200)]


class Desk(Protocol):
    """The conversations of this process. Each raises `LookupError` where it knows none of the
    session, or where that calls something otherwise."""

    async def create(self, session: str, **given: str | None) -> Mapping[str, str] | None:
        """What it has at the vendor, and where to watch it; None where it cannot be had any more.
        `TimeoutError`: it is not there yet."""

    async def token(self, session: str, **given: str | None) -> Mapping[str, str] | None:
        """What lets in where there is something to watch; None where there is nothing."""

    async def talk(self, session: str, opened: str, language: str | None) -> None:
        """It is watched. `ValueError`: not in this language."""

    async def stop(self, session: str, opened: str) -> None:
        """Close it."""

    async def called(self, body: bytes) -> bool:
        """Tell whom a vendor's call is about; returns whether anybody knows of it."""

    def check(self, session: str, **given: str | None) -> Mapping[str, str]:
        """What of this it calls how."""


class Asked(BaseModel):
    """What is not listed is refused: prompts and addresses of models above all."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Detail(BaseModel):
    """Why not."""

    detail: str


class _Route(APIRoute):
    """Refuses what is no such request, and does not quote it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def refusing(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError:
                raise HTTPException(400, "That is not what is taken here.") from None

        return refusing


def router() -> APIRouter:
    """For what is asked with a ticket."""
    refusals: dict[int | str, dict[str, Any]] = {
        status: {"model": Detail} for status in (400, 401, 403, 404, 409, 503)
    }
    return APIRouter(prefix="/api", route_class=_Route, responses=refusals)


def session_of(request: Request) -> str:
    """Whose ticket was shown; the gate has looked at it."""
    if (session := admission(request.scope).session) is None:
        raise HTTPException(401)
    return session


@asynccontextmanager
async def answering() -> AsyncIterator[None]:
    """Around what a desk is asked."""
    try:
        yield
    except LookupError:
        raise HTTPException(404) from None
    except TimeoutError:
        again = {"retry-after": "1"}
        raise HTTPException(503, "It is not there yet. Ask again.", again) from None
    except ValueError as error:
        raise HTTPException(400, str(error)) from None
