"""Arrays that memory may be too small for: the system keeps there what fits, and the rest lies on disk."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..errors import MatteError


@contextmanager
def scratch_array(shape: tuple[int, ...], dtype: type[np.generic]) -> Iterator[np.ndarray[Any, Any]]:
    """Zeros in a temporary file without a name, which goes with the process, however that ends.

    Raises ``MatteError("disk_full", ...)`` where there is no room for all of them: a mapped file whose disk is full
    would end the process when they are written to.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    with tempfile.TemporaryFile(prefix="cleanplate-") as file:
        if hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(file.fileno(), 0, size)
            except OSError as error:
                raise MatteError(
                    "disk_full",
                    f"{tempfile.gettempdir()} does not take {size / (1 << 20):.0f} MiB of temporary files: "
                    f"{error.strerror}.",
                    "Make room there, or name another folder in TMPDIR.",
                ) from None
        yield np.memmap(file, dtype, "r+", shape=shape)
