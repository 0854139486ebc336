"""Two files of a run: the learned weights, and the checkpoint from which the run goes on.

Both are safetensors: tensors and text, nothing that is executed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from ..models.architectures import without_batch_counters
from ..models.learned import CONTENT, LearnedFacts, content_digest
from .learner import LearningState

_RUN = "run"


def learned_bytes(weights: Mapping[str, Tensor], facts: LearnedFacts) -> bytes:
    """A file of ``weights`` in half precision (statistics in single), with ``facts`` and the weights' digest."""
    small = {
        name: (value.half() if value.ndim >= 2 else value.float()).contiguous()
        for name, value in without_batch_counters(weights).items()
    }
    return _metadata_sorted(save(small, metadata={**facts.metadata(), CONTENT: content_digest(small)}))


def _metadata_sorted(data: bytes) -> bytes:
    """The same file with its metadata sorted by key: safetensors write them in a random order, but the same
    learning must give the same bytes."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # as the format pads it
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


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
