"""Hearing: audio in, a phrase of the grammar or a guess out. Blocking.

The grammar decoder says which phrase fits best. Whether the phrase was said at all is seen from the
phoneme loop, which explains any speech, and from the open decoder, which hears how much was said.
"""

from __future__ import annotations

from difflib import SequenceMatcher

import numpy as np

from . import decoding
from .decoding import Decoding, Heard
from .phrases import every_phrase

RATE_HZ = 16_000
_BYTES_PER_S = 2 * RATE_HZ

# Digital silence, and a line without noise, are unlike anything that the model was trained on. At
# this level (-56 dBFS) clean speech is heard as well as speech in a room; at a tenth, much worse.
_NOISE_LEVEL = 50.0
_NOISE_SEED = 7
_NOISE_S = 4
# The open decoder is fed in slices, so that it never delays other work for long.
_SLICE_BYTES = _BYTES_PER_S // 20
# Later audio of an utterance is not heard: nobody should fill the memory by not stopping.
_LONGEST_BYTES = _BYTES_PER_S * 30
# A phrase is short. Longer speech is none, and is not judged as one.
_LONGEST_PHRASE_BYTES = _BYTES_PER_S * 8
# How much worse than the loop the grammar explains a phrase, per frame and in natural logarithms.
# Down to the first it is certainly one. Down to the second it is one if the open decoder does not
# hear many more letters than the phrase has: its words may be wrong, but they are not invented.
# Down to the third its letters must be alike as well.
_CERTAIN = -2.6
_PROBABLE = -4.2
_POSSIBLE = -4.75
_SHARE_OF_LETTERS = 0.7
_SPARE_LETTERS = 1
_SOMEWHAT_ALIKE = 0.35
# A guess this much like a phrase that the grammar heard, however uncertainly, is that phrase.
_ALIKE = 0.6


def load() -> None:
    """Load what all recognizers share, and once what each has. No thread; survives a fork.

    Raises:
        RuntimeError: pocketsphinx cannot load its models.
    """
    decoding.shared()
    Recognizer()


class Recognizer:
    """Listens to one utterance at a time. To be used by one thread at a time.

    ``begin``, then ``hear`` as audio comes. When the person goes quiet ask for a ``phrase``; if
    there is none, ``hear`` and ``resume`` when they go on, or take a ``guess``. A phrase or a guess
    ends the utterance: what is heard before the next ``begin`` counts for nothing.
    """

    def __init__(self) -> None:
        """Build the decoders of one session; about 50 ms and 16 MB after :func:`load`.

        Raises:
            RuntimeError: pocketsphinx cannot load its models.
        """
        self._grammar = decoding.grammar()
        self._loop = decoding.loop()
        self._open: Decoding | None = None  # while it is borrowed
        self._open_cepstra = decoding.shared().usual_cepstra
        self._phrases = frozenset(every_phrase())
        noise = np.random.default_rng(_NOISE_SEED).normal(0, _NOISE_LEVEL, _NOISE_S * RATE_HZ)
        self._noise = noise.astype(np.int16)
        self._audio = bytearray()
        self._listening = False
        self._nearest: str | None = None  # what the grammar made of the utterance, at any certainty

    def begin(self) -> None:
        """Start a new utterance."""
        self.end()
        self._listening = True
        self._nearest = None
        self._grammar.begin()
        self._loop.begin()

    def hear(self, pcm: bytes) -> None:
        """Take the next audio of the utterance: 16-bit mono at :data:`RATE_HZ`, whole samples."""
        if self._listening:
            self._audio += self._with_noise(pcm[: _LONGEST_BYTES - len(self._audio)])
            self._follow()

    def work_ahead(self) -> bool:
        """Give the open decoder a slice of what it has not heard yet. Whether there is more."""
        if not self._listening or not self._borrow(wait=False):
            return False
        assert self._open is not None
        self._open.feed(self._audio, min(self._open.fed + _SLICE_BYTES, len(self._audio)))
        return self._open.fed < len(self._audio)

    def phrase(self) -> str | None:
        """The phrase of the grammar that all of the utterance is; ``None`` if it is none."""
        if not self._listening or not 0 < len(self._audio) <= _LONGEST_PHRASE_BYTES:
            return None
        loop = self._loop.finish()
        # Followed live, the start of a session is normalised by what the model expects, and not by
        # what this microphone does. A second look costs time only where the first found nothing.
        phrase = self._accepted(self._grammar.finish(), loop) or self._accepted(
            self._grammar.whole(self._audio), loop
        )
        if phrase is not None:
            self.end()
        return phrase

    def resume(self) -> None:
        """Go on with an utterance that was no :meth:`phrase` yet."""
        if self._listening:
            self._grammar.begin()
            self._loop.begin()
            self._follow()

    def guess(self) -> str:
        """What was said in words of an open vocabulary; may be wrong, and empty. Ends hearing."""
        heard = self._heard_openly(finish=True) if self._listening else None
        self.end()
        if heard is None:
            return ""
        nearest = self._nearest
        if nearest and _fits(nearest, heard.text) and _likeness(nearest, heard.text) >= _ALIKE:
            return nearest
        return heard.text

    def end(self) -> None:
        """Forget the utterance."""
        self._listening = False
        self._audio.clear()
        self._grammar.abandon()
        self._loop.abandon()
        if self._open is not None:
            self._open_cepstra = self._open.cepstra
            self._open = None
            decoding.shared().give_back()

    def _borrow(self, *, wait: bool) -> bool:
        """Have the open decoder for this utterance; ``False`` if somebody else has it."""
        if self._open is None:
            self._open = decoding.shared().borrow(wait=wait)
            if self._open is not None:
                self._open.cepstra = self._open_cepstra
                self._open.begin()
        return self._open is not None

    def _heard_openly(self, *, finish: bool) -> Heard | None:
        self._borrow(wait=True)
        assert self._open is not None
        while self.work_ahead():
            pass
        return self._open.finish() if finish else self._open.result()

    def _follow(self) -> None:
        until = min(len(self._audio), _LONGEST_PHRASE_BYTES)
        self._grammar.feed(self._audio, until)
        self._loop.feed(self._audio, until)

    def _accepted(self, heard: Heard | None, loop: Heard | None) -> str | None:
        if heard is None or loop is None or heard.text not in self._phrases:
            return None
        self._nearest = heard.text
        certainty = heard.score - loop.score
        accepted = certainty >= _CERTAIN or (
            certainty >= _POSSIBLE and self._confirmed(heard.text, certainty)
        )
        return heard.text if accepted else None

    def _confirmed(self, phrase: str, certainty: float) -> bool:
        """Whether what the open decoder hears up to now does not speak against the phrase."""
        heard = self._heard_openly(finish=False)
        if heard is None:
            return certainty >= _PROBABLE
        return _fits(phrase, heard.text) and (
            certainty >= _PROBABLE or _likeness(phrase, heard.text) >= _SOMEWHAT_ALIKE
        )

    def _with_noise(self, pcm: bytes) -> bytes:
        samples = np.frombuffer(pcm, np.int16).astype(np.int32)
        first = len(self._audio) // 2
        noise = np.take(self._noise, range(first, first + len(samples)), mode="wrap")
        limits = np.iinfo(np.int16)
        return bytes(np.clip(samples + noise, limits.min, limits.max).astype(np.int16))


def _letters(text: str) -> int:
    return sum(map(str.isalpha, text))


def _fits(phrase: str, heard: str) -> bool:
    return _letters(phrase) >= _SHARE_OF_LETTERS * (_letters(heard) - _SPARE_LETTERS)


def _likeness(one: str, other: str) -> float:
    """From 0 to 1, by letters: the words of a bad guess are cut in other places."""
    return SequenceMatcher(None, one.replace(" ", ""), other.replace(" ", "")).ratio()
