"""ICC profiles (ICC.1:2022): device values to linear Rec.709.

Profiles made of curves and a matrix, and grey profiles, are computed here in float. LittleCMS, through Pillow,
computes RGB profiles with tables, in 8 bits because Pillow has no more.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageCms

from ..core.image import Float32
from .primaries import (
    REC_709,
    SRGB_CURVE,
    Matrix,
    NumericSpace,
    adaptation,
    to_linear,
    white_of_rec709,
    xyz_to_rec709,
)

Curve = Callable[[Matrix], Matrix]
_HEADER, _ENTRY = 128, 12
_D50 = np.array([0.9642, 1.0, 0.8249])
"""XYZ of the white of the profile connection space."""
# Number of parameters of the function types of a parametric curve.
_PARAMETERS = {0: 1, 1: 3, 2: 4, 3: 5, 4: 7}


@dataclass(frozen=True, eq=False)
class IccProfile:
    """A profile that can be applied. ``curves``: one for a grey profile, three for RGB, none if LittleCMS applies
    it; ``matrix``: linear RGB to XYZ under D50."""

    description: str
    space: str
    curves: tuple[Curve, ...]
    matrix: Matrix
    data: bytes

    @property
    def is_exact(self) -> bool:
        """Whether it is applied in float, not in 8 bits."""
        return bool(self.curves)


@lru_cache(maxsize=8)
def read_profile(data: bytes) -> IccProfile:
    """Parses a profile. Raises ``ValueError`` with the reason if it is damaged, or not for RGB or grey pictures."""
    try:
        return _parsed(data)
    except (struct.error, IndexError, UnicodeError, OSError, ImageCms.PyCMSError) as error:
        raise ValueError(f"it is damaged ({error})") from None


def profile_to_rec709(profile: IccProfile, colour: Float32) -> Float32:
    """``colour`` (height x width x 3) in the profile's space as linear Rec.709."""
    if not profile.is_exact:
        return _through_littlecms(profile, colour)
    values = colour.astype(np.float64)
    if len(profile.curves) == 1:
        return np.repeat(profile.curves[0](values[..., :1]), 3, -1).astype(np.float32)
    light = np.stack([curve(values[..., channel]) for channel, curve in enumerate(profile.curves)], -1)
    matrix = xyz_to_rec709() @ adaptation(_D50, white_of_rec709()) @ profile.matrix
    return np.asarray(light @ matrix.T, np.float32)


def _parsed(data: bytes) -> IccProfile:
    tags = _tags(data)
    space = data[16:20].decode("ascii").strip()
    description = _description(tags)
    if space == "GRAY":
        return IccProfile(
            description=description, space=space, curves=(_curve(tags["kTRC"]),), matrix=np.eye(3), data=data
        )
    if space != "RGB":
        raise ValueError(f"it is for {space} pictures")
    has_matrix = {"rXYZ", "gXYZ", "bXYZ", "rTRC", "gTRC", "bTRC"} <= set(tags)
    if "A2B0" in tags or not has_matrix:
        # Where a profile has a table, the table is what it means.
        ImageCms.ImageCmsProfile(io.BytesIO(data))
        return IccProfile(description=description, space=space, curves=(), matrix=np.eye(3), data=data)
    curves = tuple(_curve(tags[name]) for name in ("rTRC", "gTRC", "bTRC"))
    matrix = np.array([_fixed(tags[name], 8, 3) for name in ("rXYZ", "gXYZ", "bXYZ")]).T
    return IccProfile(description=description, space=space, curves=curves, matrix=matrix, data=data)


def _tags(data: bytes) -> Mapping[str, bytes]:
    if len(data) < _HEADER + 4 or data[36:40] != b"acsp":
        raise ValueError("it is no ICC profile")
    (count,) = struct.unpack_from(">I", data, _HEADER)
    found = {}
    for index in range(min(count, 200)):
        name, start, size = struct.unpack_from(">4sII", data, _HEADER + 4 + index * _ENTRY)
        if start + size > len(data):
            raise ValueError("it is truncated")
        found[name.decode("latin-1")] = data[start : start + size]
    return found


def _description(tags: Mapping[str, bytes]) -> str:
    """The profile's name: of type desc (version 2) or mluc (version 4)."""
    tag = tags.get("desc", b"")
    if tag[:4] == b"desc":
        (size,) = struct.unpack_from(">I", tag, 8)
        return tag[12 : 12 + size].split(b"\0")[0].decode("latin-1")
    if tag[:4] == b"mluc":
        size, start = struct.unpack_from(">II", tag, 20)
        return tag[start : start + size].decode("utf-16-be").strip("\0")
    return "without a name"


def _fixed(data: bytes, start: int, count: int) -> list[float]:
    return [number / 65536.0 for number in struct.unpack_from(f">{count}i", data, start)]


def _curve(tag: bytes) -> Curve:
    if tag[:4] == b"para":
        (kind,) = struct.unpack_from(">H", tag, 8)
        if kind not in _PARAMETERS:
            raise ValueError(f"its curve of type {kind} is unknown")
        return _parametric(kind, _fixed(tag, 12, _PARAMETERS[kind]))
    if tag[:4] != b"curv":
        raise ValueError("its curves are of an unknown type")
    (count,) = struct.unpack_from(">I", tag, 8)
    if count == 0:
        return lambda values: values
    table = np.frombuffer(tag, ">u2", count, 12).astype(np.float64)
    if count == 1:
        return _parametric(0, [table[0] / 256.0])
    return lambda values: np.interp(values, np.linspace(0.0, 1.0, count), table / 65535.0)


def _parametric(kind: int, parameters: list[float]) -> Curve:
    """ICC.1:2022, 10.18: (a x + b)^g + e for x >= d, else c x + f."""
    if kind == 0:
        parameters = [parameters[0], 1.0, 0.0]
    g, a, b, *rest = parameters
    if kind in (1, 2) and a == 0.0:
        raise ValueError("its curve has no slope")
    if kind < 3:
        # Below -b / a they are constant.
        constant = rest[0] if rest else 0.0
        rest = [0.0, -b / a if kind else 0.0, constant, constant]
    c, d, e, f = (*rest, 0.0, 0.0)[:4]

    def curve(values: Matrix) -> Matrix:
        above = np.maximum(a * values + b, 0.0) ** g + e
        return np.asarray(np.where(values >= d, above, c * values + f))

    return curve


def _through_littlecms(profile: IccProfile, colour: Float32) -> Float32:
    """The colour by way of sRGB in 8 bits, relative colorimetric."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile.data))
    pixels = np.rint(np.clip(colour, 0.0, 1.0) * 255.0).astype(np.uint8)
    picture = PillowImage.fromarray(np.ascontiguousarray(pixels))
    found = ImageCms.profileToProfile(
        picture, source, ImageCms.createProfile("sRGB"), renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC
    )
    encoded = np.asarray(found, np.float32) / np.float32(255.0)
    return to_linear(NumericSpace(curve=SRGB_CURVE, chromaticities=REC_709), encoded)
