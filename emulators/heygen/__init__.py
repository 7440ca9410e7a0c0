"""HeyGen's vendor side: LiveAvatar (LITE), Interactive Avatar and the alpha realtime events.

Written on 2026-11-21 from the public documents: docs.liveavatar.com (lite-mode/events, lite-mode/
lifecycle, api-reference/sessions, sandbox-mode, faq/credits, core-concepts/rate-limits) and
docs.heygen.com (docs/interactive-avatar-realtime-api, reference/new-session, reference/keep-alive),
and from what public clients were seen to send and to expect. No live account was asked.

`serve()` runs it inside a test, `python -m emulators.heygen` by itself. REST of both services, the
control socket and `/_emulator/…` share one port. What it knows of a session (`Emulator.heard`,
`/_emulator/sessions/<id>`) is the truth that a client can only infer: which samples were heard, and
when. Delays are drawn per session from a seed that no client sees.

Where the documents are silent or contradict each other there is a knob, and its default is the one
that a careless client fails with (`python -m emulators.heygen --help` lists all):

* `dialect`: events as of September 2026 (`S`), without `agent.speak_*` as some saw it
  (`S-no-speak`), or with `task.id` as before (`T`).
* `connected_delay_ms`: how long after the socket opens commands are thrown away.
* `starved`, `starve_ms`: what a dry buffer in mid-utterance does, and when it is told.
* `listen_while_talking`: whether `start_listening` is remembered until the speech is over.
* `oversize`, `packet_limit`: whether a packet of more than 1 MB ends the connection.
* `at_limit`, `mute_seconds`, `abandoned_seconds`: how a session ends whose time is over, or whose
  socket is gone.
* `code`: what success is called in LiveAvatar's envelope.
* `own_room_fields`: what is answered for LiveKit when the room is the caller's own.
* `sandbox_foreign`: whether a sandbox refuses all avatars but its own one.
* `redial`: whether a second connection to the same address is let in.
* `reply_to_start`: what the undocumented message `start` of one client is answered.
* `alpha_end_ms`, `interrupt_drops_buffer`: when speech of the alpha events is over, for they have
  no verb for it, and whether an interrupt takes along what was appended and not committed.

Guesses without a knob: the numbers of LiveAvatar's business errors (4000 and following), the HTTP
status of a second start (400), of an unknown session (404) and of a socket that is refused (403),
the numbers of Interactive Avatar's limits (10006, 10007), and that an interrupt before the first
sample is heard is answered as one in mid-speech, without a change of state. A scripted fault
replaces each of the HTTP ones.
"""

from ..faults import Fault
from .emulator import Emulator
from .knobs import Knobs
from .serving import serve

__all__ = ["Emulator", "Fault", "Knobs", "serve"]
