"""What the launcher answers over HTTP: Pipecat's shapes, and what an operator needs besides.

It stands behind the door of `server/`: host, origin, keys, sizes and tickets are checked there.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any, cast

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.types import Message, Receive, Scope, Send

from server.back_end import BackEnd
from server.door import ROUTES
from server.gate import refusal
from server.plan import READING, Plan
from server.start import SOCKET_PATH, START_PATH, Welcomes, wanted, wishes

from .backend import (
    Backend,
    BackendError,
    Draining,
    Full,
    Session,
    StartFailed,
    UnknownSession,
    Way,
)
from .calls import Calls
from .handover import TooLarge, hand_over
from .idempotency import LONGEST_KEY, Answers, KeyReused
from .machine import ThisMachine
from .metrics import Metrics
from .reaper import Figures
from .shapes import Health, Problem, SessionState, StartAnswer, StartRequest, Status
from .starting import UNREADY_S, Starter
from .tenants import Tenant, Tenants, TooMany

PLAIN_OFFER_PATH = "/api/offer"
SESSIONS_PATH = "/sessions"
SESSION_PATH = "/sessions/{session}"
INSIDE_PATH = "/sessions/{session}/{path}"
PROBES = ("/livez", "/readyz")

_ANY = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"))
_POST = frozenset(("POST",))
_AGAIN_S = 30.0
_STUN = {"iceServers": [{"urls": "stun:stun.l.google.com:19302"}]}


class Refused(Exception):
    """A request is refused."""

    def __init__(self, status: int, why: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(why)
        self.answer = refusal(status, why, retry_after_s=retry_after_s)


@dataclass(frozen=True, slots=True)
class _Started:
    session: str
    answer: Response


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": Problem} for status in statuses}


class Api:
    """Answers requests for sessions.

    Args:
        backend: Where sessions run.
        tenants: Who may have them.
        welcomes: What people get that come to one.
        metrics: Told what is asked for.
        machine: Who asks from this machine.
        longest_s: How long any session may last.
        figures: What there is to be told of money.
        back_end: What sessions answer under a path that all of them share.

    Attributes:
        app: The application.
        end: Called when an operator wants the server to end.
    """

    def __init__(
        self,
        backend: Backend,
        tenants: Tenants,
        welcomes: Welcomes,
        metrics: Metrics,
        machine: ThisMachine,
        *,
        longest_s: float,
        figures: Callable[[], Awaitable[Figures]],
        back_end: BackEnd | None = None,
    ) -> None:
        self._backend = backend
        self._tenants = tenants
        self._welcomes = welcomes
        self._metrics = metrics
        self._machine = machine
        self._starter = Starter(backend, tenants, metrics, longest_s=longest_s)
        self.end: Callable[[], object] = lambda: None
        self._figures = figures
        self._back_end = back_end
        self._calls = Calls(backend)
        self._answers = Answers[_Started](
            is_good=lambda each: each.session in self._starter.living()
        )
        self._peers: dict[str, str] = {}  # sessions by the ids of their WebRTC connections
        self.app = self._application()

    @property
    def plan(self) -> Plan:
        """What of it can be reached, and by whom."""
        reading = ("/status", "/openapi.json", "/metrics", *PROBES)
        mine: dict[str, frozenset[str]] = {
            **dict.fromkeys(reading, READING),
            PLAIN_OFFER_PATH: frozenset(("POST", "PATCH")),
            "/drain": _POST,
            SESSIONS_PATH: READING,
            SESSION_PATH: frozenset(("DELETE",)),
            INSIDE_PATH: _ANY,
        }
        keyed = (START_PATH, *(path for path in mine if path not in (INSIDE_PATH, *PROBES)))
        plan = Plan(
            routes={**ROUTES, **mine},
            callers=self._tenants,
            keyed=frozenset(keyed),
            called_back=frozenset((INSIDE_PATH,)),
            for_anybody=frozenset(PROBES),
            living=self._starter.living,
        )
        return self._back_end.added_to(plan) if self._back_end else plan

    def _application(self) -> FastAPI:
        app = FastAPI(
            title="avatarbot",
            description="Begins and ends sessions. `/sessions/{session}/…` is answered by each.",
            docs_url=None,
            redoc_url=None,
            redirect_slashes=False,
            exception_handlers={Refused: _refuse, Exception: _fail},
        )
        asked = {"content": {"application/json": {"schema": StartRequest.model_json_schema()}}}
        app.post(
            START_PATH,
            response_model=StartAnswer,
            responses=_problems(400, 401, 403, 413, 422, 429, 500, 503),
            openapi_extra={"requestBody": asked},
        )(self.start)
        app.post(PLAIN_OFFER_PATH, responses=_problems(400, 401, 403, 404, 413, 429, 503))(
            self.offer
        )
        app.patch(PLAIN_OFFER_PATH, responses=_problems(400, 403, 404))(self.candidates)
        app.get(SESSIONS_PATH, response_model=list[SessionState], responses=_problems(401))(
            self.sessions
        )
        app.delete(SESSION_PATH, status_code=204, responses=_problems(401, 403, 404))(self.stop)
        app.post("/drain", status_code=202, responses=_problems(403))(self.drain)
        app.get("/status", response_model=Status)(self.status)
        app.get("/livez", response_model=Health)(self.livez)
        app.get("/readyz", response_model=Health, responses=_problems(503))(self.readyz)
        app.get("/metrics", response_class=Response, responses=_problems(403))(self.metrics)
        if self._back_end:
            self._answer_for(app, self._back_end)
        app.router.routes.append(Route("/sessions/{session}/{path:path}", _Asgi(self._inside)))
        app.router.routes.append(WebSocketRoute(SOCKET_PATH, _Asgi(self._hand_over)))
        return app

    def _answer_for(self, app: FastAPI, back_end: BackEnd) -> None:
        """Have its paths answered by sessions; what comes behind that only describes them."""
        asked = Plan({})
        for path in back_end.added_to(asked).ticketed:
            app.router.routes.append(Route(path, _Asgi(self._to_its_session)))
        for path in back_end.signed:
            app.router.routes.append(Route(path, _Asgi(self._calls)))
        for router in back_end.routers:
            app.include_router(router)

    # Sessions

    async def start(self, request: Request) -> Response:
        """Begin a session, and get the way in."""
        tenant = self._asker(request.scope, page=True)
        asked = await request.body()
        key = request.headers.get("idempotency-key")
        is_known = request.scope["avatarbot.tenant"] or self._machine.asks(request.scope)
        if key is None or not is_known:  # who comes to the page is no party to another's key
            begun = self._begin(request, tenant, asked)
            return await _as_long_as_waited_for(request, begun)
        if not 1 <= len(key) <= LONGEST_KEY:
            raise Refused(400, f"Idempotency-Key takes up to {LONGEST_KEY} characters.")
        try:
            started = await self._answers.once(
                tenant.name, key, asked, lambda: self._start(request, tenant, asked)
            )
        except KeyReused:
            raise Refused(422, "This Idempotency-Key came with another request before.") from None
        return started.answer

    async def _begin(self, request: Request, tenant: Tenant, asked: bytes) -> Response:
        return (await self._start(request, tenant, asked)).answer

    async def _start(self, request: Request, tenant: Tenant, asked: bytes) -> _Started:
        wish = wishes(asked)
        transport = wanted(wish)
        if problem := self._welcomes.problem(transport):
            raise Refused(400, problem)
        assert wish is not None
        way = cast(Way, transport)
        by_server = request.scope["avatarbot.tenant"] is not None
        body = wish.get("body") if by_server else None
        async with self._begun(tenant, way, body, of_page=not by_server) as answer:
            if way == "webrtc" and wish.get("enableDefaultIceServers") is True:
                answer["iceConfig"] = _STUN
            welcome = await self._welcomes.welcome(
                way,
                answer,
                origin=request.scope["avatarbot.origin"],
                tenant=tenant.name,
                to_server=by_server,
            )
            return _Started(answer["sessionId"], welcome)

    @asynccontextmanager
    async def _begun(
        self, tenant: Tenant, way: Way, body: Any, *, of_page: bool
    ) -> AsyncIterator[dict[str, Any]]:
        """A new session, which ends at once if what comes next fails."""
        try:
            answer = await self._starter.start(tenant, way, body, of_page=of_page)
        except (TooMany, BackendError) as error:
            raise _refused(error) from None
        try:
            yield answer
        except BaseException:
            with suppress(UnknownSession):
                await self._backend.stop(answer["sessionId"])
            raise

    async def sessions(self, request: Request) -> list[SessionState]:
        """The sessions of whoever asks."""
        tenant = self._asker(request.scope)
        return [_seen(each) for each in self._backend.sessions() if each.tenant == tenant.name]

    async def stop(self, request: Request, session: str) -> Response:
        """End a session in order. The answer comes when it is gone."""
        tenant = self._asker(request.scope)
        try:
            if session not in self._starter.living(tenant.name):
                raise UnknownSession
            await self._backend.stop(session)
        except UnknownSession as error:
            raise Refused(404, str(error)) from None
        return Response(status_code=204)

    # WebRTC without `/start`

    async def offer(self, request: Request) -> Response:
        """Begin a session with its WebRTC offer, or go on negotiating."""
        tenant = self._asker(request.scope, page=True)
        offer = wishes(await request.body()) or {}
        if offer.get("pc_id"):  # Pipecat's own client says null where it has none yet
            return await self._negotiate(request.scope, self._peer(offer, tenant), offer)
        return await _as_long_as_waited_for(request, self._offer(request, tenant, offer))

    async def _offer(self, request: Request, tenant: Tenant, offer: Mapping[str, Any]) -> Response:
        if problem := self._welcomes.problem("webrtc"):
            raise Refused(400, problem)
        if offer.get("type") != "offer" or not isinstance(offer.get("sdp"), str):
            raise Refused(400, 'Send {"sdp": …, "type": "offer"}.')
        by_server = request.scope["avatarbot.tenant"] is not None
        body = offer.get("request_data", offer.get("requestData")) if by_server else None
        async with self._begun(tenant, "webrtc", body, of_page=not by_server) as begun:
            answer = await self._negotiate(request.scope, begun["sessionId"], offer)
            if answer.status_code != 200:
                raise Refused(400, "The offer was not understood.")
            living = self._starter.living()
            self._peers = {peer: each for peer, each in self._peers.items() if each in living}
            self._peers[json.loads(bytes(answer.body))["pc_id"]] = begun["sessionId"]
            return answer

    async def candidates(self, request: Request) -> Response:
        """More candidates of a WebRTC connection."""
        tenant = self._asker(request.scope, page=True)
        patch = wishes(await request.body()) or {}
        return await self._negotiate(request.scope, self._peer(patch, tenant), patch)

    def _peer(self, request: Mapping[str, Any], tenant: Tenant) -> str:
        session = self._peers.get(str(request.get("pc_id")))
        if session is None or session not in self._starter.living(tenant.name):
            raise Refused(404, "There is no such connection.")
        return session

    async def _negotiate(self, scope: Scope, session: str, asked: Mapping[str, Any]) -> Response:
        """Ask a session as whoever asked us, and return its whole answer, which is small."""
        body = json.dumps(asked).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        answer = Response()
        pieces: list[bytes] = []
        asks = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive() -> Message:
            return next(asks, None) or await _nothing_more()

        async def send(message: Message) -> None:
            answer.status_code = message.get("status", answer.status_code)
            pieces.append(message.get("body", b""))

        inner = {**_inside(scope, PLAIN_OFFER_PATH), "headers": headers, "query_string": b""}
        try:
            await self._backend.forward(session, inner, receive, send)
        except UnknownSession as error:
            raise Refused(404, str(error)) from None
        return Response(b"".join(pieces), answer.status_code, media_type="application/json")

    # What a session answers itself

    async def _inside(self, scope: Scope, receive: Receive, send: Send) -> None:
        session, path = scope["path_params"]["session"], scope["path_params"]["path"]
        try:
            await self._backend.forward(session, _inside(scope, f"/{path}"), receive, send)
        except UnknownSession as error:
            await refusal(404, str(error))(scope, receive, send)

    async def _to_its_session(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Where the ticket leads to that was shown."""
        claims = scope["avatarbot"]
        try:
            if claims.session not in self._starter.living(claims.tenant):
                raise UnknownSession
            inner = _inside(scope, scope["path"])
            await self._backend.forward(claims.session, inner, receive, send)
        except UnknownSession:
            await refusal(404)(scope, receive, send)

    async def _hand_over(self, scope: Scope, receive: Receive, send: Send) -> None:
        claims = scope["avatarbot"]
        try:
            if claims.session not in self._starter.living(claims.tenant):
                raise Refused(404, str(UnknownSession()))
            connection, head = hand_over(scope)
        except (Refused, TooLarge) as error:
            await receive()
            is_large = isinstance(error, TooLarge)
            await refusal(431 if is_large else 404, str(error))(scope, receive, send)
            return
        admission = {"claims": asdict(claims), "client": list(scope["client"] or ("", 0))}
        with suppress(UnknownSession):  # it ended just now, and its connection with it
            await self._backend.take(claims.session, connection, head, admission)

    # The server itself

    async def status(self) -> Status:
        """Which ways to come there are."""
        draining = self._backend.capacity().draining
        return Status(
            status="draining" if draining else "ready", transports=self._welcomes.open_ways
        )

    async def livez(self) -> Health:
        """The process lives."""
        return Health(status="live")

    async def readyz(self) -> Health:
        """Sessions can be begun, as far as there is place for them."""
        if self._backend.capacity().draining:
            raise Refused(503, str(Draining()), retry_after_s=_AGAIN_S)
        if self._starter.has_failed:
            raise Refused(503, str(StartFailed()), retry_after_s=UNREADY_S)
        return Health(status="ready")

    async def metrics(self, request: Request) -> Response:
        """For Prometheus; to this machine, or with an administrator's key."""
        self._check_operator(request.scope)
        sessions, capacity = self._backend.sessions(), self._backend.capacity()
        text = self._metrics.exposition(sessions, capacity, await self._figures())
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def drain(self, request: Request) -> Response:
        """Begin no more sessions, and end when the last one has."""
        self._check_operator(request.scope)
        self.end()
        return JSONResponse({"status": "draining"}, 202)

    # Who asks

    def _asker(self, scope: Scope, *, page: bool = False) -> Tenant:
        """The tenant that asks; where a page may, the one whose page it is."""
        if (name := scope["avatarbot.tenant"]) is not None:
            return self._tenants[name]
        if not page and (self._tenants.are_given or not self._machine.asks(scope)):
            raise Refused(401, "This takes a key, or where there are none, this machine.")
        if (tenant := self._tenants.of_the_page) is None:
            why = "Conversations are not begun from here. Open the page of whoever offers them."
            raise Refused(401, why)
        return tenant

    def _check_operator(self, scope: Scope) -> None:
        name = scope["avatarbot.tenant"]
        if not (self._tenants[name].admin if name else self._machine.asks(scope)):
            raise Refused(403, "This takes an administrator's key, or this machine.")


class _Asgi:
    """Makes a route of an ASGI application that is a method; routes take those for endpoints."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Any]) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


def _inside(scope: Scope, path: str) -> Scope:
    """The request as the session's own server knows it."""
    return {**scope, "path": path, "raw_path": path.encode(), "root_path": ""}


def _seen(session: Session) -> SessionState:
    return SessionState(
        sessionId=session.id, transport=session.way, state=session.state, began=session.began
    )


def _refused(error: TooMany | BackendError) -> Refused:
    match error:
        case TooMany(retry_after_s=retry_after_s):
            return Refused(429, str(error), retry_after_s=retry_after_s)
        case Full(retry_after_s=retry_after_s):
            return Refused(503, str(error), retry_after_s=retry_after_s)
        case Draining():
            return Refused(503, str(error), retry_after_s=_AGAIN_S)
    return Refused(500, str(error))


async def _refuse(request: Request, refused: Exception) -> Response:
    assert isinstance(refused, Refused)
    return refused.answer


async def _fail(request: Request, error: Exception) -> Response:
    """The log has the error."""
    return refusal(500, "Something went wrong here.")


async def _as_long_as_waited_for(request: Request, work: Coroutine[Any, Any, Response]) -> Response:
    """What comes of it. It is broken off when whoever asked hangs up: they will not ask again."""
    working = asyncio.create_task(work)
    leaving = asyncio.create_task(_hung_up(request.receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        return refusal(503, "Nobody waits for this any more.")  # and nobody reads it
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.wait({working, leaving})


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _nothing_more() -> Message:
    await asyncio.Event().wait()
    raise AssertionError
