"""The built-in face: drawn by the page, heard on the user leg, no account.

Its wire is `docs/frames.md`; there is no vendor whose documentation could be quoted.
"""

from .vendor import LocalVendor

__all__ = ["LocalVendor"]
