"""Random days of a core against a vendor that keeps its own clock and is not to be relied on.

The vendor here knows nothing of the core: it plays what it was sent, starts late by a delay that
the core cannot see, and its acknowledgements come late, twice, or never.
"""

from __future__ import annotations

from collections import deque

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.unit.transports.avatar.speaking import RATE, Day, voice
from transports.avatar.commands import Begin, Command, EndSpeech, Interrupt, Reserve, Speak
from transports.avatar.core import ACK_GRACE_S, HOLD_S
from transports.avatar.events import Ended, Event, Interrupted, Lost, Played, Reserved, Started
from transports.avatar.leg import Leg
from transports.avatar.playhead import SILENCE_S
from transports.avatar.reports import CarriedBy, Cut, Heard, SpeakingStarted, SpeakingStopped
from transports.avatar.vendor import Profile

EVENTS = (Started, Played, Ended)
RESERVED_AFTER_S = 0.2
PATIENCE_S = 5.0
"""What a new utterance may take beyond the speech before it and the longest hold."""


class Player:
    """Plays what it is sent, in real time; interrupted, it forgets."""

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self._queue: deque[str] = deque()
        self._left: dict[str, int] = {}
        self._ended: set[str] = set()
        self._free_at = 0.0
        self._played: dict[str, int] = {}
        self.acks: deque[Event] = deque()
        self.asked: deque[tuple[float, Reserved]] = deque()  # and when it is answered
        self.granted: Reserved | None = None

    def tell(self, command: Command, now: float) -> None:
        match command:
            case Reserve():
                self.asked.append((now + RESERVED_AFTER_S, Reserved(command.generation)))
            case Begin(utterance=name):
                self._queue.append(name)
                self._left[name] = self._played[name] = 0
            case Speak(utterance=name, pcm=pcm):
                if not self._played[name] and not self._left[name]:
                    self._free_at = max(self._free_at, now + self._delay_s)
                self._left[name] += len(pcm) // 2
            case EndSpeech(utterance=name):
                self._ended.add(name)
            case Interrupt():
                self.acks.append(Interrupted(command.utterance))
                self._queue.clear()
                self._left.clear()
        self.play(now)

    def lose(self) -> str | None:
        """It drops what it is playing, as if somebody else had told it to."""
        if not self._queue:
            return None
        name = self._queue.popleft()
        self._left[name] = 0
        return name

    @property
    def is_silent(self) -> bool:
        return not any(self._left.values())

    def play(self, now: float) -> None:
        while self._queue and self._free_at < now:
            name = self._queue[0]
            samples = min(self._left[name], int((now - self._free_at) * RATE))
            if samples and not self._played[name]:
                self.acks.append(Started(name))
            self._left[name] -= samples
            self._played[name] += samples
            self._free_at += samples / RATE
            if samples:
                self.acks.append(Played(name, self._played[name]))
            if self._left[name]:
                break
            if name not in self._ended:
                self._free_at = now
                break
            self.acks.append(Ended(name))
            self._queue.popleft()


class Conversation(RuleBasedStateMachine):
    @initialize(
        delay_s=st.sampled_from([0.0, 0.05, 0.3, 1.5]),
        told=st.sets(st.sampled_from(EVENTS)),
        lead_s=st.sampled_from([0.25, 2.0, 60.0]),
        chunk_s=st.sampled_from([0.04, 1.0]),
        opening_s=st.sampled_from([0.0, 0.4]),
        reserves=st.booleans(),
        reserves_early=st.booleans(),
    )
    def meet(
        self,
        delay_s: float,
        told: set[type[Event]],
        lead_s: float,
        chunk_s: float,
        opening_s: float,
        reserves: bool,
        reserves_early: bool,
    ) -> None:
        self.day = Day(
            Profile(
                opening_s=opening_s,
                first_chunk_s=0.02,
                chunk_s=chunk_s,
                max_lead_s=lead_s,
                acknowledges=frozenset(told),
                reserves=reserves,
                reserves_early=reserves_early,
                reservation_s=3.0,
                gap_s=0.3,
            ),
            Profile(chunk_s=0.04, max_lead_s=0.25, acknowledges=frozenset(told)),
            ready=False,
        )
        self.told = told
        self.players = dict(zip(self.day.legs, (Player(delay_s), Player(0.1)), strict=True))
        self.carrier = self.day.leg
        self.speaking = False
        self.run = 0
        self.said = 0  # samples of this run
        self.held_until = 0.0
        self.words = 0
        self.dead: set[str] = set()  # by a cut-in
        self.silenced: set[str] = set()  # by an interrupt
        self.seen = 0
        self.sent: dict[str, int] = {}  # samples of each run, all in order
        self.begun: dict[str, Begin] = {}
        self.legs: dict[str, Leg] = {}
        self.ready = False

    def look(self) -> None:
        """Every command is checked as it leaves."""
        self.day.look()
        new = slice(self.seen, None)
        for command, leg in zip(self.day.commands[new], self.day.told[new], strict=True):
            if isinstance(command, (Begin, Speak, EndSpeech)):
                assert self.ready, "nothing leaves before the vendor is ready"
                assert command.utterance not in self.silenced, "old speech left after the interrupt"
            if isinstance(command, (Begin, Speak)):
                assert command.utterance not in self.dead, "old speech left after the cut-in"
            match command:
                case Begin():
                    if leg.profile.reserves:
                        player = self.players[leg]
                        assert player.granted, "speech without a reservation"
                        player.granted = None
                    self.begun[command.utterance] = command
                    self.legs[command.utterance] = leg
                    so_far = self.sent.get(command.run, 0)
                    assert command.offset <= so_far, "what is brought back leaves a hole"
                    self.sent[command.run] = command.offset
                case Speak():
                    run = self.begun[command.utterance].run
                    samples = len(command.pcm) // 2
                    assert command.pcm == voice(samples / RATE, self.sent[run]), "a wrong sample"
                    self.sent[run] += samples
                case Interrupt():
                    self.players[leg].granted = None  # what it was given before is void
                    self.silenced |= {name for name, its in self.legs.items() if its is leg}
            self.players[leg].tell(command, self.day.now)
        self.seen = len(self.day.commands)

    @rule(seconds=st.sampled_from([0.0, 0.01, 0.2, 1.1, 4.0]))
    def time_passes(self, seconds: float) -> None:
        end = self.day.now + seconds
        for _ in range(20_000):
            self.day.core.advance(now=self.day.now)
            self.look()
            self.reserve()
            answers = [at for player in self.players.values() for at, _ in player.asked]
            due = min([end + 1, *filter(None, [self.day.core.due(now=self.day.now), *answers])])
            if due > end:
                break
            self.day.now = max(self.day.now, due)
        else:
            raise AssertionError("the core asks to be looked at again and again")
        self.day.now = end
        for player in self.players.values():
            player.play(end)

    def reserve(self) -> None:
        """The vendor answers what it was asked for."""
        for leg, player in self.players.items():
            while player.asked and player.asked[0][0] <= self.day.now:
                _, answer = player.asked.popleft()
                known = self.day.core.receive(answer, leg, now=self.day.now)
                player.granted = answer if known else player.granted
                self.look()

    @rule()
    def vendor_is_ready(self) -> None:
        self.ready = True
        for leg in self.day.legs:
            self.day.core.ready(leg, now=self.day.now)
        self.look()

    @rule(number=st.sampled_from([0, 1]), at_once=st.booleans())
    def another_leg_carries(self, number: int, at_once: bool) -> None:
        leg = self.day.legs[number]
        before = self.carrier
        self.day.core.carry(leg, at_once=at_once, now=self.day.now)
        self.look()
        if at_once and leg is not before and self.ready:
            assert self.players[before].is_silent, "two are heard"

    @rule(seconds=st.sampled_from([0.0, 0.005, 0.3, 3.0]))
    def tts_says(self, seconds: float) -> None:
        if not self.speaking:
            self.run += 1
            self.said = 0
            self.speaking = True
            self.day.core.begin(f"run{self.run}", now=self.day.now)
        pcm = voice(seconds, self.said)
        self.said += len(pcm) // 2
        self.words += 1
        self.day.core.word((self.run, self.words), self.said, now=self.day.now)
        self.day.core.audio(pcm, now=self.day.now)
        self.look()

    @precondition(lambda self: self.speaking)
    @rule()
    def tts_ends(self) -> None:
        self.speaking = False
        self.day.core.end(now=self.day.now)
        self.look()

    @rule()
    def suspected(self) -> None:
        holds = len(self.day.said(Cut))
        self.day.core.hold(now=self.day.now)
        self.look()
        if len(self.day.said(Cut)) > holds:
            self.held_until = self.day.now + HOLD_S

    @rule()
    def not_confirmed(self) -> None:
        self.held_until = 0.0
        self.day.core.resume(now=self.day.now)
        self.look()

    @rule()
    def cut_in(self) -> None:
        before = len(self.day.interrupts())
        held = self.held_until > self.day.now
        unheard = self.day.core.unheard_s(now=self.day.now) > 0
        self.day.core.interrupt(now=self.day.now)
        self.speaking = False
        self.held_until = 0.0
        self.dead |= set(self.begun)
        self.look()
        sent = len(self.day.interrupts()) - before
        assert sent <= 1, "one interrupt is enough"
        if self.ready and unheard and not held:
            assert sent == 1, "something unheard was not silenced"
        self.day.core.interrupt(now=self.day.now)
        self.look()
        assert len(self.day.interrupts()) == before + sent, "nothing was left to cut"

    @rule(data=st.data())
    def vendor_says(self, data: st.DataObject) -> None:
        """Some of what it has to say arrives: perhaps twice, perhaps never."""
        for leg, player in self.players.items():
            for event in list(player.acks):
                fate = data.draw(st.sampled_from(["arrives", "twice", "lost", "later"]))
                if fate == "later":
                    break
                player.acks.popleft()
                if fate != "lost" and (type(event) in self.told or isinstance(event, Interrupted)):
                    for _ in range(2 if fate == "twice" else 1):
                        self.day.core.receive(event, leg, now=self.day.now)
        self.look()

    @rule()
    def vendor_loses_what_it_has(self) -> None:
        for leg, player in self.players.items():
            if leg.profile.reserves and (name := player.lose()):
                self.silenced.add(name)
                self.day.core.receive(Lost(name), leg, now=self.day.now)
        self.look()

    @rule(utterance=st.sampled_from(["u1", "u2", "u9"]), samples=st.integers(-5, 10**7))
    def somebody_lies(self, utterance: str, samples: int) -> None:
        self.day.core.receive(Played(utterance, samples), self.day.leg, now=self.day.now)
        self.look()

    @invariant()
    def speech_starts_and_stops_in_turn(self) -> None:
        if not hasattr(self, "day"):
            return
        for _, report in self.day.reports:
            if isinstance(report, CarriedBy):
                self.carrier = report.leg
        kinds = [type(r) for _, r in self.day.reports]
        edges = [k for k in kinds if k in (SpeakingStarted, SpeakingStopped)]
        assert edges == [SpeakingStarted, SpeakingStopped] * (len(edges) // 2) + [
            SpeakingStarted
        ] * (len(edges) % 2)

    @invariant()
    def words_come_once_and_in_order(self) -> None:
        if hasattr(self, "day"):
            words = [r.cue for r in self.day.said(Heard)]
            assert words == sorted(set(words))

    def teardown(self) -> None:
        """From wherever this day got to, the next thing that is said is heard."""
        if not hasattr(self, "day"):
            return
        self.vendor_is_ready()
        if self.speaking:
            self.tts_ends()
        self.run += 1
        self.day.core.begin(f"run{self.run}", now=self.day.now)
        self.day.core.audio(voice(0.5), now=self.day.now)
        self.day.core.word("the last word", 12_000, now=self.day.now)
        self.day.core.end(now=self.day.now)
        # Who is waited for in vain is waited for once in each utterance.
        waits_s = ACK_GRACE_S + SILENCE_S
        bound_s = self.day.core.unheard_s(now=self.day.now) + HOLD_S + PATIENCE_S
        self.time_passes(bound_s + waits_s * self.run)
        assert self.day.said(Heard)[-1].cue == "the last word"
        assert self.day.core.quiet
        assert self.sent[f"run{self.run}"] == 12_000


TestConversation = Conversation.TestCase
