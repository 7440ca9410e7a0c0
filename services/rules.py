"""The embedded brain: messages and the time in, one answer out. Pure functions, no randomness.

All that it knows of a conversation stands in the messages, as with a real language model: what is
not in the context was not heard.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from . import answers
from .phrases import NAME_PHRASES, NAMES, PHRASES, UNINTELLIGIBLE, Intent

# Typed text can be of any length; what somebody wants stands near its beginning.
_LONGEST_READ = 500
_LONGEST_QUOTE = 200

_CONTRACTIONS = (
    (r"\bwon't\b", "will not"),
    (r"\bcan't\b", "can not"),
    (r"n't\b", " not"),
    (r"'re\b", " are"),
    (r"'m\b", " am"),
    (r"'ll\b", " will"),
    (r"'ve\b", " have"),
    (r"'d\b", " would"),
    (r"\b(what|who|how|where|that|it|there|name|here)'s\b", r"\1 is"),
    (r"\bwhats\b", "what is"),
    (r"\bim\b", "i am"),
)

_NAME = r"(?P<name>[^\W\d_][\w'’-]{0,30})"
# A name after "I am" must be one that is known: people are also tired, late and from Berlin.
_NAME_SAID = re.compile(
    rf"\b(?:{'|'.join(NAME_PHRASES)}|my name's|i am called|(?:people )?call me)\s+{_NAME}",
    re.IGNORECASE,
)
_KNOWN_NAME_SAID = re.compile(
    rf"\b(?:i am|i'm|im|this is)\s+(?P<name>{'|'.join(NAMES)})\b", re.IGNORECASE
)
_NOT_A_NAME = frozenset({"not", "a", "an", "the", "what", "is", "too", "hard", "later", "back"})

_EXACT: dict[str, Intent] = {
    phrase: intent for intent, phrases in PHRASES.items() for phrase in phrases
}

# For typed text and for what the open vocabulary makes of speech. The first that is found counts.
_LOOSE: tuple[tuple[Intent, str], ...] = (
    (Intent.WHAT_I_SAID, r"what (did|have|do) i (just )?(say|said|ask|tell)|what i said"),
    (Intent.WHAT_YOU_SAID, r"what did you (just )?say|(say|repeat) (that|it|this)|come again"),
    (Intent.MY_NAME, r"\b(what is|remember|know|say) my name|who am i\b"),
    (Intent.YOUR_NAME, r"\byour name|are you called"),
    (Intent.REAL_BRAIN, r"real brain|language model|api key|open ?ai|\bllm\b|smarter|chat ?gpt"),
    (Intent.STORY, r"\bstory\b|fairy ?tale"),
    (Intent.JOKE, r"\bjokes?\b|something funny|make me laugh"),
    (Intent.SONG, r"\bsing\b|\bsong\b"),
    (Intent.COUNT_TO_TWENTY, r"\bcount\b.*\b(twenty|20)\b"),
    (Intent.COUNT_TO_TEN, r"\bcount\b"),
    (Intent.TIME, r"\bwhat (is the )?time\b|\bthe time\b|\btime is it"),
    (Intent.DAY, r"\b(what|which) (day|date|month|year)|\bthe date\b|\bday is it|\btoday\b"),
    (Intent.WEATHER, r"\bweather|\brain|\bsnow|\bsunny\b|temperature|forecast"),
    (Intent.HOW_ARE_YOU, r"how (are|do) you (doing|feel)|how are you|how is it going"),
    (Intent.HOW_YOU_WORK, r"how (do|does) (you|this|it) work"),
    (Intent.ABILITIES, r"what (else )?(can|could) (you|i) (do|ask|say)|what do you know"),
    (Intent.WHO_MADE_YOU, r"who (made|built|created|wrote|programmed) you"),
    (Intent.AGE, r"how old"),
    (Intent.WHERE, r"where (are|do) you"),
    (Intent.HEAR_ME, r"\b(hear|listening|understand)\b.*\bme\b|are you (there|listening)"),
    (Intent.SEE_ME, r"\bsee me\b"),
    (Intent.HUMAN, r"\b(human|robot|real|alive|machine|person)\b"),
    (Intent.WHAT_ARE_YOU, r"(who|what) are you\b|about yourself"),
    (Intent.HELP, r"\bhelp\b|what should i say"),
    (Intent.NICE_TO_MEET_YOU, r"(nice|pleased|good|glad) to meet you"),
    (Intent.GOODBYE, r"\b(good ?bye|bye|farewell|good night|see you|nice day)\b"),
    (Intent.THANKS, r"\bthank|\bthanks\b"),
    (Intent.SORRY, r"\bsorry\b|excuse me"),
    (Intent.PRAISE, r"\b(great|awesome|well done|good job|amazing|like you|love you|funny)\b"),
    (Intent.STOP, r"^(please )?(stop|quiet|silence|shut up|wait|cancel|enough|never ?mind)\b"),
    (Intent.GREETING, r"^(hello|hi|hey|good (morning|afternoon|evening)|greetings)\b"),
    (Intent.I_AM_FINE, r"\bi am (fine|well|good|great|ok|okay|doing)\b"),
    (Intent.YES, r"^(yes|yeah|yep|sure|ok|okay|right|of course)\b"),
    (Intent.NO, r"^(no|nope|nah)\b"),
)
_PATTERNS = tuple((intent, re.compile(pattern)) for intent, pattern in _LOOSE)


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the context; ``role`` is ``system``, ``user``, ``assistant`` or other."""

    role: str
    text: str


def normalise(text: str) -> str:
    """Lower case, contractions written out, no punctuation: the form the phrases are in."""
    plain = text[:_LONGEST_READ].lower().replace("’", "'")
    for pattern, long_form in _CONTRACTIONS:
        plain = re.sub(pattern, long_form, plain)
    return " ".join(re.sub(r"[^\w\s]|_", " ", plain.replace("'", "")).split())


def intent_of(text: str) -> Intent | None:
    """What is wanted, or ``None`` when the rules do not know it."""
    plain = normalise(text)
    if plain in _EXACT:
        return _EXACT[plain]
    if name_in(text) is not None:
        return Intent.TELL_NAME
    return next((intent for intent, pattern in _PATTERNS if pattern.search(plain)), None)


def name_in(text: str) -> str | None:
    """The name with which somebody introduces themselves in this text, as it is spoken."""
    read = text[:_LONGEST_READ]
    for pattern in (_NAME_SAID, _KNOWN_NAME_SAID):
        for found in pattern.finditer(read):
            name = found["name"].strip("'’-")
            if name and name.lower() not in _NOT_A_NAME:
                return name if not name.islower() else name.capitalize()
    return None


def answer(messages: Sequence[Message], now: datetime) -> str:
    """Answer the last message of the person.

    Args:
        messages: The context, oldest first.
        now: The person's local time.
    """
    said = [message.text for message in messages if message.role == "user" and message.text.strip()]
    heard = [
        message.text for message in messages if message.role == "assistant" and message.text.strip()
    ]
    if not said:
        return answers.INTRODUCTION
    intent = None if UNINTELLIGIBLE in said[-1] else intent_of(said[-1])
    if intent in _FROM_CONTEXT:
        return _FROM_CONTEXT[intent](said, heard)
    if intent is Intent.TIME:
        return f"It is {answers.time_of_day(now)}."
    if intent is Intent.DAY:
        return f"Today is {answers.date(now)}."
    variants = answers.NOT_UNDERSTOOD if intent is None else answers.ANSWERS[intent]
    return _fresh(variants, turn=len(said), heard=heard)


def _fresh(variants: Sequence[str], *, turn: int, heard: Sequence[str]) -> str:
    """One of the variants by the length of the conversation, but not the one said last.

    What was heard last may have been cut, so it counts as the same when it is its beginning.
    """
    last = heard[-1].strip() if heard else ""
    for step in range(len(variants)):
        variant = variants[(turn + step) % len(variants)]
        if not last or not variant.startswith(last):
            return variant
    return variants[turn % len(variants)]


def _greet(said: Sequence[str], heard: Sequence[str]) -> str:
    name = _name_of_person(said)
    if name is not None:
        return f"Hello {name}. What can I do for you?"
    return _fresh(answers.ANSWERS[Intent.GREETING], turn=len(said), heard=heard)


def _learn_name(said: Sequence[str], heard: Sequence[str]) -> str:
    return f"Nice to meet you, {name_in(said[-1])}."


def _recall_name(said: Sequence[str], heard: Sequence[str]) -> str:
    name = _name_of_person(said)
    if name is None:
        return "You have not told me your name yet. Say: my name is, and your name."
    return f"Your name is {name}."


def _recall_person(said: Sequence[str], heard: Sequence[str]) -> str:
    earlier = [text for text in said[:-1] if UNINTELLIGIBLE not in text]
    if not earlier:
        return "That was the first thing you said to me."
    return f"You said: {_quoted(earlier[-1])}"


def _recall_self(said: Sequence[str], heard: Sequence[str]) -> str:
    if not heard:
        return "I have not said anything yet."
    # A repetition of a repetition repeats what was said in the first place.
    return f"I said: {_quoted(heard[-1].removeprefix('I said: '))}"


_FROM_CONTEXT: dict[Intent | None, Callable[[Sequence[str], Sequence[str]], str]] = {
    Intent.GREETING: _greet,
    Intent.TELL_NAME: _learn_name,
    Intent.MY_NAME: _recall_name,
    Intent.WHAT_I_SAID: _recall_person,
    Intent.WHAT_YOU_SAID: _recall_self,
}


def _name_of_person(said: Sequence[str]) -> str | None:
    names = (name_in(text) for text in reversed(said))
    return next((name for name in names if name is not None), None)


def _quoted(text: str) -> str:
    """Something said earlier, on one line and not too long to listen to."""
    line = " ".join(text.split())
    if len(line) > _LONGEST_QUOTE:
        line = line[:_LONGEST_QUOTE].rsplit(" ", 1)[0] + " and so on"
    return line if line.endswith((".", "!", "?")) else line + "."
