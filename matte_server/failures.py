"""The one table from errors to the codes that clients see.

Whatever a table entry does not name is a defect of ours: its code is ``internal`` and its traceback belongs
in the log, not on the artist's screen.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass

from matte_link.errors import ProtocolError

from .errors import MatteCancelled, MatteError


@dataclass(frozen=True)
class Trouble:
    """What went wrong: a stable code, one sentence, and what to do."""

    code: str
    message: str
    hint: str = ""


def trouble_of(error: BaseException) -> Trouble:
    """The words for any error that ends a request."""
    for kinds, words in _TABLE:
        if isinstance(error, kinds):
            return words(error)
    if is_out_of_memory(error):
        return _memory(error)
    return Trouble(
        "internal",
        f"The server failed with {type(error).__name__}: {str(error)[:300]}.",
        "This is a defect of Cleanplate; its log holds the details.",
    )


def _own_words(error: BaseException) -> Trouble:
    assert isinstance(error, MatteError | ProtocolError)
    return Trouble(error.code, error.message, error.hint)


def _cancelled(error: BaseException) -> Trouble:
    return Trouble("cancelled", "The matte was cancelled.")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocation failed, by whatever library: only Python and CUDA have a type of their own for it."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    speaks = isinstance(error, RuntimeError) or type(error).__module__.startswith("cv2")
    return speaks and any(words in str(error) for words in _MEMORY_WORDS)


# torch on the CPU, OpenCV, and C++ as pybind11 passes it on.
_MEMORY_WORDS = ("can't allocate memory", "not enough memory", "Insufficient memory", "bad_alloc", "bad allocation")


def _memory(error: BaseException) -> Trouble:
    return Trouble(
        "out_of_memory",
        "The server ran out of memory on this frame.",
        "Use a smaller picture, or a machine or GPU with more memory.",
    )


def _disk(error: BaseException) -> Trouble:
    assert isinstance(error, OSError)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Trouble("disk_full", "The server's disk is full.", "Free some space there, or lower --spool-gb.")
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return Trouble("busy", "The server has too many connections and files open now.", "Send it again shortly.")
    return Trouble("internal", f"The server could not use its disk: {error.strerror or error}.", "See its log.")


_TABLE = (
    ((MatteError, ProtocolError), _own_words),
    ((MatteCancelled,), _cancelled),
    ((OSError,), _disk),
)
