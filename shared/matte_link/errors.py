"""Everything that can go wrong between a host and the matting server."""

from __future__ import annotations


class LinkError(Exception):
    """Base of the family. ``str(error)`` is one sentence for the artist; ``hint`` says what to do."""

    code = "link"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()


class ProtocolError(LinkError):
    """What arrived is not a message of ours, or of another version."""

    code = "protocol"


class UnavailableError(LinkError):
    """No server answers at the address."""

    code = "unavailable"


class TimeoutError(LinkError):
    """The server answered once, but not within the time the caller set."""

    code = "timeout"


class CancelledError(LinkError):
    """The caller cancelled the request."""

    code = "cancelled"


class RemoteError(LinkError):
    """The server refused or failed the request; ``code`` is the server's own."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.code = code
