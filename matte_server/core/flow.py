"""Dense motion between two frames, and how far it can be trusted in each pixel."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .image import Float32, Grey

SIDE = 960
"""The longer side, in pixels, that motion is measured at."""
_LEAST = 16
"""The method's coarsest level needs pictures of some pixels; smaller ones stand still."""
# Motion followed there and back should end where it began: within half a pixel and a twentieth of the way, the
# method's scatter on textured pictures. Three times as far away is another place.
_BACK_PX, _BACK_PART, _BEYOND = 0.5, 0.05, 3.0
# Pixels on the edge of a moving subject mix subject and set, and no single motion fits them. Motions are compared
# within _AROUND pixels (the method's patches are 8 wide, and it smooths further): those that differ by less than
# _ALIKE_PX count as one motion, by more than _APART_PX as two.
_AROUND, _ALIKE_PX, _APART_PX = 17, 1.0, 3.0


@dataclass(frozen=True, eq=False)
class Motion:
    """``flow``: h x w x 2 float32, x and y in pixels, from a pixel of the one picture to its place in the other.
    ``returns``: h x w, 0..1, whether the way back from there leads here. ``trust``: h x w, 0..1, whether also all
    around moves alike."""

    flow: Float32
    returns: Float32
    trust: Float32


def working_size(height: int, width: int) -> tuple[int, int]:
    """Height and width that motion is measured at, never larger than the picture."""
    scale = min(1.0, SIDE / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def motion_between(one: Grey, other: Grey) -> Motion:
    """The motion from ``one`` to ``other``, h x w both, by dense inverse search with variational refinement
    (Kroeger et al., ECCV 2016, in OpenCV). A pixel that is hidden in ``other`` has no way back and gets no trust;
    nor has the edge of a thing that moves by more than a few pixels in front of one that does not."""
    if min(one.shape) < _LEAST:
        sure = np.ones(one.shape, np.float32)
        return Motion(flow=np.zeros((*one.shape, 2), np.float32), returns=sure, trust=sure)
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    still = np.zeros((*one.shape, 2), np.float32)
    there, back = (
        np.asarray(search.calc(*pair, still.copy()), np.float32) for pair in ((one, other), (other, one))
    )
    y, x = np.mgrid[0 : one.shape[0], 0 : one.shape[1]].astype(np.float32)
    ends = (x + there[..., 0], y + there[..., 1])
    returned = cv2.remap(back, *ends, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    missed = np.linalg.norm(there + returned, axis=-1)
    allowed = _BACK_PX + _BACK_PART * np.linalg.norm(there, axis=-1)
    returns = np.clip((_BEYOND - missed / allowed) / (_BEYOND - 1.0), 0.0, 1.0)
    alike = np.clip((_APART_PX - _spread(there)) / (_APART_PX - _ALIKE_PX), 0.0, 1.0)
    return Motion(
        flow=there, returns=np.asarray(returns, np.float32), trust=np.asarray(returns * alike, np.float32)
    )


def _spread(flow: Float32) -> Float32:
    """How far the motions around each pixel lie apart, in pixels: h x w."""
    around = np.ones((_AROUND, _AROUND), np.uint8)
    return np.asarray(np.linalg.norm(cv2.dilate(flow, around) - cv2.erode(flow, around), axis=-1), np.float32)
