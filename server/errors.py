"""What can keep the server from starting.

ServerError
├── BindError       the address cannot be used, or must not be
├── KeyFileError    the file with the server's key is missing, unsafe or unreadable
├── PageError       a file of the page is missing or not a plain file
├── PublicUrlError  a vendor that has to reach the server cannot
├── TlsError        the certificate or its key cannot be used
└── ViewerError     what the page shows a vendor's face with is not installed
"""


class ServerError(Exception):
    """The text is a whole sentence for whoever started the process."""


class BindError(ServerError):
    """The address cannot be used, or must not be."""


class KeyFileError(ServerError):
    """The file with the server's key is unsafe or cannot be used."""


class PageError(ServerError):
    """A file of the page cannot be served."""


class PublicUrlError(ServerError):
    """A vendor that has to reach the server cannot."""


class TlsError(ServerError):
    """The certificate or its key cannot be used."""


class ViewerError(ServerError):
    """What the page shows a vendor's face with is not installed."""
