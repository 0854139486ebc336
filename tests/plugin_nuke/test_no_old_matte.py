"""Whatever file a frame is made of: once that is another picture, no matte of the old one passes for one of the
new, and no frame of another file is stale for it."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import nuke
import pytest
from cleanplate_node import host, plain_exr
from cleanplate_node.bench import ContractBench, rendered
from matte_link.sequence import format_frames
from nuke._state import State

from tests.plugin_nuke.pressing import broken, expect_matte_there, looked_at, press
from tests.plugin_nuke.shown_renders import render_shown

NEW = 9
"""Where the subject stands in the new picture."""
Shows = dict[int, int]
"""The number of the file that each frame of the node shows."""


def said_of(stale: list[int]) -> str:
    """The status once these frames changed."""
    return f"stale: the sources of {'frames' if len(stale) > 1 else 'frame'} {format_frames(stale)} changed"


def expect_one_overwritten_file_told(
    bench: ContractBench, window: State, node: nuke.Node, shot: Path, shows: Shows, number: int, stale: list[int]
) -> None:
    """Makes all frames, overwrites one file, and looks at each frame's matte. ``stale`` are those frames that are
    made again."""
    assert press(window, bench, node) == f"up to date, {len(shows)} done"
    for frame, file in shows.items():
        bench.expect_matte(bench.result(node, frame), file)
    plain_exr.write(shot / f"plate.{number:04d}.exr", bench.plate(NEW, bench.clean()))
    assert looked_at(window, bench, node) == said_of(stale)
    with rendered() as plates:
        assert press(window, bench, node) == f"up to date, {len(stale)} done"
    assert sorted({frame for _, frame in plates}) == stale
    for frame, file in shows.items():
        if file == number:
            expect_matte_there(bench, node, frame, NEW)
        else:
            bench.expect_matte(bench.result(node, frame), file)
    assert looked_at(window, bench, node).startswith("up to date")


@pytest.mark.parametrize(
    ("knobs", "shows", "stale"),
    [
        ({"frame_mode": "offset", "frame": "10"}, {-8: 2, -7: 3}, [-7]),
        ({"frame_mode": "offset", "frame": "-100"}, {102: 2, 103: 3}, [103]),
        ({"frame_mode": "start at", "frame": "1001"}, {1002: 2, 1003: 3}, [1003]),
        ({"frame_mode": "expression", "frame": "frame - 20"}, {22: 2, 23: 3}, [23]),
        ({"frame_mode": "expression", "frame": "3"}, {1: 3, 2: 3}, [1, 2]),
        ({"frame_mode": "expression", "frame": "frame*2-1"}, {1: 1, 2: 3}, [1, 2]),
        ({"after": "hold"}, {3: 3, 4: 4, 5: 4}, [3]),
        ({"before": "hold", "first": 3}, {1: 3, 2: 3, 3: 3, 4: 4}, [1, 2, 3]),
        ({"after": "loop"}, {6: 2, 7: 3, 8: 4}, [7]),
        ({"before": "bounce"}, {-2: 4, -1: 3, 0: 2}, [-1]),
        ({"before": "loop"}, {-2: 2, -1: 3, 0: 4}, [-1]),
        ({"frame_mode": "offset", "frame": "1", "after": "bounce"}, {2: 3, 3: 4, 4: 3}, [2, 4]),
        ({"on_error": "nearest frame", "last": 6}, {3: 3, 4: 4, 5: 4, 6: 4}, [3]),
    ],
)
def test_a_read_that_shows_other_frames(
    knobs: dict[str, Any], shows: Shows, stale: list[int], bench: ContractBench, window: State
) -> None:
    """Files 1 to 4 are there, and the third one is overwritten."""
    shot = bench.shot((1, 2, 3, 4))
    read = bench.read(shot / "plate.%04d.exr", 1, 4)
    host.set_value(read, "origfirst", 1)
    for name, value in knobs.items():
        host.set_value(read, name, value)
    frames = sorted(shows)
    clean = bench.read(shot / "clean.exr", 1, 1)
    node = bench.node_on(read, clean, range_mode="custom", first=frames[0], last=frames[-1])
    expect_one_overwritten_file_told(bench, window, node, shot, shows, 3, stale)


@pytest.mark.parametrize(
    ("kind", "step", "shows", "stale"),
    [
        ("Precomp", ("TimeOffset", {"time_offset": 10}), {12: 2, 13: 3}, [13]),
        ("LiveGroup", ("TimeOffset", {"time_offset": -10}), {-8: 2, -7: 3}, [-7]),
        ("Write", ("TimeOffset", {"time_offset": 1}), {3: 2, 4: 3}, [4]),
        ("Precomp", ("FrameHold", {"first_frame": 3}), {1: 3, 2: 3}, [1, 2]),
        ("Precomp", ("Retime", {"speed": 2.0}), {1: 2, 2: 4}, [1, 2]),
    ],
)
def test_a_render_that_is_shown_at_other_frames(
    kind: str, step: tuple[str, dict[str, Any]], shows: Shows, stale: list[int], bench: ContractBench, window: State
) -> None:
    shot = bench.shot((1, 2, 3, 4))
    between, knobs = step
    shown = host.create(between, **knobs)
    host.connect(shown, 0, render_shown(kind, bench, shot))
    frames = sorted(shows)
    clean = bench.read(shot / "clean.exr", 1, 1)
    node = bench.node_on(shown, clean, range_mode="custom", first=frames[0], last=frames[-1])
    expect_one_overwritten_file_told(bench, window, node, shot, shows, 3, stale)


@pytest.mark.parametrize(("kind", "reads"), [("Write", "Write1"), ("Precomp", "Precomp1.Write_plate")])
def test_a_render_in_a_published_live_group(kind: str, reads: str, bench: ContractBench, window: State) -> None:
    """Neither a Write nor a Precomp says whether a Reload did anything there."""
    shot = bench.shot((1,))
    live = host.create("LiveGroup", published=True)
    with host.inside(live):
        host.connect(host.create("Output"), 0, render_shown(kind, bench, shot))
    node = bench.node_on(live, bench.read(shot / "clean.exr", 1, 1), range_mode="custom", first=1, last=1)
    assert press(window, bench, node) == "up to date, 1 done"
    plain_exr.write(shot / "plate.0001.exr", bench.plate(NEW, bench.clean()))
    assert press(window, bench, node).startswith(f"Nuke does not reload LiveGroup1.{reads}, and would render")
    bench.expect_matte(bench.result(node, 1), 1)
    host.set_value(live, "published", False)
    assert press(window, bench, node) == "up to date, 1 done"
    expect_matte_there(bench, node, 1, NEW)


def test_a_frame_that_failed_shows_nothing_of_before(bench: ContractBench, window: State) -> None:
    """Nothing guards this render, as on a farm without the plugin."""
    shot = bench.shot((1, 2))
    node = bench.node(shot, 1, 2, guard=False)
    press(window, bench, node)
    bench.expect_matte(bench.output(node, 2), 2)
    plain_exr.write(shot / "plate.0002.exr", broken(bench.plate(NEW, bench.clean())))
    assert press(window, bench, node).startswith("0 of 1 frame done. Frame 2: The plate has 3 NaN")
    with pytest.raises(RuntimeError, match="No such file"):
        bench.output(node, 2)
    bench.expect_matte(bench.output(node, 1), 1)
    plain_exr.write(shot / "plate.0002.exr", bench.plate(NEW, bench.clean()))
    assert press(window, bench, node, "retry") == "up to date, 1 done"
    expect_matte_there(bench, node, 2, NEW)


@pytest.mark.parametrize("holds_files_open", [False, True])
def test_a_failure_costs_no_matte_of_the_same_picture(
    holds_files_open: bool, bench: ContractBench, window: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frame that is up to date is made once more, and its matte cannot be written, as on a disk that is full."""
    monkeypatch.setattr("cleanplate_node.host.holds_files_open", lambda: holds_files_open)
    node = bench.node(bench.shot((1,)), 1, 1, guard=True)
    press(window, bench, node)

    def full(path: str, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("matte_link.job.write_atomically", full)
        assert "No space left on device" in press(window, bench, node, "process_frame")
    assert "or its matte is up to date" in press(window, bench, node, "retry")
    bench.expect_matte(bench.output(node, 1), 1)
    assert press(window, bench, node) == "up to date"
