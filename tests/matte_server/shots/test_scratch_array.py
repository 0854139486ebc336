"""Arrays on the disk: they leave nothing behind, and a disk that is too small ends no process."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest

from matte_server.errors import MatteError
from matte_server.shots.scratch_array import scratch_array
from tests.small_disk import files_of_at_most


def test_an_array_begins_with_zeros_and_has_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed process left gigabytes in the folder."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with scratch_array((2, 3, 5), np.float32) as values:
        assert values.shape == (2, 3, 5) and values.dtype == np.float32 and not values.any()
        values[1] = 7.0
        assert values[1].sum() == 7.0 * 15 and not values[0].any()
        assert not list(tmp_path.iterdir())


def test_an_array_that_a_limit_cuts_is_refused() -> None:
    with files_of_at_most(1 << 20), scratch_array((1 << 20,), np.bool_) as values:
        values[:] = True
    with (
        files_of_at_most(1 << 20),
        pytest.raises(MatteError, match="does not take 1 MiB of temporary files: File too large") as refused,
        scratch_array(((1 << 20) + 1,), np.bool_),
    ):
        raise AssertionError("it is too large")
    assert refused.value.code == "disk_full" and "ulimit -f" in refused.value.hint


def answering(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Linux has no small file system that gives these answers: its C library writes zeros for those."""

    def refuse(descriptor: int, begin: int, size: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "posix_fallocate", refuse)


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS])
def test_a_disk_that_cannot_reserve_room_is_written_to(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """It was called full."""
    answering(monkeypatch, number)
    with files_of_at_most(3 << 20), scratch_array(((3 << 20) - 5,), np.uint8) as values:
        assert values.size == (3 << 20) - 5 and not values.any()
        values[:] = 7
    with (
        files_of_at_most(1 << 20),
        pytest.raises(MatteError, match="does not take 2 MiB of temporary files: File too large") as refused,
        scratch_array((2 << 20,), np.uint8),
    ):
        raise AssertionError("it is too large")
    assert refused.value.code == "disk_full"


@pytest.mark.parametrize(
    ("number", "code", "hint"),
    [
        (errno.ENOSPC, "disk_full", "Make room there, or name another folder"),
        (errno.EDQUOT, "disk_full", "have the quota raised"),
        (errno.EIO, "cannot_write", "Name another folder"),
    ],
)
def test_what_a_disk_answers_is_told_apart(
    monkeypatch: pytest.MonkeyPatch, number: int, code: str, hint: str
) -> None:
    answering(monkeypatch, number)
    with pytest.raises(MatteError) as refused, scratch_array((9,), np.uint8):
        raise AssertionError("there is no room")
    assert refused.value.code == code and hint in refused.value.hint
    assert f"files: {os.strerror(number)}." in refused.value.message
