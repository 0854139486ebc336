"""The base of all Cleanplate errors, and those that arise between a host and the matting server."""

from __future__ import annotations

from typing import Any


class CleanplateError(Exception):
    """The base of every error that Cleanplate raises.

    ``code`` is for programs and does not change between versions. ``message`` tells the artist in one sentence what
    is wrong and where; ``hint`` says what to do about it.
    """

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()

    def __reduce__(self) -> tuple[Any, ...]:
        """For pickle, which pools of processes use: made again without ``__init__``, whose arguments differ."""
        return _without_init, (type(self), self.message), self.__dict__


def _without_init(kind: type[CleanplateError], message: str) -> CleanplateError:
    return kind.__new__(kind, message)


class LinkError(CleanplateError):
    """Something went wrong between a host and the matting server. Each subclass has a code of its own."""

    code = "link"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(self.code, message, hint)


class ProtocolError(LinkError):
    """What arrived is not a Cleanplate message, or one of another wire version."""

    code = "protocol"


class UnavailableError(LinkError):
    """No server can be reached at the address."""

    code = "unavailable"


class TimeoutError(LinkError):
    """The server was reached, but did not answer in time."""

    code = "timeout"


class CancelledError(LinkError):
    """The caller cancelled the request."""

    code = "cancelled"


class RemoteError(LinkError):
    """The server answered with a Failure; ``code``, ``message`` and ``hint`` are the server's."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        CleanplateError.__init__(self, code, message, hint)
