"""The digest of the weights that each model runs with: results of different weights are different results."""

from __future__ import annotations

from importlib.resources import as_file, files

from matte_link.file_digest import file_digest
from matte_link.options import chosen_model
from matte_link.weights_files import is_safetensors
from safetensors.torch import save

from .installed import installed_models
from .network_table import CLEANPLATE
from .protocols import ModelSpec
from .registry import built_in_specs, can_run
from .weights import find_weights, has_weights
from .weights_reader import read_weights


def default_weights() -> dict[str, str]:
    """For each model that can run now without being given a weights file, the digest of the weights that it would
    use; empty for a built-in model that has no weights. A model that uses several files has their digests joined
    by "+"."""
    built_in = {spec.name: _digest(spec) for spec in built_in_specs() if can_run(spec)}
    return built_in | {model.spec.name: model.digest for model in installed_models()}


def as_safetensors(model: str, given: str) -> bytes:
    """The weights that a model runs with, as the bytes of a safetensors file; the very file where it is one.
    ``given`` as in :func:`find_weights`. Raises ``MatteError``: missing_weights, bad_weights."""
    name = chosen_model(model, (CLEANPLATE,))
    packaged = {spec.name: spec.packaged_file for spec in built_in_specs()}
    if not given and packaged[name]:
        return (files(__package__) / packaged[name]).read_bytes()
    path = find_weights(name, given)
    return path.read_bytes() if is_safetensors(path) else save(read_weights(path))


def _digest(spec: ModelSpec) -> str:
    if spec.packaged_file:
        with as_file(files(__package__) / spec.packaged_file) as path:
            return file_digest(path)
    if not spec.is_network:
        return ""
    used = [spec.name, *(helper for helper in spec.helpers if has_weights(helper))]
    return "+".join(file_digest(find_weights(each, "")) for each in used)
