"""What one context says, in the order in which it must travel: words and shapes before audio."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from .rendering import Rendered, TimedWord

# What is said travels in steps: words and mouth shapes of a step, then its audio.
_STEP_S = 0.4


class Narration:
    """What has been made of one context: how much audio, and words that are still to leave."""

    def __init__(self) -> None:
        self.samples = 0
        self._words: deque[TimedWord] = deque()

    def announce(self, words: list[TimedWord]) -> None:
        self._words.extend(words)

    def take(self, text: str) -> tuple[int, int] | None:
        """Begin and end of the next words that spell this text; ``None`` if there are none.

        A frame can carry several words, where Pipecat joined what it could not match, and a word
        can have no frame at all (a lone ``>`` looks like the end of a tag to Pipecat).
        """
        words = list(self._words)
        for first in range(len(words)):
            past = _spelled(words[first:], "".join(text.split()))
            if past is not None:
                taken = words[first : first + past]
                self._words = deque(words[first + past :])
                return taken[0].start, taken[-1].end
        return None


def _spelled(words: Sequence[TimedWord], wanted: str) -> int | None:
    """How many words from the first on spell the wanted text."""
    spelled = ""
    for count, word in enumerate(words, 1):
        spelled += word.text
        if len(spelled) >= len(wanted):
            return count if wanted and spelled.startswith(wanted) else None
    return None


def steps(spoken: Rendered, pause: int, rate_hz: int) -> Iterator[Rendered]:
    """Cut a passage, with a pause in front, into steps that each carry what begins in them.

    Samples of a step count from its own first sample, except a word's end, which may lie behind it.
    """
    pcm = bytes(2 * pause) + spoken.pcm
    words = [later(word, pause) for word in spoken.words]
    visemes = [(sample + pause, shape) for sample, shape in spoken.visemes]
    length = len(pcm) // 2
    step = round(_STEP_S * rate_hz)
    for start in range(0, length, step):
        # What begins with the very last sample belongs to the last step.
        end = start + step if start + step < length else length + 1
        yield Rendered(
            pcm[2 * start : 2 * end],
            tuple(later(word, -start) for word in words if start <= word.start < end),
            tuple((sample - start, shape) for sample, shape in visemes if start <= sample < end),
        )


def later(word: TimedWord, samples: int) -> TimedWord:
    """The word, so many samples later."""
    return TimedWord(word.text, word.start + samples, word.end + samples)
