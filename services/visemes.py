"""Mouth shapes from phonemes: the 15 shapes of ``docs/frames.md`` from espeak-ng's names."""

from __future__ import annotations

from collections.abc import Iterable

from .espeak import Phoneme

SILENCE = "sil"
SHAPES = ("sil", "PP", "FF", "TH", "DD", "kk", "CH", "SS", "nn", "RR", "aa", "E", "I", "O", "U")

# What stress and length put around a phoneme's name.
_MARKS = "',%=;"

# The longest matching beginning of the name counts. Two shapes share the phoneme's time.
_SHAPES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("p", "b", "m"), ("PP",)),
    **dict.fromkeys(("f", "v"), ("FF",)),
    **dict.fromkeys(("T", "D"), ("TH",)),
    **dict.fromkeys(("t", "d", "*", "?"), ("DD",)),
    **dict.fromkeys(("k", "g", "x", "C", "Q", "c", "q"), ("kk",)),
    **dict.fromkeys(("tS", "dZ", "S", "Z"), ("CH",)),
    **dict.fromkeys(("s", "z"), ("SS",)),
    **dict.fromkeys(("n", "N", "l", "L"), ("nn",)),
    **dict.fromkeys(("r", "R", "3"), ("RR",)),
    **dict.fromkeys(("a", "A", "V"), ("aa",)),
    **dict.fromkeys(("E", "e", "@", "h", "H"), ("E",)),
    **dict.fromkeys(("I", "i", "j", "y"), ("I",)),
    **dict.fromkeys(("O", "0", "o"), ("O",)),
    **dict.fromkeys(("U", "u", "w", "Y"), ("U",)),
    "aI": ("aa", "I"),
    "aU": ("aa", "U"),
    "eI": ("E", "I"),
    "OI": ("O", "I"),
    "oU": ("O", "U"),
    "i@": ("I", "E"),
    "e@": ("E", "RR"),
    "o@": ("O", "RR"),
    "O@": ("O", "RR"),
    "A@": ("aa", "RR"),
    "U@": ("U", "RR"),
}
_LONGEST_NAME = max(map(len, _SHAPES))


def visemes(phonemes: Iterable[Phoneme], end: int) -> list[tuple[int, str]]:
    """Turn phonemes into ``(sample, shape)`` pairs in the order of time.

    Args:
        phonemes: In the order of time.
        end: The sample at which the speech is over.

    Returns:
        Pairs that begin at sample 0 and end in ``sil``, behind the last phoneme.
    """
    spoken = list(phonemes)
    pairs: list[tuple[int, str]] = [(0, SILENCE)]
    for index, phoneme in enumerate(spoken):
        until = spoken[index + 1].sample if index + 1 < len(spoken) else end
        shapes = _shapes(phoneme.name)
        for part, shape in enumerate(shapes):
            sample = phoneme.sample + (until - phoneme.sample) * part // len(shapes)
            _add(pairs, min(sample, end), shape)
    _add(pairs, end, SILENCE)
    return pairs


def _add(pairs: list[tuple[int, str]], sample: int, shape: str) -> None:
    if pairs and pairs[-1][0] == sample:
        pairs.pop()
    if not pairs or pairs[-1][1] != shape:
        pairs.append((sample, shape))


def _shapes(name: str) -> tuple[str, ...]:
    """The shapes of one phoneme; none for one that the mouth does not show."""
    if name.startswith("_|"):
        return ()  # a glottal stop between two words: the mouth stays as it is
    if name.startswith("_"):
        return (SILENCE,)
    bare = name.lstrip(_MARKS)
    for length in range(min(_LONGEST_NAME, len(bare)), 0, -1):
        if bare[:length] in _SHAPES:
            return _SHAPES[bare[:length]]
    return ()
