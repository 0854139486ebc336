"""Cleanplate's errors: one base for all, and the family of those between a host and the matting server."""

from __future__ import annotations


class CleanplateError(Exception):
    """Base of every error of ours. ``code`` is for programs and stable; ``message`` says what is wrong and where in
    one sentence for the artist; ``hint`` says what to do about it."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()


class LinkError(CleanplateError):
    """Something went wrong between a host and the matting server. Each kind has a code of its own."""

    code = "link"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(self.code, message, hint)


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
        CleanplateError.__init__(self, code, message, hint)
