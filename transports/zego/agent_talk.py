"""Who speaks, who has said what, and what of it was heard: a vendor's conversation, as it is told.

No I/O and no clock: what is told goes in with its time, and what the pipeline has to be told comes
out. Nothing counts twice, whichever source has it first: speech, words and answers count once per
round; each source is read in its own order; and a round that was heard does not begin again.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from .agent_news import AgentStatus, Answer, CutIn, Status, Told, Trouble, Voice, Words

REORDER_S = 0.1
"""Pieces of an answer may overtake each other on their way: each waits so long for those before."""

PLAYED_S = 0.5
"""How long it is waited for what was heard of an answer that is cut."""

ANSWER_S = 30.0
"""An answer that has not begun by then is waited for no longer; one that comes later is shown."""

IDLE_S = 1.0
"""Nor one of an agent that has done nothing for so long: it may have begun to, and not be told."""

MOST_ROUNDS = 32
"""So many are remembered; the oldest is then forgotten."""

LONGEST_ANSWER = 20_000
MOST_PIECES = 2_000


@dataclass(frozen=True, slots=True)
class PersonBegan:
    """To speak."""


@dataclass(frozen=True, slots=True)
class PersonStopped:
    """Likewise."""


@dataclass(frozen=True, slots=True)
class PersonSaid:
    """A whole turn; `hinted`: as the page says, which may make words up."""

    text: str
    hinted: bool = False


@dataclass(frozen=True, slots=True)
class Thinks:
    """An answer is on its way."""


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """None is waited for any more; `unexplained`: the person has asked, and nothing said why."""

    unexplained: bool


@dataclass(frozen=True, slots=True)
class Says:
    """More of the answer, behind what there was."""

    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The answer of this round was heard."""

    text: str
    round: int = 0


@dataclass(frozen=True, slots=True)
class Cut:
    """The answer was cut. `played` is what was heard of it, where the vendor says so.

    `known` is what was said of it by then, as `Talk.known` has it.
    """

    played: str | None
    known: str = ""


@dataclass(frozen=True, slots=True)
class AgentBegan:
    """To speak."""


@dataclass(frozen=True, slots=True)
class AgentStopped:
    """Likewise."""


Report = (
    PersonBegan
    | PersonStopped
    | PersonSaid
    | Thinks
    | NoAnswer
    | Says
    | Finished
    | Cut
    | AgentBegan
    | AgentStopped
)


@dataclass(slots=True)
class _Round:
    """What is known of one interaction."""

    person_began: bool = False
    person_stopped: bool = False
    person_said: bool = False
    words: str = ""
    words_order: int = -1
    words_hinted: bool = False
    thought: bool = False
    spoken: bool = False
    shown: str = ""
    own: str = ""  # what we let it say
    calls: dict[int, str] = field(default_factory=dict)
    hints: dict[int, str] = field(default_factory=dict)
    waiting: dict[int, float] = field(default_factory=dict)  # hints that others may have to precede
    ripe: int = -1  # up to here none has

    def add(self, order: int, text: str, *, hint: bool, now: float) -> None:
        """A piece of the answer; one that is late has no place any more."""
        pieces = self.hints if hint else self.calls
        if order in pieces or len(pieces) >= MOST_PIECES:
            return
        if hint and order > self.ripe:
            self.hints[order] = text
            self.waiting[order] = now + REORDER_S
        elif not hint:
            self.calls[order] = text

    def ripen(self, now: float) -> None:
        """See which pieces have waited long enough, and with them all that go before."""
        self.ripe = max((at for at, due in self.waiting.items() if now >= due), default=self.ripe)
        self.waiting = {at: due for at, due in self.waiting.items() if at > self.ripe}

    def more(self) -> str:
        """What is to be shown behind what was, by the source that knows the most."""
        hinted = "".join(self.hints[at] for at in sorted(self.hints) if at <= self.ripe)
        texts = (hinted, self.called(), self.own)
        known = [text[:LONGEST_ANSWER] for text in texts if text.startswith(self.shown)]
        return max(known, key=len, default=self.shown)[len(self.shown) :]

    def called(self) -> str:
        """The answer by callbacks alone."""
        return _joined([self.calls[at] for at in sorted(self.calls)])


class Talk:
    """One conversation.

    Args:
        tells: Whether callbacks come, so that it pays to wait for what was heard.
    """

    def __init__(self, *, tells: bool) -> None:
        self._tells = tells
        self._rounds: OrderedDict[int, _Round] = OrderedDict()
        self._newest = 0
        self._closed = 0  # of rounds up to this one nothing more is said
        self._voices: dict[bool, int] = {}  # the last order of each source
        self._statuses: dict[bool, int] = {}
        self._status_round = 0
        self._person_speaks = False
        self._thinks = False
        self._speaks: int | None = None  # in which round; 0 where that is not known
        self._answer_by: float | None = None  # until when it is waited for an answer to begin
        self._open: int | None = None  # whose answer is shown and not heard to its end
        self._queued: list[int] = []  # what waits to be said behind it
        self._finish_at: float | None = None  # when it was, unless more comes
        self._cut_by: float | None = None  # until when it is waited for what was heard

    @property
    def is_busy(self) -> bool:
        """Whether there is anything to cut: it thinks, or something is not heard yet."""
        is_open = self._open is not None and self._finish_at is None
        busy = self._thinks or self._speaks is not None or is_open
        return busy and self._cut_by is None

    @property
    def next_at(self) -> float | None:
        """When there is something to `tick`, if nothing is told before."""
        own = (self._finish_at, self._cut_by, self._answer_by)
        times = [each for each in own if each is not None]
        for number, each in self._rounds.items():
            if number > self._closed:
                times += each.waiting.values()
        return min(times, default=None)

    def known(self, number: int) -> str:
        """What was said in a round, as far as it is known by other ways than the page."""
        each = self._rounds.get(number)
        return (each.own or each.called()) if each else ""

    # What we do ourselves

    def asked(self, number: int | None, *, now: float) -> list[Report]:
        """The person has typed, and the vendor has taken it as this round."""
        if number is None:
            return []
        number = int(float(number))
        self._round(number).person_said = True
        return self._think(number, now)

    def said(self, number: int | None, text: str, *, now: float) -> list[Report]:
        """The vendor has taken, as this round, what it is to say."""
        number = self._newest + 1 if number is None else int(float(number))
        each = self._round(number)
        each.person_said = True
        each.own = text
        if self._open is not None and self._cut_by is None:
            self._queued.append(number)  # it is heard behind that
            return []
        return self._show(number, now)

    def interrupted(self, *, now: float) -> list[Report]:
        """The person has cut it, by other means than their voice."""
        return self._cut(now)

    def failed(self) -> list[Report]:
        """There is no answer, and the person is told why."""
        return self._give_up(unexplained=False)

    def over(self, *, now: float) -> list[Report]:
        """The conversation ends, and the agent is silent."""
        if self._cut_by is not None:
            return self._end_cut(None)
        return [*self._say_queued(now), *self._finish()]

    # What is told

    def tell(self, told: Told, *, now: float) -> list[Report]:
        """One piece of news; what is old or known means nothing."""
        reports = self.tick(now=now)
        match told.news:
            case Voice(began) if self._is_next(self._voices, told):
                reports += self._voice(told.round, began, now)
            case Words() if told.round:
                reports += self._hear(told, told.news, now)
            case Answer(text) if told.round > self._closed:
                self._round(told.round).add(told.order, text, hint=told.hint, now=now)
                reports += self._show(told.round, now)
            case Status(status) if self._is_next(self._statuses, told):
                reports += self._status(told.round, status, now)
            case CutIn(played) if not told.hint and self._is_about_open(told.round):
                reports += self._end_cut(played)
            case Trouble() if not told.hint and told.round in (0, self._newest):
                reports += self.failed()
        return reports

    def tick(self, *, now: float) -> list[Report]:
        """Time has passed."""
        reports: list[Report] = []
        for number, each in [*self._rounds.items()]:
            if number > self._closed and each.waiting:
                each.ripen(now)
                reports += self._show(number, now)
        if self._cut_by is not None and now >= self._cut_by:
            reports += self._end_cut(None)
        if self._finish_at is not None and now >= self._finish_at:
            reports += self._finish()
        if self._answer_by is not None and now >= self._answer_by:
            newest = self._rounds.get(self._newest)
            reports += self._give_up(unexplained=newest is not None and newest.person_said)
        return reports

    # The person

    def _voice(self, number: int, began: bool, now: float) -> list[Report]:
        if number and number < self._newest:
            return []
        each = self._round(number) if number else _Round()
        if (each.person_began if began else each.person_stopped) or began == self._person_speaks:
            return []
        if not began:
            each.person_stopped = True
            return self._person_stopped(now)
        each.person_began = True
        self._answer_by = None
        self._person_speaks = True
        return [PersonBegan(), *self._cut(now, before=number)]

    def _person_stopped(self, now: float) -> list[Report]:
        """They wait for an answer."""
        if not self._person_speaks:
            return []
        self._person_speaks = False
        self._answer_by = now + ANSWER_S
        return [PersonStopped()]

    def _hear(self, told: Told, words: Words, now: float) -> list[Report]:
        each = self._round(told.round)
        if each.person_said:
            return []
        if words.final or told.order > each.words_order:
            each.words, each.words_order = words.text, told.order
            each.words_hinted = told.hint
        if not words.final:
            return []
        each.person_began = each.person_stopped = True
        return [*(self._person_stopped(now) if told.round == self._newest else []), *_said(each)]

    # The agent

    def _think(self, number: int, now: float) -> list[Report]:
        """An answer is on its way, to what the person has said to the end by that."""
        each = self._round(number)
        reports = [*self._person_stopped(now), *_said(each)]
        self._thinks = True
        self._answer_by = now + ANSWER_S
        if not each.thought:
            each.thought = True
            reports.append(Thinks())
        return reports

    def _status(self, given: int, status: AgentStatus, now: float) -> list[Report]:
        if given and (given < self._status_round or given <= self._closed):
            return []
        self._status_round = max(given, self._status_round)
        number = given or (self._newest if self._newest > self._closed else 0)
        if status is AgentStatus.SPEAKING:
            return [*self._speak(number, now), *self._say_queued(now, up_to=given)]
        if self._speaks is not None and number and number < self._speaks:
            return []
        reports = self._fall_silent()
        self._thinks = False
        if status is AgentStatus.THINKING:
            return reports + (self._think(number, now) if number else self._person_stopped(now))
        if status is AgentStatus.IDLE and self._answer_by is not None and number >= self._newest:
            self._answer_by = min(self._answer_by, now + IDLE_S)
        if self._open is not None and self._cut_by is None:
            reports += self._say_queued(now)
            self._finish_at = now + REORDER_S
        return reports

    def _give_up(self, *, unexplained: bool) -> list[Report]:
        if self._answer_by is None:
            return []
        self._answer_by = None
        self._thinks = False
        return [NoAnswer(unexplained)]

    def _speak(self, number: int, now: float) -> list[Report]:
        if number and self._round(number).spoken:
            return []
        self._thinks = False
        self._finish_at = None
        stopped = self._person_stopped(now) if self._speaks is None else []
        if number in (0, self._newest):
            self._answer_by = None
        if self._speaks is not None:
            if number > self._speaks:
                self._round(self._speaks).spoken = True
                self._speaks = number
            return []
        self._speaks = number
        return [*stopped, AgentBegan()]

    def _fall_silent(self) -> list[Report]:
        if self._speaks is None or self._cut_by is not None:
            return []
        if self._speaks:
            self._round(self._speaks).spoken = True
        self._speaks = None
        return [AgentStopped()]

    def _show(self, number: int, now: float) -> list[Report]:
        """More of an answer, if there is more."""
        if number <= self._closed or (self._open is not None and number < self._open):
            return []
        each = self._round(number)
        text = each.more()
        if not text:
            return []
        reports: list[Report] = []
        if self._open is not None and number > self._open:
            reports += self._end_cut(None) if self._cut_by is not None else self._finish()
        reports += self._think(number, now) if not each.thought else []
        self._thinks = False
        self._answer_by = None
        self._open = number
        each.shown += text
        return [*reports, Says(text)]

    def _say_queued(self, now: float, *, up_to: int | None = None) -> list[Report]:
        """What has waited is said now, or was; all of it where no round is named."""
        reports: list[Report] = []
        while self._queued and (up_to is None or self._queued[0] <= up_to):
            reports += self._show(self._queued.pop(0), now)
        return reports

    def _finish(self) -> list[Report]:
        """The open answer was heard."""
        number, self._open = self._open, None
        self._finish_at = None
        if number is None:
            return []
        each = self._round(number)
        each.ripen(float("inf"))
        rest = each.more()
        each.shown += rest
        self._closed = max(self._closed, number)
        return [*([Says(rest)] if rest else []), Finished(each.shown, number)]

    # Cut-ins

    def _cut(self, now: float, *, before: int = 0) -> list[Report]:
        """What it says or thinks about is cut; its rounds go before that of a voice."""
        reports = self._finish() if self._finish_at is not None else []
        if not self.is_busy:
            return reports
        known = [each for each in self._rounds if not before or each < before]
        self._closed = max(self._closed, max(known, default=0))
        self._thinks = False
        self._answer_by = None
        if self._open is None or not self._tells:
            return [*reports, *self._end_cut(None)]
        self._cut_by = now + PLAYED_S
        return reports

    def _end_cut(self, played: str | None) -> list[Report]:
        number, self._open = self._open, None
        self._cut_by = self._finish_at = None
        self._thinks = False
        if number is None:
            return [Cut(played), *self._fall_silent()]
        self._closed = max(self._closed, number)
        return [Cut(played, self.known(number)), *self._fall_silent()]

    def _is_about_open(self, number: int) -> bool:
        return self._open is not None and number in (0, self._open)

    # Rounds

    def _round(self, number: int) -> _Round:
        if number not in self._rounds:
            self._rounds[number] = _Round()
            while len(self._rounds) > MOST_ROUNDS:
                self._rounds.popitem(last=False)
        self._newest = max(number, self._newest)
        return self._rounds[number]

    @staticmethod
    def _is_next(last: dict[bool, int], told: Told) -> bool:
        if told.order <= last.get(told.hint, -1):
            return False
        last[told.hint] = told.order
        return True


def _said(each: _Round) -> list[Report]:
    """The person's turn, once."""
    text = each.words.strip()
    if each.person_said or not text:
        return []
    each.person_said = True
    return [PersonSaid(text, each.words_hinted)]


def _joined(sentences: list[str]) -> str:
    """Sentences that came one by one, with the spaces that a language has between them."""
    text = ""
    for sentence in sentences:
        touching = text and not text[-1].isspace() and not sentence[:1].isspace()
        text += (" " if touching and text[-1] in ".!?;:," else "") + sentence
    return text
