"""One interaction of an agent instance: what it says, and how far that was heard."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Literal

from .drive import Drive, Form, Stage

_SENTENCE = re.compile(r".*?[.!?\u3002\uff01\uff1f\n]+\s*", re.DOTALL)
_SAMPLE = b"\x10\x00"


@dataclass(slots=True)
class Turn:
    """A round, from its question to the last sample of its answer.

    Attributes:
        kind: What began it: the user's voice, or one of the two calls.
        text: The question, or what is to be said.
        answer: What was said so far, by the LLM or the call.
        whole: Whether that is all.
        thinking: Asks the LLM.
        asked_at: When that began; its first words came at `thought_at`, the first sample was heard
            at `heard_at`.
    """

    number: int
    kind: Literal["voice", "llm", "tts"]
    priority: int
    text: str
    drive: Drive
    ms_per_letter: float
    system: str = ""
    keeps_answer: bool = True
    message: str = ""
    answer: str = ""
    whole: bool = False
    thinking: asyncio.Task[None] | None = None
    asked_at: float = 0.0
    thought_at: float | None = None
    heard_at: float | None = None
    _unspoken: str = ""

    @classmethod
    def new(
        cls,
        number: int,
        kind: Literal["voice", "llm", "tts"],
        text: str,
        *,
        priority: int,
        ms_per_letter: float,
        now: float,
        system: str = "",
        keeps_answer: bool = True,
    ) -> Turn:
        return cls(
            number=number,
            kind=kind,
            priority=priority,
            text=text,
            drive=Drive(str(number), "ws", Stage.RESERVED, now, form=Form()),
            ms_per_letter=ms_per_letter,
            system=system,
            keeps_answer=keeps_answer,
            message=f"m{number}",
        )

    def take(self, piece: str) -> list[str]:
        """Takes more of the answer, and returns the sentences that are whole now."""
        self.answer += piece
        self._unspoken += piece
        sentences = _SENTENCE.findall(self._unspoken)
        self._unspoken = self._unspoken[sum(map(len, sentences)) :]
        return sentences

    def rest(self) -> str:
        """Returns what is no sentence, at the end."""
        unspoken, self._unspoken = self._unspoken, ""
        return unspoken

    def voice(self, text: str) -> bytes:
        """Returns the sound of some words."""
        return _SAMPLE * round(len(text) * self._samples_per_letter)

    def played(self, now: float) -> str:
        """Returns the words that were heard to their end."""
        said = self.drive.utterance
        letters = int(said.heard(now) / self._samples_per_letter) if said else 0
        if letters >= len(self.answer):
            return self.answer
        words = list(re.finditer(r"\S+\s*", self.answer))
        return "".join(each.group() for each in words if each.end() <= letters).rstrip()

    @property
    def _samples_per_letter(self) -> float:
        return self.drive.form.rate_hz * self.ms_per_letter / 1_000


def latency(turns: list[Turn]) -> dict[str, int]:
    """Returns how long answers took, on average in milliseconds, as a deletion tells it."""
    told = dict.fromkeys(("LLMTTFT", "LLMTPS", "TTSAudioFirstFrameTime", "TotalCost"), 0)
    heard = [each for each in turns if each.thought_at is not None and each.heard_at is not None]
    for each in heard:
        assert each.thought_at is not None
        assert each.heard_at is not None
        told["LLMTTFT"] += round((each.thought_at - each.asked_at) * 1_000 / len(heard))
        told["TTSAudioFirstFrameTime"] += round(
            (each.heard_at - each.thought_at) * 1_000 / len(heard)
        )
        told["TotalCost"] += round((each.heard_at - each.asked_at) * 1_000 / len(heard))
    return told
