"""What a digital human in a vendor's room is asked and told over HTTP."""

from typing import Protocol

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException

from .admission import is_vouched
from .back_end import BackEnd
from .plan import Signed

CALLBACKS_PATH = "/callbacks/zego"
"""ZEGO has one address for a project."""


class Desk(Protocol):
    """The conversations of this process."""

    def called(self, body: bytes) -> bool:
        """Tell whom a vendor's call is about; returns whether anybody knows of it."""


def back_end(desk: Desk, signed: Signed | None) -> BackEnd:
    """What answers for the conversations of this process.

    Args:
        desk: Knows them.
        signed: Reads what the vendor signs; without it the vendor is not listened to.
    """
    return BackEnd(APIRouter(), _called(desk), {CALLBACKS_PATH: signed} if signed else {})


def _called(desk: Desk) -> APIRouter:
    router = APIRouter()

    @router.post(CALLBACKS_PATH, summary="What the vendor tells of its own accord")
    async def hear(request: Request) -> dict[str, bool]:
        """`known` says whether there is a conversation that it is about."""
        if not is_vouched(request.scope):
            raise HTTPException(404)
        return {"known": desk.called(await request.body())}

    return router
