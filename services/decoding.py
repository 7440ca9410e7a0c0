"""pocketsphinx, as far as it is used here: three kinds of decoder of its English model. Blocking.

- *grammar*: knows only the phrases of :mod:`.phrases`, and is fast and accurate for them;
- *loop*: knows only phonemes, and explains any sound as well as the model can;
- *open*: knows English words in general. It is slow and takes 90 MB, so a process has one of it,
  lent to one utterance at a time.

The first two take 20 ms and 8 MB each and belong to a session. Nothing is loaded at import.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pocketsphinx import Decoder, get_model_path

from .phrases import every_phrase, jsgf

# Wider than pocketsphinx's own: those lose "tell me a story" on the way. And no search for the best
# path afterwards: it forgets that a path has to end where the grammar ends.
_GRAMMAR_BEAMS = {"beam": 1e-60, "pbeam": 1e-60, "wbeam": 1e-40, "bestpath": False}
# Half the work of pocketsphinx's own limits, and no second pass of 100 ms at the end: the guesses
# are about as good.
_OPEN_BEAMS = {"maxhmmpf": 3_000, "fwdflat": False}
_LOOP_BEAMS = {"beam": 1e-10, "pbeam": 1e-10, "lw": 2.0, "pip": 0.3}
# The mean cepstra of ordinary speech, which the model does not come with: without them it takes
# a session's first words to get used to a voice, and "hello" is lost.
_USUAL_CEPSTRA = "41.00,-5.29,-0.12,5.09,2.48,-4.07,-1.37,-1.78,-5.08,-2.05,-6.45,-1.42,1.17"


_SILENCES = ("<sil>", "<s>", "</s>", "SIL")
# The likelihoods of segments come exponentiated, after a shift of the logarithm by ten bits.
_LIKELIHOOD_SCALE = 1 << 10


@dataclass(frozen=True, slots=True)
class Heard:
    """What one decoder made of an utterance.

    Parameters:
        text: The words, or phonemes.
        likelihood: Natural logarithm, of all the sound; comparable between *grammar* and *loop*.
        frames: How many frames of 10 ms hold speech.
    """

    text: str
    likelihood: float
    frames: int


class Decoding:
    """One decoder on its way through one utterance."""

    def __init__(self, decoder: Any) -> None:  # pocketsphinx has no types
        self._decoder = decoder
        self._running = False
        self.fed = 0

    @property
    def cepstra(self) -> str:
        """What it has learnt about voice and microphone."""
        return str(self._decoder.get_cmn(False))

    @cepstra.setter
    def cepstra(self, cepstra: str) -> None:
        self._decoder.set_cmn(cepstra)

    def begin(self) -> None:
        """Start an utterance, at its first byte."""
        self.abandon()
        self._decoder.start_utt()
        self._running = True
        self.fed = 0

    def begin_again(self, audio: bytearray) -> None:
        """Decode an utterance at once, normalised by all of itself and not by what came before."""
        self.abandon()
        self._decoder.start_utt()
        self._running = True
        self._decoder.process_raw(bytes(audio), False, True)

    def feed(self, audio: bytearray, until: int) -> None:
        """Decode what was not yet decoded, up to a byte of the audio."""
        if self._running and until > self.fed:
            self._decoder.process_raw(bytes(audio[self.fed : until]), False, False)
            self.fed = until

    def finish(self) -> Heard | None:
        """End the utterance; ``None`` when nothing was understood."""
        if not self._running:
            return None
        self._decoder.end_utt()
        self._running = False
        return self.result()

    def abandon(self) -> None:
        """End the utterance, whatever was said."""
        if self._running:
            self._decoder.end_utt()
            self._running = False

    def result(self) -> Heard | None:
        """What was understood up to now; while it is running, of whatever beginning."""
        hypothesis = self._decoder.hyp()
        if hypothesis is None:
            return None
        # ``hypothesis.score`` is of no use. Segments that span no frame are the grammar's own.
        segments = [
            segment
            for segment in self._decoder.seg()
            if segment.ascore > 0 and segment.end_frame >= segment.start_frame >= 0
        ]
        return Heard(
            hypothesis.hypstr,
            _LIKELIHOOD_SCALE * sum(math.log(segment.ascore) for segment in segments),
            sum(
                segment.end_frame - segment.start_frame + 1
                for segment in segments
                if segment.word not in _SILENCES
            ),
        )


class SharedDecoding:
    """The open decoder of this process. Whoever borrows it gives it back after the utterance."""

    def __init__(self) -> None:
        self._lent = threading.Lock()
        self._decoding = Decoding(
            _decoder(lm=str(_model("en-us.lm.bin")), dict=_dictionary(), **_OPEN_BEAMS)
        )
        self.usual_cepstra = self._decoding.cepstra

    def borrow(self, *, wait: bool) -> Decoding | None:
        """The decoder; ``None`` if it is lent and one does not wait."""
        return self._decoding if self._lent.acquire(blocking=wait) else None

    def give_back(self) -> None:
        """Let the next one have it."""
        self._decoding.abandon()
        self._lent.release()


def grammar() -> Decoding:
    """A decoder for the phrases; its dictionary holds their words only."""
    decoder = _decoder(lm=None, dict=None, **_GRAMMAR_BEAMS)
    *words, last = _pronunciations()
    for word, phonemes in words:
        decoder.add_word(word, phonemes, False)
    decoder.add_word(*last, True)
    decoder.add_jsgf_string("phrases", jsgf())
    decoder.activate_search("phrases")
    return Decoding(decoder)


def loop() -> Decoding:
    """A decoder for phonemes in any order."""
    return Decoding(
        _decoder(lm=None, dict=None, allphone=str(_model("en-us-phone.lm.bin")), **_LOOP_BEAMS)
    )


@cache
def shared() -> SharedDecoding:
    """The open decoder; the first call takes about a second."""
    return SharedDecoding()


def _decoder(**options: Any) -> Any:
    """A decoder of the English model.

    Raises:
        RuntimeError: pocketsphinx cannot load it.
    """
    return Decoder(hmm=str(_model("en-us")), loglevel="FATAL", cmninit=_USUAL_CEPSTRA, **options)


def _model(name: str) -> Path:
    return Path(get_model_path(), "en-us", name)


def _dictionary() -> str:
    return str(_model("cmudict-en-us.dict"))


@cache
def _pronunciations() -> tuple[tuple[str, str], ...]:
    """Every pronunciation of every word of the phrases: ``("a(2)", "EY")``."""
    wanted = {word for phrase in every_phrase() for word in phrase.split()}
    return tuple(entry for entry in _entries() if entry[0].split("(")[0] in wanted)


def _entries() -> Iterator[tuple[str, str]]:
    with Path(_dictionary()).open(encoding="utf-8") as lines:
        for line in lines:
            word, _, phonemes = line.strip().partition(" ")
            yield word, phonemes
