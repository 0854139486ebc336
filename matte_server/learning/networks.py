"""The networks that can learn a shot, each behind the same few methods."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Protocol

import torch
from torch import Tensor, nn

from ..errors import MatteError
from ..models import v1, v2
from ..models.cleanplate import SPEC as CLEANPLATE_SPEC
from ..models.cleanplate import CleanplateModel, load_network
from ..models.cleanplate_light import gain_to_middle
from ..models.network_table import CLEANPLATE, V1, V2
from ..models.networks.cleanplate import CleanplateNet, octaves_for
from ..models.protocols import FrameTensors, MattingModel, ModelSpec
from .composites import Batch, in_light
from .losses import solid_core, training_losses
from .published import LearnableV1, LearnableV2

_SECOND_LOOKS = 0.5
"""Share of the steps in which the coarse stage sees the picture as in its second look. Without them, that look
unlearns what the first learns: on a held-out sequence of glass, when both looks had one size, the error fell to
0.48 of what it was, with them to 0.40."""


class LearnableNetwork(Protocol):
    """A network in training, on its device."""

    @property
    def spec(self) -> ModelSpec: ...

    @property
    def module(self) -> nn.Module:
        """What learns; its tensors have the names of the model's weights files."""

    def loss(self, picture: Batch, generator: torch.Generator) -> Tensor:
        """The loss of a batch of one picture, a number with a gradient. ``generator`` chooses crops."""

    def frozen(self) -> MattingModel:
        """A copy of the network as it is now, as a model for inference."""

    def with_guides(self, frame: FrameTensors, alpha: Tensor) -> FrameTensors:
        """The frame with the guides that the model cannot do without, made from a matte of it."""


class LearnableCleanplate:
    """Cleanplate's own network with the losses that it was trained with."""

    spec = CLEANPLATE_SPEC

    def __init__(self, network: CleanplateNet, device: torch.device) -> None:
        self.module: CleanplateNet = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._device = device

    def loss(self, picture: Batch, generator: torch.Generator) -> Tensor:
        picture = in_light(picture, gain_to_middle(picture["plate"], picture["clean"], picture["coverage"]))
        octaves = octaves_for(*(int(side) for side in picture["alpha"].shape[-2:]))
        if float(torch.rand((), generator=generator, device=self._device)) < _SECOND_LOOKS:
            picture = {**picture, "core": solid_core(picture["alpha"], octaves)}
            octaves -= 1
        return training_losses(self.module, picture, octaves, generator).total

    def frozen(self) -> MattingModel:
        return CleanplateModel(copy.deepcopy(self.module), self._device)

    def with_guides(self, frame: FrameTensors, alpha: Tensor) -> FrameTensors:
        return frame


_LOADERS: Mapping[str, Callable[[str, torch.device], LearnableNetwork]] = {
    CLEANPLATE: lambda weights, device: LearnableCleanplate(load_network(weights), device),
    V2: lambda weights, device: LearnableV2(v2.load_network(weights), device),
    V1: lambda weights, device: LearnableV1(v1.load_network(weights), device),
}


def load_learnable(model: str, weights: str, device: torch.device) -> LearnableNetwork:
    """The network of ``model`` with the weights of a file, or those that the model uses by itself where ``weights``
    is empty. Raises ``MatteError``: bad_option where the model cannot learn, missing_weights, bad_weights."""
    if model not in _LOADERS:
        raise MatteError(
            "bad_option", f"The model {model} cannot learn a shot.", f"These can: {', '.join(_LOADERS)}."
        )
    return _LOADERS[model](weights, device)
