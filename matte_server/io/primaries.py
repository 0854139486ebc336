"""RGB colourspaces given by numbers: primaries, white and a transfer curve, converted to and from linear Rec.709.

A white other than D65 is adapted with the Bradford method (Lam 1985, as in ICC.1:2022 annex E).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from ..core.image import SCENE_LINEAR, Float32

Matrix = npt.NDArray[np.float64]
Chromaticities = tuple[float, ...]
"""x and y of red, green, blue and white."""
REC_709: Chromaticities = (0.64, 0.33, 0.3, 0.6, 0.15, 0.06, 0.3127, 0.329)
REC_2020: Chromaticities = (0.708, 0.292, 0.17, 0.797, 0.131, 0.046, 0.3127, 0.329)
P3_D65: Chromaticities = (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.329)
P3_DCI: Chromaticities = (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.314, 0.351)
ADOBE_RGB: Chromaticities = (0.64, 0.33, 0.21, 0.71, 0.15, 0.06, 0.3127, 0.329)
CIE_XYZ = "CIE-XYZ-D65"
"""Tristimulus values themselves; they are not adapted, whatever white a file names."""
_XYZ: Chromaticities = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1 / 3, 1 / 3)
LINEAR_SPACES: dict[str, Chromaticities] = {
    "ACES2065-1": (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, 0.32168, 0.33767),
    "ACEScg": (0.713, 0.293, 0.165, 0.83, 0.128, 0.044, 0.32168, 0.33767),
    SCENE_LINEAR: REC_709,
    "Linear P3-D65": P3_D65,
    "Linear Rec.2020": REC_2020,
    "Linear ARRI Wide Gamut 3": (0.684, 0.313, 0.221, 0.848, 0.0861, -0.102, 0.3127, 0.329),
    "Linear ARRI Wide Gamut 4": (0.7347, 0.2653, 0.1424, 0.8576, 0.0991, -0.0308, 0.3127, 0.329),
    "Linear REDWideGamutRGB": (0.780308, 0.304253, 0.121595, 1.493994, 0.095612, -0.084589, 0.3127, 0.329),
    "Linear S-Gamut3": (0.73, 0.28, 0.14, 0.855, 0.1, -0.05, 0.3127, 0.329),
    "Linear S-Gamut3.Cine": (0.766, 0.275, 0.225, 0.8, 0.089, -0.087, 0.3127, 0.329),
    "Linear V-Gamut": (0.73, 0.28, 0.165, 0.84, 0.1, -0.03, 0.3127, 0.329),
    CIE_XYZ: _XYZ,
}
"""Linear colourspaces by the built-in OCIO config's names."""
_NUMBERS = r"(?:, primaries((?: -?[\d.]+(?:e-?\d+)?){8}))?"
_NAME = re.compile(rf"(linear|srgb curve|pq curve|gamma (\d+\.?\d*)){_NUMBERS}\Z", re.IGNORECASE)
SRGB_CURVE, PQ_CURVE = "srgb curve", "pq curve"
_ROUNDING = 1e-3
"""Writers round white points to three to five decimals."""
_LARGEST = 10.0
# SMPTE ST 2084, equation 4.1; 1.0 is 100 cd/m2, as in OpenColorIO.
_M1, _M2, _C1, _C2, _C3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
_PQ_PEAK = 100.0


@dataclass(frozen=True)
class NumericSpace:
    """A colourspace by its numbers. ``curve``: linear, srgb curve, pq curve, or gamma with the exponent
    ``gamma``."""

    curve: str
    chromaticities: Chromaticities
    gamma: float = 1.0

    @property
    def name(self) -> str:
        """The name that :func:`numeric_space` reads back."""
        curve = f"gamma {self.gamma:g}" if self.curve == "gamma" else self.curve
        if self.chromaticities == REC_709:
            return curve
        return f"{curve}, primaries {' '.join(f'{number:.6g}' for number in self.chromaticities)}"


def numeric_space(name: str) -> NumericSpace | None:
    """The colourspace with a name such as ``gamma 2.2`` (Rec.709 primaries) or ``linear, primaries X Y X Y X Y X
    Y`` (red, green, blue, white); None for any other name."""
    if name in LINEAR_SPACES and name != SCENE_LINEAR:
        return NumericSpace(curve="linear", chromaticities=LINEAR_SPACES[name])
    match = _NAME.match(name)
    if not match:
        return None
    chromaticities = tuple(map(float, match.group(3).split())) if match.group(3) else REC_709
    gamma = float(match.group(2) or 1.0)
    if not spans_colours(chromaticities) or not 0.0 < gamma <= _LARGEST:
        return None
    curve = "gamma" if match.group(2) else match.group(1).lower()
    return NumericSpace(curve=curve, chromaticities=chromaticities, gamma=gamma)


def linear_space(chromaticities: Sequence[float]) -> str:
    """The name of the linear colourspace with these primaries and white; empty if they span no colours."""
    for name, known in LINEAR_SPACES.items():
        # A white means nothing for tristimulus values.
        count = 6 if name == CIE_XYZ else 8
        if len(chromaticities) == 8 and np.allclose(chromaticities[:count], known[:count], atol=_ROUNDING):
            return name
    numbers = tuple(float(f"{number:.6g}") for number in chromaticities)
    return NumericSpace(curve="linear", chromaticities=numbers).name if spans_colours(numbers) else ""


def primaries_of(space: str) -> Chromaticities | None:
    """x and y of red, green, blue and white of a linear colourspace; None for other colourspaces."""
    if space == SCENE_LINEAR:
        return REC_709
    found = numeric_space(space)
    return found.chromaticities if found and found.curve == "linear" else None


def spans_colours(chromaticities: Sequence[float]) -> bool:
    """Whether primaries and white are finite, and every colour is a sum of the primaries."""
    numbers = np.asarray(chromaticities, np.float64)
    if numbers.shape != (8,) or not np.all(np.abs(numbers) < _LARGEST) or numbers[7] <= 0.0:
        return False
    return bool(np.linalg.cond(_columns(chromaticities)[:, :3]) < 1e6)


def to_linear(space: NumericSpace, colour: Float32) -> Float32:
    """``colour`` (height x width x 3) as linear Rec.709, unclamped; negative values keep their sign."""
    return _through(_decoded(space, colour), to_rec709(space.chromaticities))


def from_linear(space: NumericSpace, light: Float32) -> Float32:
    """The inverse of :func:`to_linear`."""
    return _encoded(space, _through(light, np.asarray(np.linalg.inv(to_rec709(space.chromaticities)), np.float64)))


@lru_cache(maxsize=32)
def to_rec709(chromaticities: Chromaticities) -> Matrix:
    """The 3 x 3 matrix from linear RGB with these primaries to linear Rec.709."""
    if chromaticities[:6] == _XYZ[:6]:
        return np.asarray(np.linalg.inv(to_xyz(REC_709)))
    white, d65 = (_xyz(values[6], values[7]) for values in (chromaticities, REC_709))
    return np.asarray(np.linalg.inv(to_xyz(REC_709)) @ adaptation(white, d65) @ to_xyz(chromaticities))


def adaptation(source: Matrix, target: Matrix) -> Matrix:
    """The Bradford matrix that takes XYZ under the white ``source`` to XYZ under the white ``target``."""
    cones = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    return np.asarray(np.linalg.inv(cones) @ np.diag((cones @ target) / (cones @ source)) @ cones)


def xyz_to_rec709() -> Matrix:
    """The 3 x 3 matrix from XYZ under D65 to linear Rec.709."""
    return np.asarray(np.linalg.inv(to_xyz(REC_709)))


def white_of_rec709() -> Matrix:
    """XYZ of Rec.709's white, D65."""
    return _xyz(REC_709[6], REC_709[7])


def _xyz(x: float, y: float) -> Matrix:
    return np.array([x / y, 1.0, (1.0 - x - y) / y])


def _columns(chromaticities: Sequence[float]) -> Matrix:
    """x, y, z of red, green, blue and white, a column each."""
    xy = np.asarray(chromaticities, np.float64).reshape(4, 2)
    return np.column_stack([xy, 1.0 - xy.sum(1)]).T


def to_xyz(chromaticities: Sequence[float]) -> Matrix:
    """The 3 x 3 matrix from linear RGB with these primaries and white to XYZ (SMPTE RP 177)."""
    columns = _columns(chromaticities)
    return np.asarray(columns[:, :3] * np.linalg.solve(columns[:, :3], _xyz(*chromaticities[6:])))


def _through(colour: Float32, matrix: Matrix) -> Float32:
    if np.allclose(matrix, np.eye(3), atol=1e-9):
        return colour
    return np.asarray(colour @ matrix.T.astype(np.float32), np.float32)


def _decoded(space: NumericSpace, colour: Float32) -> Float32:
    if space.curve == "linear":
        return colour
    size = np.abs(colour.astype(np.float64))
    if space.curve == "gamma":
        light = size**space.gamma
    elif space.curve == SRGB_CURVE:
        light = np.where(size <= 0.04045, size / 12.92, ((size + 0.055) / 1.055) ** 2.4)
    else:
        root = np.minimum(size, 1.0) ** (1 / _M2)
        light = _PQ_PEAK * (np.maximum(root - _C1, 0.0) / (_C2 - _C3 * root)) ** (1 / _M1)
    return np.copysign(light, colour).astype(np.float32)


def _encoded(space: NumericSpace, light: Float32) -> Float32:
    if space.curve == "linear":
        return light
    size = np.abs(light.astype(np.float64))
    if space.curve == "gamma":
        code = size ** (1 / space.gamma)
    elif space.curve == SRGB_CURVE:
        code = np.where(size <= 0.0031308, size * 12.92, 1.055 * size ** (1 / 2.4) - 0.055)
    else:
        power = (np.minimum(size, _PQ_PEAK) / _PQ_PEAK) ** _M1
        code = ((_C1 + _C2 * power) / (1.0 + _C3 * power)) ** _M2
    return np.copysign(code, light).astype(np.float32)
