"""Whether a clean plate that fits most of a frame lies beside the plate in a part of it.

One homography cannot follow a lens that distorts one of the pictures alone, a stitched pan, what stands before the
set while the camera moved aside (parallax), or a chair that was pushed. The details there are found again all the
same, and they agree on where they are instead. Leaves and water are found again, too, but agree on nothing."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from .alignment_features import Points
from .motion_fit import Matrix
from .window import Window

LOCAL_MISFIT = (
    "In a part of the frame the clean plate lies beside the plate, though it fits elsewhere: a lens distorts one "
    "of them otherwise (undistort both alike), the camera stood elsewhere, or something moved. Look at the matte "
    "there."
)
"""The warning of such a frame. It holds no numbers, so that frames of a shot share it."""
_PARTS = 4
"""Across and down."""
_FEWEST = 12
# In 10 real and rendered frames of a hand-held camera no part is off by more than a quarter of a pixel.
_LEAST_PX = 1.5
TRACKED_OF_SIDE, FEATURES_OF_SIDE = 1e-3, 8e-3
"""From what part of the frame's longer side on tracked points, or features, lie beside. The places of features are
those of a copy of 1000 pixels, and less exact."""
# What is tracked counts from half of that on where it is so large a share of a part's details: with a mild lens, 2
# pixels in the corners of 640, it is. In the parts of the demo's frames and of real ones it is a quarter at most.
_NEARER, _LARGE_SHARE = 0.5, 0.3
# So large a part of the details that lie beside must have their common offset, to within half of its length.
_MOSTLY = 0.6


def lies_beside(transform: Matrix, source: Points, target: Points, window: Window, least_of_side: float) -> bool:
    """Whether the details of a part of the plate's ``window`` lie together beside where ``transform`` puts them.
    ``source``, ``target``: their places in the clean plate and in the plate, in pixels of the EXR plane, n x 2.
    ``least_of_side``: what counts as beside, as a part of the window's longer side."""
    offsets = target - cv2.perspectiveTransform(source[None].astype(np.float64), transform)[0]
    least = max(_LEAST_PX, least_of_side * max(window.width, window.height))
    size = np.array([window.width, window.height])
    cells = np.clip((target - [window.x, window.y]) * _PARTS // size, 0, _PARTS - 1)
    number = cells[:, 0] * _PARTS + cells[:, 1]
    bounds = [(least, 0.0)]
    if least_of_side <= TRACKED_OF_SIDE:
        bounds.append((_NEARER * least, _LARGE_SHARE))
    # What lies further off than a part is wide was matched wrongly: seen from a corner, all of it lies one way.
    near = np.linalg.norm(offsets, axis=1) < max(window.width, window.height) / _PARTS
    parts = [offsets[near & (number == part)] for part in np.unique(number)]
    return any(_lie_together(part, *bound) for part in parts for bound in bounds)


def _lie_together(offsets: npt.NDArray[np.float64], least: float, share: float) -> bool:
    beside = offsets[np.linalg.norm(offsets, axis=1) > least]
    if len(beside) < max(_FEWEST, share * len(offsets)):
        return False
    common = np.median(beside, axis=0)
    alike = np.linalg.norm(beside - common, axis=1) < 0.5 * np.linalg.norm(common)
    return float(alike.mean()) >= _MOSTLY
