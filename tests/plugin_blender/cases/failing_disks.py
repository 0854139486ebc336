"""The disk of the results is full, or its share is gone: each reason is kept in the panel, and the others go on."""

# mypy: ignore-errors
# Runs inside Blender, whose API has no types.

from __future__ import annotations

import contextlib
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy
import stage

_FULL = 2048
"""Bytes of a file that can still be written: fewer than a result has."""


def case(place: Path) -> None:
    bpy.ops.wm.read_homefile(use_empty=True)
    scene, tree, node = stage.shot_node(place)
    stage.render_settings(scene, place / "out", (83, 61))
    stage.main_output(tree, node.outputs["Image"])
    full(scene, node)
    gone(place, scene, node)
    gone_before_a_render(place, scene, node)
    of_rendered_inputs(scene, tree, node)


@contextlib.contextmanager
def full_disk() -> Iterator[None]:
    """No file may grow beyond some bytes: the error comes out of the same call as that of a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (_FULL, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def state(scene: Any, node: Any) -> Any:
    from plugin_blender import planning, runtime

    planning.refresh(scene, node)
    return runtime.state(node.matte.node_id)


def full(scene: Any, node: Any) -> None:
    """The disk is full for one frame of four."""
    from plugin_blender.solve import Solve

    solve = Solve(scene, node, (1, 2, 3, 4))
    with full_disk():
        while not (solve.failures or solve.done):
            assert solve.step()
    solve.run()
    assert solve.failures and not solve.stopped and len(solve.done) + len(solve.failures) == 4, solve.failures
    first = min(solve.failures)
    wanted = f"Frame {first}: {solve.plan.result(first)} cannot be written: File too large."
    assert solve.sentence.startswith(wanted), solve.sentence
    found = state(scene, node)
    assert found.error == solve.sentence and len(found.counts.fresh) == len(solve.done), found
    assert not list(Path(solve.plan.folder).rglob("*.tmp")), "what was written in part is left"
    assert not stage.error_of(bpy.ops.cleanplate.solve_range)
    found = state(scene, node)
    assert not found.error and found.counts.fresh == (1, 2, 3, 4), found


def gone(place: Path, scene: Any, node: Any) -> None:
    """The share of the results is gone in the middle of a solve, and comes back."""
    from plugin_blender import file_states, runtime
    from plugin_blender.solve import Solve

    # As in a window, where what was seen of a file is kept.
    file_states.is_kept = runtime.in_window = True
    node.matte.softness = 0.5
    solve = Solve(scene, node, (1, 2, 3, 4))
    while not list(solve.plan.results.glob("matte.000[1-4].exr")):
        if not solve._under_way:
            assert solve.step()
        time.sleep(0.01)
    # The result that is there now has not been shown yet.
    with taken_away(place):
        solve.run()
        assert runtime.running is None and not solve.stopped and solve.failures, (solve.stopped, solve.failures)
        assert "cannot be written: Not a directory" in solve.sentence, solve.sentence
        found = state(scene, node)
        assert "Not a directory" in found.error and not found.counts.fresh, found
    file_states.is_kept = runtime.in_window = False
    assert state(scene, node).counts.fresh == tuple(solve.done)


@contextlib.contextmanager
def taken_away(place: Path) -> Iterator[None]:
    """Where the results lay is a file: no folder can be made there, whoever tries."""
    away = (place / "cleanplate").rename(place / "away")
    (place / "cleanplate").write_text("")
    try:
        yield
    finally:
        (place / "cleanplate").unlink()
        away.rename(place / "cleanplate")


def gone_before_a_render(place: Path, scene: Any, node: Any) -> None:
    """A background render says why it has no results, before it writes a frame; see files.py for how it ends."""
    from plugin_blender.matte_link.errors import LinkError

    from plugin_blender import handlers

    with taken_away(place):
        try:
            handlers._make_fresh(scene, node, scene.frame_current)
        except LinkError as error:
            assert str(error).startswith(f"The results folder {place / 'cleanplate'}"), error
            assert "Not a directory" in str(error), error
        else:
            raise AssertionError("the render goes on without results")


def of_rendered_inputs(scene: Any, tree: Any, node: Any) -> None:
    """The disk on which inputs are rendered is full: Blender itself says nothing."""
    scene.frame_set(1)
    exposure = tree.nodes.new("CompositorNodeExposure")
    tree.links.new(node.inputs["Plate"].links[0].from_socket, exposure.inputs[0])
    tree.links.new(exposure.outputs[0], node.inputs["Plate"])
    with full_disk():
        message = stage.error_of(bpy.ops.cleanplate.solve_frame)
    assert message.startswith("Frame 1: What feeds Plate could not be written whole: "), message
    assert not stage.error_of(bpy.ops.cleanplate.solve_frame)
