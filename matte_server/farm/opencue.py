"""An OpenCue outline: the job in pyoutline's own JSON form, and the script that checks and submits it.

OpenCue has no step environments, so each worker's server is one that already listens on the default address (see
README.md), or one for all that ``server`` names; a chunk that finds neither starts its own for itself.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from matte_link.endpoint import ADDRESS_VARIABLE, KEYS_VARIABLE

from .work import CLEANPLATE, FRAMES, HOST, FarmPlan, PathWord, Work, plain_range, write_job

OUTLINE, SUBMIT = "outline.json", "submit.py"
_CHUNK = "#FRAME_START#-#FRAME_END#"
_FRAME = "#IFRAME#"


def outline(work: Work, plan: FarmPlan) -> Mapping[str, Any]:
    """The job as ``outline.load_json`` reads it: one layer, whose command takes a chunk's first and last frame.
    Frames with gaps go one a task, because OpenCue tells a chunk's ends only."""
    chunk = plan.chunk if work.frames[-1] - work.frames[0] + 1 == len(work.frames) else 1
    said = {FRAMES: _CHUNK if chunk > 1 else _FRAME, CLEANPLATE: plan.cleanplate, HOST: work.host}
    words = [word.path if isinstance(word, PathWord) else said.get(word, word) for word in work.command]
    layer: dict[str, Any] = {
        "module": "outline.modules.shell.Shell",
        "name": "matte",
        "command": shlex.join(words),
        "chunk": chunk,
        "range": plain_range(work.frames),
        "service": "cleanplate",
        "env": _environment(plan),
    }
    if plan.gpu:
        layer["gpus"] = 1
    return {"name": work.name, "range": plain_range(work.frames), "layers": [layer]}


def _environment(plan: FarmPlan) -> dict[str, str]:
    wanted = {ADDRESS_VARIABLE: plan.server, KEYS_VARIABLE: plan.keys}
    return {name: value for name, value in wanted.items() if value}


def write_outline(folder: Path, job: Mapping[str, Any]) -> None:
    """Writes the outline and its submission script; raises ``MatteError`` where they are there already."""
    outline_text = json.dumps(job, indent=2).encode()
    write_job(folder, {OUTLINE: outline_text, SUBMIT: (files(__package__) / "opencue_submit.py").read_bytes()})
