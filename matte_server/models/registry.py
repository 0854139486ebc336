"""The table of matting models, built in and installed, and how each is loaded."""

from __future__ import annotations

from collections.abc import Callable

import torch
from matte_link.options import chosen_model

from ..errors import MatteError
from . import cleanplate, difference, v1, v2
from .installed import installed_models
from .protocols import MattingModel, ModelSpec
from .weights import has_weights

Loader = Callable[[str, torch.device], MattingModel]

_BUILT_IN: tuple[tuple[ModelSpec, Loader], ...] = (
    (cleanplate.SPEC, cleanplate.CleanplateModel.load),
    (difference.SPEC, lambda weights, device: difference.DifferenceModel()),
    (v2.SPEC, v2.V2Model.load),
    (v1.SPEC, v1.V1Model.load),
)


def built_in_specs() -> tuple[ModelSpec, ...]:
    """Cleanplate's own models, the default first."""
    return tuple(spec for spec, _ in _BUILT_IN)


def model_specs() -> tuple[ModelSpec, ...]:
    """Every model, built-in ones first, whether its weights are here or not."""
    return (*built_in_specs(), *(model.spec for model in installed_models()))


def available_models() -> tuple[str, ...]:
    """Names of the models that can run now, the default first."""
    return tuple(spec.name for spec in model_specs() if can_run(spec))


def can_run(spec: ModelSpec) -> bool:
    """Whether the model can run now without being given a weights file."""
    return spec.weights != "user" or has_weights(spec.name)


def load_model(name: str, weights: str, device: torch.device) -> MattingModel:
    """The model that the option's value ``name`` stands for, on its device. ``weights`` is a file, or empty for the
    one that the model finds by its own rule. Raises ``MatteError`` with the codes unknown_model, missing_weights,
    bad_weights."""
    built_in = {spec.name: load for spec, load in _BUILT_IN}
    loaders = built_in | {model.spec.name: model.load for model in installed_models()}
    chosen = chosen_model(name, available_models())
    if chosen not in loaders:
        raise MatteError("unknown_model", f"There is no model {name!r}.", f"There are {', '.join(loaders)}.")
    return loaders[chosen](weights, device)
