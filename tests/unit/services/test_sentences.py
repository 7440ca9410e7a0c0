import asyncio

from hypothesis import given
from hypothesis import strategies as st

from services.sentences import LONGEST, Sentences
from tests.unit.virtual import VirtualLoop


def cut(*texts: str) -> list[str]:
    async def collect() -> list[str]:
        sentences = Sentences()
        found = [sentence for text in texts for sentence in await sentences.feed(text)]
        return found + await sentences.flush()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(collect())


def test_a_sentence_leaves_when_the_next_begins() -> None:
    assert cut("Hello. How ", "are you? Fi", "ne") == ["Hello.", "How are you?", "Fine"]


def test_text_without_an_end_is_cut_between_words() -> None:
    parts = cut("word " * 1_000)
    assert max(map(len, parts)) <= LONGEST
    assert " ".join(parts).split() == ["word"] * 1_000


@given(st.lists(st.text(max_size=200), max_size=5))
def test_no_letter_is_lost_added_or_moved(texts: list[str]) -> None:
    assert "".join("".join(cut(*texts)).split()) == "".join("".join(texts).split())
