"""The digital humans that can be had, and their voices and gestures."""

from __future__ import annotations

from typing import Any

PUBLIC = ("c4b56d5c-db98-4d91-86d4-5a97b507da97", "63c3aa64-1d80-4b04-a0be-1c65614eb7eb")
"""The vendor's own ones to try, of the older documents and of the newer."""


class Catalogue:
    """What lists tell.

    Attributes:
        gestures: What `DoAction` takes.
        timbres: The voices of `DriveByText`.
    """

    gestures = ("wave", "nod")

    def __init__(self) -> None:
        self.timbres: list[dict[str, Any]] = [
            {"TimbreId": f"timbre-{name}", "Name": name, "AvatarUrl": "https://zego.invalid/t.png"}
            for name in ("calm", "bright")
        ]

    def digital_humans(self, avatars: str) -> list[dict[str, Any]]:
        """Returns those that exist: the vendor's public ones, if none are named."""
        names = [each.strip() for each in avatars.split(",")] if avatars else PUBLIC
        rows = [self.digital_human(each) for each in names]
        return [{**row, "Actions": [each["Action"] for each in row["Actions"]]} for row in rows]

    def digital_human(self, name: str) -> dict[str, Any]:
        return {
            "DigitalHumanId": name,
            "Name": name[:8],
            "AvatarUrl": f"https://zego.invalid/{name}.png",
            "IsPublic": True,
            "Actions": [
                {"Action": each, "PreviewUrl": f"https://zego.invalid/{each}.mp4"}
                for each in self.gestures
            ],
        }
