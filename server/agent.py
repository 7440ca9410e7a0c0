"""The API of a vendor's agent in a room of its own, for people's own front ends."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request
from pydantic import BaseModel

from .asked import Asked, Desk, Name, answering, router, session_of


class AgentId(Asked):
    """Who it is registered as."""

    agentId: Name | None = None


class Names(Asked):
    """What is ours to name. It may be left out; what is given has to be what it is called."""

    roomId: Name | None = None
    userId: Name | None = None
    userStreamId: Name | None = None
    agentStreamId: Name | None = None
    agentUserId: Name | None = None


class NewInstance(Names):
    """An instance for the conversation."""

    agentId: Name | None = None
    digitalHumanId: Name | None = None


class InstanceId(Asked):
    """The conversation's instance."""

    agentInstanceId: Name


class Agent(BaseModel):
    """Who it is registered as, by us."""

    agentId: str


class Place(BaseModel):
    """Where it is met, with the vendor's SDK: what the person publishes, and what they watch."""

    roomId: str
    userId: str
    userStreamId: str
    agentStreamId: str
    agentUserId: str
    appId: str
    server: str


class Instance(Place):
    """The conversation's instance, and where it is met."""

    agentInstanceId: str


class Token(Place):
    """What lets in there, for ten minutes."""

    token: str


def asked(desk: Desk) -> APIRouter:
    """What answers for the conversations of this process."""
    api = router()

    @api.get("/token", summary="A token of the vendor's for the room")
    async def token(request: Request, names: Annotated[Names, Query()]) -> Token:
        """Good for ten minutes, to be there and to publish one stream. Ask again before it ends."""
        async with answering():
            found = await desk.token(session_of(request), **names.model_dump())
        if found is None:
            raise HTTPException(409, "There is nobody to meet. Create an instance first.")
        return Token.model_validate(found)

    @api.post("/agent", summary="Who holds the conversation")
    async def agent(request: Request, wanted: AgentId) -> Agent:
        """It is registered, or brought up to date, with the first instance: nothing of it is for
        who asks to say."""
        async with answering():
            return Agent.model_validate(desk.check(session_of(request), **wanted.model_dump()))

    @api.post("/instance", summary="The conversation's instance of it")
    async def create(request: Request, names: NewInstance) -> Instance:
        """Opened if it is not yet: a conversation has one. It costs money until it is deleted, or
        the conversation ends."""
        async with answering():
            found = await desk.create(session_of(request), **names.model_dump())
        if found is None:
            raise HTTPException(409, "This conversation has no instance any more.")
        return Instance.model_validate(found)

    @api.post("/instance/joined", summary="It is heard")
    async def joined(request: Request, instance: InstanceId) -> InstanceId:
        """Say this once its sound is played in the room: what it says by itself, such as a
        greeting, waits for that, for ten seconds at most. To say it twice changes nothing."""
        async with answering():
            await desk.talk(session_of(request), instance.agentInstanceId, None)
        return instance

    @api.delete("/instance", summary="End it")
    async def delete(request: Request, instance: InstanceId) -> InstanceId:
        """For good, and the conversation with it: nobody else answers there."""
        async with answering():
            await desk.stop(session_of(request), instance.agentInstanceId)
        return instance

    return api
