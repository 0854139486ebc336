"""A frame to learn from as it is handed in, and what is refused of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..core.align import Alignment, display_transform
from ..core.image import Image, PlatePair
from ..errors import MatteError
from ..frame.picture_checks import check_picture

_FULL = 0.999
"""Where a mask is above this, the key matte is right."""
_BLACK, _SUBJECT = 0.02, 0.01
"""A key matte whose highest value is below the first is empty; the second is the mean of a matte with a subject."""
_OVERLAP = 0.1
"""The least part of the smaller of two mattes that the other covers, where both are of one subject."""
_OPPOSITE = 0.5
"""A key matte is refused where it differs from the model's by more than this in the mean, and its inverse by less
than half as much."""
_LEAST, _MOST = -0.25, 4.0
"""Values of a matte: sharpening goes a little below 0, and mattes that were added go above 1. Others are of another
scale, such as 0..255 or -1..1."""
_GREY = (0.05, 0.95)
_PICTURE = 0.5
"""A key matte that is grey in more than this part of what the model takes for the clean plate is a picture."""


@dataclass(frozen=True, eq=False)
class LearningFrame:
    """One frame. ``pair``: plate and clean plate, scene-linear Rec.709. ``key``: the matte that a person vouches
    for, one channel, 0..1; None where nobody does. ``mask``: one channel, 1 where ``key`` is right; None:
    everywhere."""

    number: int
    pair: PlatePair
    alignment: Alignment
    key: Image | None = None
    mask: Image | None = None


def check_frame(frame: LearningFrame) -> None:
    named = {
        "plate": frame.pair.plate,
        "clean plate": frame.pair.clean_plate,
        "key matte": frame.key,
        "mask of the key matte": frame.mask,
    }
    for name, image in named.items():
        if image is None:
            continue
        values = image.rgb if name.endswith("plate") else image.pixels[..., :1]
        check_picture(f"{name} of frame {frame.number}", image, values)
        if not name.endswith("plate"):
            _check_size(frame, name, image)
            _check_scale(frame.number, name, image)


def _check_size(frame: LearningFrame, name: str, image: Image) -> None:
    """A matte in fewer pixels would teach soft edges, and one of another picture teaches nothing."""
    plate = frame.pair.plate
    wanted, given = plate.display_window, image.display_window
    same_pixels = np.array_equal(display_transform(plate, image), np.eye(3))
    if same_pixels and (wanted.width, wanted.height) == (given.width, given.height):
        return
    raise MatteError(
        "bad_key",
        f"The {name} of frame {frame.number} has {given.width} x {given.height} pixels, the plate "
        f"{wanted.width} x {wanted.height}.",
        "Mend the matte at the plate's size.",
    )


def _check_scale(number: int, name: str, image: Image) -> None:
    lowest, highest = float(image.pixels[..., 0].min()), float(image.pixels[..., 0].max())
    if lowest < _LEAST or highest > _MOST:
        raise MatteError(
            "bad_key",
            f"The {name} of frame {number} has values from {lowest:.3g} to {highest:.3g}, and those of a matte lie "
            "between 0 and 1.",
            "Scale it to 0..1 first.",
        )


def check_mask(number: int, mask: Tensor) -> None:
    if not bool((mask > _FULL).any()):
        raise MatteError(
            "bad_key",
            f"The mask of frame {number} is white nowhere, so that nothing can be learnt from its key matte.",
            "Paint it white where the matte is right, or leave it out.",
        )


def check_key(number: int, key: Tensor, own: Tensor) -> None:
    """Raises ``MatteError("bad_key", ...)`` where a key matte of a whole frame can only be a mistake."""
    apart, inverted = (float((own - matte).abs().mean()) for matte in (key, 1 - key))
    found, painted = float(own.mean()), float(key.mean())
    smaller, common = min(found, painted), float(torch.minimum(key, own).mean())
    what = ""
    if apart > _OPPOSITE and inverted < 0.5 * apart:
        what = f"is the opposite of the model's matte in {100 * apart:.0f}% of the frame"
    elif float(key.max()) < _BLACK and found > _SUBJECT:
        what = f"is black everywhere, while the model finds a subject in {100 * found:.0f}% of the frame"
    elif smaller > _SUBJECT and common < _OVERLAP * smaller:
        what = "lies elsewhere than the subject that the model finds there"
    elif (grey := _grey_part(key, own)) > _PICTURE:
        what = f"is grey in {100 * grey:.0f}% of what the model takes for the clean plate, as a picture is"
    if what:
        raise MatteError(
            "bad_key",
            f"The key matte of frame {number} {what}.",
            "Look whether it is the right file and not inverted; if it is right, give it an all-white key mask.",
        )


def _grey_part(key: Tensor, own: Tensor) -> float:
    """The part of what is not the model's subject in which the key matte is neither black nor white."""
    outside = own < _BLACK
    grey = outside & (key > _GREY[0]) & (key < _GREY[1])
    return float(grey.sum()) / max(1.0, float(outside.sum()))
