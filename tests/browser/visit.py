"""A visit to the page: the real bot in a process of its own, a real browser, a WAV as microphone.

Used by the tests beside it and by `benchmarks/conversation.py`.
"""

from __future__ import annotations

import asyncio
import os
import sys
import wave
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
from playwright.async_api import Browser, Page, async_playwright, expect

from services.espeak import Voice
from services.rendering import render
from services.wording import passages
from tests.emulated.serving import free_port

ROOT = Path(__file__).parents[2]
MICROPHONE_HZ = 48_000
PATIENCE_S = 30.0

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--use-fake-device-for-media-stream",
)

WATCH = """() => {
    const seen = (window.seen = []);
    const note = (kind, detail) => seen.push({ at: performance.now(), kind, ...detail });
    for (const kind of ['audible', 'silent', 'message'])
        document.addEventListener(`avatarbot:${kind}`, (event) => note(kind, event.detail));
    const status = document.querySelector('[role=status]');
    new MutationObserver(() => note('status', { status: status.textContent }))
        .observe(status, { childList: true, characterData: true, subtree: true });
}"""


@asynccontextmanager
async def running_bot(
    port: int | None = None, command: Sequence[str] = ("bot.py",), **environment: str
) -> AsyncIterator[str]:
    """`bot.py` in a process of its own; yields the address that it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        "--port",
        str(port or free_port()),
        cwd=ROOT,
        env=os.environ | environment,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            line = (await process.stdout.readline()).decode()
        assert line.startswith("avatarbot is at "), line
        yield line.split()[3]
    finally:
        process.terminate()
        async with asyncio.timeout(10):
            await process.wait()


def record(path: Path, script: Sequence[float | str]) -> list[float]:
    """Write a microphone's WAV from pauses (seconds) and sentences.

    Returns:
        When each sentence ends, in seconds from the start of the recording.
    """
    noise = np.random.default_rng(7)
    parts: list[np.ndarray] = []
    ends: list[float] = []
    for part in script:
        if isinstance(part, str):
            pcm = b"".join(render(p, Voice("en-us"), MICROPHONE_HZ).pcm for p in passages(part))
            parts.append(np.frombuffer(pcm, dtype="<i2"))
            ends.append(sum(len(p) for p in parts) / MICROPHONE_HZ)
        else:
            quiet = noise.standard_normal(round(part * MICROPHONE_HZ)) * 15
            parts.append(quiet.astype("<i2"))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(MICROPHONE_HZ)
        file.writeframes(np.concatenate(parts).tobytes())
    return ends


class Visit:
    """Somebody in front of the page."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address
        self.requested: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.requested.append(request.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda m: self.complaints.append(m.text) if m.type == "error" else None)

    async def arrive(self) -> None:
        await self.page.goto(self.address)
        await self.page.evaluate(WATCH)

    async def press(self, name: str) -> None:
        await self.page.get_by_role("button", name=name, exact=True).click()

    async def say(self, text: str) -> None:
        await self.page.get_by_role("textbox", name="Message").fill(text)
        await self.press("Send")

    async def status(self) -> str:
        return await self.page.get_by_role("status").inner_text()

    async def bubbles(self) -> list[str]:
        """The conversation's bubbles, each as one line of text."""
        log = self.page.get_by_role("log", name="Conversation")
        texts = await log.locator(":scope > *").all_inner_texts()
        return [" ".join(text.split()) for text in texts if text.strip()]

    async def until_bubble(self, text: str) -> list[str]:
        """Wait until a bubble holds this text; returns all bubbles."""
        async with asyncio.timeout(PATIENCE_S):
            while not any(text in bubble for bubble in await self.bubbles()):
                await asyncio.sleep(0.02)
        return await self.bubbles()

    async def until_notice(self, text: str) -> None:
        """Wait until the page says this sentence, or a part of it."""
        alert = self.page.get_by_role("alert")
        await expect(alert).to_contain_text(text, timeout=1_000 * PATIENCE_S)

    async def until_greeted(self) -> None:
        """Wait until the bot has said hello and listens."""
        await self.until("status", status="speaking")
        await self.until("status", after=await self.now(), status="listening")

    async def seen(self, kind: str | None = None) -> list[dict[str, Any]]:
        """What the page told of itself so far; `at` in milliseconds of the page's clock."""
        events: list[dict[str, Any]] = await self.page.evaluate("window.seen")
        return [event for event in events if kind in (None, event["kind"])]

    async def now(self) -> float:
        """Milliseconds of the page's clock."""
        return float(await self.page.evaluate("performance.now()"))

    async def until(self, kind: str, after: float = 0.0, **wanted: Any) -> dict[str, Any]:
        """Wait for the first event of a kind after a time; returns it."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for event in await self.seen(kind):
                    if event["at"] > after and wanted.items() <= event.items():
                        return event
                await asyncio.sleep(0.02)


@asynccontextmanager
async def browsing(chromium: str, wav: Path | None = None, *extra: str) -> AsyncIterator[Browser]:
    """A headless Chromium; `wav` is what its microphone hears, once."""
    arguments = [*ARGUMENTS, *extra]
    if wav is not None:
        arguments += [
            "--use-fake-ui-for-media-stream",
            f"--use-file-for-fake-audio-capture={wav}%noloop",
        ]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=arguments)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def visiting(
    address: str,
    chromium: str,
    wav: Path | None = None,
    *extra: str,
    width: int = 1280,
    height: int = 800,
    **context: Any,
) -> AsyncIterator[Visit]:
    """A visit that has arrived. `context` is what Playwright's `new_page` takes besides."""
    async with browsing(chromium, wav, *extra) as browser:
        page = await browser.new_page(viewport={"width": width, "height": height}, **context)
        visit = Visit(page, address)
        await visit.arrive()
        yield visit
