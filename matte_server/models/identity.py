"""Which weights a model runs with, by content: a result is only as good as the weights that made it are known."""

from __future__ import annotations

from importlib.resources import as_file, files

from matte_link.result_key import weights_digest

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
