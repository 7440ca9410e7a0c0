"""What can go wrong at a vendor.

    AvatarError
    ├── VendorUnreachable   no answer, or none in time          (retryable)
    ├── VendorRefused       the vendor said no
    ├── NeverReady          opened, and not ready by the deadline
    └── ConnectionLost      the control connection ended in mid-session (retryable)

An error's text is fit for a log and for the page: it never holds a reply's body, a URL or a token.
"""

from __future__ import annotations


class AvatarError(Exception):
    """The avatar cannot do its job; `retryable` says whether trying again can help."""

    retryable = False


class VendorUnreachable(AvatarError):
    """The vendor did not answer."""

    retryable = True


class VendorRefused(AvatarError):
    """The vendor said no. Carries its status and code, never the body.

    Args:
        vendor: The vendor's name.
        status: Of its answer, such as HTTP's 401.
        code: The vendor's own, where its documentation lists them.
    """

    def __init__(self, vendor: str, status: int, code: str | None = None) -> None:
        self.status = status
        self.code = code
        super().__init__(f"{vendor} refused with {status}" + (f" ({code})" if code else ""))


class NeverReady(AvatarError):
    """The session was opened and did not become ready in time.

    Args:
        vendor: The vendor's name.
        seconds: How long it was waited for.
    """

    def __init__(self, vendor: str, seconds: float) -> None:
        super().__init__(f"{vendor} was not ready after {seconds:g} s")


class ConnectionLost(AvatarError):
    """The control connection ended while it was needed.

    Args:
        vendor: The vendor's name.
    """

    retryable = True

    def __init__(self, vendor: str) -> None:
        super().__init__(f"the connection to {vendor} was lost")
