from hypothesis import given
from hypothesis import strategies as st

from services.wording import ends_sentence, passages


@given(st.text())
def test_every_word_of_a_text_is_in_exactly_one_passage(text: str) -> None:
    assert [word.text for passage in passages(text) for word in passage] == text.split()


@given(st.text())
def test_nothing_is_spoken_that_espeak_could_take_for_markup_or_an_end(text: str) -> None:
    spoken = "".join(word.spoken for passage in passages(text) for word in passage)
    assert not set(spoken) & set("<>[]\0\x1b*`")
    spoken.encode()  # no lone surrogates


def test_markup_and_emoji_are_silent_and_the_written_word_stays() -> None:
    (passage,) = passages("a **bold** 😀 move, <b>really</b>!")
    assert [word.spoken for word in passage] == ["a", "bold", "", "move,", "b really /b !"]
    assert passage[1].text == "**bold**"


def test_long_text_breaks_at_the_end_of_a_sentence() -> None:
    text = "This sentence has some words in it, and it is rather long by now. " * 5
    for passage in passages(text):
        assert ends_sentence(passage[-1])


def test_text_without_any_break_is_cut_all_the_same() -> None:
    assert max(sum(len(w.spoken) for w in p) for p in passages("word " * 20_000)) < 300
    ((endless,),) = passages("x" * 100_000)
    assert len(endless.spoken) < 100
    assert len(endless.text) == 100_000
