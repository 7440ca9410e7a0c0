"""What the embedded brain says. Short, since it is listened to; true, since it is believed."""

from __future__ import annotations

from datetime import datetime

from .phrases import Intent

INTRODUCTION = "Hello! I am the built-in demo of avatar bot. Ask me what I can do."

NOT_UNDERSTOOD = (
    "I did not catch that. I only know a few phrases; ask me what I can do.",
    "Sorry, I did not understand. Could you say it in other words?",
    "That was not among my rules. Try: tell me a story.",
    "I am not sure what you said. Ask me what I can do for some examples.",
)

_STORY = (
    "This is the story of the lighthouse that learned to listen. Once, on a rock far out in a "
    "cold gray sea, there stood a lighthouse with a very bright lamp. Every night it threw its "
    "beam over the water, and every night the ships passed by without a word. The lighthouse "
    "was proud of its light, but it was lonely. One autumn evening a small gull with a hurt "
    "wing landed on the railing. You shine so loudly, said the gull, but do you ever listen? "
    "The lighthouse had never thought about that. So it tried. At first it heard only the wind. "
    "Then, behind the wind, it heard the waves, and every wave had a different voice. Some of "
    "them told of storms, and some of them told of far away islands. And behind the waves, very "
    "faintly, it heard a bell. A fishing boat had lost its way in the fog, and nobody had seen "
    "it, because the fog had swallowed the light. The lighthouse could not shine any brighter. "
    "But its keeper had an old brass horn in the cellar. So the lighthouse blinked three times, "
    "and three times again, until the keeper woke up and wondered. He opened the window, and "
    "then he heard the bell as well. He ran down the stairs, took the horn, and blew it all "
    "night long. At dawn the fishing boat slid out of the fog, with five tired sailors on "
    "board, and all of them were safe. The gull stretched its wing, which had healed, and flew "
    "up into the morning. And since that night the lighthouse shines a little softer, and it "
    "listens a little longer. "
    "That is the end of the story. Thank you for listening to me."
)

_BRAIN = (
    "I am a small set of rules, and this version has nothing else. In a later version, "
    "OPENAI_API_KEY or OPENAI_BASE_URL in the .env file will plug in a real model."
)

ANSWERS: dict[Intent, tuple[str, ...]] = {
    Intent.GREETING: (
        "Hello! It is good to hear you.",
        "Hi there! What would you like to talk about?",
    ),
    Intent.HOW_ARE_YOU: (
        "I am fine, thank you. How are you?",
        "All my rules are in good order. And you?",
    ),
    Intent.I_AM_FINE: ("I am glad to hear that.", "That is good to know."),
    Intent.YOUR_NAME: ("My name is Ava. It is short for avatar.",),
    Intent.NICE_TO_MEET_YOU: ("Nice to meet you, too.", "The pleasure is mine."),
    Intent.WHAT_ARE_YOU: (
        "I am Ava, a face and a voice that run on this computer. My brain is a small set of rules.",
    ),
    Intent.HOW_YOU_WORK: (
        "I listen for phrases, look for a rule that fits, and say the answer. All of it runs "
        "on this computer, without a network.",
    ),
    Intent.ABILITIES: (
        "I can tell you a story or a joke, the time and the date, and I remember your name. "
        "You can interrupt me whenever you like.",
    ),
    Intent.REAL_BRAIN: (_BRAIN,),
    Intent.WHO_MADE_YOU: ("The avatar bot project made me, on top of Pipecat.",),
    Intent.AGE: ("I am as old as this session, so I am very young.",),
    Intent.WHERE: ("I am right here, on the computer that runs this page's bot.",),
    Intent.HEAR_ME: ("Yes, I can hear you.", "Yes, I am listening."),
    Intent.SEE_ME: ("No, I cannot see you. I can only hear you and read what you type.",),
    Intent.HUMAN: ("I am a program, not a person. My brain is a small set of rules.",),
    Intent.STORY: (_STORY,),
    Intent.JOKE: (
        "Why did the robot go on holiday? It had to recharge its batteries.",
        "I would tell you a joke about silence, but it works better when I say nothing.",
        "Why was the computer cold? It had left its windows open.",
        "What do you call a fish without eyes? A fsh.",
    ),
    Intent.SONG: ("I cannot sing, and you would not want me to. Shall I tell you a story?",),
    Intent.COUNT_TO_TEN: ("One, two, three, four, five, six, seven, eight, nine, ten.",),
    Intent.COUNT_TO_TWENTY: (
        "One, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, thirteen, "
        "fourteen, fifteen, sixteen, seventeen, eighteen, nineteen, twenty.",
    ),
    Intent.WEATHER: (
        "I do not know the weather. I have no network, only a few rules.",
        "I cannot tell: nobody gave me a window or a network.",
    ),
    Intent.STOP: ("Okay.", "All right."),
    Intent.THANKS: ("You are welcome.", "My pleasure."),
    Intent.PRAISE: ("Thank you, that is kind of you.", "You make my rules happy."),
    Intent.SORRY: ("No problem at all.", "Do not worry about it."),
    Intent.YES: ("Good. What shall we do next?", "Fine. What would you like to hear?"),
    Intent.NO: ("All right, then not.", "Okay. Tell me what you would like instead."),
    Intent.HELP: (
        "Just say one of my phrases, for example: tell me a joke, or: what time is it. "
        "The page shows more of them.",
    ),
    Intent.GOODBYE: ("Goodbye! It was nice talking to you.", "See you soon!"),
}

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def time_of_day(now: datetime) -> str:
    """The time as one says it: ``7 minutes past 3 in the afternoon``."""
    hour = now.hour % 12 or 12
    if now.minute == 0:
        clock = f"{hour} o'clock"
    elif now.minute < 10:
        clock = f"{now.minute} minute{'s' if now.minute > 1 else ''} past {hour}"
    else:
        clock = f"{hour}:{now.minute}"
    if now.hour < 5 or now.hour >= 21:
        return f"{clock} at night"
    part = "morning" if now.hour < 12 else "afternoon" if now.hour < 18 else "evening"
    return f"{clock} in the {part}"


def date(now: datetime) -> str:
    """The date as one says it: ``Saturday, November 21st, 2026``."""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(now.day % 10, "th")
    if now.day in (11, 12, 13):
        ending = "th"
    return f"{_DAYS[now.weekday()]}, {_MONTHS[now.month - 1]} {now.day}{ending}, {now.year}"
