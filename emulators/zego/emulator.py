"""ZEGO: its account, its stream tasks, its rooms, and whom it lets in."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any
from uuid import UUID

from ..vendor import Vendor
from .catalogue import Catalogue
from .certificate import Certificate
from .knobs import Knobs
from .news import News
from .rates import Bucket, most_in
from .rooms import Rooms
from .task import Task, Terms


class Emulator(Vendor[Knobs, Task]):
    """The vendor's state, apart from HTTP.

    Attributes:
        news: What it told by itself: callbacks, and messages in rooms.
        rooms: Who is in them.
        drive_address: Host and port of the drive sockets, as they are told.
        catalogue: Which digital humans there are.
        certificate: What drive sockets show, where they speak TLS.
    """

    def __init__(self, knobs: Knobs | None = None, *, seed: int | None = None) -> None:
        super().__init__(knobs or Knobs(), seed=seed)
        if len(self.server_secret) != 32:
            raise ValueError("server_secret has 32 characters, with the prefix")
        self.news = News(lambda: self.knobs, Random(self.seed), self.record)
        self.rooms = Rooms()
        self.drive_address = ""
        self.catalogue = Catalogue()
        self.certificate: Certificate | None = None
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

    def tasks(self) -> list[Task]:
        return list(self.sessions.values())

    def task(self, task_id: str) -> Task | None:
        """Returns a task that is known."""
        task = self.sessions.get(task_id)
        return task if task and not task.gone else None

    def exists(self, digital_human: str) -> bool:
        known = self.knobs.avatars
        return not known or digital_human in [each.strip() for each in known.split(",")]

    def streams(self) -> set[str]:
        """Returns the StreamIds that are taken."""
        return {each.terms.stream for each in self.tasks() if each.holds_stream}

    def published(self, room: str) -> list[str]:
        """Returns the streams that are to be seen in a room."""
        seen = (each for each in self.tasks() if each.avatar.state.status in (3, 4))
        return [each.terms.stream for each in seen if each.terms.room == room]

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

    def uuid(self) -> str:
        return str(UUID(int=self.random.getrandbits(128), version=4))
