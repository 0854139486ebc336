"""The metadata of a file of learned weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from blake3 import blake3
from safetensors import SafetensorError
from torch import Tensor

from ..errors import MatteError
from .safetensors_file import metadata_of, tensors_in

_FORMAT, _FACTS = "cleanplate learned shot", "cleanplate"
CONTENT = "content"
"""The key in the file's metadata of the :func:`content_digest` of its tensors."""


@dataclass(frozen=True)
class LearnedFacts:
    """What learned weights were made from. Errors are mean errors of alpha, 0..1, on what was left out of the
    learning."""

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

    def metadata(self) -> dict[str, str]:
        """The same as metadata of a safetensors file."""
        return {_FACTS: json.dumps({"format": _FORMAT, **asdict(self)}, sort_keys=True)}


def learned_facts(path: Path) -> LearnedFacts | None:
    """The metadata in the file; None where it holds no learned weights, or cannot be read."""
    try:
        facts = json.loads(metadata_of(path).get(_FACTS, "{}"))
        if facts.pop("format", "") != _FORMAT:
            return None
        found = LearnedFacts(**{**facts, **{name: tuple(facts[name]) for name in ("frames", "true_frames")}})
    except (SafetensorError, OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return found if _is_sound(found) else None


def _is_sound(facts: LearnedFacts) -> bool:
    """Whether every value has its type: anybody can write such a file."""
    texts = (facts.model, facts.base, facts.licence, facts.version, facts.inputs, facts.device)
    whole = (*facts.frames, *facts.true_frames, facts.steps, facts.seed)
    return (
        all(isinstance(text, str) for text in texts)
        and all(type(number) is int for number in whole)
        and all(type(error) in (int, float) for error in (facts.first_error, facts.error))
        and isinstance(facts.options, dict)
    )


def content_digest(weights: Mapping[str, Tensor]) -> str:
    """BLAKE3 of the names and values of tensors."""
    digest = blake3()
    for name in sorted(weights):
        value = weights[name].contiguous().numpy()
        digest.update(f"{name} {value.dtype} {value.shape} ".encode() + value.tobytes())
    return digest.hexdigest()


def _is_whole(path: Path) -> bool:
    """Whether the file holds the tensors that were written; files of earlier versions do not say."""
    try:
        written = metadata_of(path).get(CONTENT, "")
        return not written or content_digest(tensors_in(path)) == written
    except (SafetensorError, OSError):
        return False


def check_learned_for(path: Path, model: str) -> None:
    """Raises ``MatteError("bad_weights", ...)`` where the file holds weights that another model learned, or that
    were changed since."""
    facts = learned_facts(path)
    if facts is not None and facts.model != model:
        raise MatteError(
            "bad_weights",
            f"{path.name} was learned for the model {facts.model}, not for {model}.",
            f"Run it with --model {facts.model}.",
        )
    if facts is not None and not _is_whole(path):
        raise MatteError(
            "bad_weights",
            f"{path.name} is damaged: its weights are not those that were learned.",
            "Copy it again, or learn the shot again.",
        )
