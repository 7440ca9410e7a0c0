"""Whether somebody speaks: Silero's model, which runs here and is reported to nobody."""

from __future__ import annotations

import os

# Without it onnxruntime tells Microsoft, from its import on, of the machine and what it loads.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

from pipecat.audio.vad.silero import SileroVADAnalyzer as SileroVADAnalyzer
