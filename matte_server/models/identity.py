"""Which weights a model runs with, by content: a result is only as good as the weights that made it are known."""

from __future__ import annotations

import hashlib
from importlib.resources import as_file, files
from pathlib import Path

from . import cleanplate
from .registry import model_specs
from .segmentation import MODEL as SEGMENTATION
from .weights import find_weights, has_weights

# The models whose weights users bring, and what else they need.
_BROUGHT = {"v2": (), "v1": (SEGMENTATION,)}


def default_weights() -> dict[str, str]:
    """Per model that runs without a weights file being named, the digest of what it runs with; empty for models
    that have no weights."""
    packaged = {cleanplate.SPEC.name: cleanplate.PACKAGED_WEIGHTS}
    found = {spec.name: "" for spec in model_specs() if spec.weights == "none"}
    for name, data in packaged.items():
        with as_file(files(__package__) / data) as path:
            found[name] = weights_digest(path)
    for model, helpers in _BROUGHT.items():
        if has_weights(model):
            parts = [model, *(helper for helper in helpers if has_weights(helper))]
            found[model] = "+".join(weights_digest(find_weights(part, "")) for part in parts)
    return found


def weights_digest(path: Path) -> str:
    """A weights file's name by content: BLAKE2b, 16 bytes, in hex. Raises ``OSError``."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
