"""Frames whose files were put there again, compared in a thread. Without Blender."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from plugin_blender.contents import FrameContents, TouchedFrames
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


def test_what_is_put_there_while_it_is_read_is_noticed_later(plan: SolvePlan, tmp_path: Path) -> None:
    """A pipe in place of the clean plate keeps the thread reading, as a slow disk does."""
    before = plan.witness(1)
    (tmp_path / "clean.exr").unlink()
    os.mkfifo(tmp_path / "clean.exr")
    began = plan.witness(1)
    contents = FrameContents(plan, {})
    assert contents.of(1) is None
    time.sleep(_TICK_S)
    (tmp_path / "plate.exr").write_bytes(b"another")
    (tmp_path / "clean.exr").write_bytes(b"clean.exr")
    sent = read_by(contents)
    contents.close()
    assert sent.witness == began not in (before, plan.witness(1))


def test_a_frame_that_cannot_be_read_is_left_until_its_files_change(plan: SolvePlan, tmp_path: Path) -> None:
    """A window would look at the whole shot again and again."""
    (tmp_path / "plate.exr").unlink()
    touched = TouchedFrames(plan)
    until = time.monotonic() + _PATIENCE_S
    while touched.go_on([1]):
        assert time.monotonic() < until, "it goes on for ever"
        time.sleep(0.01)
    (tmp_path / "plate.exr").write_bytes(b"there again")
    assert touched.go_on([1]), "its files have changed"
    touched.close()
