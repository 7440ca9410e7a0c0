"""A session's process in virtual time: nothing here waits, `now` is a number."""

from __future__ import annotations

import math

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from launcher.backend import State, Why
from launcher.life import LATE_S, PING_S, SILENT_S, Life, Limits, Step

LIMITS = Limits(longest_s=600, memory_mb=100, start_s=20, goodbye_s=15, cancel_s=3)


def begun() -> Life:
    life = Life(LIMITS)
    life.begins(0)
    return life


def talking() -> Life:
    life = begun()
    life.serves(0)
    life.talks()
    return life


def days(life: Life, until: float, *, memory_mb: float = 10) -> list[tuple[float, Step]]:
    """All steps of a process that answers every ping, with their times."""
    steps: list[tuple[float, Step]] = []
    while (now := life.next_at) <= until:
        for step in life.due(now):
            if step is Step.PING:
                life.answers(memory_mb, now)
            else:
                steps.append((now, step))
    return steps


def test_a_process_that_does_not_come_up_is_killed() -> None:
    life = begun()

    assert days(life, 100) == [(20, Step.KILL)]
    assert life.why is Why.HUNG


def test_before_there_is_a_process_it_has_all_the_time() -> None:
    assert days(Life(LIMITS), 1_000) == []


def test_it_is_asked_every_second_whether_it_is_well() -> None:
    life = talking()
    asked = []
    for _ in range(3):
        asked.append(life.next_at)
        assert life.due(life.next_at) == [Step.PING]
        life.answers(10, asked[-1])

    assert asked == [0, PING_S, 2 * PING_S]


def test_who_does_not_answer_is_killed_at_once() -> None:
    life = talking()
    steps = []
    while life.next_at < math.inf:
        now = life.next_at
        steps += [(now, each) for each in life.due(now) if each is not Step.PING]

    assert steps == [(SILENT_S, Step.KILL)]
    assert life.why is Why.HUNG


def test_a_late_answer_is_an_answer() -> None:
    life = talking()
    life.due(0)
    life.answers(10, SILENT_S - 0.1)

    assert Step.KILL not in life.due(SILENT_S)


def test_who_was_not_looked_after_meanwhile_is_asked_again_first() -> None:
    life = talking()
    life.due(0)

    assert life.due(SILENT_S + LATE_S + 1) == [Step.PING]
    life.answers(10, SILENT_S + LATE_S + 1.1)
    assert life.state is State.TALKING


def test_who_does_not_answer_then_either_is_killed() -> None:
    life = talking()
    life.due(0)
    life.due(60)
    steps = []
    while life.next_at < math.inf:
        now = life.next_at
        steps += [(now, each) for each in life.due(now) if each is not Step.PING]

    assert steps == [(60 + SILENT_S, Step.KILL)]


def test_a_process_that_came_up_unseen_is_heard_first() -> None:
    life = begun()

    assert life.due(LIMITS.start_s + 60) == []
    life.serves(LIMITS.start_s + 60)
    assert life.state is State.WAITING


def test_who_talks_is_told_then_cancelled_then_killed() -> None:
    life = talking()
    life.end(Why.STOPPED, 1)

    assert days(life, 100) == [(1, Step.TELL), (16, Step.CANCEL), (19, Step.KILL)]
    assert life.why is Why.STOPPED


def test_where_nobody_is_nobody_is_told() -> None:
    life = begun()
    life.serves(0)
    life.end(Why.DRAINED, 1)

    assert days(life, 100) == [(1, Step.CANCEL), (4, Step.KILL)]


def test_it_ends_when_its_time_is_over() -> None:
    life = talking()

    assert days(life, 1_000) == [(600, Step.TELL), (615, Step.CANCEL), (618, Step.KILL)]
    assert life.why is Why.LONGEST_TIME


def test_it_ends_when_it_takes_too_much_memory() -> None:
    life = talking()
    life.due(0)
    life.answers(101, 0.5)

    assert life.due(0.5) == [Step.TELL]
    assert life.why is Why.MEMORY


def test_an_end_can_be_made_sooner_and_never_later() -> None:
    life = talking()
    life.end(Why.STOPPED, 0)
    life.due(0)
    life.end(Why.DRAINED, 2, within_s=4)
    life.end(Why.DRAINED, 3)

    assert days(life, 100) == [(3, Step.CANCEL), (6, Step.KILL)]
    assert life.why is Why.STOPPED


def test_without_time_for_a_goodbye_it_is_cancelled() -> None:
    life = talking()
    life.end(Why.DRAINED, 0, within_s=1)

    assert days(life, 100) == [(0, Step.CANCEL), (1, Step.KILL)]


class Days(RuleBasedStateMachine):
    """Whatever is asked of it and however it answers, it ends in time, and in order."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.life = begun()
        self.steps: list[Step] = []
        self.asked_at: float | None = None
        self.over_by = LIMITS.longest_s + LIMITS.goodbye_s + LIMITS.cancel_s

    @rule(seconds=st.floats(0, 10), answers=st.booleans())
    def time_passes(self, seconds: float, answers: bool) -> None:
        until = self.now + seconds
        while self.life.next_at <= until:
            self.now = max(self.now, self.life.next_at)
            for step in self.life.due(self.now):
                if step is not Step.PING:
                    self.steps.append(step)
                elif answers:
                    self.asked_at = None
                    self.life.answers(10, self.now)
                elif self.asked_at is None:
                    self.asked_at = self.now
        self.now = until

    @rule(seconds=st.floats(0, 1_000))
    def nobody_looks(self, seconds: float) -> None:
        """The launcher is held up, and makes its step when it goes on."""
        was_well = self.life.why is None
        is_late = self.now + seconds > self.life.next_at + LATE_S
        self.now += seconds
        steps = self.life.due(self.now)
        self.steps += [each for each in steps if each is not Step.PING]
        if Step.PING in steps and (is_late or self.asked_at is None):
            self.asked_at = self.now
        if was_well:
            assert not (is_late and self.life.why is Why.HUNG)
            self.over_by = max(self.over_by, self.now + LIMITS.goodbye_s + LIMITS.cancel_s)

    @rule()
    def it_serves(self) -> None:
        self.life.serves(self.now)

    @rule()
    def it_talks(self) -> None:
        self.life.talks()

    @rule(memory_mb=st.floats(0, 200))
    def it_answers(self, memory_mb: float) -> None:
        self.asked_at = None
        self.life.answers(memory_mb, self.now)
        if memory_mb > LIMITS.memory_mb:
            self._ends(math.inf)

    @rule(within_s=st.one_of(st.just(math.inf), st.floats(0, 30)), why=st.sampled_from(Why))
    def it_is_ended(self, within_s: float, why: Why) -> None:
        self.life.end(why, self.now, within_s=within_s)
        self._ends(within_s)

    def _ends(self, within_s: float) -> None:
        longest_s = min(LIMITS.goodbye_s + LIMITS.cancel_s, within_s)
        self.over_by = min(self.over_by, self.now + longest_s)

    @invariant()
    def steps_come_once_and_in_order(self) -> None:
        assert [each.value for each in self.steps] == sorted({each.value for each in self.steps})

    @invariant()
    def it_ends_in_time(self) -> None:
        if self.now > self.over_by + 1e-6:
            assert self.steps[-1:] == [Step.KILL]
        if self.asked_at is not None and self.now > self.asked_at + SILENT_S + 1e-6:
            assert self.steps[-1:] == [Step.KILL]

    @invariant()
    def it_has_a_reason_from_when_it_ends(self) -> None:
        assert (self.life.why is None) == (self.life.state is not State.ENDING)

    @precondition(lambda self: Step.KILL in self.steps)
    @rule()
    def a_killed_process_is_left_alone(self) -> None:
        assert self.life.next_at == math.inf
        assert self.life.due(self.now + 1_000) == []


TestDays = Days.TestCase
