"""Starts a network from the weights of a narrower one."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from ..models.networks.cleanplate import CleanplateNet, NetworkLayout
from ..models.networks.cleanplate_layers import Residual
from ..models.weights_reader import read_weights
from .parts import read_parts


@torch.no_grad()
def grown_from(path: Path, layout: NetworkLayout) -> CleanplateNet:
    """A network of ``layout`` with the weights of ``path``, which may have fewer layers, channels and blocks. It
    gives the same output as the narrower network, and all of its channels can learn.

    Old channels come first, and their weights on new channels start at 0; new channels start at random; new blocks
    start as the identity. After Net2Net (Chen et al. 2016). Raises ``ValueError`` where the file is of a wider
    network or of another one, ``MatteError`` (missing_weights, bad_weights) where it cannot be read.
    """
    net, old = CleanplateNet(layout), read_parts(path)[0] if path.is_dir() else read_weights(path)
    strangers = sorted(old.keys() - net.state_dict().keys())
    if strangers or not old:
        raise ValueError(f"{path.name} holds no weights of this network: {', '.join(strangers[:3]) or 'nothing'}")
    for name, block in net.named_modules():
        if isinstance(block, Residual) and f"{name}.first.conv.weight" not in old:
            assert isinstance(block.second.norm, nn.BatchNorm2d)
            nn.init.zeros_(block.second.norm.weight)
    for name, value in net.state_dict().items():
        if name in old:
            _fill(value, old[name], name)
    return net


def _fill(value: Tensor, old: Tensor, name: str) -> None:
    if any(few > many for few, many in zip(old.shape, value.shape, strict=True)):
        raise ValueError(f"{name} has {tuple(old.shape)} weights in the file, but only {tuple(value.shape)} here")
    corner = tuple(slice(side) for side in old.shape)
    if value.ndim > 1:
        value[: old.shape[0], old.shape[1] :] = 0.0
    value[corner] = old.to(value.dtype)
