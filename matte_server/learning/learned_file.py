"""Two files of a run: the learned weights, and the checkpoint from which the run goes on. Both are safetensors:
tensors and text, nothing that is executed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save
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


def learned_bytes(weights: Mapping[str, Tensor], facts: LearnedFacts) -> bytes:
    """A file of ``weights`` in half precision (statistics in single) with ``facts``."""
    small = {
        name: (value.half() if value.ndim >= 2 else value.float()).contiguous()
        for name, value in without_batch_counters(weights).items()
    }
    text = json.dumps({"format": FORMAT, **asdict(facts)}, sort_keys=True)
    return save(small, metadata={_FACTS: text})


def learned_facts(path: Path) -> dict[str, Any] | None:
    """What a file of learned weights says about itself; None where it is none, or unreadable."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, "pt") as file:
            facts = json.loads((file.metadata() or {}).get(_FACTS, "{}"))
    except (SafetensorError, OSError, ValueError):
        return None
    return facts if facts.get("format") == FORMAT else None


def checkpoint_bytes(state: LearningState, inputs: str) -> bytes:
    """A file of a run's state; ``inputs`` names what it learns from."""
    run = {"inputs": inputs, "step": state.step, "errors": list(state.errors)}
    return save(state.tensors, metadata={_RUN: json.dumps(run)})


def checkpoint_state(data: bytes, inputs: str) -> LearningState | None:
    """The state of an earlier run on the same inputs; None where ``data`` is no such file, or not
    whole."""
    run = _run_of(data)
    if run.get("inputs") != inputs:
        return None
    try:
        return LearningState(tensors=load(data), step=int(run["step"]), errors=tuple(run["errors"]))
    except SafetensorError:
        return None


def _run_of(data: bytes) -> dict[str, Any]:
    """The numbers in a checkpoint's header: safetensors are 8 bytes of its length, the header as JSON, tensors."""
    length = int.from_bytes(data[:8], "little")
    try:
        found = json.loads(json.loads(data[8 : 8 + length])["__metadata__"][_RUN])
    except (ValueError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}
