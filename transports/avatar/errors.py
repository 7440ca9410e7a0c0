"""What can go wrong at a vendor.

    AvatarError
    ├── VendorUnreachable   no answer, none in time, or its own failure   (retryable)
    ├── UnexpectedReply     an answer that cannot be used
    ├── VendorRefused       the vendor said no
    │   ├── KeyRefused      to the key
    │   ├── NoCredits       there is nothing left to pay with
    │   ├── TooManySessions as many run as the account may have           (retryable)
    │   ├── NoCapacity      the vendor has no room for one more now       (retryable)
    │   ├── TrialOver       its trial credentials are good no longer, or not for this
    │   ├── AvatarNotFound  to the avatar
    │   ├── NotEnabled      the account lacks the service
    │   ├── ClockOff        to the time of our clock
    │   └── RateLimited     too many calls                                (retryable)
    ├── CertificateRefused  the control connection's certificate cannot be trusted
    ├── NotStarted          accepted, and then not begun                  (retryable)
    ├── NeverReady          opened, and not ready by the deadline
    ├── ConnectionLost      the control connection ended in mid-session   (retryable)
    ├── EndedByVendor       the session is over, and it was not us who ended it   (retryable)
    ├── Dismissed           the session is over because somebody asked for that
    ├── PartFailed          ears, language model or voice of the vendor's did not do their work
    ├── NeverNamed          it may run, and nothing is known that would stop it
    ├── NoSlotLeft          we have as many sessions as we allow ourselves     (retryable)
    └── JournalUnusable     what is paid for cannot be noted down, so it is not opened

An error's text is a sentence without its full stop, fit for a log and for the page: it never holds
a reply's body, a URL or a token.
"""

from __future__ import annotations

from enum import Enum


class AvatarError(Exception):
    """The avatar cannot do its job; `retryable` says whether trying again can help."""

    retryable = False


class VendorUnreachable(AvatarError):
    """The vendor did not answer, or could not do its work.

    Args:
        vendor: The vendor's name.
        status: Of its answer, such as HTTP's 503; None where there was none.
    """

    retryable = True

    def __init__(self, vendor: str, status: int | None = None) -> None:
        self.status = status
        super().__init__(f"{vendor} {f'failed with {status}' if status else 'did not answer'}")


class UnexpectedReply(AvatarError):
    """The vendor answered, and the answer cannot be used.

    Args:
        vendor: The vendor's name.
        what: What is wrong with it, as in "… returned no ws_url"; never a part of it.
    """

    def __init__(self, vendor: str, what: str) -> None:
        super().__init__(f"{vendor} returned {what}")


class VendorRefused(AvatarError):
    """The vendor said no. Carries its status and code, never the body.

    Args:
        vendor: The vendor's name.
        status: Of its answer, such as HTTP's 401.
        code: The vendor's own, where its documentation lists them.
    """

    says = "refused"

    def __init__(self, vendor: str, status: int, code: str | None = None) -> None:
        self.status = status
        self.code = code
        super().__init__(f"{vendor} {self.says} with {status}" + (f" ({code})" if code else ""))


class KeyRefused(VendorRefused):
    """The key is wrong, or is of another service of the same vendor."""

    says = "refused the API key"


class NoCredits(VendorRefused):
    """The account has nothing left to pay a session with."""

    says = "has no credits left for this account, and refused"


class TooManySessions(VendorRefused):
    """The account runs as many sessions as it may."""

    retryable = True
    says = "already runs as many sessions as this account may have, and refused"


class NoCapacity(VendorRefused):
    """The vendor itself has nothing left to show one more avatar with."""

    retryable = True
    says = "has no room for one more avatar now, and refused"


class TrialOver(VendorRefused):
    """Credentials for trying it out have had their time, or are not good for what is asked."""

    says = "takes its trial credentials no longer, or not for this, and refused"


class AvatarNotFound(VendorRefused):
    """There is no such avatar, it is another account's, or it is too old."""

    says = "cannot show this avatar, and refused"


class NotEnabled(VendorRefused):
    """The service is not enabled for the account."""

    says = "is not enabled for this account, and refused"


class ClockOff(VendorRefused):
    """Calls are signed with the time, and ours is not the vendor's."""

    says = "has another time than this machine's clock, and refused"


class RateLimited(VendorRefused):
    """Too many calls.

    Args:
        vendor: The vendor's name.
        status: Of its answer.
        retry_after_s: How long the vendor asks to wait, where it says so.
    """

    retryable = True
    says = "was called too often, and refused"

    def __init__(self, vendor: str, status: int, retry_after_s: float | None = None) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(vendor, status)


class NotStarted(AvatarError):
    """The vendor took the session on, and could not start it.

    Args:
        vendor: The vendor's name.
    """

    retryable = True

    def __init__(self, vendor: str) -> None:
        super().__init__(f"{vendor} could not start the avatar")


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


class Ending(Enum):
    """Why a vendor has ended a session, as far as that is known; its value says so."""

    LIMIT = "it had lasted as long as it may"
    IDLE = "nothing was said for as long as it may be silent"
    STOPPED = "somebody else has stopped it"
    CREDITS = "the account has nothing left"
    UNKNOWN = ""


class EndedByVendor(AvatarError):
    """The session is over, and it was not us who ended it.

    Args:
        vendor: The vendor's name.
        code: The vendor's own for why, where it says so.
        why: What is known of that.
    """

    retryable = True

    def __init__(
        self, vendor: str, code: int | None = None, *, why: Ending = Ending.UNKNOWN
    ) -> None:
        self.code = code
        self.why = why
        with_code, because = f" with {code}" if code else "", f": {why.value}" if why.value else ""
        super().__init__(f"{vendor} has ended the session{with_code}{because}")


class Dismissed(AvatarError):
    """The session is over because its conversation's own front end asked for that.

    Args:
        vendor: The vendor's name.
    """

    def __init__(self, vendor: str) -> None:
        super().__init__(f"{vendor} was asked to end the session")


class PartFailed(AvatarError):
    """A part of the vendor's own pipeline did not do its work; the session goes on.

    Args:
        vendor: The vendor's name.
        part: What people call it, such as "voice".
        code: The vendor's own for why; None where it did nothing, and said nothing.
        lasting: Whether it will not do better by itself: its key is refused, or not paid for.
    """

    def __init__(self, vendor: str, part: str, code: int | None, *, lasting: bool = False) -> None:
        self.part = part
        self.code = code
        self.lasting = lasting
        super().__init__(f"the {part} of {vendor} failed" + (f" with {code}" if code else ""))


class NeverNamed(AvatarError):
    """The vendor's reply was lost, and with it the only id by which the session can be stopped.

    Args:
        vendor: The vendor's name.
    """

    def __init__(self, vendor: str) -> None:
        super().__init__(f"{vendor} has not said by what id it can be stopped")


class CertificateRefused(AvatarError):
    """Nobody can tell who answers at the control connection's address.

    Args:
        vendor: The vendor's name.
        changed: Whether another certificate was known there; else it cannot be verified.
    """

    def __init__(self, vendor: str, *, changed: bool = False) -> None:
        self.changed = changed
        what = "is another one than before" if changed else "cannot be verified"
        super().__init__(f"the certificate of {vendor}'s control connection {what}")


class NoSlotLeft(AvatarError):
    """The account has as many sessions as its setting allows, so the vendor is not asked.

    Args:
        vendor: The vendor's name.
        taken: How many there are, reserved ones among them.
    """

    retryable = True

    def __init__(self, vendor: str, taken: int) -> None:
        self.taken = taken
        super().__init__(f"all {taken} sessions that {vendor} may have at once are taken")


class JournalUnusable(AvatarError):
    """The journal of paid sessions cannot be written.

    Args:
        reason: Why, in a few words.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"the journal of paid sessions cannot be used: {reason}")
