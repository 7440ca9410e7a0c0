"""A digital human as the face of one conversation: its task, its drive socket, the page's token."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from secrets import token_hex
from typing import Any
from uuid import uuid4

from ..avatar.dial import dial
from ..avatar.errors import Ending, NotStarted, UnexpectedReply, VendorRefused
from ..avatar.events import Ended, Event, Started
from ..avatar.journal import Journal
from ..avatar.journaled import Named, NameTaken
from ..avatar.rest import is_loopback
from ..avatar.trust import Pins, Trust
from ..avatar.vendor import OURS, Opened, Profile
from .drives import RESERVATION_S, DriveSocket
from .project import TEST_HUMAN, ProjectVendor
from .rest import NAME_TAKEN, NOT_STREAMING, OVER, Rest
from .tasks import LONGEST_ID, DriveStatus, Tasks, TaskStatus
from .token04 import Mode, privileges
from .told import DriveTold, TaskTold, Told
from .wire import DriveWire

API_URL = "https://aigc-digitalhuman-api.zegotech.cn"

LEAST_TTL_S, MOST_TTL_S = 10, 86_400
LEAST_IDLE_S, MOST_IDLE_S = 30, 86_400

POLLS_S = (0.2, 0.2, 0.3, 0.5)
"""Between questions whether a task streams; the last is repeated."""

LOOKS_S = (0.0, 0.5, 1.0)
"""Before each look for a task by its name: what has asked for it may be on its way still."""

PROFILE = Profile(
    sample_rate=24_000,
    first_chunk_s=0.02,
    chunk_s=1.0,
    max_lead_s=4.0,
    start_delay_s=0.2,
    reserves=True,
    reservation_s=RESERVATION_S,
    real_time=True,
    gap_s=0.3,
)
"""How a digital human is spoken to. What is cut is dropped by the vendor, but nobody knows how much
it can drop: few seconds lie there."""


class ZegoVendor(ProjectVendor):
    """One task of ZEGO's digital human.

    RoomId and StreamId are one name of ours, which the journal knows before the task is asked for:
    what was opened is found by it, whatever becomes of us or of a reply.

    Args:
        app_id: Of the project.
        server_secret: Signs calls, and is the key of tokens: 32 characters.
        digital_human_id: Who is shown; a public one by default.
        max_session_s: After how long the vendor ends the task, in seconds.
        max_idle_s: After how long without speech the vendor ends it, from 30 to 86400 seconds.
            Longer than people are silent in a conversation, since nothing says whether anything but
            speech counts; shorter than the vendor's 900 s, since a bot that dies leaves it running.
        reserves_early: Whether drives are reserved while speech is heard. For who has seen on a
            live account that a reservation does not cut it.
        tells: Whether callbacks come, so that what is heard is known and not a guess. Hand them to
            `hear`.
        drive_trust: Whom to believe that the drive socket is theirs: its address is a bare IP.
        web_server_url: Where the page's SDK connects to; the project's default one where empty.
        token_mode: How the page's token is encrypted.
        profile: How the avatar is spoken to.
        journal: Where paid sessions are noted; by default this user's own, see `Journal`.
        max_sessions: How many tasks the project may have at once, over all processes that share
            the journal; None leaves it to the vendor.
        api_url: Address of the API.
    """

    naming_costs = naming_opens = False  # the name is ours

    def __init__(
        self,
        *,
        app_id: int,
        server_secret: str,
        digital_human_id: str = TEST_HUMAN,
        max_session_s: int = 3_600,
        max_idle_s: int = 600,
        reserves_early: bool = False,
        tells: bool = False,
        drive_trust: Trust = Trust.VERIFY,
        web_server_url: str = "",
        token_mode: Mode = "gcm",
        profile: Profile = PROFILE,
        journal: Journal | None = None,
        max_sessions: int | None = None,
        api_url: str = API_URL,
    ) -> None:
        if not LEAST_TTL_S <= max_session_s <= MOST_TTL_S:
            raise ValueError(f"max_session_s takes {LEAST_TTL_S} to {MOST_TTL_S}")
        if not LEAST_IDLE_S <= max_idle_s <= MOST_IDLE_S:
            raise ValueError(f"max_idle_s takes {LEAST_IDLE_S} to {MOST_IDLE_S}")
        acknowledges: frozenset[type[Event]] = frozenset({Started, Ended} if tells else ())
        super().__init__(
            "ZEGO",
            app_id=app_id,
            server_secret=server_secret,
            digital_human_id=digital_human_id,
            web_server_url=web_server_url,
            token_mode=token_mode,
            profile=replace(profile, reserves_early=reserves_early, acknowledges=acknowledges),
            journal=journal,
            max_sessions=max_sessions,
            api_url=api_url,
        )
        self._max_session_s = max_session_s
        self._max_idle_s = max_idle_s
        self._trust = drive_trust
        self._pins = Pins(self._journal.folder)
        self._user = f"page-{token_hex(8)}"
        self._tasks_by_name: dict[str, str] = {}
        self._ends_at: dict[str, float] = {}  # by its name; the vendor may begin to count later
        self._socket: DriveSocket | None = None
        self.limit_s = float(max_session_s)

    # `Vendor`

    def wire(self) -> DriveWire:
        """A fresh codec for one connection."""
        return DriveWire()

    def viewer(self, session: Opened) -> Mapping[str, str]:
        """The room, and a token that lets the page in for ten minutes, to watch and no more.

        Room and privileges are checked only where ZEGO's support has switched that on.
        """
        entry = self._entry(self._user, privileges(session.id, login=True))
        return {"kind": "zego", "room": session.id, "stream": session.id, **entry}

    def page_says(self, kind: str, data: Mapping[str, Any]) -> None:
        """How a drive goes, as the page hears it in the room: a hint."""
        if kind != "avatar-drive" or self._socket is None:
            return
        drive, status = data.get("drive_id"), data.get("status")
        if isinstance(status, bool) or not isinstance(status, int) or not 1 <= status <= 5:
            return
        if isinstance(drive, str) and len(drive) <= LONGEST_ID:
            self._socket.drive_told(drive, DriveStatus(status), hint=True)

    @asynccontextmanager
    async def dial(self, session: Opened) -> AsyncIterator[DriveSocket]:
        """The drive socket, once the task streams."""
        task = self._tasks_by_name[session.id]
        connect = partial(
            dial,
            vendor=self.name,
            loopback=is_loopback(self._url),
            trust=self._trust,
            pins=self._pins,
        )
        async with self._rest() as rest:
            tasks = Tasks(self.name, rest)
            await self._until_streaming(tasks, task)
            ending = partial(self._ending, session)
            async with DriveSocket(
                self.name, tasks, task, connect, ending, real_time=self.profile.real_time
            ) as socket:
                self._socket = socket
                try:
                    yield socket
                finally:
                    self._socket = None

    # What the vendor tells of its own accord

    @property
    def tasks(self) -> frozenset[str]:
        """The vendor's ids of what this conversation has opened: what callbacks are about."""
        return frozenset(self._tasks_by_name.values())

    def task_of(self, session: Opened) -> str:
        """The vendor's id of what was opened."""
        return self._tasks_by_name[session.id]

    @property
    def user(self) -> str:
        """Who watches it, by the name in the page's token."""
        return self._user

    @property
    def rooms(self) -> frozenset[str]:
        """What its rooms are called."""
        return frozenset(self._tasks_by_name)

    def hear(self, told: Told) -> None:
        """A callback, verified; one that is about another conversation means nothing here."""
        if self._socket is None:
            return
        match told:
            case TaskTold(task, status) if task in self.tasks:
                self._socket.task_doubted(status)
            case DriveTold(task, drive, status) if task in self.tasks:
                self._socket.drive_told(drive, status, hint=False)

    # Inside

    async def _name(self, rest: Rest) -> Named:
        return Named(OURS + uuid4().hex)

    async def _start(self, rest: Rest, named: Named) -> Opened:
        self._ends_at[named.id] = asyncio.get_running_loop().time() + self._max_session_s
        try:
            task = await Tasks(self.name, rest).create(
                self._human, named.id, ttl_s=self._max_session_s, max_idle_s=self._max_idle_s
            )
        except VendorRefused as error:
            raise (NameTaken(self.name) if error.status == NAME_TAKEN else error) from None
        self._tasks_by_name[named.id] = task
        return Opened(named.id, limit_s=self.limit_s)

    def _ending(self, session: Opened, silent_s: float) -> Ending:
        """Why it is over: ZEGO says that it is, and no more; it was asked for both limits."""
        if asyncio.get_running_loop().time() >= self._ends_at[session.id]:
            return Ending.LIMIT
        return Ending.IDLE if silent_s >= self._max_idle_s else Ending.UNKNOWN

    async def _until_streaming(self, tasks: Tasks, task: str) -> None:
        """Returns when it does; the caller has a deadline.

        Raises:
            NotStarted
        """
        polls = 0
        while True:
            try:
                status = await tasks.status(task)
            except VendorRefused as error:
                if error.status in OVER:
                    raise NotStarted(self.name) from None
                if error.status != NOT_STREAMING:
                    raise
                status = TaskStatus.STARTING
            if status == TaskStatus.STREAMING:
                return
            if status in (TaskStatus.FAILED, TaskStatus.STOPPING, TaskStatus.STOPPED):
                raise NotStarted(self.name)
            await asyncio.sleep(POLLS_S[min(polls, len(POLLS_S) - 1)])
            polls += 1

    async def _stop(self, rest: Rest, session: str) -> None:
        tasks = Tasks(self.name, rest)
        task = self._tasks_by_name.get(session) or await self._find(tasks, session)
        if task is not None:
            await tasks.stop(task)

    async def _find(self, tasks: Tasks, name: str) -> str | None:
        """The task of this name: whose room and stream are both called so. None of others.

        Raises:
            UnexpectedReply: It may be one of those of which the vendor does not say it.
        """
        for pause_s in LOOKS_S:
            await asyncio.sleep(pause_s)
            running = await tasks.running()
            for task in running:
                if task.is_named and task.room == task.stream == name:
                    return task.id
        if not all(task.is_named for task in running):
            raise UnexpectedReply(self.name, "a task without a name")
        return None

    async def _active(self, rest: Rest) -> list[str]:
        return [task.stream for task in await Tasks(self.name, rest).running() if task.is_named]

    async def _is_gone(self, rest: Rest, session: str, refusal: VendorRefused) -> bool:
        return refusal.status in OVER
