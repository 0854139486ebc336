"""The table of matting models and how each is loaded."""

from __future__ import annotations

from collections.abc import Callable

import torch

from ..errors import MatteError
from . import cleanplate, difference
from .protocols import MattingModel, ModelSpec

Loader = Callable[[str, torch.device], MattingModel]

_SPECS: dict[str, ModelSpec] = {
    cleanplate.SPEC.name: cleanplate.SPEC,
    difference.SPEC.name: difference.SPEC,
}
_LOADERS: dict[str, Loader] = {
    cleanplate.SPEC.name: cleanplate.CleanplateModel.load,
    difference.SPEC.name: lambda weights, device: difference.DifferenceModel(),
}


def model_specs() -> tuple[ModelSpec, ...]:
    """Every model there is, whether its weights are here or not."""
    return tuple(_SPECS.values())


def available_models() -> tuple[str, ...]:
    """Names of the models that can run now, the default first."""
    return tuple(_SPECS)


def load_model(name: str, weights: str, device: torch.device) -> MattingModel:
    """The model of that name on its device; 'auto' is the default one. ``weights`` is a file, or empty for the
    one found by the model's own rule. Raises ``MatteError`` with the codes unknown_model, missing_weights,
    bad_weights."""
    chosen = available_models()[0] if name == "auto" else name
    if chosen not in _LOADERS:
        raise MatteError("unknown_model", f"There is no model {name!r}.", f"There are {', '.join(_LOADERS)}.")
    return _LOADERS[chosen](weights, device)
