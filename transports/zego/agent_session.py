"""Runs one instance of an agent: opens it, asks it things one after the other, ends it.

One owner task, on every way out of which the instance is ended. What it is asked waits in a line,
so that a cut never arrives behind what comes after it; a cut empties the line.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from loguru import logger

from ..avatar.errors import AvatarError, EndedByVendor, NeverReady, VendorRefused
from ..avatar.undo import finish
from ..avatar.vendor import Opened, short
from .agent import ZegoAgent
from .agents import MOST_QUEUED, Agents, Message, speeches
from .rest import INSTANCE_NOT_FOUND, LISTENING

OPENING_S = 25.0
"""How long the instance may take to exist, with what is tried again where there is no room."""

CREATED_S = 5.0
"""What is asked before an instance is in its room is not answered; nobody waits longer for it."""

JOINED_S = 10.0
"""What is said by itself waits so long for somebody who hears it."""

CUT_S = 1.0
"""A question waits no longer for the cut in front of it, since it cuts as well."""

LISTENS_S = 5.0
AGAIN_S = 0.5
"""For how long, and how often, an agent is asked that hears a voice just now."""

LOOK_S = 30.0
"""How often it is looked whether the instance is still there."""

LOOK_AGAIN_S = 1.0
"""However often others say that it is over."""

IDLE_LOOK_S = 0.4
SPEAKS_S = 1.0
"""So soon after it was asked for, nothing may be heard yet."""

CLOSE_S = 5.0
REMEMBER_S = 2.0
"""How long the end waits for what the vendor remembers, and for its turn to ask."""


@dataclass(slots=True)
class Ask:
    """An answer to this."""

    text: str
    since: float | None = None  # when it was refused first because the agent listens


@dataclass(slots=True)
class Say:
    """These words."""

    text: str
    remember: bool
    since: float | None = None


@dataclass(frozen=True, slots=True)
class _Remember:
    text: str


@dataclass(frozen=True, slots=True)
class _Interrupt:
    late: bool  # behind something that the vendor was being asked for


class SessionOwner(Protocol):
    """Who is told what becomes of it."""

    def opened(self) -> None:
        """It exists."""

    def taken(self, order: Ask | Say, number: int | None) -> None:
        """The vendor has taken on what it was asked for, as a round of this number."""

    def cut(self) -> None:
        """A cut was carried out that came while something else was asked for."""

    async def failed(self, error: AvatarError, *, ends: bool) -> None:
        """Something went wrong; `ends`: and it is over."""


class AgentSession:
    """One instance.

    Args:
        agent: Opens it.
        owner: Is told what becomes of it.

    Attributes:
        remembered: What was said, as the vendor had it at the end; None before that, where the
            vendor did not say, and where the words come from a brain of ours.
    """

    def __init__(self, agent: ZegoAgent, owner: SessionOwner) -> None:
        self.remembered: list[Message] | None = None
        self._agent = agent
        self._owner = owner
        self._task: asyncio.Task[None] | None = None
        self._opened: Opened | None = None
        self._orders: deque[Ask | Say | _Remember | _Interrupt] = deque()
        self._wakes = asyncio.Event()
        self._looks = asyncio.Event()
        self._at_work: Ask | Say | _Remember | _Interrupt | None = None
        self._cutting: asyncio.Timeout | None = None
        self._asked_at = 0.0
        self._opened_at = 0.0
        self._not_before = 0.0
        self._queued = 0
        self._is_there = False  # it is in its room
        self._is_heard = False  # and somebody hears it

    def start(self) -> None:
        """Open it in a task of its own, once."""
        if self._task is None:
            self._task = asyncio.create_task(self._own(), name=f"{self._agent.name} session")

    async def aclose(self) -> None:
        """End it now; returns when it is."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    @property
    def is_open(self) -> bool:
        """Whether it is there now."""
        return self._opened is not None and self._task is not None and not self._task.done()

    @property
    def instance(self) -> str | None:
        """The vendor's id of it; None before it is open."""
        return self._agent.instance(self._opened) if self._opened else None

    @property
    def room(self) -> str | None:
        """What its room is called; None before it is open."""
        return self._opened.id if self._opened else None

    def viewer(self) -> Mapping[str, str] | None:
        """What the page has to know; None before it is open."""
        return self._agent.viewer(self._opened) if self._opened else None

    # What it is asked

    @property
    def is_asking(self) -> bool:
        """Whether the vendor is being asked just now for something that a cut would be late for."""
        return isinstance(self._at_work, Ask | Say)

    def ask(self, text: str) -> None:
        """The person has typed this."""
        self._order(Ask(text))
        if self._cutting is not None and self._cutting.when() is None:
            self._cutting.reschedule(self._now() + CUT_S)

    def say(self, text: str, *, remember: bool) -> None:
        """It says this, in pieces where it is long."""
        for piece in speeches(text):
            self._order(Say(piece, remember))

    def interrupt(self) -> None:
        """Cut what it says or thinks about."""
        self.drop()
        if not self._is_cut:
            self._orders.appendleft(_Interrupt(late=self.is_asking))

    def drop(self) -> None:
        """What was not asked for yet is not asked any more; it may know what the person said."""
        kept = [each for each in self._orders if isinstance(each, _Interrupt | _Remember)]
        texts = [each.text for each in self._orders if isinstance(each, Ask)]
        self._orders = deque([*kept, *map(_Remember, texts)])
        self._wakes.set()

    async def idle(self, *, within_s: float) -> None:
        """Returns when all that it was asked to say was said, as far as the vendor knows."""
        with suppress(TimeoutError, AvatarError):
            async with asyncio.timeout(within_s), self._agent.asking() as agents:
                while self.is_open:
                    if not self._orders and not self._at_work and await self._is_idle(agents):
                        return
                    await asyncio.sleep(IDLE_LOOK_S)

    # What is known of it

    def there(self) -> None:
        """It is in its room."""
        self._is_there = True
        self._wakes.set()

    def heard(self, is_heard: bool) -> None:
        """Somebody sees and hears it, or nobody any more."""
        self._is_heard = is_heard and self._opened is not None
        if self._is_heard:
            self.there()

    def look(self) -> None:
        """Somebody says that it is over."""
        self._looks.set()

    # Inside

    @property
    def _is_cut(self) -> bool:
        """Whether a cut waits, which nothing that was said before it may follow."""
        return any(isinstance(each, _Interrupt) for each in self._orders)

    def _order(self, order: Ask | Say | _Remember | _Interrupt) -> None:
        self._orders.append(order)
        self._wakes.set()

    async def _own(self) -> None:
        try:
            await self._live()
        except* AvatarError as group:
            await self._owner.failed(_first(group), ends=True)
        except* Exception:
            await self._owner.failed(AvatarError(f"{self._agent.name} broke"), ends=True)
            raise

    async def _live(self) -> None:
        try:
            async with asyncio.timeout(OPENING_S):
                opened = await self._agent.open()
        except TimeoutError:
            raise NeverReady(self._agent.name, OPENING_S) from None
        try:
            self._opened = opened
            self._opened_at = self._now()
            self._owner.opened()
            instance = self._agent.instance(opened)
            async with self._agent.asking() as agents, asyncio.TaskGroup() as tasks:
                tasks.create_task(self._work(agents, instance), name="agent orders")
                tasks.create_task(self._watch(agents, instance), name="agent watch")
        finally:
            await self._close(opened)

    async def _close(self, opened: Opened) -> None:
        try:
            await finish(self._end(opened), within_s=REMEMBER_S + CLOSE_S)
        except (AvatarError, TimeoutError) as error:
            name = f"{self._agent.name} session {short(opened.id)}"
            logger.warning(f"{name} could not be stopped and may still run: {error or 'no answer'}")

    async def _end(self, opened: Opened) -> None:
        if self._agent.brain is None:
            with suppress(AvatarError, TimeoutError):  # it ends all the same
                async with asyncio.timeout(REMEMBER_S), self._agent.asking() as agents:
                    self.remembered = await agents.history(self._agent.instance(opened))
        await self._agent.close(opened)

    async def _watch(self, agents: Agents, instance: str) -> None:
        """Finds out that it is over, where nothing else does."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._looks.wait()
            self._looks.clear()
            try:
                await agents.status(instance)
            except VendorRefused as error:
                if error.status == INSTANCE_NOT_FOUND:
                    raise EndedByVendor(self._agent.name) from None
                logger.debug(f"{self._agent.name} does not say how it is: {error}")
            except AvatarError as error:
                logger.debug(f"{self._agent.name} does not say how it is: {error}")
            await asyncio.sleep(LOOK_AGAIN_S)

    async def _is_idle(self, agents: Agents) -> bool:
        assert self._opened
        status = await agents.status(self._agent.instance(self._opened))
        return status == "IDLE" and self._now() > self._asked_at + SPEAKS_S

    async def _work(self, agents: Agents, instance: str) -> None:
        while True:
            self._wakes.clear()
            due = self._due()
            if due is None or due > self._now():
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(due):
                        await self._wakes.wait()
                continue
            self._at_work = self._orders.popleft()
            try:
                await self._carry_out(self._at_work, agents, instance)
            finally:
                self._at_work = None

    def _due(self) -> float | None:
        """When the next order may be carried out; None where there is none."""
        if not self._orders:
            return None
        match self._orders[0]:
            case _Interrupt():
                return 0.0
            case Say() if not self._is_heard:
                return max(self._not_before, self._opened_at + JOINED_S)
            case _ if not self._is_there:
                return max(self._not_before, self._opened_at + CREATED_S)
            case _:
                return self._not_before

    async def _carry_out(
        self, order: Ask | Say | _Remember | _Interrupt, agents: Agents, instance: str
    ) -> None:
        try:
            match order:
                case Ask(text):
                    number = await agents.ask(instance, text)
                    self._queued = 0
                    self._asked_at = self._now()
                    self._owner.taken(order, number)
                case Say(text, remember):
                    if not await self._has_room(agents, instance):
                        return
                    number = await agents.say(instance, text, remember=remember)
                    self._queued += 1
                    self._asked_at = self._now()
                    self._owner.taken(order, number)
                case _Remember(text) if self._agent.brain is not None:
                    self._agent.brain.remember(text)
                case _Remember(text):
                    await agents.remember(instance, [Message("user", text)])
                case _Interrupt(late):
                    self._queued = 0
                    await self._interrupt(agents, instance)
                    if late:
                        self._owner.cut()
        except VendorRefused as error:
            if error.status == INSTANCE_NOT_FOUND:
                raise EndedByVendor(self._agent.name) from None
            if error.status == LISTENING and isinstance(order, Ask | Say) and self._again(order):
                return
            await self._amiss(order, error)
        except AvatarError as error:
            await self._amiss(order, error)

    async def _interrupt(self, agents: Agents, instance: str) -> None:
        asked = any(isinstance(each, Ask) for each in self._orders)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(CUT_S if asked else None) as self._cutting:
                    await agents.interrupt(instance)
        finally:
            self._cutting = None

    async def _has_room(self, agents: Agents, instance: str) -> bool:
        """Whether one more speech may wait at the vendor; returns when it may, or it is cut."""
        while self._queued >= MOST_QUEUED:
            await asyncio.sleep(IDLE_LOOK_S)
            if self._is_cut:
                return False
            if await agents.status(instance) == "IDLE":
                self._queued = 0
        return True

    def _again(self, order: Ask | Say) -> bool:
        """It hears a voice, and takes nothing else meanwhile."""
        if self._is_cut:
            if isinstance(order, Ask):
                self._orders.insert(1, _Remember(order.text))
            return True
        now = self._now()
        order.since = now if order.since is None else order.since
        if now > order.since + LISTENS_S:
            return False
        self._not_before = now + AGAIN_S
        self._orders.appendleft(order)
        return True

    async def _amiss(self, order: Ask | Say | _Remember | _Interrupt, error: AvatarError) -> None:
        if isinstance(order, Ask | Say):
            await self._owner.failed(error, ends=False)
        else:
            logger.warning(f"{self._agent.name} was asked in vain: {error}")

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _first(group: BaseExceptionGroup[AvatarError]) -> AvatarError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, AvatarError)
    return error
