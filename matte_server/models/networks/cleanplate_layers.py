"""The layers of our own network."""

from __future__ import annotations

import torch
import torch.nn.functional as nnf
from torch import Tensor, nn


class ConvUnit(nn.Module):
    """3 x 3 convolution, batch normalisation (:func:`folding.fold` folds it away), ReLU."""

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1, active: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(channels_out)
        self.active = active

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm(self.conv(x))
        return torch.relu_(y) if self.active else y


class Residual(nn.Module):
    """A residual block of two units."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = ConvUnit(channels, channels)
        self.second = ConvUnit(channels, channels, active=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu_(self.second(self.first(x)) + x)


class Surroundings(nn.Module):
    """Adds a function of the mean over the whole frame to every pixel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix = nn.Sequential(nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.mix(x.mean((2, 3)))
        return torch.relu_(x + y[:, :, None, None])


def exact(layer: nn.Conv2d, x: Tensor) -> Tensor:
    """Apply a last layer in float32 even under autocast: bfloat16 would quantise alpha visibly."""
    with torch.autocast(x.device.type, enabled=False):
        y: Tensor = layer(x.float())
    return y


class Attention(nn.Module):
    """Self-attention over all pixels of a small feature map; starts as the identity (Vaswani et al. 2017, section
    3.2).

    Lets distant parts of a frame that show the same thing agree.
    """

    HEADS = 8

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.into = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor) -> Tensor:
        count, channels, height, width = x.shape
        tokens = self.into(self.norm(x.flatten(2).transpose(1, 2)))
        heads = tokens.view(count, height * width, 3, self.HEADS, channels // self.HEADS).permute(2, 0, 3, 1, 4)
        found = nnf.scaled_dot_product_attention(*heads.unbind(0)).transpose(1, 2).flatten(2)
        return torch.relu_(x + self.out(found).transpose(1, 2).reshape(x.shape))
