"""What a model sees of pictures that were clipped."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..core.exposure_clipping import SATURATED, Clipping, Levels
from ..models.protocols import FrameTensors

_TOO_MUCH = 0.25
_SHOULDER = 0.7
"""Share of its level from which on a clipped clean plate's light is less and less sure to follow the gain. Chosen
on photographs of glass before a lit table: from 0.85 on leaves islands of compression on it; composites that a
camera with a shoulder sees (25, two thirds of a stop apart) are 3 % worse with 0.5 than with 0.7."""


def seen_by_model(frame: FrameTensors, clipping: Clipping) -> FrameTensors:
    """The frame with light that only one of its pictures can show taken away, so that it is no difference: the
    clean plate no brighter than the plate's level, and the plate no brighter than the clean plate's where that was
    clipped. Towards that level a darkened clean plate explains part of what the plate has more. The foreground is
    solved from the frame as it is."""
    if not clipping.any:
        return frame
    most, clean_most = (_levels(each, frame) for each in (clipping.plate, clipping.clean))
    limited = torch.where(frame.clean_plate >= SATURATED * clean_most, clean_most, torch.inf)
    return replace(
        frame,
        plate=torch.minimum(_without_shoulder(frame, clipping), limited),
        clean_plate=torch.minimum(frame.clean_plate, most),
    )


def _without_shoulder(frame: FrameTensors, clipping: Clipping) -> Tensor:
    """The plate, less what it is brighter than the clean plate because of a camera's shoulder: where both pictures
    end at white, a gain that darkens the clean plate stops being true on the way there, as white stays white. The
    nearer a pixel of the clean plate is to its level, the nearer the plate may come to what it showed before the
    gain."""
    level, shown, own = (_levels(each, frame) for each in (clipping.clean, clipping.clean_shown, clipping.plate))
    lost = torch.where(torch.isfinite(shown) & torch.isfinite(own), shown / level - 1.0, 0.0).clamp(min=0.0)
    if not bool(lost.any()):
        return frame.plate
    nearness = ((frame.clean_plate / level - _SHOULDER) / (SATURATED - _SHOULDER)).clamp(0.0, 1.0)
    explained = frame.clean_plate * nearness * lost
    more = frame.plate - frame.clean_plate
    return frame.plate - torch.minimum(more, explained).clamp(min=0.0)


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
