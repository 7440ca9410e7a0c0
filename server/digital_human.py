"""The API of a digital human in a vendor's room, for people's own front ends and for the vendor."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request
from pydantic import BaseModel

from . import agent
from .admission import is_vouched
from .asked import Asked, Desk, Name, answering, router, session_of
from .back_end import BackEnd
from .plan import Signed

CALLBACKS_PATH = "/callbacks/zego"
"""ZEGO has one address for a project."""


class Names(Asked):
    """What is ours to name. It may be left out; what is given has to be what it is called."""

    roomId: Name | None = None
    streamId: Name | None = None
    userId: Name | None = None


class NewTask(Names):
    """A task for the conversation."""

    digitalHumanId: Name | None = None


class TaskId(Asked):
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


def back_end(desk: Desk, signed: Signed | None, *, agents: bool = False) -> BackEnd:
    """What answers for the conversations of this process.

    Args:
        desk: Knows them.
        signed: Reads what the vendor signs; without it the vendor is not listened to.
        agents: Whether the vendor hears, thinks and speaks as well.
    """
    asked = agent.asked(desk) if agents else _asked(desk)
    return BackEnd(asked, _called(desk), {CALLBACKS_PATH: signed} if signed else {})


def _asked(desk: Desk) -> APIRouter:
    api = router()

    @api.get("/token", summary="A token of the vendor's for the room")
    async def token(request: Request, names: Annotated[Names, Query()]) -> Token:
        """Good for ten minutes, to watch and nothing else. Ask again before it ends."""
        async with answering():
            found = await desk.token(session_of(request), **names.model_dump())
        if found is None:
            raise HTTPException(409, "There is nothing to watch. Create a task first.")
        return Token.model_validate(found)

    @api.post("/digital-human/create-task", summary="The conversation's digital human")
    async def create(request: Request, names: NewTask) -> Task:
        """Opened if it is not yet: a conversation has one. It costs money until it is stopped, or
        the conversation ends."""
        async with answering():
            found = await desk.create(session_of(request), **names.model_dump())
        if found is None:
            raise HTTPException(409, "This conversation has no digital human any more.")
        return Task.model_validate(found)

    @api.post("/digital-human/talk-to-ai", summary="Let it say what the conversation says")
    async def talk(request: Request, talk: Talk) -> TaskId:
        """Say this once its picture is shown and its sound is played: the voice goes there from
        then on. To say it twice changes nothing."""
        async with answering():
            await desk.talk(session_of(request), talk.taskId, talk.lang)
        return TaskId(taskId=talk.taskId)

    @api.post("/digital-human/stop-task", summary="Stop the digital human")
    async def stop(request: Request, task: TaskId) -> TaskId:
        """For good; the conversation goes on without. To stop it twice changes nothing."""
        async with answering():
            await desk.stop(session_of(request), task.taskId)
        return task

    return api


def _called(desk: Desk) -> APIRouter:
    api = APIRouter()

    @api.post(CALLBACKS_PATH, summary="What the vendor tells of its own accord")
    async def hear(request: Request) -> dict[str, bool]:
        """`known` says whether there is a conversation that it is about."""
        if not is_vouched(request.scope):
            raise HTTPException(404)
        return {"known": await desk.called(await request.body())}

    return api
