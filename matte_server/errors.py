"""What can go wrong on the server's side, once: errors with a code.

One table leads from any exception to the report that a client sees.

Whatever the table does not name is a defect of ours: its code is ``internal`` and its traceback belongs in the log,
not on the artist's screen. Everybody in this package may import this module.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass

from matte_link.errors import CleanplateError
from matte_link.plain_text import printable_name

_QUOTED = 60
"""Characters that are quoted of a name that is too long."""


class MatteError(CleanplateError):
    """A frame, a shot or a command cannot go on, for a reason that its user can mend."""


def name_too_long(name: str) -> MatteError:
    """The error for a file's name that no disk takes. Its end is quoted."""
    return MatteError(
        "name_too_long",
        f"A name is too long for the disk: ...{printable_name(name)[-_QUOTED:]}.",
        "Choose a shorter one: most disks take 255 bytes for a file or a folder, and 4096 for a whole path.",
    )


class MatteCancelled(Exception):
    """The client that sent the frame has cancelled it."""


@dataclass(frozen=True)
class ErrorReport:
    """What went wrong: a stable code, one sentence, and what to do."""

    code: str
    message: str
    hint: str = ""


def report_of(error: BaseException) -> ErrorReport:
    """What a client is told of an error that ended its request."""
    if is_out_of_memory(error):
        return _memory()
    if is_out_of_processes(error):
        return _processes()
    for kinds, make in _TABLE:
        if isinstance(error, kinds):
            return make(error)
    return ErrorReport(
        code="internal",
        message=f"The server failed with {type(error).__name__}: {str(error)[:300]}.",
        hint="This is a defect of Cleanplate; its log holds the details.",
    )


def _of_ours(error: BaseException) -> ErrorReport:
    assert isinstance(error, CleanplateError)
    return ErrorReport(code=error.code, message=error.message, hint=error.hint)


def _cancelled(error: BaseException) -> ErrorReport:
    return ErrorReport(code="cancelled", message="The matte was cancelled.")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocation failed, by whatever library: only Python and CUDA have a type of their own for it."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    may_be = isinstance(error, RuntimeError) or type(error).__module__.startswith("cv2")
    return may_be and any(message in str(error) for message in _MEMORY_MESSAGES)


# torch on the CPU, OpenCV, and C++ as pybind11 passes it on.
_MEMORY_MESSAGES = (
    "can't allocate memory",
    "not enough memory",
    "Insufficient memory",
    "bad_alloc",
    "bad allocation",
)


def _memory() -> ErrorReport:
    return ErrorReport(
        code="out_of_memory",
        message="The server ran out of memory on this frame.",
        hint="Use a smaller picture, or a machine or GPU with more memory.",
    )


def is_out_of_processes(error: BaseException) -> bool:
    """Whether the system refused another thread or process. A limit on memory shows itself so, too: a thread needs
    room for its stack."""
    if isinstance(error, OSError):
        # With a file's name it is that file, such as an output that does not wait for its reader.
        return error.errno == errno.EAGAIN and error.filename is None
    return isinstance(error, RuntimeError) and any(message in str(error) for message in _PROCESS_MESSAGES)


_PROCESS_MESSAGES = ("can't start new thread", "Resource temporarily unavailable")
"""Python's words, and those of C++'s threads."""


def _processes() -> ErrorReport:
    return ErrorReport(
        code="few_processes",
        message="The system refuses another thread or process.",
        hint="Raise the limit on their number (ulimit -u, or a container's on its pids) or on memory (ulimit -v).",
    )


def _disk(error: BaseException) -> ErrorReport:
    assert isinstance(error, OSError)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ErrorReport(
            code="disk_full",
            message="The server's disk is full.",
            hint="Free some space there, or give it a larger /dev/shm or TMPDIR.",
        )
    if error.errno == errno.EFBIG:
        return ErrorReport(
            code="disk_full",
            message="The server may not write a file of this size.",
            hint="Raise the limit on its user's files (ulimit -f), or use a smaller picture.",
        )
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return ErrorReport(
            code="busy",
            message="The server has too many connections and files open now.",
            hint="Send it again shortly.",
        )
    return ErrorReport(
        code="internal",
        message=f"The server could not use its disk: {error.strerror or error}.",
        hint="See its log.",
    )


def _not_loaded(error: BaseException) -> ErrorReport:
    """For an installation that lacks a library, or a limit that leaves no room for one."""
    assert isinstance(error, ImportError)
    if any(message in str(error) for message in _NO_ROOM_TO_LOAD):
        return ErrorReport(
            code="out_of_memory",
            message=f"Memory is too small or too limited to load a library: {error}.",
            hint="Raise the limit (ulimit -v), or use a machine with more memory.",
        )
    return ErrorReport(
        code="bad_install",
        message=f"A library cannot be loaded: {error}.",
        hint="Install what is missing, or install Cleanplate again.",
    )


_NO_ROOM_TO_LOAD = ("failed to map segment", "cannot allocate memory", "Cannot allocate memory")
"""The dynamic loader's words."""
_TABLE = (
    ((CleanplateError,), _of_ours),
    ((MatteCancelled,), _cancelled),
    ((OSError,), _disk),
    ((ImportError,), _not_loaded),
)
