"""An OpenCue outline: the job in pyoutline's own JSON form, and the script that checks and submits it.

OpenCue has no step environments. A chunk uses the server that the plan names, or else one that listens on the
worker's default address (see README.md), or else one that it starts for itself.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from matte_link.endpoint import ADDRESS_VARIABLE, KEYS_VARIABLE

from .farm_job import CLEANPLATE, FRAMES, HOST, FarmJob, FarmPlan, PathWord, Word, plain_range, write_job

OUTLINE, SUBMIT = "outline.json", "submit.py"
_CHUNK = "#FRAMESPEC#"


def outline(job: FarmJob, plan: FarmPlan) -> Mapping[str, Any]:
    """The job as ``outline.load_json`` reads it: a layer whose command takes the frames of a chunk. A shot that is
    learnt first has a layer of a single frame before it."""
    matte = _layer("matte", job, plan, job.command)
    matte |= {"chunk": plan.chunk, "range": plain_range(job.frames)}
    layers = [matte]
    if job.learn:
        layers.insert(0, {**_layer("learn", job, plan, job.learn), "chunk": 1, "range": str(job.frames[0])})
        matte["require"] = ["learn:all"]
    return {"name": job.name, "range": plain_range(job.frames), "layers": layers}


def _layer(name: str, job: FarmJob, plan: FarmPlan, words: Sequence[Word]) -> dict[str, Any]:
    filled = {FRAMES: f"--frames={_CHUNK}", CLEANPLATE: plan.cleanplate, HOST: job.host}
    texts = [word.before + word.text if isinstance(word, PathWord) else filled.get(word, word) for word in words]
    layer: dict[str, Any] = {
        "module": "outline.modules.shell.Shell",
        "name": name,
        "command": shlex.join(texts),
        "service": "cleanplate",
        "env": _environment(plan),
    }
    if plan.gpu:
        layer["gpus"] = 1
    if plan.memory_gb:
        layer["memory"] = f"{plan.memory_gb}g"
    return layer


def _environment(plan: FarmPlan) -> dict[str, str]:
    variables = {ADDRESS_VARIABLE: plan.server, KEYS_VARIABLE: plan.keys}
    return {name: value for name, value in variables.items() if value}


def write_outline(folder: Path, document: Mapping[str, Any]) -> None:
    """Writes the outline and its submission script; raises ``MatteError`` where the folder has them already."""
    outline_text = json.dumps(document, indent=2).encode()
    write_job(folder, {OUTLINE: outline_text, SUBMIT: (files(__package__) / "opencue_submit.py").read_bytes()})
