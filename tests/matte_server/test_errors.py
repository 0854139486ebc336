"""Every error that can end a request has a code."""

from __future__ import annotations

import errno

import pytest
from matte_link.errors import ProtocolError

from matte_server.errors import MatteCancelled, MatteError, report_of


class OutOfMemoryError(RuntimeError):
    """Named as torch names its own."""


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MatteError("deep", "It is deep."), "deep"),
        (ProtocolError("It is none of ours."), "protocol"),
        (MatteCancelled(), "cancelled"),
        (MemoryError(), "out_of_memory"),
        (OutOfMemoryError("CUDA out of memory"), "out_of_memory"),
        (OSError(errno.EMFILE, "Too many open files"), "busy"),
        (OSError(errno.ENOSPC, "No space left"), "disk_full"),
        (OSError(errno.EFBIG, "File too large"), "disk_full"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "out_of_memory"),
        (RuntimeError("can't start new thread"), "few_processes"),
        (RuntimeError("Resource temporarily unavailable"), "few_processes"),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "few_processes"),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable", "Standard output"), "internal"),
        (ImportError("libtorch_cpu.so: failed to map segment from shared object"), "out_of_memory"),
        (ImportError("libGL.so.1: cannot open shared object file"), "bad_install"),
        (ZeroDivisionError("division by zero"), "internal"),
    ],
)
def test_every_error_has_a_code(error: Exception, code: str) -> None:
    report = report_of(error)
    assert report.code == code and report.message.endswith(".")
