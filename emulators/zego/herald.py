"""What is told of an agent instance: callbacks that it wants, and messages in its room."""

from __future__ import annotations

import base64
from random import Random
from typing import Any

from ..weather import About
from .agent_terms import SWITCHES, Terms
from .news import News, milliseconds

SPEECH, HEARD, SAID, STATUS = 1, 3, 4, 6
"""`Cmd` of room messages."""

_FIRST_SEQUENCE = 10**18
"""Beyond 2^53, as in the vendor's own examples."""


class Herald:
    """Numbers and signs what an instance tells."""

    def __init__(
        self, *, instance: str, app_id: int, terms: Terms, news: News, random: Random
    ) -> None:
        self._instance = instance
        self._app_id = app_id
        self._terms = terms
        self._news = news
        self._random = random
        self._sequence = _FIRST_SEQUENCE
        self._seq_id = 0
        self._round = random.randrange(1_000, 9_000)

    def new_round(self) -> int:
        """Returns a number for an interaction: rising, and with gaps."""
        self._round += self._random.randint(1, 20)
        return self._round

    def call(self, event: str, data: dict[str, Any]) -> None:
        """Posts an event, unless it has a switch that is off."""
        if event in SWITCHES and event not in self._terms.switches:
            return
        self._sequence += self._random.randint(1, 50)
        body = {
            "AppId": self._app_id,
            "Event": event,
            "AgentInstanceId": self._instance,
            "AgentUserId": self._terms.agent_user,
            "AgentId": self._terms.agent.id,
            "Name": self._terms.agent.name,
            "RoomId": self._terms.room,
            "Sequence": self._sequence,
            "Data": data,
        }
        about: About = "speech" if event in SWITCHES else "session"
        self._news.call(self._instance, event, body, milliseconds(), about)

    def say(self, command: int, number: int, data: dict[str, Any]) -> None:
        """Sends a message into the room."""
        self._seq_id += self._random.randint(1, 9)
        now = milliseconds()
        content = {
            "Timestamp": now // 1_000,
            "TimestampMs": now,
            "SeqId": self._seq_id,
            "Round": number,
            "Cmd": command,
            "Legacy": False,
            "Data": data,
        }
        if self._terms.room:
            self._news.say(self._terms.room, self._terms.agent_user, content, "speech")

    def state(
        self, before: tuple[str, int], after: tuple[str, int], number: int, reason: str
    ) -> None:
        """The instance is in another state: names and numbers."""
        told = {"OldStatus": before[1], "Status": after[1], "Reason": reason}
        self.say(STATUS, number, told)
        self.call("AgentInstanceStatus", {"Status": after[0], "Round": number})

    def speaks(self, number: int, *, begins: bool) -> None:
        """The user begins to speak, or has ended."""
        user = self._terms.user
        self.say(SPEECH, number, {"SpeakStatus": 1 if begins else 2, "UserId": user})
        action = "SPEAK_BEGIN" if begins else "SPEAK_END"
        self.about_user("UserSpeakAction", number, Action=action)

    def recognised(self, number: int, text: str, *, whole: bool = False) -> None:
        """All that was understood of the user, up to now."""
        said = {
            "MessageId": f"u{number}",
            "UserId": self._terms.user,
            "Text": text,
            "StartFlag": False,
            "EndFlag": whole,
        }
        self.say(HEARD, number, said)

    def sound(self, number: int) -> None:
        """What was first heard of the user, which is silence here."""
        audio = base64.b64encode(bytes(32_000)).decode()
        form: dict[str, Any] = {"SampleRate": 16_000, "Format": "pcm", "Audio": audio}
        self.about_user("UserAudioData", number, **form)

    def about_user(self, event: str, number: int, **data: Any) -> None:
        self.call(event, {"UserId": self._terms.user, "Round": number, **data})

    def answer(
        self, number: int, message: str, piece: str, *, first: bool = False, last: bool = False
    ) -> None:
        """More of an answer."""
        said = {
            "MessageId": message,
            "UserId": self._terms.agent_user,
            "Text": piece,
            "StartFlag": first,
            "EndFlag": last,
        }
        self.say(SAID, number, said)

    def exception(self, code: int, why: str, number: int) -> None:
        self.call("Exception", {"Code": code, "Message": why, "Round": number})
