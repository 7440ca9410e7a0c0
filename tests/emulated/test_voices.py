"""A voice with a key: what is heard is what is remembered, and what fails is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.emulated.standins.cartesia import WORD_S, Cartesia
from tests.emulated.standins.elevenlabs import CHARACTER_S, ElevenLabs
from tests.emulated.standins.openai import OpenAI, Say
from tests.emulated.standins.serving import KEY, Refuse
from tests.emulated.visitor import VOICE_HZ, Visitor, secretive

pytestmark = pytest.mark.asyncio

STORY = (
    "The quick brown fox jumps over the lazy dog, and then it sleeps in the sun until the evening."
)
GREETING = "Hi there."
TITLES = {"elevenlabs": "ElevenLabs, the voice,", "cartesia": "Cartesia, the voice,"}
VOICES = pytest.mark.parametrize("tts", ["elevenlabs", "cartesia"])

Voice = ElevenLabs | Cartesia


def a_voice(tts: str, **faults: object) -> Voice:
    return ElevenLabs(**faults) if tts == "elevenlabs" else Cartesia(**faults)  # type: ignore[arg-type]


def start_s(tts: str, words: list[str], index: int) -> float:
    """When the stand-in begins to say a word, in seconds of its utterance."""
    if tts == "cartesia":
        return WORD_S * index
    return CHARACTER_S * sum(len(word) + 1 for word in words[:index])


@asynccontextmanager
async def talking(
    folder: Path, tts: str, voice: Voice, model: OpenAI, **settings: str
) -> AsyncIterator[Visitor]:
    async with voice.running() as url, model.running() as model_url:
        given = {
            "GREETING": GREETING,
            f"{tts.upper()}_API_KEY": KEY,
            f"{tts.upper()}_API_URL": url,
            "OPENAI_BASE_URL": model_url,
        }
        async with secretive(folder, **(given | settings)) as visitor:
            yield visitor


@VOICES
async def test_after_a_cut_in_the_model_knows_the_heard_words_only(
    tmp_path: Path, tts: str
) -> None:
    voice, model = a_voice(tts), OpenAI(Say(STORY), Say("Fine."), key=None)
    async with talking(tmp_path, tts, voice, model) as visitor:
        assert await visitor.answer() == GREETING
        assert (await visitor.kind("session"))["tts"] == tts
        before = len(visitor.messages)
        await visitor.type("Tell me a story.")
        utterance = await visitor.until_heard(2.0, before)
        before = len(visitor.messages)
        await visitor.type("Enough.")
        cut = await visitor.until(lambda m: m["type"] == "transcript" and m["cut"], before)
        heard_s = visitor.heard[utterance] / VOICE_HZ
        assert await visitor.answer(visitor.messages.index(cut) + 1) == "Fine."
    _, greeting, _, story, enough = model.asked()[-1]
    assert greeting["content"] == GREETING
    assert enough["content"] == "Enough."
    assert story == {"role": "assistant", "content": cut["text"]}
    words, remembered = STORY.split(), str(story["content"]).split()
    assert remembered == words[: len(remembered)]
    count = len(remembered)
    assert start_s(tts, words, count - 1) <= heard_s, "a word that was not heard"
    assert start_s(tts, words, count + 1) > heard_s - 0.25, "a word that was heard is missing"


@VOICES
async def test_whole_answer_is_heard_and_remembered_whole(tmp_path: Path, tts: str) -> None:
    said = "First sentence. And a second one! Is there a third?"
    voice, model = a_voice(tts), OpenAI(Say(said), Say("Fine."), key=None)
    async with talking(tmp_path, tts, voice, model) as visitor:
        await visitor.answer()
        before = len(visitor.messages)
        assert await visitor.ask("Say three sentences.") == said
        await visitor.kind("bot-stopped-speaking", before)
        assert await visitor.ask("Thanks.") == "Fine."
    assert model.asked()[-1][3]["content"] == said


@VOICES
async def test_refused_key_is_named_and_ends_the_session(tmp_path: Path, tts: str) -> None:
    name = f"{tts.upper()}_API_KEY"
    wrong = {name: "SECRET-another-key-9876543210"}
    async with talking(tmp_path, tts, a_voice(tts), OpenAI(key=None), **wrong) as visitor:
        await visitor.until_over()
        assert visitor.notices() == [
            f"{TITLES[tts]} does not accept the key. Check {name}. The conversation ends here."
        ]


@VOICES
async def test_voice_that_is_busy_is_told_and_speaks_when_it_can(tmp_path: Path, tts: str) -> None:
    # The first one when the session begins, the second one for the greeting.
    busy = Refuse(429, {"Retry-After": "20"})
    voice, model = a_voice(tts, refusals=(busy, busy)), OpenAI(Say("I am back."), key=None)
    async with talking(tmp_path, tts, voice, model) as visitor:
        told = await visitor.kind("notice")
        assert told["text"] == (
            f"{TITLES[tts]} takes no more requests now. Wait a minute, then try again."
        )
        await voice.until(lambda: voice.connections == 2)
        assert await visitor.ask("Hello?") == "I am back."


@VOICES
async def test_lost_connection_is_told_and_the_next_sentence_is_heard(
    tmp_path: Path, tts: str
) -> None:
    voice = a_voice(tts, drops=(1,))
    model = OpenAI(Say(STORY), Say("Here I am again."), key=None)
    async with talking(tmp_path, tts, voice, model) as visitor:
        await visitor.answer()
        before = len(visitor.messages)
        await visitor.type("Tell me a story.")
        told = await visitor.kind("notice", before)
        assert told["text"] == (
            f"{TITLES[tts]} was lost for a moment. A piece of the answer is missing."
        )
        await visitor.kind("bot-stopped-speaking", before)
        said = await visitor.answer(before)
        assert said != STORY
        assert STORY.startswith(said)
        assert await visitor.ask("Are you there?") == "Here I am again."
    assert voice.connections == 2
    assert model.asked()[-1][3]["content"] == said


@VOICES
async def test_slow_voice_is_waited_for(tmp_path: Path, tts: str) -> None:
    voice, model = a_voice(tts, slow_s=5.0), OpenAI(key=None)
    async with talking(tmp_path, tts, voice, model) as visitor:
        assert await visitor.answer() == GREETING
        assert visitor.notices() == []


async def test_nonsense_of_elevenlabs_is_told_and_the_next_sentence_is_heard(
    tmp_path: Path,
) -> None:
    voice, model = ElevenLabs(garbage=(1,)), OpenAI(Say("Lost."), Say("Heard."), key=None)
    async with talking(tmp_path, "elevenlabs", voice, model) as visitor:
        await visitor.answer()
        before = len(visitor.messages)
        await visitor.type("One.")
        await visitor.kind("notice", before)
        assert await visitor.ask("Two.") == "Heard."


async def test_error_of_cartesia_is_told_and_the_next_sentence_is_heard(tmp_path: Path) -> None:
    voice, model = Cartesia(errors=(1,)), OpenAI(Say("Lost."), Say("Heard."), key=None)
    async with talking(tmp_path, "cartesia", voice, model) as visitor:
        await visitor.answer()
        before = len(visitor.messages)
        await visitor.type("One.")
        told = await visitor.kind("notice", before)
        assert told["text"] == "Cartesia, the voice, gave no answer. Please try again."
        assert await visitor.ask("Two.") == "Heard."
