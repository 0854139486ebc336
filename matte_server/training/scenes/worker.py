"""The Blender side's entry: renders the pictures that a job file lists, one after the other.

``python -m matte_server.training.scenes.worker JOB.json`` in a Python with the bpy wheel.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path

import bpy
import numpy as np

from .anatomy import Library
from .blend_hair import grow
from .blend_objects import add_subject, collider
from .blend_stage import set_up_camera, set_up_light, set_up_render
from .framing import CameraShot, frame
from .groomed import build_groomed
from .job import Job, read_job
from .parts import Subject
from .people import build_person
from .props import build_prop
from .recipes import Recipe


def build(recipe: Recipe, library: Library) -> Subject:
    """The subject of ``recipe``."""
    rng = np.random.default_rng([recipe.seed, 1])
    if recipe.person is not None:
        return build_person(library, recipe.person, recipe.view, rng, collider)
    if recipe.groom is not None:
        return build_groomed(recipe.groom, rng, grow)
    return build_prop(recipe.kind, rng)


def frame_subject(subject: Subject, recipe: Recipe) -> CameraShot:
    """The shot of ``recipe`` on ``subject``."""
    points = np.concatenate(
        [p.mesh.vertices[np.unique(p.mesh.loops)] for p in subject.parts]
        + [t.strands.points[::5, -1] for t in subject.tufts]
    )
    framing = recipe.view.framing
    if framing == "head":
        return frame(points, recipe.view, subject.head)
    if framing in ("half", "bust"):
        lowest = subject.waist if framing == "half" else subject.chest
        return frame(points, recipe.view, points[points[:, 2] > lowest])
    return frame(points, recipe.view)


def render(recipe: Recipe, job: Job, library: Library) -> None:
    """Render ``recipe`` to ``<id>.exr`` beside ``<id>.json``; both appear whole, the picture last."""
    started = time.monotonic()
    bpy.ops.wm.read_factory_settings(use_empty=True)
    subject = build(recipe, library)
    shot = frame_subject(subject, recipe)
    add_subject(subject)
    set_up_render(recipe.view, shot.width, shot.height)
    set_up_light(recipe.view, job.hdri)
    set_up_camera(recipe.view, shot)
    built = time.monotonic()
    partial = job.out / f"{recipe.id}.exr.tmp"
    bpy.context.scene.render.filepath = str(partial)
    bpy.ops.render.render(write_still=True)
    facts = {
        **asdict(recipe),
        "width": shot.width,
        "height": shot.height,
        "colourspace": "lin_rec709",
        "premultiplied": True,
        "subject": f"{recipe.kind}-{recipe.seed}",
        "build_seconds": round(built - started, 2),
        "render_seconds": round(time.monotonic() - built, 2),
        "blender": bpy.app.version_string,
    }
    described = job.out / f"{recipe.id}.json.tmp"
    described.write_text(json.dumps(facts, indent=1), encoding="utf-8")
    described.replace(job.out / f"{recipe.id}.json")
    partial.replace(job.out / f"{recipe.id}.exr")
    print(f"rendered {recipe.id} {shot.width}x{shot.height} build {built - started:.1f} s "
          f"render {facts['render_seconds']:.1f} s", flush=True)  # fmt: skip


def main(arguments: list[str]) -> int:
    """Render the job of the file ``arguments[0]``."""
    job = read_job(Path(arguments[0]))
    library = Library(job.makehuman)
    for recipe in job.recipes():
        if not (job.out / f"{recipe.id}.exr").is_file():
            render(recipe, job, library)
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    # Blender's own clean-up at exit can hang; everything is written.
    sys.stdout.flush()
    os._exit(code)
