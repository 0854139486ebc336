"""Who makes a frame's result: the version, the model and its weights, as written into each reply's diagnostics."""

from __future__ import annotations

from importlib.metadata import version

import torch
from matte_link.file_digest import file_digest
from matte_link.options import MatteOptions, chosen_model
from matte_link.result_key import Maker

from ..errors import MatteError
from ..frame.pipeline import ModelLoader
from ..models.identity import default_weights
from ..models.protocols import MattingModel
from ..models.registry import available_models
from ..models.weights import find_weights


class Makers:
    """The maker per model and weights. Weights are digested when the model is loaded, so that a file replaced later
    is not taken for what the loaded model came from."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Maker] = {}

    def recording(self, load: ModelLoader) -> ModelLoader:
        """``load``, with the maker of every loaded model recorded."""

        def load_and_record(name: str, weights: str, device: torch.device) -> MattingModel:
            model = load(name, weights, device)
            self._known[name, weights] = maker_of(name, weights)
            return model

        return load_and_record

    def of(self, options: MatteOptions) -> Maker:
        """Who makes a result with these options."""
        key = (options.model, options.weights)
        if key not in self._known:
            self._known[key] = maker_of(*key)
        return self._known[key]


def maker_of(name: str, weights: str) -> Maker:
    """The maker for a value of the option ``model`` and a weights file (empty: the model's default). The digest is
    None where the file cannot be read, which a model without weights does not mind."""
    model = chosen_model(name, available_models())
    return Maker(version=version("cleanplate"), model=model, weights=_digest(model, weights))


def _digest(model: str, weights: str) -> str | None:
    if not weights:
        return default_weights().get(model, "")
    try:
        return file_digest(find_weights(model, weights))
    except (MatteError, OSError):
        return None
