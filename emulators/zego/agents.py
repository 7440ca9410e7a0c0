"""AI Agent: the managed pipeline."""

from __future__ import annotations

from .actions import Actions

actions = Actions("agent")
