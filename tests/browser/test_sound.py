"""The sheet "Sound": which devices, whether the microphone hears, and nobody is heard unasked."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Locator, expect

from tests.browser.visit import Visit, record, visiting

pytestmark = pytest.mark.asyncio(loop_scope="module")

EARS = """() => {
    const asked = (window.asked = []);
    const devices = navigator.mediaDevices;
    const ask = devices.getUserMedia.bind(devices);
    devices.getUserMedia = async (wanted) => {
        window.wanted = wanted.audio;
        const stream = await ask(wanted);
        const [track] = stream.getAudioTracks();
        asked.push({ track, device: track.getSettings().deviceId });
        return stream;
    };
}"""
OPEN = """window.asked
    .filter(({ track }) => track.readyState === 'live').map(({ device }) => device)"""


GONE = """() => {
    const devices = navigator.mediaDevices;
    window.list ??= devices.enumerateDevices.bind(devices);
    window.ask ??= devices.getUserMedia.bind(devices);
    devices.enumerateDevices = async () => [];
    devices.getUserMedia = async (wanted) => {
        const { deviceId } = wanted.audio;
        if (deviceId !== undefined) throw new DOMException('gone', 'OverconstrainedError');
        return window.ask(wanted);
    };
    for (const { track } of window.asked ?? []) {
        track.stop();
        track.dispatchEvent(new Event('ended'));
    }
    devices.dispatchEvent(new Event('devicechange'));
}"""
BACK = """() => {
    const devices = navigator.mediaDevices;
    devices.enumerateDevices = window.list;
    devices.getUserMedia = window.ask;
    devices.dispatchEvent(new Event('devicechange'));
}"""


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    """Somebody who says something every now and then."""
    record(tmp_path / "talk.wav", [1.0, *(["What is your name?", 1.5] * 20)])
    return tmp_path / "talk.wav"


async def sheet(visit: Visit) -> Locator:
    await visit.press("Sound")
    sheet = visit.page.get_by_role("dialog", name="Sound")
    await expect(sheet).to_be_visible()
    return sheet


async def until_open(visit: Visit, count: int) -> list[Any]:
    """Wait until so many microphones are open; returns their devices."""
    async with asyncio.timeout(5):
        while len(devices := await visit.page.evaluate(OPEN)) != count:
            await asyncio.sleep(0.02)
    return list(devices)


async def until_device(visit: Visit, device: str) -> None:
    """Wait until this microphone is open, and no other one."""
    async with asyncio.timeout(5):
        while await visit.page.evaluate(OPEN) != [device]:
            await asyncio.sleep(0.02)


async def test_the_meter_shows_before_the_start_that_the_microphone_hears(
    address: str, chromium: str, talk: Path
) -> None:
    async with visiting(address, chromium, talk) as visit:
        await visit.page.evaluate(EARS)
        level = (await sheet(visit)).get_by_role("meter", name="Microphone level")
        await expect(visit.page.get_by_text("The microphone hears you.")).to_be_visible()
        async with asyncio.timeout(10):
            while int(await level.get_attribute("aria-valuenow") or 0) < 20:
                await asyncio.sleep(0.02)
        await visit.page.keyboard.press("Escape")
        await until_open(visit, 0)
        assert not [url for url in visit.requested if url.endswith("/start")]


async def test_no_microphone_is_opened_before_somebody_asks_for_it(
    address: str, chromium: str
) -> None:
    async with visiting(address, chromium) as visit:
        await visit.page.evaluate(EARS)
        dialog = await sheet(visit)
        trying = dialog.get_by_role("button", name="Try the microphone")
        await expect(trying).to_be_visible()
        await until_open(visit, 0)
        await expect(dialog.get_by_label("Microphone", exact=True)).to_have_text("System default")
        await visit.page.context.grant_permissions(["microphone"])
        await trying.focus()
        await visit.page.keyboard.press("Enter")
        await until_open(visit, 1)
        await expect(trying).to_be_hidden()
        await expect(dialog.get_by_label("Microphone", exact=True)).to_be_focused()


async def test_another_microphone_is_used_at_once_and_remembered_and_muted_stays_muted(
    address: str, chromium: str, talk: Path
) -> None:
    async with visiting(address, chromium, talk) as visit:
        await visit.page.evaluate(EARS)
        await visit.press("Start")
        await visit.until("status", status="speaking")
        [first] = await until_open(visit, 1)
        await visit.press("Mute")
        dialog = await sheet(visit)
        await expect(dialog.get_by_text("Muted: nothing is heard or sent.")).to_be_visible()
        picker = dialog.get_by_label("Microphone", exact=True)
        await picker.select_option("Fake Audio Input 2")
        chosen = await picker.input_value()
        await until_device(visit, chosen)
        assert chosen != first
        enabled = "window.asked.map(({ track }) => track.enabled)"
        assert not any(await visit.page.evaluate(enabled))
        await expect(visit.page.locator("#mute")).to_have_attribute("aria-pressed", "true")
        wanted = await visit.page.evaluate("window.wanted")
        assert (wanted["noiseSuppression"], wanted["autoGainControl"]) == (False, False)

        await visit.arrive()
        await visit.page.evaluate(EARS)
        await visit.press("Start")
        assert await until_open(visit, 1) == [chosen]


async def test_a_microphone_that_is_gone_gives_way_to_the_default_and_is_taken_again_when_back(
    address: str, chromium: str, talk: Path
) -> None:
    async with visiting(address, chromium, talk) as visit:
        await visit.page.evaluate("localStorage['avatarbot.microphone'] = 'of-another-desk'")
        await visit.arrive()
        await visit.page.evaluate(EARS)
        await visit.press("Start")
        await visit.until("status", status="speaking")
        [device] = await until_open(visit, 1)
        picker = (await sheet(visit)).get_by_label("Microphone", exact=True)
        await expect(picker.locator("option")).to_have_count(3)
        await expect(picker).to_have_value("")
        # Another one of this desk is chosen, goes, and comes back: what a browser says then.
        await picker.select_option("Fake Audio Input 1")
        chosen = await picker.input_value()
        await until_device(visit, chosen)
        await visit.page.evaluate(GONE)
        await until_device(visit, device)
        await expect(picker).to_have_value("")
        await visit.page.evaluate(BACK)
        await until_device(visit, chosen)
        await expect(picker).to_have_value(chosen)
        assert visit.complaints == []


async def test_the_voice_moves_to_another_loudspeaker_and_back_when_it_goes(
    address: str, chromium: str, silence: Path
) -> None:
    watch = """() => {
        window.sinks = [];
        const place = AudioContext.prototype.setSinkId;
        AudioContext.prototype.setSinkId = function (id) {
            window.sinks.push(id);
            return place.call(this, id);
        };
    }"""
    async with visiting(address, chromium, silence) as visit:
        await visit.page.evaluate(watch)
        await visit.press("Start")
        await visit.until("status", status="speaking")
        picker = (await sheet(visit)).get_by_label("Loudspeaker")
        await picker.select_option("Fake Audio Output 1")
        chosen = await picker.input_value()
        await until_sink(visit, chosen)
        await visit.page.evaluate(GONE)
        await until_sink(visit, "")
        await expect(picker).to_have_value("")
        assert visit.complaints == []


async def until_sink(visit: Visit, device: str) -> None:
    async with asyncio.timeout(5):
        while await visit.page.evaluate("window.sinks.at(-1)") != device:
            await asyncio.sleep(0.02)
