"""What is said at once, and what names are made of."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from transports.zego.agent import place_of
from transports.zego.agents import LONGEST_SPEECH, Blocks, speeches


def test_long_text_is_cut_between_sentences() -> None:
    sentence = "This is a sentence that has some words in it. "
    pieces = speeches(sentence * 12)
    assert len(pieces) == 2
    assert all(piece.endswith("in it.") and len(piece) <= LONGEST_SPEECH for piece in pieces)


def test_sentence_that_is_too_long_is_cut_between_words_and_a_word_anywhere() -> None:
    assert speeches("word " * 100) == [("word " * 60).strip(), ("word " * 40).strip()]
    assert [len(piece) for piece in speeches("x" * 700)] == [300, 300, 100]


def test_short_text_is_one_piece_and_none_is_none() -> None:
    assert speeches(" Hello. Good bye! ") == ["Hello. Good bye!"]
    assert speeches(" \n ") == []


@given(st.text(max_size=2_000))
def test_every_character_but_space_is_said_once_and_in_order(text: str) -> None:
    pieces = speeches(text)
    assert all(0 < len(piece) <= LONGEST_SPEECH for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


def test_ids_of_users_are_short_enough_and_nobody_shares_one() -> None:
    place = place_of("avatarbot-" + "0" * 20)
    assert max(len(place.user), len(place.agent_user)) <= 32
    assert len({place.room, place.stream, place.agent_user, place.user, place.user_stream}) == 5


def test_keys_are_not_shown() -> None:
    assert "SECRET" not in repr(Blocks(llm={"ApiKey": "SECRET"}, tts={"token": "SECRET"}))
