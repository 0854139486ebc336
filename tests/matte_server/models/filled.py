"""Networks with weights filled by the parity data's rule, so that no checkpoint is needed."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

GAIN = {"v2_mobilenetv2": 0.8, "v2_resnet50": 0.45, "v2_resnet101": 0.4, "v1": 0.5}
"""Keeps the activations in range through each network's depth; part of the rule."""
_WIDE_BIASES = ("decoder.conv4.bias", "refiner.conv4.bias")


def _generator(name: str) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))


def filled(shapes: Mapping[str, Tensor], network: str) -> dict[str, Tensor]:
    """A state dict with the keys and shapes of ``shapes`` and the rule's values for ``network``."""
    return {key: torch.from_numpy(_values(key, tuple(value.shape), GAIN[network])) for key, value in shapes.items()}


def _values(key: str, shape: tuple[int, ...], gain: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    random = _generator(key)
    if key.endswith("num_batches_tracked"):
        values = np.zeros(shape)
    elif key.endswith("running_mean"):
        values = 0.1 * random.standard_normal(shape)
    elif key.endswith("running_var"):
        values = random.uniform(0.5, 1.5, shape)
    elif key in _WIDE_BIASES:
        values = 0.45 + 0.1 * random.standard_normal(shape)
    elif key.endswith("bias"):
        values = 0.1 * random.standard_normal(shape)
    elif len(shape) > 1:
        values = random.standard_normal(shape) * np.sqrt(2.0 / np.prod(shape[1:])) * gain
    else:
        values = random.uniform(0.5, 1.5, shape)
    return np.asarray(values, np.float32)


def given(name: str, channels: int, size: tuple[int, int], low: float, high: float) -> Tensor:
    """The rule's input of that name: 1 x channels x H x W."""
    values = low + (high - low) * _generator(name).random((1, channels, *size))
    return torch.from_numpy(values.astype(np.float32))
