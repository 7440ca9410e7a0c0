import itertools

from services.phrases import EXAMPLES, NAMES, PHRASES, every_phrase, jsgf


def test_no_phrase_is_the_beginning_of_another() -> None:
    """Else a pause after it could not tell whether somebody is finished."""
    for one, other in itertools.permutations(every_phrase(), 2):
        assert not f"{other} ".startswith(f"{one} "), (one, other)


def test_there_are_enough_phrases_and_no_two_are_alike() -> None:
    plain = [phrase for phrases in PHRASES.values() for phrase in phrases]
    assert len(plain) >= 40
    assert len(NAMES) >= 36
    assert len(list(every_phrase())) == len(set(every_phrase()))


def test_examples_are_phrases() -> None:
    assert len(EXAMPLES) == 20
    assert set(EXAMPLES) <= set(every_phrase())


def test_grammar_holds_exactly_the_phrases() -> None:
    body = jsgf().split("<phrase> = ")[1].rstrip(";\n")
    assert sorted(_expanded(body)) == sorted(every_phrase())


def _expanded(rule: str) -> list[str]:
    """Every sentence of a rule made of words, `|` and brackets: a reader of its own."""
    tokens = rule.replace("(", " ( ").replace(")", " ) ").split()

    def alternatives() -> list[str]:
        found = sequence()
        while tokens and tokens[0] == "|":
            tokens.pop(0)
            found += sequence()
        return found

    def sequence() -> list[str]:
        found = [""]
        while tokens and tokens[0] not in ("|", ")"):
            if tokens[0] == "(":
                tokens.pop(0)
                parts = alternatives()
                tokens.pop(0)
            else:
                parts = [tokens.pop(0)]
            found = [f"{before} {part}".strip() for before in found for part in parts]
        return found

    return alternatives()
