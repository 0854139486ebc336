"""What can go wrong on the server's side, once: errors with a code, and the one table from any exception to the
report that a client sees.

Whatever the table does not name is a defect of ours: its code is ``internal`` and its traceback belongs in the log,
not on the artist's screen. Everybody in this package may import this module.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass

from matte_link.errors import CleanplateError


class MatteError(CleanplateError):
    """A frame, a shot or a command cannot go on for a reason that its owner can mend."""


class MatteCancelled(Exception):
    """The frame's owner does not want it any more."""


@dataclass(frozen=True)
class ErrorReport:
    """What went wrong: a stable code, one sentence, and what to do."""

    code: str
    message: str
    hint: str = ""


def report_of(error: BaseException) -> ErrorReport:
    """The words for any error that ends a request."""
    for kinds, words in _TABLE:
        if isinstance(error, kinds):
            return words(error)
    if is_out_of_memory(error):
        return _memory(error)
    return ErrorReport(
        "internal",
        f"The server failed with {type(error).__name__}: {str(error)[:300]}.",
        "This is a defect of Cleanplate; its log holds the details.",
    )


def _own_words(error: BaseException) -> ErrorReport:
    assert isinstance(error, CleanplateError)
    return ErrorReport(error.code, error.message, error.hint)


def _cancelled(error: BaseException) -> ErrorReport:
    return ErrorReport("cancelled", "The matte was cancelled.")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocation failed, by whatever library: only Python and CUDA have a type of their own for it."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    speaks = isinstance(error, RuntimeError) or type(error).__module__.startswith("cv2")
    return speaks and any(words in str(error) for words in _MEMORY_WORDS)


# torch on the CPU, OpenCV, and C++ as pybind11 passes it on.
_MEMORY_WORDS = ("can't allocate memory", "not enough memory", "Insufficient memory", "bad_alloc", "bad allocation")


def _memory(error: BaseException) -> ErrorReport:
    return ErrorReport(
        "out_of_memory",
        "The server ran out of memory on this frame.",
        "Use a smaller picture, or a machine or GPU with more memory.",
    )


def _disk(error: BaseException) -> ErrorReport:
    assert isinstance(error, OSError)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ErrorReport("disk_full", "The server's disk is full.", "Free some space there, or lower --spool-gb.")
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return ErrorReport(
            "busy", "The server has too many connections and files open now.", "Send it again shortly."
        )
    return ErrorReport("internal", f"The server could not use its disk: {error.strerror or error}.", "See its log.")


_TABLE = (
    ((CleanplateError,), _own_words),
    ((MatteCancelled,), _cancelled),
    ((OSError,), _disk),
)
