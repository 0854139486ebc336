"""Renders the demo's person with Blender: body, depth and strands of hair of every frame, scene-linear.

``python -m matte_server.training.demo_shot.render_subject --out FOLDER --makehuman FOLDER --hdri FOLDER`` in a
Python that has the bpy wheel. The person is one recipe of ``training.scenes``; her head turns and a draught moves
her hair, and the camera, the same for every frame, is the one that :mod:`render_room` looks through.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import bpy
import numpy as np

from ...demo.packaged import FRAMES, LENS_MM, RENDER_SIZE, SENSOR_MM
from ..scenes.anatomy import Library
from ..scenes.blend_objects import add_subject, collider
from ..scenes.blend_stage import set_up_light, set_up_render
from ..scenes.parts import Subject
from ..scenes.people import build_person
from ..scenes.recipes import Cloth, PersonRecipe, View
from ..scenes.styles import styles_of
from ..scenes.targets import Build

_SEED = 20
# The turn of the head: where the shot begins and how far each frame goes on, in degrees.
_TURN_FROM, _TURN_BY = -16.0, 3.0
_DISTANCE_M = 1.62
# The base mesh's highest vertex.
_CROWN = 881


def person(frame: int) -> PersonRecipe:
    """The recipe of one frame: only the turn of head and body changes."""
    waves = next(s for s in styles_of("train") if s.name == "wavy_long")
    hair = replace(waves, part_x=0.012, volume=0.25, flyaways=0.05, flyaway_reach=0.022, mess=0.6, clump=0.75)
    shirt = Cloth(
        garment="female_casualsuit02",
        colours=((0.04, 0.12, 0.13), (0.4, 0.38, 0.33)),
        pattern="plain",
        scale=40.0,
        roughness=0.8,
        sheen=0.3,
        fuzz=0.0,
    )
    return PersonRecipe(
        build=Build(male=0.0, age=0.46, muscle=0.5, weight=0.42, races=(0.1, 0.25, 0.65), ideal=0.7),
        details={
            "expression/units/caucasian/mouth-corner-puller.target.gz": 0.4,
            "cheek/l-cheek-bones-incr.target.gz": 0.3,
            "cheek/r-cheek-bones-incr.target.gz": 0.3,
        },
        skin=(0.56, 0.34, 0.25),
        iris=(0.05, 0.09, 0.07),
        clothes=(shirt,),
        hair=hair,
        hair_colour=(0.085, 0.03, 0.012),
        beard=0.0,
        brow=0.75,
        glasses="none",
        pose="standing01",
        pose_share=0.8,
        head_turn=(_TURN_FROM + _TURN_BY * frame, 1.0 + 0.8 * math.sin(0.7 * frame), 3.0),
        waist_turn=-8.0 + 0.9 * frame,
    )


def view(frame: int, samples: int) -> View:
    """Light from the window on the left and a little draught."""
    return View(
        framing="bust", azimuth=0.0, elevation=0.0, lens=LENS_MM, size=RENDER_SIZE[0], hdri="st_fagans_interior_1k",
        hdri_turn=150.0, exposure=-0.9, key_light=3.6, key_azimuth=-58.0, motion=0.0, motion_angle=0.0, defocus=0.0,
        wind=(0.12 + 0.08 * math.sin(0.9 * frame), 0.06, 0.0), samples=samples,
    )  # fmt: skip


def camera_place(library: Library) -> tuple[float, float, float]:
    """Where the camera of every frame stands: it looks level at the rest pose's head, right of the middle."""
    recipe = person(0)
    x, y, z = library.shape(recipe.build, recipe.details)[_CROWN]
    return float(x) - 0.06, float(y) - _DISTANCE_M, float(z) - 0.19


def _camera(place: tuple[float, float, float]) -> None:
    data = bpy.data.cameras.new("camera")
    data.sensor_fit, data.sensor_width, data.lens = "HORIZONTAL", SENSOR_MM, LENS_MM
    data.clip_start = 0.01
    camera = bpy.data.objects.new("camera", data)
    camera.location = place
    camera.rotation_euler = (math.radians(90.0), 0.0, 0.0)
    bpy.context.scene.collection.objects.link(camera)
    bpy.context.scene.camera = camera


def _fill(subject: Subject) -> None:
    """Everything but the head's hair is seen; that only throws its shadow."""
    tufts = add_subject(subject)[len(subject.parts) :]
    for tuft, strands in zip(subject.tufts, tufts, strict=True):
        strands.visible_camera = tuft.name != "hair"


def render(frame: int, library: Library, options: argparse.Namespace) -> None:
    """Writes ``hair.####.npz`` (strands, camera), ``body.####.exr`` (premultiplied) and ``depth.####.exr`` (metres,
    alpha 0 where there is nothing) of a frame; pictures that are there are kept."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    look = view(frame, options.samples)
    subject = build_person(library, person(frame), look, np.random.default_rng([_SEED, 1]), collider)
    place = camera_place(library)
    hair = next(tuft for tuft in subject.tufts if tuft.name == "hair")
    np.savez(options.out / f"hair.{frame:04d}.npz", points=hair.strands.points.astype(np.float32), camera=place)
    _fill(subject)
    set_up_render(look, *RENDER_SIZE)
    set_up_light(look, options.hdri)
    _camera(place)
    scene = bpy.context.scene
    scene.render.image_settings.color_depth = "32"
    # The strands are drawn apart, so the denoiser sees skin and cloth alone and alpha stays exact.
    scene.cycles.use_denoising = True
    _write(options.out / f"body.{frame:04d}.exr")
    _show_depth()
    _write(options.out / f"depth.{frame:04d}.exr")


def _show_depth() -> None:
    """One sample of a material that shines as strongly as it is far away."""
    material = bpy.data.materials.new("depth")
    material.use_nodes = True
    tree = material.node_tree
    tree.nodes.clear()
    kinds = ("ShaderNodeCameraData", "ShaderNodeEmission", "ShaderNodeOutputMaterial")
    camera, emission, output = (tree.nodes.new(kind) for kind in kinds)
    tree.links.new(camera.outputs["View Z Depth"], emission.inputs["Strength"])
    tree.links.new(emission.outputs[0], output.inputs["Surface"])
    emission.inputs["Color"].default_value = (1.0, 1.0, 1.0, 1.0)
    bpy.context.view_layer.material_override = material
    cycles = bpy.context.scene.cycles
    cycles.samples, cycles.max_bounces, cycles.use_denoising = 1, 0, False
    cycles.pixel_filter_type = "BOX"


def _write(path: Path) -> None:
    if path.exists():
        return
    started = time.monotonic()
    bpy.context.scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    print(f"{path.name}: {time.monotonic() - started:.0f} s", flush=True)


def main(arguments: list[str]) -> int:
    """Renders the frames asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--makehuman", type=Path, required=True)
    parser.add_argument("--hdri", type=Path, required=True)
    parser.add_argument("--frames", type=int, nargs="*", default=list(range(FRAMES)))
    parser.add_argument("--samples", type=int, default=14)
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    library = Library(options.makehuman)
    for frame in options.frames:
        render(frame, library, options)
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    # Blender's own clean-up at exit can hang; everything is written.
    sys.stdout.flush()
    os._exit(code)
