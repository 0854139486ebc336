"""The digest of the weights that each model runs with: results of different weights are different results."""

from __future__ import annotations

from importlib.resources import as_file, files

from matte_link.result_key import weights_digest

from .installed import installed_models
from .protocols import ModelSpec
from .registry import built_in_specs, can_run
from .weights import find_weights, has_weights


def default_weights() -> dict[str, str]:
    """For each model that can run now without being given a weights file, the digest of the weights that it would
    use; empty for a built-in model that has no weights. A model that uses several files has their digests joined
    by "+"."""
    built_in = {spec.name: _digest(spec) for spec in built_in_specs() if can_run(spec)}
    return built_in | {model.spec.name: model.digest for model in installed_models()}


def _digest(spec: ModelSpec) -> str:
    if spec.packaged_file:
        with as_file(files(__package__) / spec.packaged_file) as path:
            return weights_digest(path)
    if spec.weights == "none":
        return ""
    used = [spec.name, *(helper for helper in spec.helpers if has_weights(helper))]
    return "+".join(weights_digest(find_weights(each, "")) for each in used)
