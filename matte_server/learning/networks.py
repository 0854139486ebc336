"""The networks that can learn a shot, each behind the same few methods."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import MatteError
from ..models import v1, v2
from ..models.cleanplate import SPEC as CLEANPLATE_SPEC
from ..models.cleanplate import CleanplateModel, load_network
from ..models.network_table import CLEANPLATE, V1, V2
from ..models.networks.cleanplate import CleanplateNet, octaves_for, with_solid
from ..models.protocols import FrameTensors, MattingModel, ModelSpec
from .composites import Batch
from .losses import training_losses
from .published import LearnableV1, LearnableV2

_SECOND_PASSES = 0.5
"""Share of the pictures that the coarse stage sees as in its second pass. Without them, that pass unlearns what the
first learns: on a held-out sequence of glass the error fell to 0.48 of what it was, with them to 0.40."""


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
        """The network as it is now, as a model for inference; it does not change when the network learns on."""

    def with_guides(self, frame: FrameTensors, alpha: Tensor) -> FrameTensors:
        """The frame with the guides that the model cannot do without, made from a matte of it."""


class LearnableCleanplate:
    """Cleanplate's own network with the losses that it was trained with."""

    spec = CLEANPLATE_SPEC

    def __init__(self, network: CleanplateNet, device: torch.device) -> None:
        self.module: CleanplateNet = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._device = device

    def loss(self, picture: Batch, generator: torch.Generator) -> Tensor:
        octaves = octaves_for(*(int(side) for side in picture["alpha"].shape[-2:]))
        core = second_pass_core(picture["alpha"], octaves, generator)
        return training_losses(self.module, {**picture, "core": core}, octaves, generator).total

    def frozen(self) -> MattingModel:
        return CleanplateModel(copy.deepcopy(self.module), self._device)

    def with_guides(self, frame: FrameTensors, alpha: Tensor) -> FrameTensors:
        return frame


def second_pass_core(alpha: Tensor, octaves: int, generator: torch.Generator) -> Tensor:
    """The core matte of a batch, N x 1 x H x W: for some of the pictures, chosen by chance, what the second pass of
    the coarse stage sees (``CleanplateNet.two_passes``); for the others nothing, as in the first pass."""
    side = 1 << octaves
    small = F.avg_pool2d(alpha, side)
    solid = with_solid(torch.zeros_like(small), small)
    is_second = torch.rand(len(alpha), generator=generator, device=alpha.device) < _SECOND_PASSES
    return F.interpolate(solid * is_second[:, None, None, None], scale_factor=float(side), mode="nearest")


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
