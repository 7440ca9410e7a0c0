"""The drive socket's own tasks, in virtual time: what is reserved, dialled, kept, cut, and when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from transports.avatar import (
    AvatarError,
    ConnectionLost,
    EndedByVendor,
    Ending,
    RateLimited,
    Reserved,
    UnexpectedReply,
    VendorRefused,
    VendorUnreachable,
)
from transports.avatar.rest import CALL_TIMEOUT_S
from transports.zego.drives import (
    CROSSED_S,
    CUT_S,
    DOUBT_S,
    KEPT_S,
    RESERVATION_S,
    TROUBLE_S,
    WATCH_S,
    DriveSocket,
)
from transports.zego.tasks import DriveStatus, Tasks
from transports.zego.wire import Ask, Cut, Start, Stop, Told

pytestmark = pytest.mark.asyncio

ROUND_TRIP_S = 0.2


class MemoryRest:
    """The vendor's REST in memory: everything that a test wants to go wrong is an attribute."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, str]] = []
        self.host = "1.1.1.1"
        self.status = 3
        self.fails: dict[str, Exception] = {}
        self.takes_s: dict[str, float] = {}
        self.turn_s = 0.0  # how long a cut waits for its turn
        self.silent = ""  # an action that is never answered

    async def ask(self, action: str, body: Any = None, **how: Any) -> Any:
        if action == "InterruptDriveTask":
            await asyncio.sleep(self.turn_s)
        if action == self.silent:
            await asyncio.sleep(CALL_TIMEOUT_S * (1 + len(how.get("pauses_s", ()))))
            raise VendorUnreachable("ZEGO")
        self.asked.append((now(), action))
        number = len(self.times(action))
        await asyncio.sleep(self.takes_s.get(action, ROUND_TRIP_S))
        if error := self.fails.get(action):
            raise error
        match action:
            case "DriveByWsStream":
                address = f"wss://{self.host}:9000/ws?Token=SECRET-{number}"
                return {"DriveId": f"d{number}", "WssAddress": address}
            case "GetDigitalHumanStreamTaskStatus":
                return {"Status": self.status}
            case _:
                return None

    def times(self, action: str) -> list[float]:
        return [at for at, name in self.asked if name == action]


class MemoryLine:
    """A connection; `close` is the vendor's."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.sent: list[str | bytes] = []
        self.inbox: asyncio.Queue[str | None] = asyncio.Queue()

    async def send(self, message: str | bytes) -> None:
        self.sent.append(message)

    async def __aiter__(self) -> AsyncIterator[str]:
        while (message := await self.inbox.get()) is not None:
            yield message

    def close(self) -> None:
        self.inbox.put_nowait(None)


class World:
    """A vendor, its lines, and what our socket tells."""

    def __init__(self) -> None:
        self.rest = MemoryRest()
        self.lines: list[MemoryLine] = []
        self.open = 0
        self.refuses = 0
        self.told: list[tuple[float, object]] = []
        self.over: AvatarError | str = "no"

    @asynccontextmanager
    async def connect(self, address: str) -> AsyncIterator[Any]:
        if self.refuses:
            self.refuses -= 1
            raise VendorRefused("ZEGO", 401)
        self.open += 1
        assert self.open == 1, "never two at once"
        line = MemoryLine(address)
        self.lines.append(line)
        try:
            await asyncio.sleep(0.05)
            yield line
        finally:
            line.close()
            self.open -= 1

    async def listen(self, socket: DriveSocket) -> None:
        try:
            async for message in socket:
                self.told.append((now(), message))
        except AvatarError as error:
            self.over = error

    def reserved(self) -> list[int]:
        return [each.generation for _, each in self.told if isinstance(each, Reserved)]


def now() -> float:
    return asyncio.get_running_loop().time()


def ending(silent_s: float) -> Ending:
    return Ending.IDLE if silent_s > 30.0 else Ending.LIMIT


@asynccontextmanager
async def socket() -> AsyncIterator[tuple[World, DriveSocket]]:
    world = World()
    tasks = Tasks("ZEGO", world.rest)  # type: ignore[arg-type]
    connect = world.connect
    async with DriveSocket("ZEGO", tasks, "t1", connect, ending, real_time=True) as driven:
        listening = asyncio.create_task(world.listen(driven))
        yield world, driven
        listening.cancel()
    assert world.open == 0


async def test_what_was_reserved_while_dialling_answers_the_first_question_at_once() -> None:
    async with socket() as (world, driven):
        asked = now()
        await driven.send(Ask(0))
        await asyncio.sleep(0)
        await asyncio.sleep(0.001)
        assert world.reserved() == [0]
        assert world.told[0][0] - asked < 0.01
        assert len(world.rest.times("DriveByWsStream")) == 1


async def test_a_drive_is_start_pcm_stop_and_the_next_one_uses_the_same_connection() -> None:
    async with socket() as (world, driven):
        for number in range(3):
            await driven.send(Ask(0))
            await asyncio.sleep(1.0)
            await driven.send(Start(f"u{number}", 24_000))
            await driven.send(b"\0\0")
            await driven.send(Stop(f"u{number}"))
        (line,) = world.lines
        assert len(line.sent) == 9
        assert [f"d{n + 1}" in str(line.sent[3 * n]) for n in range(3)] == [True] * 3
        assert '"SampleRate": 24000' in str(line.sent[0])
        assert line.sent[1] == b"\0\0"
        assert world.reserved() == [0, 0, 0]


async def test_what_was_reserved_and_not_used_is_kept_over_a_cut_and_given_behind_it() -> None:
    async with socket() as (world, driven):
        await driven.send(Cut())
        cut = now()
        await driven.send(Ask(1))
        await asyncio.sleep(2.0)
        assert world.reserved() == [1]
        assert world.told[0][0] == pytest.approx(cut + ROUND_TRIP_S, abs=0.01)
        assert len(world.rest.times("DriveByWsStream")) == 1
        assert len(world.rest.times("InterruptDriveTask")) == 1


async def test_reservation_and_interrupt_are_sent_at_the_same_time() -> None:
    async with socket() as (world, driven):
        await driven.send(Ask(0))
        await asyncio.sleep(0.1)
        await driven.send(Start("u1", 24_000))
        await driven.send(Cut())
        await driven.send(Ask(1))
        cut = now()
        await asyncio.sleep(2.0)
        assert world.rest.times("InterruptDriveTask") == [cut]
        assert world.rest.times("DriveByWsStream")[1] == cut
        assert world.told[-1][0] == pytest.approx(cut + ROUND_TRIP_S, abs=0.01)


async def test_an_interrupt_without_an_answer_is_waited_for_half_a_second() -> None:
    async with socket() as (world, driven):
        world.rest.takes_s["InterruptDriveTask"] = 30.0
        await driven.send(Cut())
        cut = now()
        await driven.send(Ask(1))
        await asyncio.sleep(2.0)
        assert world.told[0][0] == pytest.approx(cut + CUT_S, abs=0.01)


async def test_an_interrupt_that_still_waits_for_its_turn_does_not_hit_what_begins_next() -> None:
    async with socket() as (world, driven):
        world.rest.turn_s = 1.25
        await driven.send(Start("u1", 24_000))
        await driven.send(Cut())
        await driven.send(Ask(1))
        await asyncio.sleep(1.0)
        assert world.reserved() == [1]
        await driven.send(Start("u2", 24_000))
        await asyncio.sleep(5.0)
        assert world.rest.times("InterruptDriveTask") == []


@pytest.mark.parametrize("begins", [False, True])
@pytest.mark.parametrize(
    "error", [VendorUnreachable("ZEGO", 400010000), VendorRefused("ZEGO", 400000009)]
)
async def test_an_interrupt_that_went_wrong_is_repeated_until_something_begins(
    begins: bool, error: AvatarError
) -> None:
    async with socket() as (world, driven):
        await driven.send(Start("u1", 24_000))
        world.rest.fails["InterruptDriveTask"] = error
        await driven.send(Cut())
        if begins:
            await driven.send(Start("u2", 24_000))
        await asyncio.sleep(5.0)
        assert len(world.rest.times("InterruptDriveTask")) == (1 if begins else 3)


async def test_an_interrupt_of_nothing_is_not_repeated_where_it_is_refused() -> None:
    async with socket() as (world, driven):
        world.rest.fails["InterruptDriveTask"] = VendorRefused("ZEGO", 400000009)
        await driven.send(Cut())
        await asyncio.sleep(5.0)
        assert len(world.rest.times("InterruptDriveTask")) == 1


async def test_a_question_that_a_cut_makes_void_is_not_answered() -> None:
    async with socket() as (world, driven):
        await driven.send(Ask(0))
        await driven.send(Cut())
        await asyncio.sleep(5.0)
        assert world.reserved() == []
        await driven.send(Ask(1))
        await asyncio.sleep(1.0)
        assert world.reserved() == [1]


async def test_an_old_reservation_is_not_given_and_none_outlives_its_address() -> None:
    async with socket() as (world, driven):
        await asyncio.sleep(KEPT_S + 1)
        await driven.send(Ask(0))
        await asyncio.sleep(1.0)
        assert len(world.rest.times("DriveByWsStream")) == 2
        assert world.reserved() == [0]
        await asyncio.sleep(RESERVATION_S)
        await driven.send(Start("u1", 24_000))
        assert "d2" in str(world.lines[-1].sent[-1])
        assert KEPT_S + RESERVATION_S < 600


async def test_another_address_is_dialled_ahead_and_the_old_connection_closed_first() -> None:
    async with socket() as (world, driven):
        await driven.send(Ask(0))
        await asyncio.sleep(1.0)
        await driven.send(Start("u1", 24_000))
        world.rest.host = "2.2.2.2"
        await driven.send(Ask(0))  # early: while speech is sent
        await asyncio.sleep(1.0)
        assert len(world.lines) == 1, "what is being said goes on"
        await driven.send(Stop("u1"))
        await asyncio.sleep(1.0)
        assert [line.address[6:13] for line in world.lines] == ["1.1.1.1", "2.2.2.2"]
        assert world.reserved() == [0, 0]
        await driven.send(Start("u2", 24_000))
        assert len(world.lines[1].sent) == 1


async def test_a_connection_that_closes_in_silence_is_made_again_ahead() -> None:
    async with socket() as (world, driven):
        await asyncio.sleep(60.0)
        world.lines[0].close()
        await asyncio.sleep(1.0)
        assert len(world.lines) == 2
        assert world.over == "no"
        await driven.send(Start("u1", 24_000))
        assert len(world.lines[1].sent) == 1


async def test_a_vendor_that_closes_at_once_is_not_dialled_again_and_again() -> None:
    async with socket() as (world, driven):
        world.lines[0].close()
        await asyncio.sleep(60.0)
        assert len(world.lines) == 1
        await driven.send(Start("u1", 24_000))
        assert len(world.lines[1].sent) == 1


async def test_an_address_that_has_become_too_old_is_followed_by_another() -> None:
    async with socket() as (world, driven):
        world.lines[0].close()
        await asyncio.sleep(1.0)
        world.refuses = 1
        await driven.send(Start("u1", 24_000))
        assert "d2" in str(world.lines[1].sent[0])


async def test_a_start_that_is_given_up_for_a_cut_leaves_nothing_behind() -> None:
    async with socket() as (world, driven):
        world.lines[0].close()
        await asyncio.sleep(1.0)  # not made again before it is needed
        begins = asyncio.create_task(driven.send(Start("u1", 24_000)))
        await asyncio.sleep(0.01)
        begins.cancel()
        await asyncio.wait({begins})
        await driven.send(Cut())
        await driven.send(Ask(1))
        await asyncio.sleep(1.0)
        assert world.reserved() == [1]
        await driven.send(Start("u2", 24_000))
        assert [len(line.sent) for line in world.lines][-1] == 1
        assert sum(len(line.sent) for line in world.lines) == 1
        assert world.over == "no"


async def test_a_connection_that_closes_in_mid_drive_is_lost() -> None:
    async with socket() as (world, driven):
        await driven.send(Start("u1", 24_000))
        world.lines[0].close()
        await asyncio.sleep(ROUND_TRIP_S + 0.1)
        assert isinstance(world.over, ConnectionLost)
        await driven.send(b"\0\0")
        assert len(world.lines[0].sent) == 1


@pytest.mark.parametrize(("silent", "why"), [(False, Ending.LIMIT), (True, Ending.IDLE)])
async def test_a_task_that_is_over_in_mid_drive_is_told_as_such_and_why(
    silent: bool, why: Ending
) -> None:
    async with socket() as (world, driven):
        await driven.send(Start("u1", 24_000))
        await asyncio.sleep(40.0 if silent else 20.0)
        await driven.send(Stop("u1") if silent else b"\0\0")
        await asyncio.sleep(40.0 if silent else 0.0)
        world.rest.status = 4
        world.lines[0].close()
        await asyncio.sleep(WATCH_S)
        assert isinstance(world.over, EndedByVendor)
        assert world.over.why is why


async def test_a_connection_that_is_lost_is_told_soon_where_the_vendor_does_not_answer() -> None:
    async with socket() as (world, driven):
        await driven.send(Start("u1", 24_000))
        world.rest.silent = "GetDigitalHumanStreamTaskStatus"
        world.lines[0].close()
        await asyncio.sleep(DOUBT_S + 0.1)
        assert isinstance(world.over, ConnectionLost)


async def test_a_connection_that_is_lost_with_what_is_cut_is_made_again() -> None:
    async with socket() as (world, driven):
        await driven.send(Start("u1", 24_000))
        world.lines[0].close()
        await asyncio.sleep(0.01)
        await driven.send(Cut())
        await driven.send(Ask(1))
        await asyncio.sleep(2.0)
        assert world.over == "no"
        await driven.send(Start("u2", 24_000))
        assert "d2" in str(world.lines[1].sent[0])


# Closed for its silence, just when something is said


async def quiet(driven: DriveSocket) -> None:
    """For so long that the vendor may close it."""
    await driven.send(Ask(0))
    await asyncio.sleep(60.0)


async def goes_on(world: World, driven: DriveSocket, utterance: str) -> None:
    """As the core does when something was lost."""
    await driven.send(Ask(0))
    await asyncio.sleep(1.0)
    await driven.send(Start(utterance, 24_000))


async def test_a_close_that_crosses_with_a_start_has_it_said_again_over_another() -> None:
    async with socket() as (world, driven):
        await quiet(driven)
        await driven.send(Start("u1", 24_000))
        await driven.send(b"\0\0")
        world.lines[0].close()
        await asyncio.sleep(0)
        await driven.send(b"\1\1")  # on its way when it was lost: it is said again with the rest
        await asyncio.sleep(0.1)
        assert world.told[-1][1] == Told("u1", DriveStatus.FAILED)
        await goes_on(world, driven, "u2")
        assert world.over == "no"
        assert "d2" in str(world.lines[1].sent[0])
        assert len(world.lines[1].sent) == 1
        world.lines[1].close()
        await asyncio.sleep(1.0)
        assert isinstance(world.over, ConnectionLost), "once"


@pytest.mark.parametrize("tells", [False, True])
async def test_what_was_stopped_already_is_said_again_as_well_if_nobody_tells_of_it(
    tells: bool,
) -> None:
    async with socket() as (world, driven):
        if tells:
            await driven.send(Start("u0", 24_000))
            driven.drive_told("d1", DriveStatus.DRIVING, hint=False)
            await driven.send(Stop("u0"))
        await quiet(driven)
        await driven.send(Start("u1", 24_000))
        begun = now()
        await driven.send(Stop("u1"))
        world.lines[0].close()
        await asyncio.sleep(2.0)
        at, told = world.told[-1]
        assert told == Told("u1", DriveStatus.FAILED)
        assert at == pytest.approx(begun + (CROSSED_S if tells else 0.0), abs=0.01)
        await goes_on(world, driven, "u2")
        await driven.send(Stop("u2"))
        assert len(world.lines[1].sent) == 2


@pytest.mark.parametrize("hint", [False, True])
@pytest.mark.parametrize("stops", [False, True])
async def test_what_is_known_to_be_heard_has_crossed_with_nothing(stops: bool, hint: bool) -> None:
    async with socket() as (world, driven):
        await quiet(driven)
        await driven.send(Start("u1", 24_000))
        driven.drive_told("d1", DriveStatus.DRIVING, hint=hint)
        if stops:
            await driven.send(Stop("u1"))
        world.lines[0].close()
        await asyncio.sleep(2.0)
        assert Told("u1", DriveStatus.FAILED) not in [each for _, each in world.told]
        assert (world.over == "no") is stops


async def test_what_is_said_for_a_while_has_crossed_with_nothing() -> None:
    async with socket() as (world, driven):
        await quiet(driven)
        await driven.send(Start("u1", 24_000))
        await asyncio.sleep(CROSSED_S + 0.1)
        world.lines[0].close()
        await asyncio.sleep(2.0)
        assert isinstance(world.over, ConnectionLost)


async def test_a_vendor_that_hangs_up_behind_each_stop_is_not_told_things_twice() -> None:
    async with socket() as (world, driven):
        for number in range(1, 4):
            await goes_on(world, driven, f"u{number}")
            await driven.send(Stop(f"u{number}"))
            world.lines[-1].close()
            await (quiet(driven) if number > 1 else asyncio.sleep(0.1))
        assert not [each for _, each in world.told if isinstance(each, Told)]
        assert world.over == "no"


@pytest.mark.parametrize("stops", [False, True])
async def test_a_cut_drops_what_has_crossed_with_a_close(stops: bool) -> None:
    async with socket() as (world, driven):
        await quiet(driven)
        await driven.send(Start("u1", 24_000))
        driven._tells = stops  # then it waits for what may be told
        if stops:
            await driven.send(Stop("u1"))
        world.lines[0].close()
        await driven.send(Cut())
        await asyncio.sleep(5.0)
        assert not [each for _, each in world.told if isinstance(each, Told)]
        assert len(world.rest.times("InterruptDriveTask")) == 1
        assert sum(len(line.sent) for line in world.lines) == 1 + stops


@pytest.mark.parametrize("status", [2, 4, 5])
async def test_a_task_that_is_over_ends_it(status: int) -> None:
    async with socket() as (world, _):
        world.rest.status = status
        world.lines[0].close()
        await asyncio.sleep(1.0)
        assert isinstance(world.over, EndedByVendor)


@pytest.mark.parametrize("status", [2, 4, 5])
async def test_a_callback_ends_nothing_and_has_the_vendor_asked_once(status: int) -> None:
    async with socket() as (world, driven):
        for _ in range(5):
            driven.task_doubted(status)
        await asyncio.sleep(1.0)
        assert world.over == "no"
        assert len(world.rest.times("GetDigitalHumanStreamTaskStatus")) == 1
        world.rest.status = status
        driven.task_doubted(status)
        await asyncio.sleep(1.0)
        assert isinstance(world.over, EndedByVendor)


@pytest.mark.parametrize("speaks", [False, True])
async def test_a_task_that_is_over_is_noticed_where_nobody_tells_it(speaks: bool) -> None:
    async with socket() as (world, driven):
        if speaks:
            await driven.send(Start("u1", 24_000))
        world.rest.status = 9  # which nobody has documented
        await asyncio.sleep(60.0)
        assert world.over == "no"
        world.rest.status = 5
        await asyncio.sleep(WATCH_S + 1.0)
        assert isinstance(world.over, EndedByVendor)


async def test_a_look_that_takes_long_is_not_taken_as_often() -> None:
    look = "GetDigitalHumanStreamTaskStatus"
    async with socket() as (world, _):
        await asyncio.sleep(60.0)
        assert len(world.rest.times(look)) == 11
        world.rest.takes_s[look] = 3.0  # there are many who want to be told
        await asyncio.sleep(99.0)
        assert len(world.rest.times(look)) == 11 + 3


@pytest.mark.parametrize("action", ["DriveByWsStream", "InterruptDriveTask"])
@pytest.mark.parametrize("code", [400000005, 400000007])
async def test_a_task_that_is_gone_ends_it(action: str, code: int) -> None:
    async with socket() as (world, driven):
        await driven.send(Start("u1", 24_000))
        world.rest.fails[action] = VendorRefused("ZEGO", code)
        await driven.send(Cut())
        await driven.send(Ask(1))
        await asyncio.sleep(3.0)
        assert isinstance(world.over, EndedByVendor)


@pytest.mark.parametrize(
    "trouble", [RateLimited("ZEGO", 400010009), UnexpectedReply("ZEGO", "no WssAddress")]
)
async def test_trouble_is_waited_out_and_too_much_of_it_is_an_error(trouble: AvatarError) -> None:
    async with socket() as (world, driven):
        await driven.send(Start("u1", 24_000))
        await driven.send(Stop("u1"))
        world.rest.fails["DriveByWsStream"] = trouble
        await driven.send(Ask(0))
        await asyncio.sleep(TROUBLE_S - 3.0)
        assert world.over == "no"
        world.rest.fails.clear()
        await asyncio.sleep(3.0)
        assert world.reserved() == [0]
        await driven.send(Start("u2", 24_000))
        world.rest.fails["DriveByWsStream"] = trouble
        await driven.send(Ask(0))
        await asyncio.sleep(TROUBLE_S + 3.0)
        assert world.over is trouble


async def test_a_vendor_that_does_not_answer_is_an_error_after_two_tries() -> None:
    async with socket() as (world, driven):
        await driven.send(Start("u1", 24_000))
        await driven.send(Stop("u1"))
        world.rest.silent = "DriveByWsStream"
        await driven.send(Ask(0))
        await asyncio.sleep(TROUBLE_S + 5.0)
        assert world.over == "no"
        await asyncio.sleep(CALL_TIMEOUT_S)
        assert isinstance(world.over, VendorUnreachable)


async def test_status_is_told_by_utterance_once_and_nothing_of_what_was_cut() -> None:
    async with socket() as (world, driven):
        await driven.send(Start("u1", 24_000))
        for hint in (False, True):
            driven.drive_told("d1", DriveStatus.DRIVING, hint=hint)
        driven.drive_told("unknown", DriveStatus.ENDED, hint=False)
        driven.drive_told("d1", DriveStatus.ENDED, hint=True)  # it was not stopped: it cannot be
        await driven.send(Stop("u1"))
        for hint in (True, False):
            driven.drive_told("d1", DriveStatus.ENDED, hint=hint)
        await driven.send(Start("u2", 24_000))
        await driven.send(Cut())
        driven.drive_told("d2", DriveStatus.ENDED, hint=False)
        await asyncio.sleep(1.0)
        assert [each for _, each in world.told] == [
            Told("u1", DriveStatus.DRIVING),
            Told("u1", DriveStatus.ENDED),
        ]


async def test_an_utterance_whose_drive_the_vendor_ended_goes_on_with_another() -> None:
    async with socket() as (world, driven):
        await driven.send(Start("u1", 24_000))
        await driven.send(b"\0\0")
        driven.drive_told("d1", DriveStatus.DRIVING, hint=False)
        driven.drive_told("d1", DriveStatus.ENDED, hint=False)
        await driven.send(b"\1\1")
        driven.drive_told("d2", DriveStatus.DRIVING, hint=False)
        await driven.send(Stop("u1"))
        driven.drive_told("d2", DriveStatus.ENDED, hint=False)
        await asyncio.sleep(0.1)
        sent = world.lines[0].sent
        assert ["d1" in str(sent[0]), sent[1], "d2" in str(sent[2]), sent[3]] == [
            *(True, b"\0\0"),
            *(True, b"\1\1"),
        ]
        assert [each for _, each in world.told] == [
            Told("u1", DriveStatus.DRIVING),
            Told("u1", DriveStatus.ENDED),
        ]


@pytest.mark.parametrize("hint", [False, True])
async def test_a_drive_is_not_heard_sooner_than_it_lasts(hint: bool) -> None:
    async with socket() as (world, driven):
        await driven.send(Start("u1", 24_000))
        await driven.send(bytes(2 * 24_000 * 10))
        await driven.send(Stop("u1"))
        driven.drive_told("d1", DriveStatus.DRIVING, hint=hint)
        ended = Told("u1", DriveStatus.ENDED)
        for _ in range(8):
            await asyncio.sleep(1.0)
            driven.drive_told("d1", DriveStatus.ENDED, hint=hint)
            await asyncio.sleep(0)
        assert ended not in [each for _, each in world.told]
        asked = world.rest.times("GetDigitalHumanStreamTaskStatus")
        assert len(asked) == (1 if hint else 9), "besides the watch, whether the task is over"
        await asyncio.sleep(2.0)
        driven.drive_told("d1", DriveStatus.ENDED, hint=hint)
        await asyncio.sleep(0.1)
        assert [each for _, each in world.told][-1] == ended


async def test_what_the_socket_says_is_read_counted_and_ends_nothing() -> None:
    async with socket() as (world, driven):
        for text in ("", "{", '{"Action": "Stop"}', "x" * 10_000):
            world.lines[0].inbox.put_nowait(text)
        await asyncio.sleep(0.1)
        assert driven._line.odd.count == {"a text": 4}
        assert world.over == "no"


async def test_an_interrupt_before_the_last_one_does_not_hit_what_begins_next() -> None:
    async with socket() as (world, driven):
        world.rest.silent = "InterruptDriveTask"
        await driven.send(Cut())
        await driven.send(Cut())
        await asyncio.sleep(CUT_S)
        world.rest.silent = ""
        await driven.send(Start("u1", 24_000))
        await asyncio.sleep(3 * CALL_TIMEOUT_S)
        assert world.rest.times("InterruptDriveTask") == []


async def test_a_connection_that_closes_while_all_is_left_is_not_made_again() -> None:
    async with socket() as (world, _):
        await asyncio.sleep(60.0)
        world.lines[0].close()
    await asyncio.sleep(10.0)
    assert world.open == 0
    assert len(world.lines) == 1
    assert [t.get_name() for t in asyncio.all_tasks() if t.get_name().startswith("avatar")] == []


@pytest.mark.parametrize("says_more", [False, True])
async def test_a_drive_that_ends_in_a_pause_may_be_told_of_behind_its_close(
    says_more: bool,
) -> None:
    async with socket() as (world, driven):
        await driven.send(Start("u1", 24_000))
        await driven.send(b"\0\0" * 24_000)
        await asyncio.sleep(6.0)
        world.lines[0].close()
        await asyncio.sleep(0.05)
        if says_more:
            await driven.send(b"\1\0")
        driven.drive_told("d1", DriveStatus.ENDED, hint=False)
        await driven.send(b"\2\0")
        await asyncio.sleep(3.0)
        if says_more:
            assert isinstance(world.over, ConnectionLost)
        else:
            assert world.over == "no"
            assert world.lines[1].sent[1:] == [b"\2\0"]
