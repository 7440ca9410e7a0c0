"""Takes the pictures of the README: the page in its six states, for a desk and for a phone.

`uv run scripts/pictures.py` needs Chromium; it runs the real bot and writes `docs/pictures/`.
"""

import asyncio
import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.browser.visit import Visit, record, running_bot, visiting  # noqa: E402
from tests.conftest import find_chromium  # noqa: E402

PICTURES = ROOT / "docs" / "pictures"
WIDTHS = {"desk": (1280, 800), "phone": (390, 844)}


async def take(visit: Visit, device: str, state: str) -> None:
    png = await visit.page.screenshot()
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture.save(PICTURES / f"{device}-{state}.jpg", quality=90, optimize=True)


async def settle(seconds: float = 0.7) -> None:
    """The face takes a moment to change its pose."""
    await asyncio.sleep(seconds)


async def visit_all_states(visit: Visit, device: str) -> None:
    await settle()
    await take(visit, device, "disconnected")
    await visit.page.route("**/start", lambda route: asyncio.sleep(1.5))
    await visit.press("Start")
    await settle()
    await take(visit, device, "connecting")
    await visit.page.reload()
    await visit.page.unroute("**/start")
    await visit.arrive()
    await visit.press("Start")
    await visit.until("status", status="speaking")
    await visit.until("status", after=await visit.now(), status="listening")
    asked = await visit.now()
    await visit.say("My name is Anna")
    await visit.until("status", after=asked, status="speaking")
    await visit.until("status", after=await visit.now(), status="listening")
    await settle()
    await take(visit, device, "listening")
    asked = await visit.now()
    await visit.say("Tell me a story")
    await visit.until("status", after=asked, status="thinking")
    await take(visit, device, "thinking")
    await visit.until("status", after=asked, status="speaking")
    await settle(4.0)
    await take(visit, device, "speaking")
    cut = await visit.now()
    await visit.say("Thank you")
    await visit.until("status", after=cut, status="interrupted")
    await settle(0.35)
    await take(visit, device, "interrupted")


async def main() -> None:
    chromium = find_chromium()
    assert chromium, "needs Chromium"
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "silence.wav"
        record(wav, [120.0])
        async with running_bot() as address:
            for device, (width, height) in WIDTHS.items():
                async with visiting(address, chromium, wav, width=width, height=height) as visit:
                    await visit_all_states(visit, device)


if __name__ == "__main__":
    asyncio.run(main())
