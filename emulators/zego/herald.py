"""What is told of an agent instance: callbacks that it wants, and messages in its room."""

from __future__ import annotations

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
