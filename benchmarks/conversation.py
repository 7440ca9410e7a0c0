"""How long a person waits: the real bot, the real page in headless Chromium, a WAV as microphone.

`uv run benchmarks/conversation.py [--runs 20]`, on an otherwise idle machine. Times are of the
page's own clock. Speech ends when its last loud piece of 20 ms leaves the page, and begins with its
first one; the voice is audible, and silent, when that reaches the loudspeaker by the browser's own
output timestamp. Nothing but the loopback interface is used.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.figures import machine, summary  # noqa: E402
from tests.browser.visit import Visit, record, running_bot, visiting  # noqa: E402
from tests.conftest import find_chromium  # noqa: E402
from tests.emulated.serving import free_port  # noqa: E402

LISTEN_IN = """() => {
    const heard = (window.heard = []);
    const told = (window.told = []);
    const loud = 600;
    const send = WebSocket.prototype.send;
    WebSocket.prototype.send = function (data) {
        if (data instanceof ArrayBuffer || ArrayBuffer.isView(data)) {
            const pcm = new Int16Array(data.buffer ?? data);
            let peak = 0;
            for (const sample of pcm) peak = Math.max(peak, Math.abs(sample));
            if (peak > loud) heard.push(performance.now());
        }
        return send.call(this, data);
    };
    const Socket = WebSocket;
    window.WebSocket = class extends Socket {
        constructor(...given) {
            super(...given);
            this.addEventListener('message', ({ data }) => {
                if (typeof data !== 'string') return;
                const { type, data: detail } = JSON.parse(data);
                told.push({ at: performance.now(), type: detail?.type ?? type });
            });
        }
    };
}"""
QUESTIONS = ("What is your name?", "How are you?", "Good morning.", "Tell me a joke.")
CUT_INS = ("Stop.", "Wait.", "Thank you.", "What time is it?")
PAUSE_MS = 400.0  # of quiet between two pieces of speech; no phrase below has such a pause


def stretches(loud: list[float]) -> list[tuple[float, float]]:
    """When pieces of speech began and ended, from the times of loud messages."""
    found: list[tuple[float, float]] = []
    for at in loud:
        if found and at - found[-1][1] < PAUSE_MS:
            found[-1] = (found[-1][0], at)
        else:
            found.append((at, at))
    return found


async def start_to_page(runs: int) -> list[float]:
    """Milliseconds from the start of the process to a page that is served."""
    waited = []
    for _ in range(runs):
        port = free_port()
        began = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "bot.py", "--port", str(port), cwd=ROOT, stdout=-3, stderr=-3
        )
        while True:
            try:
                reader, writer = await asyncio.open_connection("localhost", port)
            except OSError:
                await asyncio.sleep(0.01)
                continue
            writer.write(f"GET / HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n".encode())
            status = await reader.readline()
            writer.close()
            assert b" 200 " in status
            break
        waited.append(1_000 * (time.perf_counter() - began))
        process.terminate()
        await process.wait()
    return waited


async def prepare(visit: Visit) -> None:
    """Reload the page with our ears in it."""
    await visit.page.add_init_script(f"({LISTEN_IN})()")
    await visit.arrive()


async def click_to_greeting(address: str, chromium: str, wav: Path, runs: int) -> list[float]:
    waited = []
    async with visiting(address, chromium, wav) as visit:
        for _ in range(runs):
            began = await visit.now()
            await visit.page.evaluate("document.querySelector('#start').click()")
            audible = await visit.until("audible", after=began)
            waited.append(audible["performanceTime"] - began)
            await visit.press("End")
            await visit.until("status", after=began, status="disconnected")
    return waited


async def typed_to_audible(address: str, chromium: str, wav: Path, runs: int) -> list[float]:
    waited = []
    async with visiting(address, chromium, wav) as visit:
        await visit.press("Start")
        await visit.until("status", status="speaking")
        await visit.until("status", after=await visit.now(), status="listening")
        for _ in range(runs):
            await visit.page.get_by_role("textbox", name="Message").fill("Thank you")
            sent = float(
                await visit.page.evaluate(
                    "(() => { const at = performance.now();"
                    " document.querySelector('#send').click(); return at; })()"
                )
            )
            audible = await visit.until("audible", after=sent)
            waited.append(audible["performanceTime"] - sent)
            await visit.until("status", after=audible["at"], status="listening")
    return waited


async def voice_to_voice(
    address: str, chromium: str, folder: Path, runs: int
) -> dict[str, list[float]]:
    """Each hop of a spoken question and its answer."""
    script: list[float | str] = [6.0]
    for run in range(runs):
        script += [QUESTIONS[run % len(QUESTIONS)], 8.0]
    record(folder / "questions.wav", script)
    async with visiting(address, chromium, folder / "questions.wav") as visit:
        await prepare(visit)
        await visit.press("Start")
        await visit.until("status", status="speaking")
        await asyncio.sleep(sum(p for p in script if isinstance(p, float)) + 1.6 * runs)
        said = stretches(await visit.page.evaluate("window.heard"))
        told: list[dict[str, Any]] = await visit.page.evaluate("window.told")
        audible = await visit.seen("audible")
        bubbles = await visit.bubbles()
    print("  heard:", [b.removeprefix("You · spoken ") for b in bubbles if "spoken" in b])
    hops: dict[str, list[float]] = {
        "end of speech → transcript": [],
        "transcript → turn ended": [],
        "turn ended → voice begins to arrive": [],
        "voice arrives → audible": [],
        "end of speech → first audible sample": [],
    }
    for (_, end), following in zip(said, [*(s for s, _ in said[1:]), float("inf")], strict=False):
        times = [end]
        for kind in ("user-transcription", "user-stopped-speaking", "avatar-begin"):
            at = next((t["at"] for t in told if t["type"] == kind and end < t["at"]), None)
            times.append(at if at is not None else float("inf"))
        first = next((a["performanceTime"] for a in audible if a["at"] > end), float("inf"))
        times.append(first)
        if max(times) < following:
            for name, before, after in zip(hops, times, times[1:], strict=False):
                hops[name].append(after - before)
            hops["end of speech → first audible sample"].append(first - end)
    return hops


async def cut_in_to_silence(
    address: str, chromium: str, folder: Path, runs: int
) -> dict[str, list[float]]:
    """Each hop of a word that cuts into a story."""
    script: list[float | str] = [6.0]
    for run in range(runs):
        script += ["Tell me a story.", 4.0, CUT_INS[run % len(CUT_INS)], 3.0]
    record(folder / "cuts.wav", script)
    async with visiting(address, chromium, folder / "cuts.wav") as visit:
        await prepare(visit)
        await visit.press("Start")
        await visit.until("status", status="speaking")
        await asyncio.sleep(sum(p for p in script if isinstance(p, float)) + 2.4 * runs)
        said = stretches(await visit.page.evaluate("window.heard"))
        told: list[dict[str, Any]] = await visit.page.evaluate("window.told")
        silent = [event["performanceTime"] for event in await visit.seen("silent")]
    hops: dict[str, list[float]] = {
        "voice begins → page is told to cut": [],
        "page is told → silence": [],
        "cut-in → silence": [],
    }
    for cut in (event["at"] for event in told if event["type"] == "avatar-cut"):
        begun = [start for start, _ in said if 0 < cut - start < 2_000]
        quiet = [at for at in silent if cut - 50 < at < cut + 500]
        if begun and quiet:
            times = (begun[-1], cut, quiet[0])
            for name, value in zip(hops, (cut - times[0], quiet[0] - cut), strict=False):
                hops[name].append(value)
            hops["cut-in → silence"].append(quiet[0] - begun[-1])
    return hops


async def main(runs: int) -> None:
    chromium = find_chromium()
    assert chromium, "needs Chromium"
    print(machine())
    print(summary("start of the process → page served", await start_to_page(runs)))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        record(folder / "silence.wav", [600.0])
        async with running_bot() as address:
            silence = folder / "silence.wav"
            greeting = await click_to_greeting(address, chromium, silence, runs)
            print(summary("click on Start → greeting audible", greeting))
            typed = await typed_to_audible(address, chromium, silence, runs)
            print(summary("text sent → answer audible", typed))
            for hop, values in (await voice_to_voice(address, chromium, folder, runs)).items():
                print(summary(hop, values))
            for hop, values in (await cut_in_to_silence(address, chromium, folder, runs)).items():
                print(summary(hop, values))
    print(f"load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=20, help="of each (%(default)s)")
    asyncio.run(main(arguments.parse_args().runs))
