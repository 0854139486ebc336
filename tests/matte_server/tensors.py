"""A frame's tensors from arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


def tensor(pixels: npt.NDArray[Any]) -> Tensor:
    """1 x C x H x W float32, from H x W x C or H x W."""
    return torch.from_numpy(np.ascontiguousarray(np.atleast_3d(pixels).transpose(2, 0, 1), np.float32))[None]
