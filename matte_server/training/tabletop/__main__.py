"""Renders pairs of plate and clean plate that light makes, and their true mattes.

``python -m matte_server.training.tabletop FOLDER`` in a Python with the bpy wheel; then as with any shot,
``cleanplate matte FOLDER/plate.####.exr --clean FOLDER/clean.####.exr -o OUT/matte.####.exr`` and
``cleanplate evaluate FOLDER/truth.####.exr OUT``.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from random import Random

import bpy

from ..scenes.recipes import HELDOUT_HDRIS
from .bodies import Things
from .shapes import SHAPES
from .stage import build_set, expose, light, look_at, look_round, render, set_up_render
from .subjects import SubjectData, any_subject
from .things import KINDS

_SEED, _TRAINING_SEED, _TRUTH_SAMPLES = 500, 70_000, 2
_SUBJECT_EVERY = 3  # Of the pairs to train on, one in three has a subject, the others shapes.
_DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
_PANORAMAS = (
    "potsdamer_platz_1k",
    "studio_small_03_1k",
    "lebombo_1k",
    "empty_warehouse_01_1k",
    "st_fagans_interior_1k",
    "kiara_1_dawn_1k",
)


def main(arguments: list[str] | None = None) -> int:
    """Renders the pictures that are missing."""
    parser = argparse.ArgumentParser(prog="python -m matte_server.training.tabletop", description=__doc__)
    parser.add_argument("folder", type=Path, help="gets plate.####.exr, clean.####.exr and truth.####.exr")
    parser.add_argument("--count", type=int, default=20, help="how many pairs; ten kinds of things in turn")
    parser.add_argument("--first", type=int, default=0, help="number of the first")
    parser.add_argument("--samples", type=int, default=32, help="rays a pixel")
    parser.add_argument("--percentage", type=int, default=100, help="of 640 x 480 pixels")
    parser.add_argument("--hdri", type=Path, default=_DATA / "hdri", help="folder of equirectangular .hdr files")
    parser.add_argument("--makehuman", type=Path, default=_DATA / "makehuman", help="MakeHuman's data folder")
    parser.add_argument("--train", action="store_true", help="shapes and people to train on, not the ten kinds")
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    folder = options.folder.resolve()
    data = SubjectData(makehuman=options.makehuman.resolve(), panoramas=options.hdri.resolve())
    for number in range(options.first, options.first + options.count):
        if not (folder / f"truth.{number:04d}.exr").is_file():
            scene = _built_to_train(number, data) if options.train else _built(number, data.panoramas)
            set_up_render(options.samples, options.percentage, upright=options.train and number % 2 == 1)
            _render_three(folder, number, scene)
            print(f"{number:04d} {scene.kind}", flush=True)
    return 0


@dataclass(frozen=True)
class _Tabletop:
    """What was built: the set, and the things of this ``kind``."""

    kind: str
    stands: Things
    things: Things


def _built(number: int, panoramas: Path) -> _Tabletop:
    dice = Random(_SEED + number)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    stands = build_set(dice)
    light(panoramas / f"{_PANORAMAS[number % len(_PANORAMAS)]}.hdr", dice)
    kind = list(KINDS)[number % len(KINDS)]
    things = KINDS[kind](dice)
    look_at(_put_down(things, dice), dice)
    return _Tabletop(kind=kind, stands=stands, things=things)


def _built_to_train(number: int, data: SubjectData) -> _Tabletop:
    kind: str
    dice = Random(_TRAINING_SEED + number)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    stands = build_set(dice, dice.uniform(0.9, 4.0))
    hidden = {*_PANORAMAS, *HELDOUT_HDRIS}
    light(dice.choice(sorted(path for path in data.panoramas.glob("*.hdr") if path.stem not in hidden)), dice)
    if number % _SUBJECT_EVERY == 0:
        kind, things = any_subject(dice, data)
    else:
        shape = dice.choice(list(SHAPES))
        kind, things = shape, SHAPES[shape](dice)
    look_round(_put_down(things, dice), dice)
    return _Tabletop(kind=kind, stands=stands, things=things)


def _render_three(folder: Path, number: int, built: _Tabletop) -> None:
    _hide(built.things, True)
    expose(folder / f"trial.{number:04d}.exr")
    render(folder / f"clean.{number:04d}.exr")
    _hide(built.things, False)
    render(folder / f"plate.{number:04d}.exr")
    # What stands behind is cut out of the matte, also where it is seen through glass. Alpha is not denoised.
    scene = bpy.context.scene
    scene.render.film_transparent = scene.cycles.film_transparent_glass = True
    for each in built.stands:
        each.is_holdout = True
    scene.cycles.samples *= _TRUTH_SAMPLES
    render(folder / f"truth.{number:04d}.exr")


def _put_down(things: Things, dice: Random) -> float:
    """Turns and moves the things together; returns their place along x."""
    pivot = bpy.data.objects.new("pivot", None)
    bpy.context.scene.collection.objects.link(pivot)
    for thing in things:
        thing.parent = pivot
    pivot.rotation_euler[2] = dice.uniform(-0.7, 0.7)
    pivot.location = (dice.uniform(-0.6, 0.6), dice.uniform(-0.4, 0.4), 0)
    return float(pivot.location[0])


def _hide(things: Things, hidden: bool) -> None:
    for thing in things:
        thing.hide_render = hidden


if __name__ == "__main__":
    code = main()
    # Blender's own clean-up at exit can hang; everything is written.
    sys.stdout.flush()
    os._exit(code)
