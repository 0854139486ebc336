"""Refuses pictures that have no pixels, or values that no computation survives."""

from __future__ import annotations

import numpy as np
from matte_link.sequence import counted

from ..core.image import Float32, Image
from ..errors import MatteError


def check_picture(name: str, image: Image, values: Float32) -> None:
    """Raises ``MatteError`` where a picture has no pixels (empty), or where ``values``, the
    pixels of it that are used (height x width x channels), hold NaN or infinity (not_finite). ``name`` is what the
    message calls the picture."""
    if not image.data_window.area:
        raise MatteError("empty", f"The {name} has no pixels in its data window.")
    if bad := int(values.size - np.count_nonzero(np.isfinite(values))):
        raise MatteError(
            "not_finite",
            f"The {name} has {counted(bad, 'NaN or infinite value')}, the first at {_first_bad(image, values)}.",
            "Repair it first, for example with a NaN-removing expression where it was rendered.",
        )


def _first_bad(image: Image, values: Float32) -> str:
    """The place of the first value that is no number, in the EXR plane's pixels."""
    row, column, _ = np.argwhere(~np.isfinite(values))[0]
    return f"x {image.data_window.x + column}, y {image.data_window.y + row}"
