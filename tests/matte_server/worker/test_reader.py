"""What the worker's reader opens, and which device the worker claims."""

from __future__ import annotations

from pathlib import Path

import pytest

from matte_server.errors import MatteError
from matte_server.worker.reader import inside_roots
from matte_server.worker.solver import choose_device


def test_paths_are_taken_only_inside_the_roots(tmp_path: Path) -> None:
    inside = tmp_path / "shots" / "p.exr"
    assert inside_roots(str(inside), (tmp_path / "shots",)) == inside
    # A folder whose name only begins like the root's is another folder.
    for path in (tmp_path / "shots2" / "p.exr", tmp_path / "shots" / ".." / "p.exr"):
        with pytest.raises(MatteError, match="outside"):
            inside_roots(str(path), (tmp_path / "shots",))
    with pytest.raises(MatteError, match="was started without folders"):
        inside_roots(str(inside), ())


def test_devices_that_are_not_there() -> None:
    assert choose_device("cpu") == "cpu"
    for wanted in ("cuda:99", "cuda:x", "tpu", "cpu:3"):
        with pytest.raises(MatteError, match="has no device"):
            choose_device(wanted)
