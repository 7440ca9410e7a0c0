"""ZEGO: its account, its tasks and instances, its rooms, and whom it lets in."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any
from uuid import UUID

import aiohttp

from ..vendor import Vendor
from .agent_terms import Agent
from .agent_terms import Terms as AgentTerms
from .catalogue import Catalogue
from .certificate import Certificate
from .instance import PUBLISH_FAILED, REMOVED, Instance
from .knobs import Knobs
from .news import News
from .rates import Bucket, most_in
from .rooms import Rooms
from .task import Task, Terms


class Emulator(Vendor[Knobs, Task | Instance]):
    """The vendor's state, apart from HTTP.

    Attributes:
        news: What it told by itself: callbacks, and messages in rooms.
        rooms: Who is in them.
        agents: The templates, by id.
        drive_address: Host and port of the drive sockets, as they are told.
        catalogue: Which digital humans there are.
        certificate: What drive sockets show, where they speak TLS.
    """

    def __init__(
        self, knobs: Knobs, http: aiohttp.ClientSession, *, seed: int | None = None
    ) -> None:
        super().__init__(knobs, seed=seed)
        if len(self.server_secret) != 32:
            raise ValueError("server_secret has 32 characters, with the prefix")
        self.news = News(lambda: self.knobs, Random(self.seed), self.record, http)
        self.rooms = Rooms()
        self.rooms.changed.append(self._notice)
        self.agents: dict[str, Agent] = {}
        self.drive_address = ""
        self.catalogue = Catalogue()
        self.certificate: Certificate | None = None
        self._http = http
        self._addresses: dict[str, tuple[Task, float]] = {}
        self._buckets: dict[str, Bucket] = {}
        self._nonces: set[str] = set()

    @property
    def title(self) -> list[str]:
        return [
            f"AppId: {self.knobs.app_id}",
            f"ServerSecret: {self.server_secret}",
            f"CallbackSecret: {self.callback_secret}",
        ]

    @property
    def server_secret(self) -> str:
        return f"{self.knobs.secret_prefix}{self.knobs.server_secret}"

    @property
    def callback_secret(self) -> str:
        return self.news.secret

    def told(self) -> dict[str, Any]:
        names = sorted({each.name for each in self.record.calls})
        return {"most_in_a_second": {each: self.most_in_a_second(each) for each in names}}

    def most_in_a_second(self, action: str) -> int:
        """Returns how many calls of an action came within a second, at most."""
        return most_in([each.at for each in self.record.calls if each.name == action])

    # For the services

    def open(self, terms: Terms) -> Task:
        """Makes a task, which costs money from now on."""
        task = Task(
            task_id=self.uuid(),
            terms=terms,
            knobs=self.knobs,
            random=Random(self.random.getrandbits(64)),
            record=self.record,
            news=self.news,
        )
        self.sessions[task.id] = task
        return task

    def open_instance(self, terms: AgentTerms) -> Instance:
        """Makes an agent instance, which costs money from now on."""
        instance = Instance(
            instance_id=str(self.random.randrange(10**18, 9 * 10**18)),
            terms=terms,
            knobs=self.knobs,
            random=Random(self.random.getrandbits(64)),
            record=self.record,
            news=self.news,
            rooms=self.rooms,
            http=self._http,
            joined=self._joined,
        )
        self.sessions[instance.id] = instance
        return instance

    def tasks(self) -> list[Task]:
        return [each for each in self.sessions.values() if isinstance(each, Task)]

    def task(self, task_id: str) -> Task | None:
        """Returns a task that is known."""
        task = self.sessions.get(task_id)
        return task if isinstance(task, Task) and not task.gone else None

    def instances(self) -> list[Instance]:
        return [each for each in self.sessions.values() if isinstance(each, Instance)]

    def instance(self, instance_id: str) -> Instance | None:
        instance = self.sessions.get(instance_id)
        return instance if isinstance(instance, Instance) else None

    def exists(self, digital_human: str) -> bool:
        known = self.knobs.avatars
        return not known or digital_human in [each.strip() for each in known.split(",")]

    def streams(self) -> set[str]:
        """Returns the StreamIds that are taken."""
        tasks = {each.terms.stream for each in self.tasks() if each.holds_stream}
        return tasks | {each.terms.stream for each in self.instances() if each.running}

    def published(self, room: str) -> list[str]:
        """Returns the streams that are to be seen in a room."""
        tasks = (each.terms for each in self.tasks() if each.avatar.state.status in (3, 4))
        found = [each.stream for each in tasks if each.room == room]
        agents = (each.terms for each in self.instances() if each.state.joined)
        return found + [each.stream for each in agents if each.room == room]

    def is_full(self) -> bool:
        limit = self.knobs.concurrency_limit
        return bool(limit) and sum(each.holds_stream for each in self.tasks()) >= limit

    def socket_url(self, task: Task, valid_until: float) -> str:
        """Returns an address of a task's socket, with a token of its own."""
        token = self.secret("drive")
        self._addresses[token] = task, valid_until
        scheme = "wss" if self.knobs.drive_tls else "ws"
        return self.knobs.ws_url or f"{scheme}://{self.drive_address}/ws?Token={token}"

    def by_token(self, token: str) -> Task | None:
        """Returns the task whose socket a token opens now."""
        task, valid_until = self._addresses.get(token, (None, 0.0))
        return task if asyncio.get_running_loop().time() <= valid_until else None

    def is_too_fast(self, action: str) -> bool:
        """Counts a call; True if it is one too many."""
        knobs, now = self.knobs, asyncio.get_running_loop().time()
        if not knobs.rate_limit:
            return False
        bucket = self._buckets.setdefault(action, Bucket(knobs.rate_burst, now))
        return not bucket.take(now, knobs.rate_limit, knobs.rate_burst)

    def is_new(self, nonce: str) -> bool:
        """Counts a nonce; False if it came before."""
        known = nonce in self._nonces
        self._nonces.add(nonce)
        return not known

    def _joined(self, new: Instance) -> int:
        """Returns why an instance cannot be in its room, or 0; who has its user id is removed."""
        others = [each for each in self.instances() if each.running and each is not new]
        if new.terms.stream in {each.terms.stream for each in others if each.state.joined}:
            return PUBLISH_FAILED
        for each in others:
            if each.state.joined and each.terms.agent_user == new.terms.agent_user:
                each.delete(REMOVED)
        return 0

    def _notice(self) -> None:
        for each in self.instances():
            each.tick()

    def uuid(self) -> str:
        return str(UUID(int=self.random.getrandbits(128), version=4))
