"""What a model sees of pictures that were clipped."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..core.exposure_clipping import SATURATED, Clipping, Levels
from ..models.protocols import FrameTensors

_TOO_MUCH = 0.25


def seen_by_model(frame: FrameTensors, clipping: Clipping) -> FrameTensors:
    """The frame with light that only one of its pictures can show taken away, so that it is no difference: the
    clean plate no brighter than the plate's level, and the plate no brighter than the clean plate's where that was
    clipped. The foreground is solved from the frame as it is."""
    if not clipping.any:
        return frame
    most, clean_most = (_levels(each, frame) for each in (clipping.plate, clipping.clean))
    limited = torch.where(frame.clean_plate >= SATURATED * clean_most, clean_most, torch.inf)
    return replace(
        frame,
        plate=torch.minimum(frame.plate, limited),
        clean_plate=torch.minimum(frame.clean_plate, most),
    )


def clipping_warnings(frame: FrameTensors, clipping: Clipping) -> list[str]:
    """A warning where most of the frame is clipped, so that little is left to judge by."""
    share = _white_share(frame, clipping) if clipping.any else 0.0
    if share < _TOO_MUCH:
        return []
    return [
        f"{100 * share:.0f}% of the frame is clipped to white in the plate or in the clean plate. A subject before "
        "it can be told only by its darker parts; give pictures that are exposed alike or not clipped."
    ]


def _white_share(frame: FrameTensors, clipping: Clipping) -> float:
    """The part of the frame that is clipped in all channels of the plate or of the clean plate, 0..1."""
    pairs = ((frame.plate, clipping.plate), (frame.clean_plate, clipping.clean))
    plate, clean = ((picture >= SATURATED * _levels(levels, frame)).all(1) for picture, levels in pairs)
    return float((plate | clean).float().mean())


def _levels(levels: Levels, frame: FrameTensors) -> Tensor:
    return torch.tensor(levels, device=frame.device, dtype=frame.plate.dtype).view(1, 3, 1, 1)
