"""Which weights a model runs with, by content: a result is only as good as the weights that made it are known."""

from __future__ import annotations

from importlib.resources import as_file, files

from matte_link.result_key import weights_digest

from . import cleanplate
from .installed import installed_models
from .registry import built_in_specs
from .segmentation import MODEL as SEGMENTATION
from .weights import find_weights, has_weights

_HELPERS = {"v1": (SEGMENTATION,)}
"""Weights that a model uses beside its own, if they are there."""


def default_weights() -> dict[str, str]:
    """Per model that runs without a weights file being named, the digest of what it runs with; empty for built-in
    models that have no weights."""
    packaged = {cleanplate.SPEC.name: cleanplate.PACKAGED_WEIGHTS}
    found = {spec.name: "" for spec in built_in_specs() if spec.weights == "none"}
    for name, data in packaged.items():
        with as_file(files(__package__) / data) as path:
            found[name] = weights_digest(path)
    for model in (spec.name for spec in built_in_specs() if spec.weights == "user"):
        if has_weights(model):
            parts = [model, *(helper for helper in _HELPERS.get(model, ()) if has_weights(helper))]
            found[model] = "+".join(weights_digest(find_weights(part, "")) for part in parts)
    found.update((model.spec.name, model.digest) for model in installed_models())
    return found
