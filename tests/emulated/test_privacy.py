"""What the bot tells others: nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

from .serving import Place, Server, calling, free_port


def test_no_part_keeps_a_diary_for_its_maker(tmp_path: Path) -> None:
    port = free_port()
    server = Server(
        *("bot.py", "--port", str(port)),
        HOME=str(tmp_path),
        XDG_CACHE_HOME=str(tmp_path / "cache"),
        XDG_STATE_HOME=str(tmp_path / "state"),
    )

    async def talk() -> None:
        async with calling(Place(f"http://localhost:{port}", port)) as call:
            assert await call.answer_to("What is your name?")

    try:
        server.opened()
        asyncio.run(talk())
        opened = [str(each.readlink()) for each in server.descriptors() if each.is_symlink()]
    finally:
        server.stop()
    kept = {each.relative_to(tmp_path).parts[0] for each in tmp_path.rglob("*") if each.is_file()}
    assert kept <= {"state"}
    assert not [each for each in opened if str(tmp_path) in each]
