"""Shows our own network a dark frame as bright as those it has learnt from.

What the network is told of light has a floor below which all is noise (``networks/cleanplate_features.py``), and a
night, or a plate that was exposed for its lamps, lies on it. Held-out stills that are a tenth as bright have 1.10
times the error over the frame and 1.21 times that of Grad, those a thirtieth as bright 1.45 and 1.68 times; shown
with middle grey in the mean, 1.00 and 1.02 times. Where a frame is brighter than that, nothing is gained."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from .networks.cleanplate_features import decode, encode
from .protocols import FrameTensors, Prediction

_MIDDLE_GREY = 0.18
_MOST = 1000.0
"""Ten stops: what is darker than that is black, and noise."""
_SAMPLES = 60_000


def brightening(clean_plate: Tensor, coverage: Tensor) -> float:
    """What the light of a frame is multiplied by so that its clean plate is middle grey in the mean over what it
    covers, in the network's encoding, where lamps count for little; 1 where it is no darker. ``clean_plate``: 1 x 3
    x H x W scene-linear; ``coverage``: 1 x 1 x H x W."""
    step = max(1, round((coverage.numel() / _SAMPLES) ** 0.5))
    covered = coverage[0, 0, ::step, ::step] > 0.5
    light = clean_plate[0, :, ::step, ::step][:, covered].clamp(min=0.0)
    if not light.numel():
        return 1.0
    level = float(decode(encode(light).mean()))
    return min(max(1.0, _MIDDLE_GREY / max(level, 1e-9)), _MOST)


def brightened(frame: FrameTensors, gain: float) -> FrameTensors:
    """The frame with its light times ``gain``; the frame itself where that is 1."""
    if gain == 1.0:
        return frame
    return replace(frame, plate=frame.plate * gain, clean_plate=frame.clean_plate * gain)


def darkened(found: Prediction, gain: float) -> Prediction:
    """What was ``found`` in a :func:`brightened` frame, in the frame's own light."""
    assert found.foreground is not None
    if gain == 1.0:
        return found
    return replace(found, foreground=replace(found.foreground, values=found.foreground.values / gain))
