"""A frame as far as its model's word, and how its alpha follows that of its neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ..core.align import Alignment
from ..core.flow import motion_between, working_size
from ..core.window import Window
from ..models.protocols import CancelCheck, FrameTensors, Prediction
from ..pixels.smoothing import MovedFeatures, TemporalFeatures, align_neighbour, grey_of, placed, smoothed


@dataclass(frozen=True, eq=False)
class ModelOutput:
    """What a frame's own result and its neighbours' are made from, on the device.

    ``look`` is what a neighbour needs; ``window``, ``display`` and ``pixel_aspect`` are the plate's. ``prediction``
    and ``frame`` are for the frame's own result alone, and None where they were let go.
    """

    alignment: Alignment
    look: TemporalFeatures
    window: Window
    display: Window
    pixel_aspect: float
    prediction: Prediction | None
    frame: FrameTensors | None

    @property
    def size(self) -> int:
        """Bytes on the device, without ``frame``."""
        tensors = [self.look.alpha, self.look.plate]
        if self.prediction is not None:
            told = (self.prediction.foreground, self.prediction.confidence)
            tensors += [self.prediction.alpha, *(cells.values for cells in told if cells is not None)]
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    def shows_the_field_of(self, other: ModelOutput) -> bool:
        """Whether both have the same display window and pixel aspect; their data windows may differ."""
        return (self.display, self.pixel_aspect) == (other.display, other.pixel_aspect)

    def without_frame(self) -> ModelOutput:
        """Without the pictures that can be read again."""
        return replace(self, frame=None)

    def for_neighbours(self) -> ModelOutput:
        """Once its own result is made."""
        return replace(self, prediction=None, frame=None)


def smooth_alpha(
    own: ModelOutput, around: Mapping[str, ModelOutput], amount: float, check: CancelCheck
) -> tuple[Tensor, dict[str, float]]:
    """The frame's alpha, 1 x 1 x H x W, smoothed in time by ``amount`` (0..1), and the mean weight of each of the
    one or two neighbours ``around``, by the same names; without any, its own."""
    if not around:
        return own.look.alpha, {}
    found = {}
    for side, other in around.items():
        check()
        found[side] = align_neighbour(own.look, _moved(own.look, placed(other.look, other.window, own.window)))
    weights = {side: float(each.weight.mean()) for side, each in found.items()}
    return smoothed(own.look.alpha, list(found.values()), amount), weights


def _moved(look: TemporalFeatures, other: TemporalFeatures) -> MovedFeatures:
    """The motion is measured on the processor, on small copies."""
    device = look.alpha.device
    height, width = working_size(*look.alpha.shape[-2:])
    motion = motion_between(*(grey_of(each, height, width).cpu().numpy() for each in (look, other)))
    flow = torch.from_numpy(motion.flow / np.array([width, height], np.float32)).permute(2, 0, 1)[None]
    return MovedFeatures(other, flow.to(device), torch.from_numpy(motion.trust)[None, None].to(device))
