"""The table of matting models and how each is loaded."""

from __future__ import annotations

from collections.abc import Callable

import torch

from ..errors import MatteError
from . import cleanplate, difference, v1, v2
from .protocols import MattingModel, ModelSpec
from .weights import has_weights

Loader = Callable[[str, torch.device], MattingModel]

_SPECS: dict[str, ModelSpec] = {
    cleanplate.SPEC.name: cleanplate.SPEC,
    difference.SPEC.name: difference.SPEC,
    v2.SPEC.name: v2.SPEC,
    v1.SPEC.name: v1.SPEC,
}
_LOADERS: dict[str, Loader] = {
    cleanplate.SPEC.name: cleanplate.CleanplateModel.load,
    difference.SPEC.name: lambda weights, device: difference.DifferenceModel(),
    v2.SPEC.name: v2.V2Model.load,
    v1.SPEC.name: v1.V1Model.load,
}


def model_specs() -> tuple[ModelSpec, ...]:
    """Every model there is, whether its weights are here or not."""
    return tuple(_SPECS.values())


def available_models() -> tuple[str, ...]:
    """Names of the models that can run now without being given weights, the default first."""
    return tuple(name for name, spec in _SPECS.items() if spec.weights != "user" or has_weights(name))


def load_model(name: str, weights: str, device: torch.device) -> MattingModel:
    """The model of that name on its device; 'auto' is the default one. ``weights`` is a file, or empty for the
    one found by the model's own rule. Raises ``MatteError`` with the codes unknown_model, missing_weights,
    bad_weights."""
    chosen = available_models()[0] if name == "auto" else name
    if chosen not in _LOADERS:
        raise MatteError("unknown_model", f"There is no model {name!r}.", f"There are {', '.join(_LOADERS)}.")
    return _LOADERS[chosen](weights, device)
