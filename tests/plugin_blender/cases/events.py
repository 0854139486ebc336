"""What happens to files, frames and names while results exist: what they are compared by, before and after."""

# mypy: ignore-errors
# Runs inside Blender, whose API has no types.

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import stage
from sent import Sent

_FRAME = 2


def case(folder: str) -> dict[str, Any]:
    stage.add_on()
    place = Path(folder)
    scene, tree, node = stage.shot_node(place)
    stage.render_settings(scene, place / "out", (83, 61))
    plate = node.inputs["Plate"].links[0].from_node
    exposure = tree.nodes.new("CompositorNodeExposure")
    tree.links.new(plate.outputs[0], exposure.inputs[0])
    found = {}
    for kind, socket in (("bare", plate.outputs[0]), ("graded", exposure.outputs[0])):
        tree.links.new(socket, node.inputs["Plate"])
        for name, (change, undo) in events(place, scene, tree, plate, exposure).items():
            found[f"{name}, {kind}"] = noted(scene, node, change, undo)
    return {"found": found}


def noted(scene: Any, node: Any, change: Callable[[], object], undo: Callable[[], object]) -> list[bool]:
    """Whether the state is another one after a change, and whether it is the first one again when it is taken
    back."""
    from plugin_blender import fingerprint

    states = []
    for act in (lambda: None, change, undo):
        act()
        bpy.context.view_layer.update()
        fingerprint.forget()
        states.append(Sent(scene, node, (_FRAME,)).state())
    return [states[1] != states[0], states[2] == states[0]]


def events(place: Path, scene: Any, tree: Any, plate: Any, exposure: Any) -> dict[str, tuple[Any, Any]]:
    """Each with what takes it back. Those in brackets change no picture of the frame that is compared."""
    own, other, kept = place / "plate.0002.exr", place / "plate.0003.exr", place / "kept.exr"
    shutil.copy2(own, kept)
    first = own.stat()

    def back() -> None:
        shutil.copy2(kept, own)

    def padded() -> None:
        own.write_bytes(own.read_bytes() + b" ")
        os.utime(own, ns=(first.st_atime_ns, first.st_mtime_ns))

    def moved(way: int) -> Callable[[], None]:
        def move() -> None:
            plate.frame_offset += way

        return move

    def named(block: Any, name: str) -> tuple[Any, Any]:
        known = block.name
        return lambda: setattr(block, "name", name), lambda: setattr(block, "name", known)

    def valued(owner: Any, name: str, value: Any) -> tuple[Any, Any]:
        known = getattr(owner, name)
        return lambda: setattr(owner, name, value), lambda: setattr(owner, name, known)

    return {
        "a picture of the same time": (padded, back),
        "an older picture": (lambda: os.utime(own, (1, 1)), back),
        "another picture of the same name": (lambda: shutil.copy(other, own), back),
        "a picture that is gone": (own.unlink, back),
        "a later start": valued(plate, "frame_start", 2),
        "another offset": (moved(1), moved(-1)),
        "an end before the frame": valued(plate, "frame_duration", 1),
        "(a longer sequence)": valued(plate, "frame_duration", 6),
        "another file": valued(plate.image, "filepath", str(place / "clean.exr")),
        "(a picture of another frame)": (lambda: os.utime(other, (1, 1)), lambda: None),
        "(a name of an image)": named(plate.image, "renamed"),
        "(a name of the tree's scene)": named(scene, "Renamed"),
        "(a longer range)": valued(scene, "frame_end", 9),
        "(a copied node beside)": (
            lambda: tree.nodes.new("CompositorNodeExposure"),
            lambda: tree.nodes.remove(tree.nodes[-1]),
        ),
        "(another frame of the timeline)": (lambda: scene.frame_set(4), lambda: scene.frame_set(1)),
        "(a file saved as a copy)": (
            lambda: bpy.ops.wm.save_as_mainfile(filepath=str(place / "copy.blend"), copy=True),
            lambda: None,
        ),
    }


stage.run(case)
