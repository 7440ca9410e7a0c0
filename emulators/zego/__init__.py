"""ZEGO's vendor side: Digital Human and AI Agent.

Written on 2026-11-21 from the public documents (docs.zegocloud.com, digital-human and aiagent,
server APIs; the repository of their source of 2026-08-21) and from what the vendor's own sample
servers and pages send and expect. No live account was asked.

`serve()` runs it inside a test, `python -m emulators.zego` by itself. Both services (`/?Action=…`),
the drive sockets and `/_emulator/…` share one port. What it knows of a task (`Emulator.heard`,
`/_emulator/sessions/<id>`) is the truth that a client can only infer: which samples were heard, and
when. Delays are drawn per session from a seed that no client sees.

Where the documents are silent or contradict each other there is a knob
(`python -m emulators.zego --help` lists all), and its default is the one that is likely, or that a
careless client fails with:

* `cut_on`: whether `DriveByWsStream` cuts what plays, or the Start of the new drive;
  `reserve_while_driven`: whether it is taken then at all.
* `idle_interrupt`: whether an interrupt that finds nothing to cut is refused.
* `idle_from`: whether reservations and interrupts keep a task from being idle.
* `rate_limit`, `rate_burst`, `agent_rate_code`: for whom calls are counted, and what AI Agent says.
* `refused_status`: the HTTP status of a refusal; `replays`: whether a nonce may come twice.
* `connected_delay_ms`, `drain_ms`, `retention_s`: how long a task takes to stream and to stop, and
  how long it is known afterwards, with status 5.
* `first_frame_ms`, `stall_end_s`, `stalled_status`, `interrupted_status`: when a face begins, what
  becomes of a drive without a Stop, and what is told of one that is cut.
* `address_s`, `reuse_drive`, `second_socket`, `bad_frame`, `socket_replies`, `ping_s`,
  `socket_idle_s`: what a drive socket puts up with; it says nothing, as far as anybody knows.
  `start_crosses_s` closes one that was silent just as a Start is on its way.
* `callback_time`, `callback_retry`: seconds or milliseconds, and whether a retry is the same again.
* `add_answer`: what a page of the documents says and the guide denies.

Guesses without a knob: that a socket with a bad token is answered 401, and a second one that is
refused 409; that an agent remembers what was played of an answer, by whole words; that something
less important than what is said is refused; which actions a live digital human refuses; the order
of the gateway's checks; that `round_id` and `Round` are the same number. Whether a callback comes
before the reply of the call that caused it is a matter of `rest_latency_ms`.

Left out: MetaInfo, filters of what is spoken, ZIM, and CDN streams, which are accepted and unseen.
"""

from ..faults import Fault
from .emulator import Emulator
from .knobs import Knobs
from .serving import serve

__all__ = ["Emulator", "Fault", "Knobs", "serve"]
