"""What the cases share: runs inside Blender's Python, where no test library is."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import bpy

_PATIENCE_S = 120.0
FIVE = bpy.app.version >= (5, 0, 0)


def run(case: Callable[..., dict[str, Any] | None]) -> None:
    """Runs a case with the command line's arguments and prints its facts. Ends at once: Blender 4.5 can hang at
    its ordinary end."""
    code = 0
    try:
        facts = case(*sys.argv[1:])
        print("FACTS " + json.dumps(facts or {}), flush=True)
    except BaseException:  # noqa: BLE001 - the process's edge
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def run_in_window(case: Callable[..., Generator[None, None, dict[str, Any]]], registers: bool = True) -> None:
    """The same for a case that goes on step by step, while Blender's window lives between the steps. ``registers``:
    with the add-on of the source tree."""
    if registers:
        add_on()
    bpy.context.preferences.view.show_splash = False
    steps = case(*sys.argv[sys.argv.index("--") + 1 :])

    def step() -> float:
        try:
            next(steps)
        except StopIteration as end:
            facts = end.value
            run(lambda *_: facts)
        except BaseException:  # noqa: BLE001 - the process's edge
            traceback.print_exc()
            os._exit(1)
        return 0.02

    bpy.app.timers.register(step, first_interval=0.5, persistent=True)


class Late(Exception):
    """Something did not happen."""


def until(happened: Callable[[], object], what: str) -> Iterator[None]:
    """Lets Blender go on until something has happened."""
    deadline = time.monotonic() + _PATIENCE_S
    while not happened():
        if time.monotonic() > deadline:
            raise Late(what)
        yield


def pause(seconds: float) -> Iterator[None]:
    """Lets Blender go on for a while."""
    started = time.monotonic()
    yield from until(lambda: time.monotonic() - started > seconds, "time")


def open_editor(sidebar: bool = True) -> dict[str, Any]:
    """The compositor in the largest area, with or without its sidebar; the context of operators."""
    window = bpy.context.window_manager.windows[0]
    area = max(window.screen.areas, key=lambda each: each.width * each.height)
    area.ui_type = "CompositorNodeTree"
    # The backdrop looks at results, or for them, before a render does.
    area.spaces.active.show_region_ui, area.spaces.active.show_backdrop = sidebar, True
    return {"window": window, "area": area, "region": next(each for each in area.regions if each.type == "WINDOW")}


def sidebar_of(editor: dict[str, Any]) -> Any:
    """The sidebar of the editor's area."""
    return next(each for each in editor["area"].regions if each.type == "UI")


def picture(name: str) -> None:
    """The whole screen as ``$CLEANPLATE_PICTURES/<name>.png``, for people to look at."""
    folder = os.environ.get("CLEANPLATE_PICTURES")
    if folder:
        subprocess.run(["import", "-window", "root", str(Path(folder) / f"{name}.png")], check=True)


def seen() -> bool:
    """Whether the viewer shows anything, in the backdrop too."""
    viewer = bpy.data.images.get("Viewer Node")
    return viewer is not None and viewer.has_data and any(viewer.pixels[3::4])


def add_on() -> Any:
    """Registers the add-on from the source tree, once in a process; its package."""
    import plugin_blender

    if not hasattr(bpy.types, "CLEANPLATE_OT_solve_range"):
        plugin_blender.register()
    return plugin_blender


def scene_with_tree(first: int, last: int) -> tuple[Any, Any]:
    """The scene with an empty compositor."""
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end = first, last
    scene.frame_set(first)
    if FIVE:
        scene.compositing_node_group = bpy.data.node_groups.new("Compositing", "CompositorNodeTree")
        tree = scene.compositing_node_group
    else:
        scene.use_nodes = True
        tree = scene.node_tree
        tree.nodes.clear()
    return scene, tree


def image_node(tree: Any, file: Path, frames: int = 0, start: int = 1) -> Any:
    """An Image node that plays a still, or a sequence."""
    node = tree.nodes.new("CompositorNodeImage")
    node.image = bpy.data.images.load(str(file))
    if frames:
        node.image.source = "SEQUENCE"
        node.frame_duration, node.frame_start, node.frame_offset = frames, start, start - 1
        node.use_auto_refresh = True
    return node


def matte_node(tree: Any, plate: Any, clean: Any) -> Any:
    """A Cleanplate Matte node on two sockets, set to what is quick and exact."""
    bpy.ops.cleanplate.add()
    node = tree.nodes.active
    tree.links.new(plate, node.inputs["Plate"])
    tree.links.new(clean, node.inputs["Clean Plate"])
    node.matte.model, node.matte.bit_depth = "difference", "float"
    return node


def shot_node(folder: Path, frames: int = 4) -> tuple[Any, Any, Any]:
    """Scene, tree and node of a shot of ``make_shot``, saved beside it as shot.blend."""
    scene, tree = scene_with_tree(1, frames)
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "shot.blend"))
    plate = image_node(tree, folder / "plate.0001.exr", frames)
    clean = image_node(tree, folder / "clean.exr")
    return scene, tree, matte_node(tree, plate.outputs[0], clean.outputs[0])


def write_outputs(tree: Any, node: Any, folder: Path) -> None:
    """A File Output of everything that the node gives: ``<socket>_####.exr`` in float."""
    output = tree.nodes.new("CompositorNodeOutputFile")
    kinds = {"Image": "RGBA", "Foreground": "RGBA", "Alpha": "FLOAT", "Confidence": "FLOAT"}
    if FIVE:
        output.directory, output.file_name = str(folder), ""
        output.format.media_type = "IMAGE"
        for name, kind in kinds.items():
            output.file_output_items.new(kind, f"{name}_####")
    else:
        output.base_path = str(folder)
        output.file_slots.clear()
        for name in kinds:
            output.file_slots.new(name)
            output.file_slots[-1].path = f"{name}_####"
    output.format.file_format, output.format.color_depth, output.format.exr_codec = "OPEN_EXR", "32", "NONE"
    for name, socket in zip(kinds, list(output.inputs), strict=False):
        tree.links.new(node.outputs[name], socket)


def layers_output(tree: Any, folder: Path, name: str, layers: tuple[str, ...]) -> Any:
    """A File Output of one multilayer EXR in float, ``<name>####.exr``."""
    output = tree.nodes.new("CompositorNodeOutputFile")
    if FIVE:
        output.format.media_type = "MULTI_LAYER_IMAGE"
        output.directory, output.file_name = str(folder), f"{name}####"
        for layer in layers:
            output.file_output_items.new("RGBA", layer)
    else:
        output.format.file_format = "OPEN_EXR_MULTILAYER"
        output.base_path = str(folder / f"{name}####")
        output.layer_slots.clear()
        for layer in layers:
            output.layer_slots.new(layer)
    output.format.color_depth, output.format.exr_codec = "32", "ZIP"
    return output


MAIN_OUTPUTS = ("NodeGroupOutput", "CompositorNodeComposite")


def main_output(tree: Any, source: Any) -> None:
    """What the scene's render shows."""
    if FIVE:
        tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
        target = tree.nodes.new("NodeGroupOutput")
    else:
        target = tree.nodes.new("CompositorNodeComposite")
    tree.links.new(source, target.inputs[0])


def render_frame(scene: Any, frame: int, file: Path) -> None:
    """Renders one frame into a file."""
    scene.frame_set(frame)
    scene.render.filepath = str(file)
    bpy.ops.render.render(write_still=True)


def render_settings(scene: Any, folder: Path, size: tuple[int, int]) -> None:
    """Float EXR of a size, and a view transform that must not show in any of it."""
    render = scene.render
    render.resolution_x, render.resolution_y, render.resolution_percentage = size[0], size[1], 100
    if FIVE:
        render.image_settings.media_type = "IMAGE"
    render.image_settings.file_format = "OPEN_EXR"
    render.image_settings.color_depth = "32"
    render.filepath = str(folder / "main_")
    if not os.environ.get("OCIO"):
        scene.view_settings.view_transform = "AgX"
    scene.view_settings.exposure = 2.0


def quick_cycles(scene: Any) -> None:
    """Cycles with one sample. Its denoiser would take ten times as long as these small pictures do."""
    scene.render.engine, scene.cycles.samples, scene.cycles.use_denoising = "CYCLES", 1, False


def strip_length(frames: int) -> dict[str, int]:
    """Says how long a new strip that begins at frame 1 is: by its end in 4.5."""
    return {"length": frames} if FIVE else {"frame_end": 1 + frames}


def shown_alpha(scene: Any, frame: int) -> float:
    """The highest alpha that the comp shows, as a machine without the add-on renders it."""
    from plugin_blender import runtime

    scene.frame_set(frame)
    runtime.rendering_input = True
    bpy.ops.render.render()
    runtime.rendering_input = False
    file = str(Path(bpy.app.tempdir) / f"shown{os.getpid()}.exr")
    bpy.data.images["Render Result"].save_render(file)
    image = bpy.data.images.load(file)
    found: float = max(image.pixels[:][3::4])
    bpy.data.images.remove(image)
    return found


def error_of(call: Callable[[], object]) -> str:
    """What an operator complains of; empty where it does not."""
    try:
        call()
    except RuntimeError as error:
        return str(error).removeprefix("Error: ").strip()
    return ""


def learnt(output: Path, *warnings: str) -> Any:
    """What a Learn that has gained reports at its end."""
    # The package's own copy, which type checkers do not find: packaging puts it there.
    events = importlib.import_module("plugin_blender.matte_link.learn_events")
    return events.LearnDone(
        output=str(output),
        digest="0123456789abcdef",
        steps=2,
        first_error=0.02,
        error=0.01,
        has_gained=True,
        is_complete=True,
        model="cleanplate",
        diagnostics={"warnings": list(warnings)},
    )
