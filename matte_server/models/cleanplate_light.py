"""Shows our own network frames in the light that it has learnt from, however they are exposed.

What the network is told of light has a floor below which all is noise, and highlights from 1 on
(``networks/cleanplate_features.py``). A night, or a plate that was exposed for its lamps, lies on the floor:
held-out stills that are a tenth as bright have 1.10 times the error over the frame and 1.21 times that of Grad,
those a thirtieth as bright 1.45 and 1.68 times; shown with middle grey in the mean, 1.00 and 1.02 times. A plate
whose light is counted in nits lies above: stills 30 times as bright have 1.17 and 1.19 times the error, shown
with white in the mean 1.06 and 1.03 times.

A lit subject before a dark set, or a dark one before the sky, keeps the frame as it is. If the set alone decided,
six stills before one a tenth as bright would have 2.5 times the error, ten before a fiftieth of it 5.7 times."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from ..pixels.difference import covered_pixels
from .networks.cleanplate_features import decode, encode
from .protocols import FrameTensors, Prediction

_DARKEST, _BRIGHTEST = 0.18, 1.0
"""Means, in the network's encoding, where lamps count for little. Up to white, because the network knows frames
that a camera clipped to white."""
_MOST = 1000.0
"""Ten stops: what is darker than that is black, and noise."""
_LEAST_APART = 1e-9
"""Of two equal pictures, so that what differs has a mean there, too."""


def gain_to_middle(plate: Tensor, clean_plate: Tensor, coverage: Tensor) -> float:
    """What the light of a frame is multiplied by so that neither the set nor what stands before it is darker than
    what the network has learnt from, or neither is brighter; mostly 1. ``plate``, ``clean_plate``: 1 x 3 x H x W
    scene-linear; ``coverage``: 1 x 1 x H x W, where the clean plate reaches."""
    seen, clean = (covered_pixels(picture, coverage).clamp(min=0.0) for picture in (plate, clean_plate))
    if not clean.numel():
        return 1.0
    seen, clean = encode(seen), encode(clean)
    # Squares: the many pixels of mere grain must not count for more than a small subject.
    apart = (seen - clean).square() + _LEAST_APART
    of_subject = (seen * apart).sum() / apart.sum()
    darker, brighter = sorted(max(float(decode(mean)), _DARKEST / _MOST) for mean in (clean.mean(), of_subject))
    return _DARKEST / brighter if brighter < _DARKEST else min(1.0, _BRIGHTEST / darker)


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
