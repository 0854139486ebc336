"""What a model found in one frame, before neighbours, guides and foreground; and alpha smoothed over neighbours."""

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
from ..pixels.smoothing import MovedFeatures, TemporalFeatures, align_neighbour, fit_window, motion_grey, smoothed


@dataclass(frozen=True, eq=False)
class ModelOutput:
    """One frame after its model ran; tensors on the device.

    ``features`` are all that a neighbouring frame needs of it. ``prediction`` and ``frame`` are only needed for the
    frame's own result, and are None once they have been dropped. The windows and the pixel aspect are the plate's.
    """

    alignment: Alignment
    features: TemporalFeatures
    data_window: Window
    display_window: Window
    pixel_aspect: float
    prediction: Prediction | None
    frame: FrameTensors | None

    @property
    def size(self) -> int:
        """Bytes on the device, not counting ``frame``."""
        tensors = [self.features.alpha, self.features.plate]
        if self.prediction is not None:
            found = self.prediction
            grids = (found.foreground, found.confidence, found.expected_error)
            tensors += [found.alpha, *(grid.values for grid in grids if grid is not None)]
            tensors += () if found.deviation is None else found.deviation.tensors
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    def has_same_format(self, other: ModelOutput) -> bool:
        """Whether display window and pixel aspect are the same; data windows may differ."""
        return (self.display_window, self.pixel_aspect) == (other.display_window, other.pixel_aspect)

    def without_frame(self) -> ModelOutput:
        """A copy without the pictures, which can be read again."""
        return replace(self, frame=None)

    def temporal_only(self) -> ModelOutput:
        """A copy with only what neighbouring frames need."""
        return replace(self, prediction=None, frame=None)


def smooth_alpha(
    own: ModelOutput, around: Mapping[str, ModelOutput], amount: float, check: CancelCheck
) -> tuple[Tensor, dict[str, float]]:
    """Smooths the frame's alpha over its neighbours ``around`` (one or two, by side) by ``amount`` (0..1).

    Returns alpha, 1 x 1 x H x W, and each neighbour's mean weight (0..1). Without neighbours alpha is unchanged."""
    if not around:
        return own.features.alpha, {}
    aligned = {}
    for side, other in around.items():
        check()
        features = fit_window(other.features, other.data_window, own.data_window)
        aligned[side] = align_neighbour(own.features, _with_motion(own.features, features))
    weights = {side: float(each.weight.mean()) for side, each in aligned.items()}
    return smoothed(own.features.alpha, list(aligned.values()), amount), weights


def _with_motion(own: TemporalFeatures, other: TemporalFeatures) -> MovedFeatures:
    """The other frame's features with the motion towards it, estimated on small grey copies on the CPU."""
    device = own.alpha.device
    height, width = working_size(*own.alpha.shape[-2:])
    motion = motion_between(*(motion_grey(each, height, width).cpu().numpy() for each in (own, other)))
    flow = torch.from_numpy(motion.flow / np.array([width, height], np.float32)).permute(2, 0, 1)[None]
    trust = torch.from_numpy(motion.trust)[None, None]
    return MovedFeatures(features=other, flow=flow.to(device), trust=trust.to(device))
