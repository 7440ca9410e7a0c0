"""ZEGO's side of the wire, and the back end that its callbacks come to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from aiohttp import web

from emulators.zego import Emulator, serve
from transports.avatar.journal import Journal
from transports.zego import PROFILE, CallbackRefused, Callbacks, ZegoVendor


@asynccontextmanager
async def receiving(vendors: list[ZegoVendor], callbacks: list[Callbacks]) -> AsyncIterator[str]:
    """A receiver of callbacks; yields its address."""

    async def receive(request: web.Request) -> web.Response:
        try:
            told = callbacks[0].read(await request.read())
        except CallbackRefused:
            return web.Response(status=403)
        for vendor in vendors if told else ():
            vendor.hear(told)
        return web.Response()

    app = web.Application()
    app.router.add_post("/", receive)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def zego(
    *, tells: bool = True, alpha_end_ms: float = 0, **knobs: Any
) -> AsyncIterator[Emulator]:
    """The emulator, with a back end.

    Args:
        tells: Whether its callbacks reach ours.
        alpha_end_ms: Is of another vendor.
        knobs: How it behaves.
    """
    vendors: list[ZegoVendor] = []
    callbacks: list[Callbacks] = []
    async with (
        receiving(vendors, callbacks) as url,
        serve(callback_url=url if tells else "", **knobs) as emulator,
    ):
        emulator.vendors = vendors  # type: ignore[attr-defined]
        callbacks.append(Callbacks(emulator.knobs.app_id, emulator.callback_secret))
        yield emulator


def zego_vendor(emulator: Any, folder: Path, **settings: Any) -> ZegoVendor:
    """Ours, told of what the emulator tells."""
    # A vendor that plays faster than real time would have to wait for more, and is done sooner.
    real_time = emulator.knobs.playback_speed <= 1
    lead_s = PROFILE.max_lead_s if real_time else 60.0
    vendor = ZegoVendor(
        app_id=emulator.knobs.app_id,
        server_secret=emulator.server_secret,
        profile=replace(PROFILE, max_lead_s=lead_s, real_time=real_time),
        tells=bool(emulator.knobs.callback_url),
        journal=Journal(folder),
        api_url=emulator.url,
        **settings,
    )
    getattr(emulator, "vendors", []).append(vendor)
    return vendor
