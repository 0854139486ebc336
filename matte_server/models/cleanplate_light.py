"""Shows our own network frames in the light that it has learnt from, however they are exposed.

What the network is told of light has a floor below which all is noise, and highlights from 1 on
(``networks/cleanplate_features.py``). A night, or a plate that was exposed for its lamps, lies on the floor:
held-out stills that are a tenth as bright have 1.10 times the error over the frame and 1.21 times that of Grad,
those a thirtieth as bright 1.45 and 1.68 times; shown with middle grey in the mean, 1.00 and 1.02 times. A plate
whose light is counted in nits lies above: stills 30 times as bright have 1.17 and 1.19 times the error, shown
with white in the mean 1.06 and 1.03 times."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from .networks.cleanplate_features import decode, encode
from .protocols import FrameTensors, Prediction

_DARKEST, _BRIGHTEST = 0.18, 1.0
"""A frame whose mean lies between middle grey and white is seen as it is: so is one that a camera clipped to white,
which the network knows."""
_MOST = 1000.0
"""Ten stops: what is darker than that is black, and noise."""
_SAMPLES = 60_000


def gain_to_middle(clean_plate: Tensor, coverage: Tensor) -> float:
    """What the light of a frame is multiplied by so that the mean of its clean plate, over what this covers and in
    the network's encoding, where lamps count for little, is no darker and no brighter than what the network has
    learnt from; mostly 1. ``clean_plate``: 1 x 3 x H x W scene-linear; ``coverage``: 1 x 1 x H x W."""
    step = max(1, round((coverage.numel() / _SAMPLES) ** 0.5))
    covered = coverage[0, 0, ::step, ::step] > 0.5
    light = clean_plate[0, :, ::step, ::step][:, covered].clamp(min=0.0)
    if not light.numel():
        return 1.0
    level = max(float(decode(encode(light).mean())), _DARKEST / _MOST)
    return min(max(level, _DARKEST), _BRIGHTEST) / level


def exposed(frame: FrameTensors, gain: float) -> FrameTensors:
    """The frame with its light times ``gain``; the frame itself where that is 1."""
    if gain == 1.0:
        return frame
    return replace(frame, plate=frame.plate * gain, clean_plate=frame.clean_plate * gain)


def in_own_light(found: Prediction, gain: float) -> Prediction:
    """What was ``found`` in a frame that was :func:`exposed` by ``gain``, as in the frame itself."""
    assert found.foreground is not None
    if gain == 1.0:
        return found
    return replace(found, foreground=replace(found.foreground, values=found.foreground.values / gain))
