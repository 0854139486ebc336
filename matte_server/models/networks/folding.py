"""Making a trained network ready for inference."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold(network: nn.Module) -> None:
    """In place: every batch normalisation becomes part of the convolution just before it, and the weights lie
    channels-last. For evaluation only; the keys of the state dict are no longer the checkpoint's."""
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
