"""Who carries the speech: the vendor's face where somebody watches it, else what stands in for it.

There is one audible source. The stand-in carries the speech from the start, so that nobody waits
for a vendor; the face takes over, in a pause, once the vendor is ready and the page says that it
shows it. If the page loses it, or we do, the stand-in goes on at once, from the first sample that
was not heard.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import uuid4

from .core import SpeechCore
from .errors import AvatarError
from .leg import Leg
from .reports import Report
from .session import AvatarSession
from .speech_clock import SpeechClock
from .vendor import Opened, UserLeg, Vendor


class Stage:
    """The sessions of one conversation, and the core that they share.

    Args:
        vendor: Who renders the face.
        stand_in: Who carries the speech while nobody watches; None: the vendor always does.
        goes_on_without: Whether the stand-in goes on alone where the vendor cannot be started, or
            is lost.
        opens_when_watched: Whether the vendor's session waits until a page asks for it.
        ready_timeout_s: How long the vendor may take until it can be told anything, in seconds.
        deliver: See `SpeechClock`.
        opened: Called when the vendor's session exists.
        show: Called with what a page needs to show the avatar, when it has asked and it is known.
        failed: Awaited with an error, and with whether all speech ends by it.

    Raises:
        ValueError: The two take audio of different rates.
    """

    def __init__(
        self,
        vendor: Vendor,
        stand_in: Vendor | None,
        *,
        goes_on_without: bool,
        opens_when_watched: bool,
        ready_timeout_s: float,
        deliver: Callable[[list[Report]], Awaitable[None]],
        opened: Callable[[Opened], None],
        show: Callable[[Mapping[str, str]], None],
        failed: Callable[[AvatarError, bool], Awaitable[None]],
    ) -> None:
        if stand_in and stand_in.profile.sample_rate != vendor.profile.sample_rate:
            raise ValueError(f"{stand_in.name} and {vendor.name} take audio of different rates")
        self._goes_on_without = goes_on_without
        self._opens_when_watched = opens_when_watched
        self._opened = opened
        self._show = show
        self._failed = failed
        carriers = [each for each in (vendor, stand_in) if each]
        legs = [Leg(each.profile) for each in carriers]
        self.core = SpeechCore(legs[-1], new_id=lambda: str(uuid4()))
        self.clock = SpeechClock(self.core, deliver=deliver, wake=self._wake, failed=self._end)
        self._sessions = [
            AvatarSession(each, leg, self.core, self, ready_timeout_s=ready_timeout_s)
            for each, leg in zip(carriers, legs, strict=True)
        ]
        self._face = self._sessions[0]
        self._stand_in = self._sessions[1] if stand_in else None
        self._has_begun = False
        self._watched = False  # the page can show it, and asks where it is
        self._joined = False  # the page shows it
        self._face_session: Opened | None = None
        self._face_known = asyncio.Event()  # whether it is there, or will not be

    def start(self, user_leg: UserLeg) -> None:
        """Open the sessions, each in a task of its own."""
        self._has_begun = True
        for session in self._sessions:
            session.vendor.attach(user_leg)
            if session is not self._face or not self._opens_when_watched:
                session.start()
        self.clock.start()

    async def aclose(self) -> None:
        """Close now, and wait until what was opened is closed."""
        self._lose_face()
        await asyncio.gather(*(session.aclose() for session in self._sessions))
        await self.clock.aclose()

    @property
    def is_open(self) -> bool:
        """Whether the vendor's session is."""
        return self._face_session is not None

    async def face(self) -> Opened | None:
        """Have the vendor's session opened, if it is not; None where it cannot be had any more."""
        self._open_face()
        await self._face_known.wait()
        return self._face_session

    async def dismiss(self) -> None:
        """Close the vendor's session for good, and wait for that; the stand-in goes on alone."""
        self._joined = self._opens_when_watched = False
        self._cast()
        self._lose_face()
        await self._face.aclose()

    def is_face(self, leg: Leg) -> bool:
        """Whether this leg is the vendor's."""
        return leg is self._face.leg

    # What comes from the pipeline

    def poke(self) -> None:
        """The core was told something."""
        self.clock.poke()

    def mouth(self, visemes: Mapping[str, Any]) -> None:
        """Mouth shapes that the TTS knows of."""
        for session in self._sessions:
            session.vendor.mouth(visemes)

    def page_says(self, kind: str, data: Mapping[str, Any]) -> None:
        """What the page reports of the avatar; never raises."""
        match kind:
            case "avatar-watch":
                self._watched = True
                self._open_face()
                self._tell_viewer()
            case "avatar-joined" | "avatar-left":
                self._joined = kind == "avatar-joined"
                self._cast()
            case _:
                for session in self._sessions:
                    session.vendor.page_says(kind, data)

    # What comes from the sessions

    def opened(self, session: AvatarSession, as_what: Opened) -> None:
        """The page can be told where the face is."""
        if session is self._face:
            self._opened(as_what)
            self._face_session = as_what
            self._face_known.set()
            self._tell_viewer()

    def ready(self, session: AvatarSession) -> None:
        """The face can carry the speech, if it is watched."""
        if session is self._face:
            self._cast()

    async def failed(self, session: AvatarSession, error: AvatarError) -> None:
        """Go on without the face, from the first word that was not heard, if that was asked for."""
        if session is self._face:
            self._lose_face()
        stands_in = self._stand_in is not None and not self._stand_in.leg.is_closed
        if session is self._face and self._goes_on_without and stands_in:
            self._cast()
            await self._failed(error, False)
        else:
            await self._end(error)

    # Inside

    async def _end(self, error: AvatarError) -> None:
        for session in self._sessions:
            session.leg.close()
        self.core.interrupt(now=asyncio.get_running_loop().time())
        await self.clock.flush()
        await self._failed(error, True)

    def _open_face(self) -> None:
        opens, self._opens_when_watched = self._opens_when_watched, False
        if opens and self._has_begun and not self._face.leg.is_closed:
            self._face.start()  # before that it is opened with the others

    def _lose_face(self) -> None:
        self._face_session = None
        self._face_known.set()

    def _wake(self) -> None:
        for session in self._sessions:
            session.wake()

    def _tell_viewer(self) -> None:
        if self._watched and self._face_session:
            viewer = self._face.vendor.viewer(self._face_session)
            if viewer:
                self._show(viewer)

    def _cast(self) -> None:
        if self._stand_in is None:
            return
        is_seen = self._joined and self._face.leg.is_ready
        session = self._face if is_seen else self._stand_in
        now = asyncio.get_running_loop().time()
        self.core.carry(session.leg, at_once=not is_seen, now=now)
        self.poke()
