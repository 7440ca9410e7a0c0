"""The API of a digital human in a vendor's room, for people's own front ends and for the vendor.

Paths and fields are those of ZEGO's samples, so that a front end that was written after them finds
what it knows. What they leave open is closed here: who asks shows a ticket, and gets at what is its
conversation's and nothing else. Names are ours. Whom it shows, what it is told and what that costs
nobody decides who asks.
"""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field

from .admission import admission, is_vouched
from .back_end import BackEnd
from .plan import Signed

CALLBACKS_PATH = "/callbacks/zego"
"""ZEGO has one address for a project."""

Name = Annotated[str, Field(min_length=1, max_length=200)]


class Desk(Protocol):
    """The conversations of this process. Each raises `LookupError` where it knows none of the
    session, or where that calls something otherwise."""

    async def create(self, session: str, **given: str | None) -> dict[str, str] | None:
        """Its task, and where to watch it; None where it cannot be had any more. `TimeoutError`:
        it is not there yet."""

    async def token(self, session: str, **given: str | None) -> dict[str, str] | None:
        """What lets in where there is something to watch; None where there is nothing."""

    async def talk(self, session: str, task: str, language: str | None) -> None:
        """The task is watched. `ValueError`: not in this language."""

    async def stop(self, session: str, task: str) -> None:
        """Close its task."""

    async def called(self, body: bytes) -> bool:
        """Tell whom a vendor's call is about; returns whether anybody knows of it."""


class _Asked(BaseModel):
    """What is not listed is refused: prompts and addresses of models above all."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Names(_Asked):
    """What is ours to name. It may be left out; what is given has to be what it is called."""

    roomId: Name | None = None
    streamId: Name | None = None
    userId: Name | None = None


class NewTask(Names):
    """A task for the conversation."""

    digitalHumanId: Name | None = None


class TaskId(_Asked):
    """The conversation's task."""

    taskId: Name


class Talk(TaskId):
    """Let it say what the conversation says."""

    lang: Name | None = None


class Place(BaseModel):
    """Where it is watched, with the vendor's SDK."""

    roomId: str
    streamId: str
    userId: str
    appId: str
    server: str


class Task(Place):
    """The conversation's task, and where it is watched."""

    taskId: str


class Token(Place):
    """What lets in there, for ten minutes."""

    token: str


class Detail(BaseModel):
    """Why not."""

    detail: str


def back_end(desk: Desk, signed: Signed | None) -> BackEnd:
    """What answers for the conversations of this process.

    Args:
        desk: Knows them.
        signed: Reads what the vendor signs; without it the vendor is not listened to.
    """
    return BackEnd(_asked(desk), _called(desk), {CALLBACKS_PATH: signed} if signed else {})


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


def _asked(desk: Desk) -> APIRouter:
    refusals: dict[int | str, dict[str, Any]] = {
        status: {"model": Detail} for status in (400, 401, 403, 404, 409, 503)
    }
    router = APIRouter(prefix="/api", route_class=_Route, responses=refusals)

    @router.get("/token", summary="A token of the vendor's for the room")
    async def token(request: Request, names: Annotated[Names, Query()]) -> Token:
        """Good for ten minutes, to watch and nothing else. Ask again before it ends."""
        async with _answering():
            found = await desk.token(_session(request), **names.model_dump())
        if found is None:
            raise HTTPException(409, "There is nothing to watch. Create a task first.")
        return Token(**found)

    @router.post("/digital-human/create-task", summary="The conversation's digital human")
    async def create(request: Request, names: NewTask) -> Task:
        """Opened if it is not yet: a conversation has one. It costs money until it is stopped, or
        the conversation ends."""
        async with _answering():
            found = await desk.create(_session(request), **names.model_dump())
        if found is None:
            raise HTTPException(409, "This conversation has no digital human any more.")
        return Task(**found)

    @router.post("/digital-human/talk-to-ai", summary="Let it say what the conversation says")
    async def talk(request: Request, talk: Talk) -> TaskId:
        """Say this once its picture is shown and its sound is played: the voice goes there from
        then on. To say it twice changes nothing."""
        async with _answering():
            await desk.talk(_session(request), talk.taskId, talk.lang)
        return TaskId(taskId=talk.taskId)

    @router.post("/digital-human/stop-task", summary="Stop the digital human")
    async def stop(request: Request, task: TaskId) -> TaskId:
        """For good; the conversation goes on without. To stop it twice changes nothing."""
        async with _answering():
            await desk.stop(_session(request), task.taskId)
        return task

    return router


def _called(desk: Desk) -> APIRouter:
    router = APIRouter()

    @router.post(CALLBACKS_PATH, summary="What the vendor tells of its own accord")
    async def hear(request: Request) -> dict[str, bool]:
        """`known` says whether there is a conversation that it is about."""
        if not is_vouched(request.scope):
            raise HTTPException(404)
        return {"known": await desk.called(await request.body())}

    return router


def _session(request: Request) -> str:
    """Whose ticket was shown; the gate has looked at it."""
    if (session := admission(request.scope).session) is None:
        raise HTTPException(401)
    return session


@asynccontextmanager
async def _answering() -> AsyncIterator[None]:
    try:
        yield
    except LookupError:
        raise HTTPException(404) from None
    except TimeoutError:
        again = {"retry-after": "1"}
        raise HTTPException(503, "It is not there yet. Ask again.", again) from None
    except ValueError as error:
        raise HTTPException(400, str(error)) from None
