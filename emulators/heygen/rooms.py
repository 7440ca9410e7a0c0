"""Rooms of a LiveKit server in which the avatars are seen and heard: `--room`.

Each session has a room of its own, as at the vendor: the avatar is in it as `heygen`, and whoever
has the client's token looks and listens. What is heard there is what the play head says, so that an
interrupt is silence in the room too. At another speed than 1 the sound is not the speech.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

from livekit import api, rtc
from livekit.rtc.participant import PublishTrackError

from ..playback import RATE_HZ, heard_between
from . import portrait
from .session import Session

IDENTITY = "heygen"

_FRAME_S = 0.02
_FRAME_SAMPLES = int(RATE_HZ * _FRAME_S)
_QUEUE_MS = 60
_PICTURE_EVERY = 2  # frames of sound to one of the picture: 25 a second
_TOKEN_LIFE = timedelta(hours=1)

_log = logging.getLogger(__name__)


class Rooms:
    """The rooms of one server.

    Args:
        url: Where the server is, for clients.
        key: Its API key.
        secret: The secret of that key.
    """

    def __init__(self, url: str, key: str, secret: str) -> None:
        self.url = url
        self._key = key
        self._secret = secret
        self._avatars: set[asyncio.Task[None]] = set()

    def client_token(self, session: Session) -> str:
        """Returns what lets a person into a session's room, to look and to listen."""
        return self._token(session, "client", can_publish=False, can_publish_data=False)

    def agent_token(self, session: Session) -> str:
        """Returns what lets a bot into a session's room."""
        return self._token(session, "agent", can_publish=True, can_publish_data=True)

    def open(self, session: Session) -> None:
        """Sends the avatar of a session that was started into its room, until the session ends."""
        task = asyncio.create_task(self._perform(session), name=f"avatar {session.id}")
        self._avatars.add(task)
        task.add_done_callback(self._avatars.discard)

    async def aclose(self) -> None:
        """Takes all avatars out of their rooms."""
        for each in self._avatars:
            each.cancel()
        await asyncio.gather(*self._avatars, return_exceptions=True)

    async def _perform(self, session: Session) -> None:
        room = rtc.Room()
        token = self._token(session, IDENTITY, can_publish=True, can_publish_data=True)
        try:
            await room.connect(self.url, token, rtc.RoomOptions(auto_subscribe=False))
            await _play(session, room)
        except (rtc.ConnectError, PublishTrackError) as error:
            _log.warning("the avatar of %s cannot be seen in its room: %s", session.id, error)
        finally:
            await room.disconnect()

    def _token(
        self, session: Session, identity: str, *, can_publish: bool, can_publish_data: bool
    ) -> str:
        grants = api.VideoGrants(
            room_join=True,
            room=session.id,
            can_publish=can_publish,
            can_publish_data=can_publish_data,
            can_subscribe=True,
        )
        token = api.AccessToken(self._key, self._secret).with_identity(identity)
        return token.with_grants(grants).with_ttl(_TOKEN_LIFE).to_jwt()


async def _play(session: Session, room: rtc.Room) -> None:
    """Shows and plays what the play head says, while the session runs and the room is there."""
    voice = rtc.AudioSource(RATE_HZ, 1, queue_size_ms=_QUEUE_MS)
    picture = rtc.VideoSource(portrait.WIDTH, portrait.HEIGHT)
    await _publish(room, voice, picture)
    loop = asyncio.get_running_loop()
    begins = heard = loop.time()
    frames = cuts = 0
    while session.running and room.isconnected():
        await asyncio.sleep(max(0.0, heard + _FRAME_S - loop.time()))
        if cuts != (cuts := len(session.interruptions)):
            voice.clear_queue()
        pcm = heard_between(session.avatar.utterances[-2:], heard, _FRAME_SAMPLES)
        await voice.capture_frame(rtc.AudioFrame(pcm, RATE_HZ, 1, _FRAME_SAMPLES))
        if frames % _PICTURE_EVERY == 0:
            drawn = portrait.draw(heard - begins, portrait.loudness(pcm))
            kind = rtc.VideoBufferType.RGBA
            picture.capture_frame(rtc.VideoFrame(portrait.WIDTH, portrait.HEIGHT, kind, drawn))
        frames += 1
        heard += _FRAME_S


async def _publish(room: rtc.Room, voice: rtc.AudioSource, picture: rtc.VideoSource) -> None:
    tracks: list[tuple[rtc.LocalTrack, rtc.TrackSource.ValueType]] = [
        (rtc.LocalAudioTrack.create_audio_track("voice", voice), rtc.TrackSource.SOURCE_MICROPHONE),
        (rtc.LocalVideoTrack.create_video_track("face", picture), rtc.TrackSource.SOURCE_CAMERA),
    ]
    for track, source in tracks:
        options = rtc.TrackPublishOptions(source=source, simulcast=False)
        await room.local_participant.publish_track(track, options)
