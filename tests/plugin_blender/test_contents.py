"""What is sent for a frame, read in a thread. Without Blender."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from plugin_blender.contents import FrameContents
from plugin_blender.plan import SolvePlan
from plugin_blender.result_files import SentPictures
from plugin_blender.sources import FileSource

# The clock of a disk counts in steps of the kernel, of 10 ms at most.
_TICK_S = 0.03
_PATIENCE_S = 30.0


@pytest.fixture
def plan(tmp_path: Path) -> SolvePlan:
    """A still over a clean plate; that they are no pictures is for the server to see."""
    for name in ("plate.exr", "clean.exr"):
        (tmp_path / name).write_bytes(name.encode())
    plate, clean = (
        FileSource(file=str(tmp_path / name), colourspace="linear") for name in ("plate.exr", "clean.exr")
    )
    return SolvePlan(node_id="node", folder=str(tmp_path / "results"), frames=(1,), plate=plate, clean_plate=clean)


def read_by(contents: FrameContents) -> SentPictures:
    until = time.monotonic() + _PATIENCE_S
    while (sent := contents.of(1)) is None:
        assert time.monotonic() < until
        time.sleep(0.01)
    return sent


def witness(plan: SolvePlan) -> str:
    return str(plan.seen(1).witness)


def test_what_is_put_there_while_it_is_read_is_noticed_later(plan: SolvePlan, tmp_path: Path) -> None:
    """A pipe in place of the clean plate keeps the thread reading, as a slow disk does."""
    before = witness(plan)
    (tmp_path / "clean.exr").unlink()
    os.mkfifo(tmp_path / "clean.exr")
    began = witness(plan)
    contents = FrameContents(plan, {})
    assert contents.of(1) is None
    time.sleep(_TICK_S)
    (tmp_path / "plate.exr").write_bytes(b"another")
    (tmp_path / "clean.exr").write_bytes(b"clean.exr")
    sent = read_by(contents)
    contents.close()
    assert sent.witness == began not in (before, witness(plan))
