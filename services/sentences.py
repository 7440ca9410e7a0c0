"""A stream of text → sentences of bounded length."""

from __future__ import annotations

import re

from pipecat.utils.text.simple_text_aggregator import SimpleTextAggregator

# Pipecat compares a sentence with itself in time that grows with the square of its words: this
# many characters cost a few milliseconds on the event loop, a hundred times as many a minute.
LONGEST = 600


class Sentences:
    """Collects text until a sentence ends, as Pipecat does, but not for longer than a paragraph."""

    def __init__(self) -> None:
        self._aggregator = SimpleTextAggregator()
        self._collected = 0

    async def feed(self, text: str) -> list[str]:
        """The sentences that are complete with this text."""
        sentences = []
        for word in re.findall(r"\S{1,100}\s*|\s+", text):
            if self._collected + len(word) > LONGEST:
                sentences += await self.flush()
            self._collected += len(word)
            async for sentence in self._aggregator.aggregate(word):
                sentences.append(sentence.text)
                self._collected = len(self._aggregator.text.text)
        return sentences

    async def flush(self) -> list[str]:
        """What is left, which is no complete sentence."""
        self._collected = 0
        rest = await self._aggregator.flush()
        return [rest.text] if rest is not None else []

    async def clear(self) -> None:
        """Forget what is left."""
        self._collected = 0
        await self._aggregator.handle_interruption()
