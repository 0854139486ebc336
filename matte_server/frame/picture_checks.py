"""Refuses pictures without pixels, or with values that no computation survives.

Warns of guides whose place is not known."""

from __future__ import annotations

import numpy as np
from matte_link.sequence import counted

from ..core.align import is_unlike
from ..core.image import Float32, Guides, Image, Mask
from ..core.window import Window
from ..errors import MatteError

_LARGEST = 1e15
"""Squares of larger values are near the end of single precision, and colours that a network makes of them are up to
a thousand times as large (measured up to 1e16): from 1e17 on the result would be infinite."""

_LOUDEST_GUIDE = 2.0
"""Sharpening and lossy compression make values above 1, of a third at most."""


def check_picture(name: str, image: Image, values: Float32) -> None:
    """Raises ``MatteError`` where a picture has no pixels (empty), or where ``values``, the
    pixels of it that are used (height x width x channels), hold NaN, infinity or values beyond 1e15 (not_finite).
    ``name`` is what the message calls the picture."""
    if not image.data_window.area:
        raise MatteError("empty", f"The {name} has no pixels in its data window.")
    # Of values with a NaN, the least and the greatest are NaN, too, and larger than nothing.
    if float(values.min()) > -_LARGEST and float(values.max()) < _LARGEST:
        return
    is_bad, kind, limit = ~np.isfinite(values), "NaN or infinite value", ""
    if not is_bad.any():
        is_bad, kind, limit = np.abs(values) >= _LARGEST, "value", " beyond 1e15"
    number = counted(int(np.count_nonzero(is_bad)), kind)
    raise MatteError(
        "not_finite",
        f"The {name} has {number}{limit}, the first at {_first(is_bad, image)}.",
        "Repair it first, for example with a NaN-removing expression where it was rendered.",
    )


def guide_warnings(plate: Image, guides: Guides) -> list[str]:
    """What a guide's artist may not have meant, a sentence each."""
    return [*_of_place(plate, guides), *_of_scale(guides)]


def _of_scale(guides: Guides) -> list[str]:
    """A warning where a guide's values are those of another scale, such as 0 to 255."""
    peaks = {
        role: float(guide.pixels.max())
        for role, guide in (("core", guides.core), ("holdout", guides.holdout))
        if guide is not None and guide.pixels.size
    }
    return [
        f"The {role} matte has values up to {peak:g}. All above 1 count as 1, soft edges too: divide by its white."
        for role, peak in peaks.items()
        if peak > _LOUDEST_GUIDE
    ]


def _of_place(plate: Image, guides: Guides) -> list[str]:
    """A warning where it is not known how a guide lies on the plate, for each size of guides."""
    sizes: dict[Window, list[str]] = {}
    for role, guide in (("core", guides.core), ("holdout", guides.holdout)):
        if guide is not None and is_unlike(plate, guide):
            sizes.setdefault(guide.display_window, []).append(role)
    own = plate.display_window
    return [
        (f"The {roles[0]} matte is" if len(roles) == 1 else "The core and holdout mattes, or the trimap, are")
        + f" {size.width} x {size.height} pixels, the plate's frame {own.width} x {own.height}: that is no other "
        "size of the same shape, so their top left corners were laid on each other. Write the matte in the plate's "
        "size."
        for size, roles in sizes.items()
    ]


def _first(is_bad: Mask, image: Image) -> str:
    """The place of the first bad value, in the EXR plane's pixels."""
    row, column, _ = np.argwhere(is_bad)[0]
    return f"x {image.data_window.x + column}, y {image.data_window.y + row}"
