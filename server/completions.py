"""`POST …/v1/chat/completions`: a session's own language model, behind OpenAI's API.

For a vendor whose agent hears and speaks, and asks here for what it says. Each of its instances has
a key of its own, which is good for nothing else and as long as the instance lives. Whoever shows no
such key finds nothing here. Of what it sends the person's newest words are used, and nothing else:
the conversation is ours.
"""

import asyncio
import hashlib
import hmac
import json
import re
import secrets
import time
import uuid
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from loguru import logger
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from .bind import is_loopback
from .errors import PublicUrlError
from .headers import bearer

PLAIN_PATH = "/v1/chat/completions"
"""In the process of one session: the launcher hands on what comes to the other path."""
COMPLETIONS_PATH = "/sessions/{session}" + PLAIN_PATH

LARGEST_BODY = 64 * 1024
KEEP_ALIVE_S = 5.0
"""After so long a silence a comment is sent, for those who would take it for a broken wire."""
MODEL = "avatarbot"

_EVENTS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx would collect the words
]
_ROUND = re.compile("[0-9]{1,19}")


class Brain(Protocol):
    """Who answers: `services.brain` tells more."""

    def answer(self, text: str, *, round_id: int | None = None) -> AsyncGenerator[str, None]: ...

    def remember(self, text: str) -> None: ...

    async def played(
        self, text: str, *, round_id: int | None = None, certain: bool = True
    ) -> None: ...

    async def cut(self, played_text: str, *, round_id: int | None = None) -> None: ...


class Refused(Exception):
    """A request is refused, in the shape that OpenAI's clients know."""

    def __init__(self, status: int, why: str, code: str) -> None:
        super().__init__(why)
        kind = "server_error" if status >= 500 else "invalid_request_error"
        self.problem = {"error": {"message": why, "type": kind, "param": None, "code": code}}
        self.answer = JSONResponse(self.problem, status)


@dataclass(frozen=True, slots=True)
class _Question:
    """What of a request is used."""

    text: str
    streams: bool
    room: str | None = None
    instance: str | None = None
    round_id: int | None = None


@dataclass(eq=False, slots=True)
class _Lease:
    """What is known of a vendor's instance, and of what it asked last."""

    brain: Brain
    key_sha256: bytes = field(default=b"", repr=False)
    room: str | None = None
    instance: str | None = None
    newest: _Question | None = None
    replies: "set[asyncio.Task[None]]" = field(default_factory=set)

    def check(self, question: _Question) -> None:
        """Raises `Refused` where it is not for this instance, or not new."""
        for known, named in ((self.room, question.room), (self.instance, question.instance)):
            if known not in (None, named):
                raise Refused(403, "This key is not for that room or instance.", "wrong_instance")
        if self.newest is None or self.newest.round_id is None or question.round_id is None:
            return
        again = question.round_id == self.newest.round_id and not self.replies
        if question.round_id <= self.newest.round_id and not again:
            raise Refused(409, "A newer round has been asked, or this one.", "old_round")

    def end(self) -> None:
        """Nobody is answered any more."""
        self.key_sha256 = b""
        for reply in self.replies:
            reply.cancel()


class AgentBrain:
    """What a vendor's instance is told to ask, and where is told what became of the answers.

    Attributes:
        url: Where to ask.
        key: What to show there.
        model: What to call it.
    """

    def __init__(self, lease: _Lease, url: str) -> None:
        self._lease = lease
        self.url = url
        self.model = MODEL
        self.renew()

    def renew(self) -> None:
        """Another instance: there is a fresh key, and the one before is good for nothing."""
        self._lease.end()
        self.key = secrets.token_urlsafe(32)
        self._lease.key_sha256 = _sha256(self.key)
        self._lease.room = self._lease.instance = self._lease.newest = None

    def belongs_to(self, *, room: str | None = None, instance: str | None = None) -> None:
        """From now on the key is good for this room and this instance only."""
        self._lease.room = room or self._lease.room
        self._lease.instance = instance or self._lease.instance

    def remember(self, text: str) -> None:
        """The person has said this, and nobody will ask for an answer to it."""
        self._lease.brain.remember(text)

    async def played(self, text: str, *, round_id: int | None = None, certain: bool = True) -> None:
        """The person has heard all of what was said in a round."""
        await self._lease.brain.played(text, round_id=round_id, certain=certain)

    async def cut(self, played_text: str, *, round_id: int | None = None) -> None:
        """The person has cut in, and had heard so much."""
        await self._lease.brain.cut(played_text, round_id=round_id)


class Completions:
    """The endpoint, for all sessions of this process.

    Attributes:
        router: Its routes.
    """

    def __init__(self) -> None:
        self._leases: dict[str, _Lease] = {}
        self.router = APIRouter(include_in_schema=False)
        for path in (PLAIN_PATH, COMPLETIONS_PATH):
            self.router.add_api_route(path, self._complete, methods=["POST"])

    @contextmanager
    def lend(self, brain: Brain, *, session: str, origin: str) -> Iterator[AgentBrain]:
        """A session's brain can be asked for as long as this is entered.

        Args:
            brain: Who answers.
            session: The session's id.
            origin: Under which the vendor reaches this server, see `reachable`.
        """
        lease = self._leases[session] = _Lease(brain)
        try:
            yield AgentBrain(lease, origin + COMPLETIONS_PATH.format(session=session))
        finally:
            lease.end()
            if self._leases.get(session) is lease:
                del self._leases[session]

    async def _complete(self, request: Request) -> Response:
        try:
            lease = self._holder(request)
            question = _question(await _body(request))
            lease.check(question)
        except Refused as refused:
            logger.debug(f"refused to answer an agent: {refused}")
            return refused.answer
        lease.newest = question
        return _Reply(lease, question)

    def _holder(self, request: Request) -> _Lease:
        shown = _sha256(bearer(Headers(scope=request.scope)) or "")
        session = request.path_params.get("session")
        leases = [self._leases.get(session)] if session else list(self._leases.values())
        for lease in leases:
            if lease and hmac.compare_digest(lease.key_sha256, shown):
                return lease
        raise _not_found()


def reachable(public_url: str | None, *, vendor: str, otherwise: str) -> str:
    """The origin under which a vendor can ask this server.

    Args:
        public_url: The setting.
        vendor: The address of the vendor's API. An emulator on this machine needs no TLS.
        otherwise: The setting with which the vendor asks another language model.

    Raises:
        PublicUrlError: There is none.
    """
    url = urlsplit(public_url or "")
    here = all(is_loopback(each.hostname or "") for each in (url, urlsplit(vendor)))
    if public_url and (url.scheme == "https" or here):
        return public_url
    raise PublicUrlError(
        "The agent asks this server for what it says, so its vendor has to reach it: set"
        " PUBLIC_URL to the address of this server, which begins with https://. Or set"
        f" {otherwise} to that of a language model that the vendor can reach by itself."
    )


class _Reply(Response):
    """Answers a question, as long as somebody waits for it."""

    def __init__(self, lease: _Lease, question: _Question) -> None:
        super().__init__()
        self._lease = lease
        self._question = question
        self._about = {
            "id": f"chatcmpl-{uuid.uuid4().hex}",
            "created": int(time.time()),
            "model": MODEL,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        events = _Events(scope, receive, send)
        speaking = asyncio.create_task(self._speak(events), name="answer an agent")
        gone = asyncio.create_task(_gone(receive), name="see whether it is there")
        self._lease.replies.add(speaking)
        try:
            await asyncio.wait({speaking, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            has_gone = gone.done()
            speaking.cancel()
            gone.cancel()
            await asyncio.wait({speaking, gone})
            self._lease.replies.discard(speaking)
        if not speaking.cancelled():
            speaking.result()
        elif not has_gone:
            await events.fail(_not_found())  # the instance has ended

    async def _speak(self, events: "_Events") -> None:
        asked = self._lease.brain.answer(self._question.text, round_id=self._question.round_id)
        async with aclosing(asked) as pieces:
            if self._question.streams:
                await self._stream(pieces, events)
                return
            text = "".join([piece async for piece in pieces])
        if text:
            await events.answer(self._whole(text))
        else:
            await events.fail(_silent())

    async def _stream(self, pieces: AsyncGenerator[str, None], events: "_Events") -> None:
        role = {"role": "assistant"}  # the first chunk says so
        coming = asyncio.ensure_future(anext(pieces, None))
        try:
            while True:
                await asyncio.wait({coming}, timeout=KEEP_ALIVE_S)
                if not coming.done():
                    await events.send(": still thinking")
                elif (piece := coming.result()) is None:
                    break
                else:
                    await events.send(self._chunk({**role, "content": piece}))
                    role = {}
                    coming = asyncio.ensure_future(anext(pieces, None))
        finally:
            coming.cancel()
            await asyncio.wait({coming})
        if role:
            await events.fail(_silent())
        else:
            done = self._chunk({"content": ""}, finish="stop")
            await events.send(done, "data: [DONE]", more=False)

    def _chunk(self, delta: dict[str, str], finish: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _event({**self._about, "object": "chat.completion.chunk", "choices": [choice]})

    def _whole(self, text: str) -> Response:
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        usage = dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), 0)
        about = {**self._about, "object": "chat.completion"}
        return JSONResponse({**about, "choices": [choice], "usage": usage})


class _Events:
    """An answer that may become server-sent events, as soon as there is one to send."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._request = scope, receive, send
        self._send = send
        self._have_begun = False

    async def send(self, *events: str, more: bool = True) -> None:
        if not self._have_begun:
            self._have_begun = True
            await self._send({"type": "http.response.start", "status": 200, "headers": _EVENTS})
        body = "".join(f"{each}\n\n" for each in events).encode()
        await self._send({"type": "http.response.body", "body": body, "more_body": more})

    async def fail(self, refused: Refused) -> None:
        """Say that there is no answer, or no more of it, in whichever way is left."""
        if self._have_begun:
            await self.send(_event(refused.problem), more=False)
        else:
            await self.answer(refused.answer)

    async def answer(self, response: Response) -> None:
        """Answer without events."""
        await response(*self._request)


async def _gone(receive: Receive) -> None:
    """Returns when whoever asked has gone away."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _body(request: Request) -> bytes:
    """The body, of which the gate of a launcher may stand before us or not."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > LARGEST_BODY:
            raise Refused(413, "The request is larger than 64 KB.", "too_large")
    return bytes(body)


def _question(body: bytes) -> _Question:
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        raise _malformed("The request is no JSON.") from None
    match asked:
        case {"messages": list(messages)}:
            text = _newest(messages).strip()
        case _:
            raise _malformed("The request has no list of messages.")
    if not text or any("\ud800" <= each <= "\udfff" for each in text):
        raise _malformed("The newest message of the user has no text.")
    streams = asked.get("stream")
    if not isinstance(streams, bool | None):
        raise _malformed("stream is true or false.")
    return _Question(text, bool(streams), **_agent(asked.get("agent_info")))


def _newest(messages: list[Any]) -> str:
    """What the person said last: a text, or the texts among the parts."""
    for message in reversed(messages):
        match message:
            case {"role": "user", "content": str(text)}:
                return text
            case {"role": "user", "content": list(parts)}:
                return "\n".join(each["text"] for each in parts if _is_text(each))
            case {"role": "user"}:
                break
    return ""


def _is_text(part: Any) -> bool:
    match part:
        case {"type": "text", "text": str()}:
            return True
    return False


def _agent(info: Any) -> dict[str, Any]:
    """Who asks, and in which round; as vendors spell it."""
    if info is None:
        return {}
    if not isinstance(info, dict):
        raise _malformed("agent_info is no object.")
    room, instance, round_id = map(info.get, ("room_id", "agent_instance_id", "round_id"))
    if isinstance(round_id, str) and _ROUND.fullmatch(round_id):
        round_id = int(round_id)
    named = isinstance(room, str | None) and isinstance(instance, str | None)
    if not named or not isinstance(round_id, int | None) or isinstance(round_id, bool):
        raise _malformed("agent_info has a room, an instance and a number of a round.")
    return {"room": room, "instance": instance, "round_id": round_id}


def _malformed(why: str) -> Refused:
    return Refused(400, why, "malformed")


def _not_found() -> Refused:
    return Refused(404, "There is nothing here.", "not_found")


def _silent() -> Refused:
    return Refused(502, "The language model gave no answer.", "no_answer")


def _event(data: Any) -> str:
    return f"data: {json.dumps(data, ensure_ascii=False)}"


def _sha256(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
