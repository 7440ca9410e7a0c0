"""Hearing: audio in, a phrase of the grammar or a guess out. Blocking.

The grammar decoder says which phrase fits best. Whether it was said at all is seen from the phoneme
loop, which explains any speech: what was said is explained by the right phrase nearly as well.
Whether it was said to its end is seen from the grammar decoder itself: before it is told that the
sound is over, it follows whatever beginning of a phrase fits best.
"""

from __future__ import annotations

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
# How much worse than the loop the grammar may explain a phrase, per frame of speech and in natural
# logarithms: benchmarks/stt_accuracy.py weighs phrases that are lost against others that are taken.
_LEAST_CERTAINTY = -3.8


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
        self._possible: str | None = None  # a phrase that may have been begun only

    def begin(self) -> None:
        """Start a new utterance."""
        self.end()
        self._listening = True
        self._possible = None
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
        """The phrase that all of the utterance is; ``None`` if it is none, or not complete yet."""
        if not self._listening or len(self._audio) > _LONGEST_PHRASE_BYTES:
            return None
        complete = self._judge()
        if self._possible is None and self._audio:
            # Followed live, the start of a session is normalised by what the model expects, and not
            # by what this voice and microphone do. A second look costs time only where the first
            # found nothing.
            self._grammar.begin_again(self._audio)
            self._loop.begin_again(self._audio)
            complete = self._judge()
        if not complete:
            return None
        self.end()
        return self._possible

    def resume(self) -> None:
        """Go on with an utterance that was no :meth:`phrase` yet."""
        if self._listening:
            self._possible = None
            self._grammar.begin()
            self._loop.begin()
            self._follow()

    def guess(self) -> str:
        """What was said as far as one can tell; may be wrong, and empty. Ends the utterance.

        To be asked for after :meth:`phrase`: a phrase that seemed incomplete counts now, and other
        speech is put in the words of an open vocabulary.
        """
        heard = self._possible
        if heard is None and self._listening:
            heard = self._heard_openly()
        self.end()
        return heard or ""

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

    def _judge(self) -> bool:
        """Look for a phrase in what was decoded; whether it is complete."""
        begun = self._grammar.result()
        self._possible = self._accepted(self._grammar.finish(), self._loop.finish())
        return self._possible is not None and begun is not None and begun.text == self._possible

    def _borrow(self, *, wait: bool) -> bool:
        """Have the open decoder for this utterance; ``False`` if somebody else has it."""
        if self._open is None:
            self._open = decoding.shared().borrow(wait=wait)
            if self._open is not None:
                self._open.cepstra = self._open_cepstra
                self._open.begin()
        return self._open is not None

    def _heard_openly(self) -> str | None:
        self._borrow(wait=True)
        assert self._open is not None
        while self.work_ahead():
            pass
        heard = self._open.finish()
        return None if heard is None else heard.text

    def _follow(self) -> None:
        until = min(len(self._audio), _LONGEST_PHRASE_BYTES)
        self._grammar.feed(self._audio, until)
        self._loop.feed(self._audio, until)

    def _accepted(self, heard: Heard | None, loop: Heard | None) -> str | None:
        if heard is None or loop is None or heard.text not in self._phrases or not heard.frames:
            return None
        certainty = (heard.likelihood - loop.likelihood) / heard.frames
        return heard.text if certainty >= _LEAST_CERTAINTY else None

    def _with_noise(self, pcm: bytes) -> bytes:
        samples = np.frombuffer(pcm, np.int16).astype(np.int32)
        first = len(self._audio) // 2
        noise = np.take(self._noise, range(first, first + len(samples)), mode="wrap")
        limits = np.iinfo(np.int16)
        return bytes(np.clip(samples + noise, limits.min, limits.max).astype(np.int16))
