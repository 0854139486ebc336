"""Arrays that memory may be too small for: the system keeps there what fits, and the rest lies on disk."""

from __future__ import annotations

import errno
import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import numpy as np

from ..errors import MatteError

_NOT_RESERVED = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)
"""What file systems answer that cannot reserve room, where the C library does not do it for them."""
_HINTS = {
    errno.ENOSPC: "Make room there, or name another folder in TMPDIR.",
    errno.EDQUOT: "Make room there, have the quota raised, or name another folder in TMPDIR.",
    errno.EFBIG: "Raise the limit of a file's size (ulimit -f), or name a folder on another disk in TMPDIR.",
}
_BLOCK = 1 << 20


@contextmanager
def scratch_array(shape: tuple[int, ...], dtype: type[np.generic]) -> Iterator[np.ndarray[Any, Any]]:
    """Zeros in a temporary file without a name, which goes with the process, however that ends.

    Raises ``MatteError`` where there is no room for all of them, with the code disk_full, or cannot_write where the
    disk fails otherwise: a mapped file whose disk is full would end the process when they are written to.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    with tempfile.TemporaryFile(prefix="cleanplate-") as file:
        if hasattr(os, "posix_fallocate"):
            try:
                _reserve(file, size)
            except OSError as error:
                raise MatteError(
                    "disk_full" if error.errno in _HINTS else "cannot_write",
                    f"{tempfile.gettempdir()} does not take {size / (1 << 20):.0f} MiB of temporary files: "
                    f"{error.strerror}.",
                    _HINTS.get(error.errno or 0, "Name another folder in TMPDIR."),
                ) from None
        yield np.memmap(file, dtype, "r+", shape=shape)


def _reserve(file: IO[bytes], size: int) -> None:
    """Makes the file ``size`` bytes long, all of which the disk has room for. Raises ``OSError``."""
    try:
        os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        if error.errno not in _NOT_RESERVED:
            raise
        for begin in range(0, size, _BLOCK):
            file.write(bytes(min(_BLOCK, size - begin)))
        file.flush()
