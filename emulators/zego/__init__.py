"""ZEGO's vendor side: Digital Human and AI Agent.

Written on 2026-11-21 from the public documents (docs.zegocloud.com, digital-human and aiagent,
server APIs; the repository of their source of 2026-08-21) and from what the vendor's own sample
servers and pages send and expect. No live account was asked.

`serve()` runs it inside a test, `python -m emulators.zego` by itself. Both services (`/?Action=…`),
the drive sockets and `/_emulator/…` share one port. What it knows of a task (`Emulator.heard`,
`/_emulator/sessions/<id>`) is the truth that a client can only infer: which samples were heard, and
when. Delays are drawn per session from a seed that no client sees.

Where the documents are silent or contradict each other there is a knob
(`python -m emulators.zego --help` lists all), and its default is the one that a careless client
fails with.
"""

from ..faults import Fault
from .emulator import Emulator
from .knobs import Knobs
from .serving import serve

__all__ = ["Emulator", "Fault", "Knobs", "serve"]
