"""Speech from espeak-ng: text in, PCM with word and phoneme times out.

espeak-ng is GPL-3.0. Everything that touches it is behind this file; the library and its voices
come with the ``espeakng-loader`` package, and whoever ships this file's dependency ships GPL code.

Nothing is loaded at import. The library is used in its synchronous mode, which starts no thread,
so a process may be forked after :func:`load`.
"""

from __future__ import annotations

import ctypes
import threading
from dataclasses import dataclass
from functools import cache
from typing import Any

import espeakng_loader

RATE_HZ = 22_050

# Names and values of espeak-ng's speak_lib.h.
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_PHONEME_EVENTS = 0x0001
_INITIALIZE_DONT_EXIT = 0x8000
_CHARS_UTF8 = 1
_POS_CHARACTER = 1
_EVENT_LIST_TERMINATED = 0
_EVENT_WORD = 1
_EVENT_PHONEME = 7
_PARAMETER_RATE = 1
_PARAMETER_PITCH = 3
_PARAMETER_RANGE = 4
_BUFFER_MS = 60

# Where the voice of a language's own name is not what most people expect.
_USUAL_VOICES = {"en": "en-us", "zh": "cmn", "no": "nb"}

_LIMITS = {
    "words_per_minute": range(80, 451),
    "pitch": range(100),
    "pitch_range": range(100),
}


class _EventId(ctypes.Union):
    _fields_ = [
        ("number", ctypes.c_int),
        ("name", ctypes.c_char_p),
        ("string", ctypes.c_char * 8),
    ]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    ]


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class EspeakError(Exception):
    """espeak-ng could not be loaded, does not know the voice, or refused the text."""


@dataclass(frozen=True, slots=True)
class Voice:
    """How to speak.

    Parameters:
        name: A voice, optionally with a variant: ``en-us``, ``en+f3`` (``en`` is British).
        words_per_minute: 80 to 450.
        pitch: 0 to 99; 50 is the voice's own.
        pitch_range: 0 (monotone) to 99; 50 is the voice's own.

    Raises:
        ValueError: A number is out of its range.
    """

    name: str = "en-us"
    words_per_minute: int = 170
    pitch: int = 50
    pitch_range: int = 50

    def __post_init__(self) -> None:
        for name, limits in _LIMITS.items():
            if getattr(self, name) not in limits:
                raise ValueError(f"{name} takes {limits.start} to {limits.stop - 1}")


@dataclass(frozen=True, slots=True)
class WordBegins:
    """A word of the text begins at a sample. Positions count characters from 0."""

    position: int
    sample: int


@dataclass(frozen=True, slots=True)
class Phoneme:
    """A phoneme begins at a sample. Names are espeak-ng's; a pause begins with ``_``."""

    name: str
    sample: int


@dataclass(frozen=True, slots=True)
class Speech:
    """What was spoken: 16-bit mono PCM at :data:`RATE_HZ`, events in the order of time."""

    pcm: bytes
    words: tuple[WordBegins, ...]
    phonemes: tuple[Phoneme, ...]


class _Library:
    """The one espeak-ng of this process. It has one global state, hence the lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._voice: Voice | None = None
        self._pcm: list[bytes] = []
        self._words: list[WordBegins] = []
        self._phonemes: list[Phoneme] = []
        try:
            self._espeak: Any = ctypes.CDLL(espeakng_loader.get_library_path())
        except OSError as error:
            raise EspeakError("espeak-ng's library cannot be loaded") from error
        rate = self._espeak.espeak_Initialize(
            _AUDIO_OUTPUT_SYNCHRONOUS,
            _BUFFER_MS,
            espeakng_loader.get_data_path().encode(),
            _INITIALIZE_PHONEME_EVENTS | _INITIALIZE_DONT_EXIT,
        )
        if rate != RATE_HZ:
            raise EspeakError(f"espeak-ng answered {rate} to its initialization")
        self._callback = _Callback(self._collect)  # kept: ctypes does not own it
        self._espeak.espeak_SetSynthCallback(self._callback)

    def speak(self, text: str, voice: Voice) -> Speech:
        encoded = text.encode() + b"\0"
        with self._lock:
            self._select(voice)
            self._pcm, self._words, self._phonemes = [], [], []
            status = self._espeak.espeak_Synth(
                encoded, len(encoded), 0, _POS_CHARACTER, 0, _CHARS_UTF8, None, None
            )
            if status != 0:
                raise EspeakError(f"espeak-ng answered {status} to {len(text)} characters")
            return Speech(b"".join(self._pcm), tuple(self._words), tuple(self._phonemes))

    def has(self, voice: Voice) -> bool:
        with self._lock:
            try:
                self._select(voice)
            except EspeakError:
                return False
            return True

    def _select(self, voice: Voice) -> None:
        if voice == self._voice:
            return
        self._voice = None
        if self._espeak.espeak_SetVoiceByName(voice.name.encode()) != 0:
            raise EspeakError(f"espeak-ng has no voice {voice.name!r}")
        self._espeak.espeak_SetParameter(_PARAMETER_RATE, voice.words_per_minute, 0)
        self._espeak.espeak_SetParameter(_PARAMETER_PITCH, voice.pitch, 0)
        self._espeak.espeak_SetParameter(_PARAMETER_RANGE, voice.pitch_range, 0)
        self._voice = voice

    def _collect(self, pcm: Any, samples: int, events: Any) -> int:
        if pcm and samples > 0:
            self._pcm.append(ctypes.string_at(pcm, samples * 2))
        index = 0
        while events[index].type != _EVENT_LIST_TERMINATED:
            event = events[index]
            if event.type == _EVENT_WORD:
                self._words.append(WordBegins(event.text_position - 1, event.sample))
            elif event.type == _EVENT_PHONEME:
                name = event.id.string.decode("utf-8", "replace")
                self._phonemes.append(Phoneme(name, event.sample))
            index += 1
        return 0


@cache
def _library() -> _Library:
    return _Library()


def load() -> None:
    """Load the library and its data now rather than with the first word.

    Raises:
        EspeakError: The library cannot be loaded.
    """
    _library()


def voice_of(language: str) -> str:
    """The name of the voice for a language tag: ``pt-br`` for ``pt-BR``, ``en-us`` for ``en``.

    Raises:
        EspeakError: No voice speaks it, or the library cannot be loaded.
    """
    tag = language.lower()
    for name in (_USUAL_VOICES.get(tag, tag), tag.split("-")[0]):
        if _library().has(Voice(name)):
            return name
    raise EspeakError(f"espeak-ng has no voice for {language!r}")


def speak(text: str, voice: Voice) -> Speech:
    """Speak text. Blocks for about 1 ms per second of speech; callable from any thread.

    The text is plain: no SSML and no phoneme markup is interpreted. It must not contain ``NUL``.

    Raises:
        EspeakError: The voice is unknown, or the library cannot be loaded.
    """
    return _library().speak(text, voice)
