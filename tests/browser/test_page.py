"""The whole loop, as a person meets it: `bot.py`, the page, a voice or a keyboard."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.visit import record, visiting

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_start_greets_end_ends_and_start_greets_again(
    address: str, chromium: str, silence: Path
) -> None:
    async with visiting(address, chromium, silence) as visit:
        assert await visit.status() == "disconnected"
        for _ in range(2):
            began = await visit.now()
            await visit.press("Start")
            await visit.until("status", after=began, status="connecting")
            await visit.until("audible", after=began)
            await visit.until("status", after=began, status="speaking")
            await visit.until("status", after=await visit.now(), status="listening")
            bubbles = await visit.bubbles()
            assert len(bubbles) == 1
            assert "Hello, I am avatarbot. What can I do for you?" in bubbles[0]
            await visit.press("End")
            await visit.until("status", after=began, status="disconnected")
        assert visit.complaints == []


async def test_a_typed_text_is_answered_once_and_nothing_leaves_for_elsewhere(
    address: str, chromium: str, silence: Path
) -> None:
    async with visiting(address, chromium, silence) as visit:
        await visit.press("Start")
        await visit.until("status", status="speaking")
        await visit.until("status", after=await visit.now(), status="listening")
        sent = await visit.now()
        await visit.say("My name is Anna")
        await visit.until("status", after=sent, status="thinking")
        await visit.until("status", after=sent, status="speaking")
        await visit.until("status", after=await visit.now(), status="listening")
        _, mine, answer = await visit.bubbles()
        assert "My name is Anna" in mine
        assert "Anna" in answer
        assert "typed" in mine
        assert all(url.startswith(address) for url in visit.requested)


async def test_a_text_that_cuts_in_silences_the_face_and_marks_the_bubble(
    address: str, chromium: str, silence: Path
) -> None:
    async with visiting(address, chromium, silence) as visit:
        await visit.press("Start")
        await visit.until("status", status="speaking")
        await visit.until("status", after=await visit.now(), status="listening")
        asked = await visit.now()
        await visit.say("Tell me a story")
        spoke = await visit.until("status", after=asked, status="speaking")
        await visit.page.wait_for_timeout(2_500)
        cut = await visit.now()
        await visit.say("What did you say?")
        await visit.until("silent", after=spoke["at"])
        await visit.until("status", after=cut, status="interrupted")
        await visit.until("status", after=cut, status="speaking")
        await visit.until("status", after=await visit.now(), status="listening")
        story, _, answer = (await visit.bubbles())[2:]
        assert story.endswith("cut off")
        heard = story.removeprefix("Bot").removesuffix("— cut off").strip()
        assert heard.startswith("This is the story")
        # What the model remembers is what the bubble shows: it says it again, word for word.
        assert heard.rstrip(".,").lower() in answer.lower()


async def test_markup_in_a_message_is_shown_as_text(
    address: str, chromium: str, silence: Path
) -> None:
    async with visiting(address, chromium, silence) as visit:
        await visit.press("Start")
        await visit.until("status", status="listening")
        text = "<img src=x onerror=alert(1)><b>bold</b>"
        await visit.say(text)
        await visit.until_bubble(text)
        assert await visit.page.locator("[role=log] img, [role=log] b").count() == 0


async def test_a_question_that_is_spoken_is_heard_and_a_word_cuts_in(
    address: str, chromium: str, tmp_path: Path
) -> None:
    wav = tmp_path / "talk.wav"
    record(wav, [7.0, "What is your name?", 6.0, "Tell me a story.", 5.0, "Stop.", 20.0])
    async with visiting(address, chromium, wav) as visit:
        await visit.press("Start")
        cut = await visit.until("message", type="avatar-cut")
        await visit.until("status", after=cut["at"] - 50, status="interrupted")
        bubbles = " | ".join(await visit.until_bubble("spoken stop"))
        assert "what is your name" in bubbles
        assert "tell me a story" in bubbles
        assert "cut off" in bubbles


async def test_without_a_microphone_the_page_says_what_to_do_and_typing_works(
    address: str, chromium: str
) -> None:
    async with visiting(address, chromium, None, "--deny-permission-prompts") as visit:
        await visit.press("Start")
        await visit.until("status", status="speaking")
        said = await visit.page.get_by_role("alert").inner_text()
        assert "microphone" in said.lower()
        await visit.until("status", after=await visit.now(), status="listening")
        asked = await visit.now()
        await visit.say("Thank you")
        await visit.until("status", after=asked, status="speaking")
