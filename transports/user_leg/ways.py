"""The ways in which a person can reach the bot, by the names that Pipecat's runner has for them."""

from __future__ import annotations

from collections.abc import Callable

from pipecat.transports.base_transport import TransportParams
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams

from .serializer import PageSerializer


def params(serializer: PageSerializer) -> dict[str, Callable[[], TransportParams]]:
    """For Pipecat's `create_transport`. What a way needs is imported when it is taken.

    Args:
        serializer: What the other side of a WebSocket understands.
    """

    def websocket() -> TransportParams:
        return FastAPIWebsocketParams(
            serializer=serializer, audio_in_enabled=True, audio_out_enabled=True
        )

    def webrtc() -> TransportParams:
        return TransportParams(audio_in_enabled=True, audio_out_enabled=True)

    def daily() -> TransportParams:
        from pipecat.transports.daily.transport import DailyParams

        return DailyParams(audio_in_enabled=True, audio_out_enabled=True)

    def livekit() -> TransportParams:
        from pipecat.transports.livekit.transport import LiveKitParams

        return LiveKitParams(audio_in_enabled=True, audio_out_enabled=True)

    return {"websocket": websocket, "webrtc": webrtc, "daily": daily, "livekit": livekit}
