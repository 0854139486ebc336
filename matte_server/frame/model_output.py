"""What a model found in one frame, before neighbours, guides and foreground; and alpha smoothed over neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ..core.align import Alignment
from ..core.flow import Motion, motion_between, working_size
from ..core.image import Float32
from ..core.window import Window
from ..models.protocols import CancelCheck, FrameTensors, Prediction
from ..pixels.temporal_smoothing import (
    AlignedNeighbour,
    MovedFeatures,
    TemporalFeatures,
    align_neighbour,
    fit_window,
    follow_subject,
    motion_grey,
    smoothed,
    subject_grey,
)


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
        tensors = [self.features.alpha, self.features.plate, self.features.clean]
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
        aligned[side] = _aligned(own.features, features)
    weights = {side: float(each.weight.mean()) for side, each in aligned.items()}
    return smoothed(own.features.alpha, list(aligned.values()), amount), weights


def _aligned(own: TemporalFeatures, other: TemporalFeatures) -> AlignedNeighbour:
    """The other frame's alpha in the pixels of the frame, along the motion of the plates or of the subject."""
    size = working_size(*own.alpha.shape[-2:])
    plates = _motion(*(motion_grey(each, *size) for each in (own, other)))
    subject = _motion(*(subject_grey(each, *size, other.covered) for each in (own, other)))
    along_plates = _moved(other, plates.flow, plates.trust)
    return follow_subject(
        own, align_neighbour(own, along_plates), along_plates, _moved(other, subject.flow, subject.returns)
    )


def _motion(own: Tensor, other: Tensor) -> Motion:
    return motion_between(own.cpu().numpy(), other.cpu().numpy())


def _moved(other: TemporalFeatures, flow: Float32, trust: Float32) -> MovedFeatures:
    """``flow``: h x w x 2, pixels of the working size; ``trust``: h x w."""
    device = other.alpha.device
    height, width = trust.shape
    parts = torch.from_numpy(flow / np.array([width, height], np.float32)).permute(2, 0, 1)[None]
    sure = torch.from_numpy(trust)[None, None]
    return MovedFeatures(features=other, flow=parts.to(device), trust=sure.to(device))
