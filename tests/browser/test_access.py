"""The page for everyone: by keyboard alone, by screen reader, on a phone, with less motion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from tests.browser.visit import Visit, record, visiting

pytestmark = pytest.mark.asyncio(loop_scope="module")

DESK: dict[str, Any] = {"width": 1280, "height": 800}
PHONE: dict[str, Any] = {"width": 390, "height": 844, "has_touch": True, "is_mobile": True}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LEAST_TARGET_PX = 44

TARGETS = """() => [...document.querySelectorAll('button, select, textarea, label.check')]
    .filter((each) => each.checkVisibility())
    .map((each) => [each.innerText || each.id, each.getBoundingClientRect()])
    .map(([name, { width, height }]) => ({ name, least: Math.min(width, height) }))"""

SPOKEN = """() => {
    const spoken = (window.spoken = []);
    for (const region of document.querySelectorAll('[aria-live=polite], [role=status]'))
        new MutationObserver((changes) => {
            for (const { addedNodes, target } of changes)
                for (const node of addedNodes) spoken.push([target.id, node.textContent]);
        }).observe(region, { childList: true, subtree: true });
}"""


async def violations(page: Page) -> list[str]:
    """What axe-core finds, a line for each rule that is broken."""
    options = {"runOnly": {"type": "tag", "values": RULES}}
    found = (await Axe().run(page, options=options)).response["violations"]
    return [f"{each['id']}: {[node['html'] for node in each['nodes']]}" for each in found]


async def focused(page: Page) -> str:
    """The name of what the keyboard is on."""
    name = """() => {
        const on = document.activeElement;
        const said = on.ariaLabel || on.labels?.[0]?.innerText || on.innerText.trim();
        return on.id === 'log' ? 'Conversation' : said || on.id || on.tagName;
    }"""
    return str(await page.evaluate(name))


async def tab_to(page: Page, name: str, key: str = "Tab") -> list[str]:
    """Go on with the keyboard until this is reached; returns what lies on the way."""
    way = []
    while (way or [""])[-1] != name:
        assert len(way) < 20, f"{name} cannot be reached: {way}"
        await page.keyboard.press(key)
        way.append(await focused(page))
    return way


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", [DESK, PHONE], ids=["desk", "phone"])
async def test_axe_finds_nothing_in_any_state(
    address: str, chromium: str, silence: Path, device: dict[str, Any], scheme: str
) -> None:
    async with visiting(address, chromium, silence, color_scheme=scheme, **device) as visit:
        found = {"start": await violations(visit.page)}
        await visit.press("Sound")
        await expect(visit.page.get_by_text("Say something")).to_be_visible()
        found["sound"] = await violations(visit.page)
        await visit.page.keyboard.press("Escape")
        await visit.press("Start")
        await visit.until_greeted()
        await visit.say("My name is Anna")
        await visit.until_bubble("Anna.")
        found["conversation"] = await violations(visit.page)
        await visit.press("Mute")
        await visit.press("Sound")
        found["sound in a conversation"] = await violations(visit.page)
        await visit.page.keyboard.press("Escape")
        await visit.press("End")
        found["disconnected"] = await violations(visit.page)
        assert found == {state: [] for state in found}


async def test_a_whole_conversation_with_the_keyboard_alone(
    address: str, chromium: str, silence: Path
) -> None:
    async with visiting(address, chromium, silence) as visit:
        keys = visit.page.keyboard
        assert await tab_to(visit.page, "Start") == ["Sound", "Start"]
        await keys.press("Enter")
        await visit.until_greeted()
        assert await focused(visit.page) == "Message"
        await keys.type("My name is Anna")
        sent = await visit.now()
        await keys.press("Enter")
        await visit.until("status", after=sent, status="speaking")
        assert await focused(visit.page) == "Message"

        await tab_to(visit.page, "Mute", "Shift+Tab")
        await keys.press("Space")
        mute = visit.page.get_by_role("button", name="Muted", pressed=True)
        await expect(mute).to_be_focused()
        await keys.press("Space")
        await expect(visit.page.get_by_role("button", name="Mute", pressed=False)).to_be_focused()

        await tab_to(visit.page, "Sound", "Shift+Tab")
        await keys.press("Enter")
        await expect(visit.page.get_by_role("dialog", name="Sound")).to_be_visible()
        await tab_to(visit.page, "Microphone")
        await expect(visit.page.locator("#microphone option")).to_have_count(3)
        await keys.press("ArrowDown")
        assert await visit.page.evaluate("localStorage['avatarbot.microphone']")
        await keys.press("Escape")
        await expect(visit.page.get_by_role("dialog")).to_be_hidden()
        assert await focused(visit.page) == "Sound"

        way = await tab_to(visit.page, "Message")
        assert way == ["Mute", "End", "Conversation", *await chips(visit), "Message"]
        await tab_to(visit.page, "End", "Shift+Tab")
        await keys.press("Enter")
        assert await focused(visit.page) == "Start"
        again = await visit.now()
        await keys.press("Enter")
        await visit.until("status", after=again, status="speaking")
        assert visit.complaints == []


async def chips(visit: Visit) -> list[str]:
    return (
        await visit.page.get_by_role("group", name="Examples")
        .get_by_role("button")
        .all_inner_texts()
    )


async def test_the_focus_is_always_somewhere_and_to_be_seen(
    address: str, chromium: str, silence: Path
) -> None:
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    async with visiting(address, chromium, silence) as visit:
        await visit.page.keyboard.press("Tab")
        assert await visit.page.evaluate(outline) == "solid"
        await tab_to(visit.page, "Start")
        assert await visit.page.evaluate(outline) == "solid"
        await visit.page.keyboard.press("Enter")
        await visit.until_greeted()
        while await focused(visit.page) != "Sound":
            await visit.page.keyboard.press("Shift+Tab")
            assert await visit.page.evaluate(outline) == "solid", await focused(visit.page)
        # The bot goes while somebody types: the text stays, and the focus goes where it goes on.
        await visit.page.get_by_role("textbox", name="Message").fill("half a sen")
        await visit.page.evaluate("document.querySelector('#end').click()")
        assert await focused(visit.page) == "Start"
        await expect(visit.page.get_by_role("textbox", name="Message")).to_have_value("half a sen")


async def test_after_a_tap_on_start_the_focus_is_on_a_button_and_no_keyboard_opens(
    address: str, chromium: str, silence: Path
) -> None:
    async with visiting(address, chromium, silence, **PHONE) as visit:
        await visit.page.get_by_role("button", name="Start").tap()
        await visit.until("status", status="listening")
        assert await focused(visit.page) == "Mute"


async def test_a_screen_reader_is_told_whole_turns_and_the_state(
    address: str, chromium: str, tmp_path: Path
) -> None:
    record(tmp_path / "talk.wav", [7.0, "What is your name?", 40.0])
    async with visiting(address, chromium, tmp_path / "talk.wav") as visit:
        await visit.page.evaluate(SPOKEN)
        face = visit.page.get_by_role("img")
        await expect(face).to_have_accessible_name("The bot: a ginger cat with headphones, asleep")
        await visit.press("Start")
        await visit.until("status", status="speaking")
        await expect(face).to_have_accessible_name(
            "The bot: a ginger cat with headphones, speaking"
        )
        await visit.until_bubble("what is your name")
        await visit.until("status", after=await visit.now(), status="listening")
        spoken = await visit.page.evaluate("window.spoken")
        turns = [text for region, text in spoken if region == "announcer"]
        assert turns[:2] == [
            "Bot: Hello, I am avatarbot. What can I do for you?",
            "You: what is your name",
        ]
        assert len(turns) == 3
        states = [text for region, text in spoken if region == "status"]
        assert states[:3] == ["connecting", "listening", "speaking"]
        # Words that appear one by one are not read one by one.
        assert await visit.page.get_by_role("log").get_attribute("aria-live") == "off"


async def test_somebody_who_hears_the_bot_can_turn_the_reading_off_for_good(
    address: str, chromium: str, silence: Path
) -> None:
    async with visiting(address, chromium, silence) as visit:
        region = visit.page.locator("#announcer")
        await expect(region).to_have_attribute("aria-live", "polite")
        await visit.press("Sound")
        await visit.page.get_by_role("checkbox").uncheck()
        await expect(region).to_have_attribute("aria-live", "off")
        await visit.page.reload()
        await expect(region).to_have_attribute("aria-live", "off")


async def test_headings_and_landmarks_tell_the_page_apart(
    address: str, chromium: str, silence: Path
) -> None:
    async with visiting(address, chromium, silence) as visit:
        page = visit.page
        assert await page.locator("html").get_attribute("lang") == "en"
        assert await page.get_by_role("heading", level=1).all_inner_texts() == ["avatarbot"]
        assert await page.get_by_role("heading", level=2).count() == 2
        for role, name in [("banner", None), ("main", None), ("region", "Conversation")]:
            await expect(page.get_by_role(role, name=name)).to_have_count(1)  # type: ignore[arg-type]


async def test_with_reduced_motion_the_face_is_still_unless_it_speaks(
    address: str, chromium: str, silence: Path
) -> None:
    async with visiting(address, chromium, silence, reduced_motion="reduce") as visit:
        assert await moving_parts(visit.page, frames=60) == set()
        await visit.press("Start")
        await visit.until("status", status="speaking")
        speaking = await moving_parts(visit.page, frames=60)
        assert speaking <= {
            *("mouth-opening", "mouth-clip", "mouth-lip", "tongue", "chin", "voice"),
            *("teeth-upper", "teeth-lower"),
        }
        assert "mouth-lip" in speaking
        await visit.until("status", after=await visit.now(), status="listening")
        await visit.page.wait_for_timeout(300)
        assert await moving_parts(visit.page, frames=240) <= {"voice"}


async def moving_parts(page: Page, frames: int) -> set[str]:
    """Which parts of the face change within so many frames."""
    watch = """(frames) => new Promise((resolve) => {
        const changed = new Set();
        const observer = new MutationObserver((changes) =>
            changes.filter(({ target, attributeName, oldValue }) =>
                target.getAttribute(attributeName) !== oldValue)
                .forEach(({ target }) => changed.add(target.dataset.part ?? target.tagName)));
        const face = document.querySelector('#face');
        observer.observe(face, { attributes: true, attributeOldValue: true, subtree: true });
        const count = () => (frames-- > 0 ? requestAnimationFrame(count) : resolve([...changed]));
        requestAnimationFrame(() => { observer.takeRecords(); count(); });
    })"""
    return set(await page.evaluate(watch, frames))


async def test_nothing_is_lost_on_a_small_or_a_magnified_page(
    address: str, chromium: str, silence: Path
) -> None:
    async with visiting(address, chromium, silence, **PHONE) as visit:
        await in_reach_at_every_size(visit.page)
        await visit.press("Sound")
        await in_reach_at_every_size(visit.page)
        await visit.page.keyboard.press("Escape")
        await visit.press("Start")
        await visit.until_greeted()
        await visit.say("My name is Anna")
        await visit.until_bubble("Anna.")
        await in_reach_at_every_size(visit.page)


async def in_reach_at_every_size(page: Page) -> None:
    """A small phone, a desk at 400 % and at 200 %, a phone on its side."""
    for width, height in [(320, 568), (320, 256), (640, 400), (844, 390)]:
        await page.set_viewport_size({"width": width, "height": height})
        await in_reach(page)


async def in_reach(page: Page) -> None:
    """Nothing sticks out to the side, is too small for a finger, or cannot be scrolled to."""
    wide = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    scroll, client = await page.evaluate(wide)
    assert scroll <= client
    for target in await page.evaluate(TARGETS):
        assert target["least"] >= LEAST_TARGET_PX, target
    names = await page.get_by_role("button").all_inner_texts()
    for name in map(str.strip, names):
        button = page.get_by_role("button", name=name, exact=True)
        await button.scroll_into_view_if_needed()
        await expect(button).to_be_in_viewport(ratio=0.9)


async def test_forced_colours_keep_edges_and_states(
    address: str, chromium: str, silence: Path
) -> None:
    async with visiting(address, chromium, silence, forced_colors="active") as visit:
        await visit.press("Start")
        await visit.until_greeted()
        edge = """(selector) => {
            const style = getComputedStyle(document.querySelector(selector));
            return [style.borderTopWidth, style.borderTopColor === style.backgroundColor];
        }"""
        for selector in ("#mute", "#end", "#message", ".bubble-body", ".status"):
            assert await visit.page.evaluate(edge, selector) == ["1px", False], selector
        assert await violations(visit.page) == []
