"""Text as written → words that can be spoken, in passages short enough to be stopped between."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

_MARKUP = frozenset("*_`#~<>[]{}|\\^")
_UNSPOKEN_CATEGORIES = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "So", "Sk"})
_SPOKEN_SYMBOLS = frozenset("°")
_VARIATION_SELECTORS = range(0xFE00, 0xFE10)

_SENTENCE_ENDS = (".", "!", "?", "…", ":", ";")
_CLAUSE_ENDS = (",", "-", "—", "–", ")")
_CLOSING = "\"'”’)*_`"

# A passage ends at the first break that is good enough for its length in characters.
_SENTENCE_LENGTH = 120
_CLAUSE_LENGTH = 200
_LONGEST = 280
# Nobody listens to a key or an address to its end, and one "word" must not stop all else.
_LONGEST_WORD = 60


@dataclass(frozen=True, slots=True)
class Word:
    """One whitespace-separated word.

    Parameters:
        text: As it was written, with its punctuation.
        spoken: What is said for it: no markup, control characters or emoji. Empty for silence.
    """

    text: str
    spoken: str


def passages(text: str) -> Iterator[tuple[Word, ...]]:
    """Split text into passages of at most a few hundred characters, at the best break there is.

    Every whitespace-separated word of the text is in exactly one passage, in order.
    """
    passage: list[Word] = []
    length = 0
    for written in text.split():
        word = Word(written, _spoken(written))
        passage.append(word)
        length += len(word.spoken) + 1
        if _ends_passage(written, length):
            yield tuple(passage)
            passage, length = [], 0
    if passage:
        yield tuple(passage)


def ends_sentence(word: Word) -> bool:
    """Whether a speaker would pause after this word as after a sentence."""
    return word.text.rstrip(_CLOSING).endswith(_SENTENCE_ENDS)


def _ends_passage(written: str, length: int) -> bool:
    if length < _SENTENCE_LENGTH:
        return False
    bare = written.rstrip(_CLOSING)
    return (
        length >= _LONGEST
        or bare.endswith(_SENTENCE_ENDS)
        or (length >= _CLAUSE_LENGTH and bare.endswith(_CLAUSE_ENDS))
    )


def _spoken(written: str) -> str:
    spoken = "".join(map(_spoken_character, written[:_LONGEST_WORD]))
    return " ".join(spoken.split())


def _spoken_character(character: str) -> str:
    if character in _SPOKEN_SYMBOLS:
        return character
    if character in _MARKUP:
        return " "
    if ord(character) in _VARIATION_SELECTORS:
        return ""
    return "" if unicodedata.category(character) in _UNSPOKEN_CATEGORIES else character
