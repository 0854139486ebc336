"""The disk of the results is full, or its share is gone: each reason is kept in the panel, and the others go on."""

# mypy: ignore-errors
# Runs inside Blender, whose API has no types.

from __future__ import annotations

import contextlib
import ctypes
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
    read_only(place, scene, node)
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


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Part(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


@contextlib.contextmanager
def without_rights(folder: Path) -> Iterator[None]:
    """Nothing in the folder can be written, by root neither."""
    library, header, parts = ctypes.CDLL(None), _Header(0x20080522, 0), (_Part * 2)()
    library.capget(ctypes.byref(header), parts)
    before = parts[0].effective
    folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
    for path in folders:
        path.chmod(0o555)
    # Without CAP_DAC_OVERRIDE.
    parts[0].effective = before & ~2
    assert not library.capset(ctypes.byref(header), parts)
    try:
        yield
    finally:
        parts[0].effective = before
        library.capset(ctypes.byref(header), parts)
        for path in folders:
            path.chmod(0o755)


def read_only(place: Path, scene: Any, node: Any) -> None:
    """Where an old result cannot be moved out of the node's sight, or the folder of other settings cannot be made,
    the node shows nothing: no old matte for a new picture, nor for new settings."""
    from plugin_blender.matte_link.errors import LinkError

    from plugin_blender import graph, handlers, runtime

    assert not stage.error_of(bpy.ops.cleanplate.solve_range)
    plate = place / "plate.0003.exr"
    first = plate.read_bytes()
    words = f"The results folder {state(scene, node).plan.folder} cannot be used: Permission denied."
    with without_rights(place / "cleanplate"):
        found = state(scene, node)
        assert not found.error and found.counts.fresh == (1, 2, 3, 4), found
        assert stage.shown_alpha(scene, 3) > 0.9
        node.matte.erode = 1.0
        assert state(scene, node).error == words
        node.matte.erode = 0.0
        assert not state(scene, node).error, "nothing is wrong any more"
        for change, back, fresh in (
            (lambda: setattr(node.matte, "erode", 2.0), lambda: setattr(node.matte, "erode", 0.0), ()),
            (lambda: plate.write_bytes(first + b"0"), lambda: None, (1, 2, 4)),
        ):
            assert state(scene, node) and graph.shown_file(node)
            change()
            found = state(scene, node)
            assert found.counts.fresh == fresh and found.error == words, found
            assert not graph.shown_file(node) and stage.shown_alpha(scene, 3) == 0.0
            for frame in (2, 3):
                try:
                    handlers._make_fresh(scene, node, frame)
                except LinkError as refused:
                    assert str(refused) == words, refused
                else:
                    raise AssertionError(f"frame {frame} is rendered without its matte")
            handlers._make_ready(scene)
            assert runtime.render.serve(2), "a render in a window says nothing"
            assert runtime.render.sentences() == [f"Rendered without a matte: frame 2. {words}"]
            runtime.render = None
            back()
    found = state(scene, node)
    assert found.counts.fresh == (1, 2, 4) and graph.shown_file(node), found
    assert stage.shown_alpha(scene, 2) > 0.9 and stage.shown_alpha(scene, 3) == 0.0
    plate.write_bytes(first)
    assert not stage.error_of(bpy.ops.cleanplate.solve_range)


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
