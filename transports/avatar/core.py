"""What the avatar must be told, and what the pipeline must be told, and when.

No I/O, no clock, no tasks: every call is handed `now`, in seconds of a monotonic clock. Speech goes
in (`begin`, `audio`, `word`, `end`), cut-ins go in (`hold`, `resume`, `interrupt`), what the vendor
says goes in (`ready`, `receive`); commands go to the leg that carries the speech, reports come out
of `take_reports`. The shell calls `advance` whenever `due` says so.

What is done with the speech is the table `_SPEECH`. One leg at a time carries it. With `carry`
another one goes on, from the first sample that was not heard: there is one audible source, and what
was heard stays heard.

An utterance is queued, then sent piece by piece as the lead allows, sealed, and done when its
playhead has reached its end. Each cut-in ends a generation: what waits to be said of it is dropped
in the same call, so it cannot leave any more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from enum import Enum, auto

from .commands import Begin, EndSpeech, Interrupt, Listen, Reserve, Speak
from .events import Ended, Event, Interrupted, Lost, Played, Reserved, Started, Talking
from .leg import Leg
from .pacing import LINGER_S
from .playhead import Playhead
from .reports import CarriedBy, Cut, Heard, Report
from .run_of_speech import RunOfSpeech
from .script import Script
from .utterance import Utterance

HOLD_S = 5.0
"""A suspected cut-in that is neither confirmed nor refuted is taken for a false alarm."""

ACK_GRACE_S = 1.0
"""An acknowledgement that is this late will not come."""

FOLLOWED_S = 0.3
"""The same where the next utterance is at the vendor already: its words wait for this end."""


MOST_LOSSES = 2
"""So often in a row is speech said again of which the vendor lost all; then it is given up."""


class Speech(Enum):
    """What is done with the speech that there is; IDLE while there is none."""

    IDLE = auto()
    SPEAKING = auto()
    HELD = auto()


class Move(Enum):
    """What changes the speech."""

    BEGIN = auto()
    HOLD = auto()
    RESUME = auto()
    ALL_HEARD = auto()
    INTERRUPT = auto()


_SPEECH: dict[tuple[Speech, Move], Speech] = {
    (Speech.IDLE, Move.BEGIN): Speech.SPEAKING,
    (Speech.SPEAKING, Move.BEGIN): Speech.SPEAKING,
    (Speech.HELD, Move.BEGIN): Speech.HELD,
    (Speech.SPEAKING, Move.HOLD): Speech.HELD,
    (Speech.HELD, Move.RESUME): Speech.SPEAKING,
    (Speech.SPEAKING, Move.ALL_HEARD): Speech.IDLE,
    (Speech.IDLE, Move.INTERRUPT): Speech.IDLE,
    (Speech.SPEAKING, Move.INTERRUPT): Speech.IDLE,
    (Speech.HELD, Move.INTERRUPT): Speech.IDLE,
}


class SpeechCore:
    """The speech of one session; see the module.

    Args:
        leg: Carries the speech at first.
        new_id: Makes the id of an utterance.
    """

    def __init__(self, leg: Leg, *, new_id: Callable[[], str]) -> None:
        self._leg = leg
        self._next_leg: Leg | None = None  # takes over as soon as nothing is on its way
        self._new_id = new_id
        self._speech = Speech.IDLE
        self._generation = 0
        self._utterances: deque[Utterance] = deque()  # not heard to the end, oldest first
        self._current: Utterance | None = None  # the one that the TTS is filling
        self._script = Script()
        self._run = RunOfSpeech()
        self._reports: list[Report] = []
        self._held_at = 0.0
        self._losses = 0  # in a row, of which nothing was heard
        self._guessed_over: str | None = None  # the last utterance, where nobody told its end
        self._last_audio_at = 0.0
        self._listening: bool | None = None  # waits for its time

    # What is known

    @property
    def quiet(self) -> bool:
        """Whether everything was heard and nothing is on its way; where nobody hears, it is."""
        return self._leg.is_closed or (not self._utterances and not self._script)

    @property
    def has_reports(self) -> bool:
        """Whether `take_reports` has any."""
        return bool(self._reports)

    def unheard_s(self, *, now: float) -> float:
        """How much speech there is that the person has not heard, in seconds."""
        samples = sum(u.lead(now) + u.queue.samples for u in self._utterances)
        return samples / self._leg.profile.sample_rate

    # The legs

    def ready(self, leg: Leg, *, now: float) -> None:
        """The leg can be told things from now on."""
        leg.open()
        self.advance(now=now)

    def carry(self, leg: Leg, *, at_once: bool, now: float) -> None:
        """Let this leg carry the speech, which has the sample rate of the one before.

        Args:
            leg: It goes on from the first sample that was not heard.
            at_once: The other one falls silent now. Otherwise it says first what it was given.
            now: See the module.
        """
        self._next_leg = None
        if leg is not self._leg:
            self._next_leg = leg
            if at_once:
                self._silence_leg(now)
                self._take_over(now)  # also while a cut-in is suspected
            self.advance(now=now)

    # Speech from the TTS

    def begin(self, run: str, *, now: float, interruptible: bool = True) -> str:
        """An utterance of this run of TTS starts; returns its id. One not ended ends here."""
        self.end(now=now)
        self._current = self._new_utterance(run, interruptible=interruptible, offset=0)
        self._utterances.append(self._current)
        self._last_audio_at = now
        self._move(Move.BEGIN)
        return self._current.id

    def audio(self, pcm: bytes, *, now: float) -> bool:
        """More of the utterance: whole 16-bit samples at the profile's rate.

        Returns whether anything may be due by it. A TTS is mostly far ahead: then it is not.
        """
        if self._current is None or self._leg.is_closed:
            return False
        queue, pacing = self._current.queue, self._leg.pacing
        waited = queue.samples
        queue.append(pcm)
        self._last_audio_at = now
        # What waits has set the clock already; it leaves then, or as soon as it is a whole piece.
        if waited and (waited >= pacing.largest or queue.samples < pacing.aim(self._lead(now))):
            return False
        self.advance(now=now)
        return True

    def word(self, what: object, end: int, *, now: float) -> None:
        """`what` leaves once `end` samples of this run of TTS were heard."""
        if self._current is not None:
            self._script.add(what, self._current, end)
            self._release(now)

    def after_words(self, what: object, *, now: float) -> None:
        """`what` leaves when the words before it were heard; a cut drops it.

        Behind an utterance that has ended, it leaves when that was heard to its end.
        """
        if self._current is not None:
            self._script.add(what, self._current, 0)
        else:
            self._script.add(what, self._utterances[-1] if self._utterances else None)
        self._release(now)

    def end(self, *, now: float) -> None:
        """The TTS has said all of the utterance."""
        if self._current is not None:
            self._current.ended = True
            self._current = None
            self.advance(now=now)

    def reply(self, *, open: bool) -> None:
        """Whether more utterances of the same reply may follow."""
        self._run.reply_open = open

    # Cut-ins

    def interrupt(self, *, now: float) -> bool:
        """A committed cut-in. Returns whether anything was lost by it.

        Speech that must not be interrupted is left alone; it is never at the vendor together with
        other speech (see `_sendable`), so that an interrupt cannot hit it.
        """
        self.advance(now=now)
        spared = [u for u in self._utterances if not u.interruptible]
        doomed = [u for u in self._utterances if u.interruptible]
        lost = any(u.lead(now) + u.queue.samples for u in doomed)
        silenced = self._speech is Speech.HELD or any(u.begun for u in spared)
        self._generation += 1
        self._leg.unsay(u.id for u in doomed)
        if not silenced and (lost or self._leg.talks):
            self._silence(doomed[0].id if doomed else None, hold=False, now=now)
        elif not silenced:
            self._seal(doomed)  # all of it was heard, in a pause of the TTS
        if doomed or self._script:
            self._drop(doomed)
            self._reports.append(Cut(doomed[0].id if doomed else None, unheard=lost, hold=False))
        if not spared:
            self._move(Move.INTERRUPT)
            self._run.cut(self._reports)
        elif self._speech is Speech.HELD:
            self._move(Move.RESUME)
        self._pump(now)
        return lost

    def hold(self, *, now: float) -> None:
        """A suspected cut-in: fall silent, and keep what was not heard."""
        self.advance(now=now)
        interruptible = all(u.interruptible for u in self._utterances)
        if self._speech is not Speech.SPEAKING or not interruptible:
            return
        self._move(Move.HOLD)
        self._held_at = now
        first = self._utterances[0].id
        self._silence_leg(now)
        self._pump(now)
        self._reports.append(Cut(first, unheard=True, hold=True))
        self._run.ended(now)

    def resume(self, *, now: float) -> None:
        """It was no cut-in: go on from the first sample that was not heard."""
        if self._speech is Speech.HELD:
            self._move(Move.RESUME)
            self.advance(now=now)

    # The other side

    def listen(self, on: bool, *, now: float) -> None:
        """Look like a listener as soon as the avatar is silent, or no longer."""
        never_told = not on and self._listening
        self._listening = None if never_told else on
        self._pump(now)

    def receive(self, event: Event, leg: Leg, *, now: float) -> bool:
        """Take what a leg says; False when it cannot be about anything that is."""
        known = self._apply(event, leg, now)
        self.advance(now=now)
        return known

    # Time

    def advance(self, *, now: float) -> None:
        """Do everything that is due."""
        if self._speech is Speech.HELD and now >= self._held_at + HOLD_S:
            self._move(Move.RESUME)
        if self._speech is Speech.HELD:
            self._run.advance(self._reports, now=now, heard=None, more=True)
            return
        self._release(now)
        self._retire(now)
        self._take_over(now)
        self._pump(now)
        first = self._utterances[0] if self._utterances else None
        heard = first.playhead.at(now) if first else None
        self._run.advance(self._reports, now=now, heard=heard, more=first is not None)

    def due(self, *, now: float) -> float | None:
        """When `advance` is needed next; None while only something from outside can matter."""
        return min((t for t in self._times(now) if t is not None), default=None)

    # Out

    def take_reports(self) -> list[Report]:
        """What the pipeline has to be told, oldest first; each once."""
        reports, self._reports = self._reports, []
        return reports

    # Inside: utterances

    def _move(self, move: Move) -> None:
        self._speech = _SPEECH[self._speech, move]

    def _new_utterance(self, run: str, *, interruptible: bool, offset: int) -> Utterance:
        profile = self._leg.profile
        playhead = Playhead(
            sample_rate=profile.sample_rate,
            start_delay_s=profile.start_delay_s,
            awaits_vendor=self._leg.tells_starts,
        )
        return Utterance(self._new_id(), run, playhead, interruptible, offset)

    def _renew(self, now: float) -> None:
        """Give what was not heard new ids, so that nothing said of the old ones can touch it."""
        renewed: dict[Utterance | None, Utterance] = {}
        for old in self._utterances:
            new = self._new_utterance(
                old.run, interruptible=old.interruptible, offset=old.heard(now)
            )
            new.queue = old.rest(now)
            new.ended = old.ended
            renewed[old] = new
        self._utterances = deque(renewed.values())
        self._current = renewed.get(self._current)
        self._script.rename(renewed)

    def _drop(self, doomed: list[Utterance]) -> None:
        self._utterances = deque(u for u in self._utterances if u not in doomed)
        self._script.drop([*doomed, None])
        if self._current in doomed:
            self._current = None

    def _release(self, now: float) -> None:
        for what in self._script.take_due(self._utterances, now=now):
            self._reports.append(Heard(what))

    def _retire(self, now: float) -> None:
        """Part with the utterances that were heard to the end."""
        while self._utterances and self._is_done(self._utterances[0], now):
            done = self._utterances.popleft()
            self._learn_of(done)
            self._free(done, now)
            # Its start may have become known only now, together with its end.
            heard = done.playhead.at(now)
            self._run.advance(self._reports, now=now, heard=heard, more=True)
            if self._utterances:
                end = done.playhead.when(done.playhead.sent) or now
                self._utterances[0].playhead.come_up(since=min(end, now), now=now)
            if not done.begun and not done.offset:
                self._script.drop_words(done)  # a TTS that made no sound has said nothing
            self._run.ended(now)
            self._release(now)
            if not self._utterances:
                self._move(Move.ALL_HEARD)

    def _learn_of(self, done: Utterance) -> None:
        """Who told nothing of this speech is not waited for with the next."""
        if done.playhead.waited_in_vain:
            self._leg.tells_starts = False
        if done.begun and not done.vendor_ended and not self._begun():
            self._leg.tells_ends = False

    def _free(self, done: Utterance, now: float) -> None:
        """Another one may begin, where a vendor cuts what is heard by that."""
        if done.begun and not done.vendor_ended:
            self._guessed_over = done.id
            end = done.playhead.when(done.playhead.sent) or now
            self._leg.reservation.free_at = end + self._leg.profile.gap_s

    def _is_done(self, utterance: Utterance, now: float) -> bool:
        if not utterance.ended or utterance.queue.samples or utterance.lead(now):
            return False
        if utterance.begun and not utterance.sealed:
            return False
        end = self._when_done(utterance)
        return end is None or now >= end

    # Inside: commands

    def _silence(self, utterance: str | None, *, hold: bool, now: float) -> None:
        if self._leg.is_ready:
            self._leg.silence(Interrupt(self._generation, utterance, hold))
            self._leg.deaf_until = now + ACK_GRACE_S
            self._leg.reservation.forget()  # the next one is granted behind the interrupt
            self._leg.reservation.free_at = now

    def _reserve(self, leg: Leg, now: float) -> None:
        """Ask for the next utterance's reservation, where the time for it has come."""
        if not leg.is_ready or not leg.reservation.is_wanted(now):
            return
        in_use = leg is self._leg and (self._begun() or now < leg.reservation.free_at)
        if leg.profile.reserves_early or not in_use:
            leg.reservation.ask(self._generation)
            leg.tell(Reserve(self._generation))

    def _silence_leg(self, now: float) -> None:
        """The leg falls silent, and what was not heard is kept."""
        is_begun = self._begun()
        if is_begun or self._leg.talks:
            self._generation += 1
            self._leg.unsay(u.id for u in self._utterances)
            first = self._utterances[0].id if self._utterances else None
            self._silence(first, hold=True, now=now)
        if is_begun:
            self._renew(now)

    def _take_over(self, now: float) -> None:
        """The other leg's turn has come: nothing that this one was given is unheard."""
        if self._next_leg is None or self._begun():
            return
        self._leg, self._next_leg = self._next_leg, None
        self._renew(now)  # at the pace of this leg
        self._reports.append(CarriedBy(self._leg))

    def _pump(self, now: float) -> None:
        """Tell the leg as much as it may know."""
        for leg in (self._leg, self._next_leg):
            if leg is not None:
                self._reserve(leg, now)
        if not self._leg.is_ready or self._speech is Speech.HELD:
            return
        for utterance in self._sendable(now):
            self._pump_audio(utterance, now)
            if utterance.queue.samples or not utterance.ended:
                break
            self._seal([utterance])
        if self._listening is not None and not (self._listening and self._utterances):
            self._leg.tell(Listen(self._generation, self._listening))
            self._listening = None

    def _seal(self, utterances: Iterable[Utterance]) -> None:
        """Tell the leg that no more of these will come."""
        for utterance in utterances:
            if utterance.begun and not utterance.sealed and self._leg.is_ready:
                utterance.sealed = True
                sent = utterance.playhead.sent
                self._leg.tell(EndSpeech(self._generation, utterance.id, sent))

    def _sendable(self, now: float) -> Iterator[Utterance]:
        """The utterances in order, up to one that must not be at the vendor with the one before.

        An interrupt silences all that is there: what must be heard waits until the speech before
        it was, and what can be cut waits behind what must be heard.
        """
        before: Utterance | None = None
        for utterance in self._utterances:
            both_can_be_cut = before is None or (utterance.interruptible and before.interruptible)
            if before is not None and before.lead(now) and not both_can_be_cut:
                return
            if not utterance.begun and not self._may_begin(now):
                return
            yield utterance
            before = utterance

    def _may_begin(self, now: float) -> bool:
        reservation = self._leg.reservation
        return not reservation.needed or (reservation.allows(now) and not self._begun())

    def _begun(self) -> bool:
        """Whether the leg was given something that is not known to be over."""
        return any(u.begun for u in self._utterances)

    def _pump_audio(self, utterance: Utterance, now: float) -> None:
        while size := self._leg.pacing.piece(
            utterance.queue.samples,
            lead=self._lead(now),
            more_may_come=self._more_may_come(utterance, now),
            opening=not utterance.begun,
        ):
            if not utterance.begun:
                if self._begun():
                    utterance.playhead.follow()
                utterance.begun = True
                self._leg.reservation.forget()
                begin = Begin(
                    self._generation,
                    utterance.id,
                    utterance.run,
                    utterance.offset,
                    self._leg.profile.sample_rate,
                    utterance.interruptible,
                )
                self._leg.tell(begin)
            pcm = utterance.take(size, now=now)
            self._leg.tell(Speak(self._generation, utterance.id, pcm))

    def _lead(self, now: float) -> int:
        return sum(u.lead(now) for u in self._utterances)

    def _more_may_come(self, utterance: Utterance, now: float) -> bool:
        return not utterance.ended and now < self._last_audio_at + LINGER_S

    # Inside: events

    def _apply(self, event: Event, leg: Leg, now: float) -> bool:
        match event:
            case Talking(on):
                believed = not on or now >= leg.deaf_until
                leg.talks = leg.talks if not believed else on
                return believed
            case Interrupted():
                leg.deaf_until = now
                return True
            case Reserved(generation):
                return leg.reservation.grant(generation, now=now)
            case Started(name) | Played(name, _) | Ended(name) | Lost(name):
                utterance = self._find(name, now) if leg is self._leg else None
        is_promised = type(event) in leg.profile.acknowledges
        leg.tells_starts |= is_promised and isinstance(event, Started | Played)
        leg.tells_ends |= is_promised and isinstance(event, Ended)
        if isinstance(event, Ended) and name and name == self._guessed_over and leg is self._leg:
            leg.reservation.free_at = min(now, leg.reservation.free_at)  # now it is known
            leg.talks = leg.talks and self._begun()
            return True
        if utterance is None or not utterance.begun:
            return False
        match event:
            case Started():
                leg.talks = True
                utterance.playhead.started(now=now)
            case Played(_, samples):
                return utterance.playhead.played(samples, now=now)
            case Ended() if name is None and not utterance.playhead.may_be_over(now=now):
                return False  # told late, of the speech before
            case Ended():
                leg.talks = False
                utterance.playhead.finished(now=now)
                utterance.vendor_ended = True
            case Lost():
                leg.talks = False
                self._say_again(utterance, now)
        return True

    def _say_again(self, utterance: Utterance, now: float) -> None:
        """Its rest was lost: it goes on from the first sample that was not heard."""
        self._losses = 0 if utterance.heard(now) > utterance.offset else self._losses + 1
        self._leg.unsay([utterance.id])
        self._run.ended(now)
        if self._losses <= MOST_LOSSES:
            self._renew(now)
            return
        self._losses = 0
        self._utterances.remove(utterance)
        if self._current is utterance:
            self._current = None
        self._script.drop_words(utterance)  # nobody will hear them
        self._release(now)
        if not self._utterances:
            self._move(Move.ALL_HEARD)

    def _find(self, name: str | None, now: float) -> Utterance | None:
        if name is None and (now < self._leg.deaf_until or not self._utterances):
            return None
        return next((u for u in self._utterances if name in (None, u.id)), None)

    # Inside: when

    def _times(self, now: float) -> Iterator[float | None]:
        yield self._run.due()
        yield self._leg.reservation.due(now)
        if self._speech is Speech.HELD:
            yield self._held_at + HOLD_S
        elif self._utterances:
            first = self._utterances[0]
            yield self._script.next_due(first)
            yield self._when_room(now)
            yield self._when_done(first)
            if not self._run.hears:
                yield first.playhead.when(1) if first.begun else None

    def _when_room(self, now: float) -> float | None:
        """When the next piece may leave."""
        waiting = next((u for u in self._sendable(now) if u.queue.samples), None)
        if waiting is None or not self._leg.is_ready:
            return None
        earliest = now
        if self._more_may_come(waiting, now):
            earliest = self._last_audio_at + LINGER_S
        excess = self._leg.pacing.excess(waiting.queue.samples, lead=self._lead(now))
        first = next((u for u in self._utterances if u.lead(now)), None)
        if not excess or first is None:
            return earliest
        room = first.playhead.when(first.playhead.at(now) + excess)
        return None if room is None else max(earliest, room)

    def _when_done(self, first: Utterance) -> float | None:
        """When its last sample is heard, or when to stop waiting for the vendor to say so."""
        if not first.ended or not first.begun:
            return None
        end = first.playhead.when(first.playhead.sent)
        if end is None or first.vendor_ended or not self._leg.tells_ends:
            return end
        followed = any(u.begun for u in self._utterances if u is not first)
        return end + (FOLLOWED_S if followed else ACK_GRACE_S)
