"""Prepares a trained network for inference."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold(network: nn.Module) -> None:
    """Merge every batch normalisation into the convolution before it and lay the weights out channels-last, in
    place. For inference only: the state dict no longer has the checkpoint's keys."""
    network.eval()
    _fold(network)
    network.to(memory_format=torch.channels_last)


def _fold(module: nn.Module) -> None:
    names = list(module._modules)
    for name, after in zip(names, [*names[1:], ""], strict=False):
        child = getattr(module, name)
        follower = getattr(module, after) if after else None
        if isinstance(child, nn.Conv2d) and isinstance(follower, nn.BatchNorm2d):
            setattr(module, name, fuse_conv_bn_eval(child, follower))
            setattr(module, after, nn.Identity())
        elif child is not None:
            _fold(child)
