from services import espeak
from services.espeak import Phoneme, Voice
from services.visemes import SHAPES, visemes


def test_phonemes_become_shapes_that_hold_until_the_next() -> None:
    phonemes = [Phoneme("m", 0), Phoneme("'A:", 100), Phoneme("f", 300), Phoneme("_:", 400)]
    assert visemes(phonemes, 500) == [(0, "PP"), (100, "aa"), (300, "FF"), (400, "sil")]


def test_a_diphthong_moves_the_mouth() -> None:
    assert visemes([Phoneme("aI", 0)], 1_000) == [(0, "aa"), (500, "I"), (1_000, "sil")]


def test_the_first_pair_is_at_the_first_sample() -> None:
    assert visemes([Phoneme("p", 50)], 100)[0] == (0, "sil")


def test_every_sound_of_english_has_a_shape() -> None:
    text = (
        "The quick brown fox jumps over a lazy dog while she measures judge and church, "
        "thin boys hear poor air, and the young king knew pure oil."
    )
    for name in ("en-us", "en"):
        phonemes = espeak.speak(text, Voice(name)).phonemes
        voiced = [p for p in phonemes if p.name.strip("',;") and not p.name.startswith("_")]
        for phoneme in voiced:
            shapes = {shape for _, shape in visemes([Phoneme(phoneme.name, 0)], 100)}
            assert shapes != {"sil"}, phoneme.name
            assert shapes <= set(SHAPES)
