"""Two files of a run: the learned weights, and the checkpoint from which the run goes on. Both are safetensors:
tensors and text, nothing that is executed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from matte_link.files import write_atomically
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from ..models.architectures import without_batch_counters
from .learner import LearningState

FORMAT = "cleanplate learned shot"
_FACTS, _RUN = "cleanplate", "run"


@dataclass(frozen=True)
class LearnedFacts:
    """What learned weights were made from, as the file says it. Errors are mean errors of alpha, 0..1, on what was
    left out of the learning."""

    model: str
    base: str
    """Digest of the weights at the start."""
    licence: str
    version: str
    """Cleanplate's own."""
    frames: tuple[int, ...]
    true_frames: tuple[int, ...]
    """Those of ``frames`` that had a true matte."""
    inputs: str
    """Digest of pictures, mattes, alignments and settings: the same inputs on the same kind of device give the same
    weights."""
    steps: int
    seed: int
    first_error: float
    error: float
    options: Mapping[str, Any] = field(default_factory=dict)
    device: str = "cpu"


def write_learned(path: Path, weights: Mapping[str, Tensor], facts: LearnedFacts) -> None:
    """Writes ``weights`` in half precision (statistics in single) with ``facts``. Raises ``OSError``."""
    small = {
        name: (value.half() if value.ndim >= 2 else value.float()).contiguous()
        for name, value in without_batch_counters(weights).items()
    }
    text = json.dumps({"format": FORMAT, **asdict(facts)}, sort_keys=True)
    write_atomically(str(path), save(small, metadata={_FACTS: text}))


def learned_facts(path: Path) -> dict[str, Any] | None:
    """What a file of learned weights says about itself; None where it is none, or unreadable."""
    facts = _metadata(path).get(_FACTS)
    if facts is None:
        return None
    found = json.loads(facts)
    return found if found.get("format") == FORMAT else None


def save_checkpoint(path: Path, state: LearningState, inputs: str) -> None:
    """Writes a run's state; ``inputs`` names what it learns from. Raises ``OSError``."""
    run = json.dumps({"inputs": inputs, "step": state.step, "errors": list(state.errors)})
    write_atomically(str(path), save(state.tensors, metadata={_RUN: run}))


def load_checkpoint(path: Path, inputs: str) -> LearningState | None:
    """The state of an earlier run on the same inputs; None where there is none."""
    run = json.loads(_metadata(path).get(_RUN, "{}"))
    if run.get("inputs") != inputs:
        return None
    return LearningState(tensors=load_file(path), step=int(run["step"]), errors=tuple(run["errors"]))


def _metadata(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    try:
        with safe_open(path, "pt") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError):
        return {}
