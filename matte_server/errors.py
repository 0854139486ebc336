"""The server's error: a code for programs, one sentence for people, and what to do."""

from __future__ import annotations


class MatteError(Exception):
    """A frame cannot be matted for a reason that its owner can mend.

    ``message`` says what and where in one sentence, ``hint`` what to do; ``code`` is stable.
    """

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()


class MatteCancelled(Exception):
    """The frame's owner does not want it any more."""
