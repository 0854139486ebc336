"""Makes R'G'B' of the Y'CbCr of DPX files (SMPTE ST 268-1, 4.2): codes of video range, as video has them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..core.image import Float32
from .video_planes import MATRICES, Layout, decoded, upsampled

COLOUR_DIFFERENCES = (("cb", "y", "cr"), ("cbcr", "y", "y"))
"""OpenImageIO's names of a pixel's samples, in small letters; Cb and Cr take turns where they are subsampled."""
_DESCRIPTOR, _DESCRIPTORS = 800, (100, 101, 102, 103)
"""Where a DPX says what its first image element holds; the values for Y'CbCr, without and with alpha."""
_SD = ("ITU-R 601-5", "NTSC", "PAL")
_HD = ("SMPTE 274M", "ITU-R 709-4")
_LINES_OF_HD = 720


def has_colour_differences(path: Path) -> bool:
    """Whether a DPX's picture is stored as Y'CbCr. Raises ``OSError``."""
    with path.open("rb") as file:
        file.seek(_DESCRIPTOR)
        return file.read(1) in map(int.to_bytes, _DESCRIPTORS)


def rgb_of_dpx(pixels: Float32, names: Sequence[str], bits: int, colorimetric: str) -> Float32:
    """``pixels``, height x width x 3 or 4, 0 to 1 for all codes of ``bits`` bits, as R', G', B', and alpha if they
    have it, where ``names`` of their samples are some of :data:`COLOUR_DIFFERENCES`; all others as they are.
    ``colorimetric``: the specification that the header states, in OpenImageIO's words."""
    known = {name.lower() for name in names}
    stored = next((each for each in COLOUR_DIFFERENCES if known.issuperset(each)), None)
    if stored is None:
        return pixels
    codes = pixels[..., :3] * np.float32((1 << bits) - 1) / np.float32(1 << bits - 8)
    luma = (codes[..., 1] - 16.0) / 219.0
    differences = (codes - 128.0) / 224.0
    cb, cr = differences[..., 0], differences[..., 2]
    if stored != COLOUR_DIFFERENCES[0]:
        cb, cr = _in_turns(differences[..., 0])
    colour = decoded(luma, cb, cr, MATRICES[_matrix(colorimetric, len(pixels))])
    return np.concatenate([colour, pixels[..., 3:]], -1)


def _in_turns(differences: Float32) -> tuple[Float32, Float32]:
    """Cb and Cr, height x width, from lines in which they take turns; both lie on the left one of two pixels."""
    height, width = differences.shape
    even = np.pad(differences, ((0, 0), (0, width % 2)), mode="edge")
    if width % 2 and width > 1:
        # The last pixel's Cr is the one before it.
        even[:, -1] = even[:, -3]
    layout = Layout(bits=8, wide=2, high=1, rgb=False, alpha=False, grey=False)
    cb, cr = (
        upsampled(np.ascontiguousarray(even[:, first::2]), layout, (height, width), False) for first in (0, 1)
    )
    return cb, cr


def _matrix(stated: str, lines: int) -> int:
    """The code of H.273 for the matrix that the header states; else BT.601 below 720 lines, and BT.709."""
    if stated.startswith((*_SD, *_HD)):
        return 6 if stated.startswith(_SD) else 1
    return 6 if lines < _LINES_OF_HD else 1
