"""What the demo understands: shared by the grammar of the ears and the rules of the brain.

Every phrase is written as it is recognised: lower case, no punctuation, no contractions. No phrase
is the beginning of another one, so that whoever pauses inside a phrase is known not to be finished.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

# What the ears write when somebody spoke and not even a guess is possible. A real language model
# reads it the way a transcript's reader would.
UNINTELLIGIBLE = "[unintelligible]"


class Intent(StrEnum):
    """What somebody wants who says a phrase."""

    GREETING = "greeting"
    HOW_ARE_YOU = "how are you"
    I_AM_FINE = "i am fine"
    YOUR_NAME = "your name"
    TELL_NAME = "tell name"
    MY_NAME = "my name"
    NICE_TO_MEET_YOU = "nice to meet you"
    WHAT_I_SAID = "what i said"
    WHAT_YOU_SAID = "what you said"
    TIME = "time"
    DAY = "day"
    WHAT_ARE_YOU = "what are you"
    HOW_YOU_WORK = "how you work"
    ABILITIES = "abilities"
    REAL_BRAIN = "real brain"
    WHO_MADE_YOU = "who made you"
    AGE = "age"
    WHERE = "where"
    HEAR_ME = "hear me"
    SEE_ME = "see me"
    HUMAN = "human"
    STORY = "story"
    JOKE = "joke"
    SONG = "song"
    COUNT_TO_TEN = "count to ten"
    COUNT_TO_TWENTY = "count to twenty"
    WEATHER = "weather"
    STOP = "stop"
    THANKS = "thanks"
    PRAISE = "praise"
    SORRY = "sorry"
    YES = "yes"
    NO = "no"
    HELP = "help"
    GOODBYE = "goodbye"


PHRASES: dict[Intent, tuple[str, ...]] = {
    Intent.GREETING: ("hello", "good morning", "good evening", "nice to see you", "let us talk"),
    Intent.HOW_ARE_YOU: ("how are you", "how is it going", "how do you feel"),
    Intent.I_AM_FINE: ("i am fine", "i am doing well"),
    Intent.YOUR_NAME: ("what is your name", "tell me your name", "do you have a name"),
    Intent.MY_NAME: ("what is my name", "do you remember my name", "do you know my name"),
    Intent.NICE_TO_MEET_YOU: ("nice to meet you",),
    Intent.WHAT_I_SAID: ("what did i say", "what have i said", "do you remember what i said"),
    Intent.WHAT_YOU_SAID: ("what did you say", "say that again"),
    Intent.TIME: ("what time is it", "what is the time", "tell me the time"),
    Intent.DAY: ("what day is it", "what is the date"),
    Intent.WHAT_ARE_YOU: ("who are you", "what are you", "tell me about yourself"),
    Intent.HOW_YOU_WORK: ("how do you work", "how does this work"),
    Intent.ABILITIES: ("what can you do", "what can i ask you", "what do you know"),
    Intent.REAL_BRAIN: (
        "how can i plug in a real brain",
        "how do i connect a language model",
    ),
    Intent.WHO_MADE_YOU: ("who made you", "who built you"),
    Intent.AGE: ("how old are you",),
    Intent.WHERE: ("where are you",),
    Intent.HEAR_ME: ("can you hear me", "are you listening"),
    Intent.SEE_ME: ("can you see me",),
    Intent.HUMAN: ("are you a human", "are you a robot", "are you real"),
    Intent.STORY: ("tell me a story", "tell me another story", "i want to hear a story"),
    Intent.JOKE: ("tell me a joke", "tell me another joke", "make me laugh"),
    Intent.SONG: ("sing me a song", "sing something for me"),
    Intent.COUNT_TO_TEN: ("count to ten",),
    Intent.COUNT_TO_TWENTY: ("count to twenty",),
    Intent.WEATHER: ("what is the weather like", "how is the weather", "will it rain tomorrow"),
    Intent.STOP: ("stop", "be quiet", "wait a moment", "never mind"),
    Intent.THANKS: ("thank you", "many thanks"),
    Intent.PRAISE: ("that was great", "i like you", "you are funny"),
    Intent.SORRY: ("i am sorry", "i apologize"),
    Intent.YES: ("yes", "that is right"),
    Intent.NO: ("no", "that is wrong", "i do not think so"),
    Intent.HELP: ("i need help", "help me please", "what should i say"),
    Intent.GOODBYE: ("goodbye", "see you later", "have a nice day"),
}

NAME_PHRASES = ("my name is",)

# Common names that the acoustic model's dictionary knows how to pronounce.
NAMES = (
    "adam", "andrea", "anthony", "brian", "charles", "charlotte", "david", "edward",
    "emily", "george", "james", "jane", "jessica", "john", "julia", "kevin", "linda", "lisa",
    "mark", "martin", "matthew", "michael", "nicole", "olivia", "paul", "peter", "rachel",
    "richard", "robert", "samuel", "simon", "sophia", "steven", "susan", "thomas", "victoria",
    "william",
)  # fmt: skip

EXAMPLES = (
    "hello",
    "what is your name",
    "my name is david",
    "what is my name",
    "how are you",
    "what can you do",
    "tell me a story",
    "tell me a joke",
    "what time is it",
    "what day is it",
    "how do you work",
    "how can i plug in a real brain",
    "what did i say",
    "say that again",
    "count to ten",
    "can you hear me",
    "are you a robot",
    "will it rain tomorrow",
    "thank you",
    "goodbye",
)


def every_phrase() -> Iterator[str]:
    """Every phrase of the grammar, names filled in."""
    for phrases in PHRASES.values():
        yield from phrases
    for opening in NAME_PHRASES:
        yield from (f"{opening} {name}" for name in NAMES)


def jsgf() -> str:
    """The phrases as a JSGF grammar with the one public rule ``<phrase>``.

    Common beginnings are written once: the decoder then follows them once.
    """
    return f"#JSGF V1.0;\ngrammar demo;\npublic <phrase> = {_alternatives(_tree())};\n"


_Tree = dict[str, "_Tree"]


def _tree() -> _Tree:
    root: _Tree = {}
    for phrase in every_phrase():
        node = root
        for word in phrase.split():
            node = node.setdefault(word, {})
    return root


def _alternatives(tree: _Tree) -> str:
    ways = [f"{word} {_alternatives(rest)}".strip() for word, rest in tree.items()]
    return f"({' | '.join(ways)})" if len(ways) > 1 else "".join(ways)
