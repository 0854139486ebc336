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
from matte_link.plain_text import printable
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
_LONGEST_NAME = 200
"""Characters of a profile's name that are kept."""
D50 = np.array([0.9642, 1.0, 0.8249])
"""XYZ of the white of the profile connection space."""
_TABLES = frozenset(("D2B1", "A2B1", "A2B0"))
"""Tags that LittleCMS applies for the relative colorimetric intent, in their order; a matrix comes after them."""
_NOT_PRECOMPUTED = 0x0100
"""LittleCMS's flag that keeps it from sampling the transform: that is six times as fast, and wrong by ten codes in
dark colours."""
# Number of parameters of the function types of a parametric curve.
_PARAMETERS = {0: 1, 1: 3, 2: 4, 3: 5, 4: 7}


@dataclass(frozen=True, eq=False)
class IccProfile:
    """A profile that can be applied. ``curves``: one for a grey profile, three for RGB, none if LittleCMS applies
    it by ``transform`` to sRGB; ``matrix``: linear RGB to XYZ under D50; ``codes``: primaries and transfer of
    ITU-T H.273 that an RGB profile names beside them, 2 where it names none."""

    description: str
    curves: tuple[Curve, ...]
    matrix: Matrix
    transform: ImageCms.ImageCmsTransform | None = None
    codes: tuple[int, int] = (2, 2)

    @property
    def is_exact(self) -> bool:
        """Whether it is applied in float, not in 8 bits."""
        return self.transform is None

    @property
    def is_for_grey(self) -> bool:
        """Whether it is for pictures of one channel."""
        return len(self.curves) == 1


@lru_cache(maxsize=8)
def read_profile(data: bytes) -> IccProfile:
    """Parses a profile. Raises ``ValueError`` with the reason if it is damaged, or not for RGB or grey pictures."""
    try:
        return _parsed(data)
    except KeyError as error:
        raise ValueError(f"it lacks the tag {error.args[0]}") from None
    except (struct.error, IndexError, UnicodeError, OSError, ImageCms.PyCMSError) as error:
        raise ValueError(f"it is damaged ({error})") from None


def profile_to_rec709(profile: IccProfile, colour: Float32) -> Float32:
    """``colour`` (height x width x 3) in the profile's space as linear Rec.709."""
    if profile.transform is not None:
        return _through_littlecms(profile.transform, colour)
    values = colour.astype(np.float64)
    if profile.is_for_grey:
        return np.repeat(profile.curves[0](values[..., :1]), 3, -1).astype(np.float32)
    light = np.stack([curve(values[..., channel]) for channel, curve in enumerate(profile.curves)], -1)
    matrix = xyz_to_rec709() @ adaptation(D50, white_of_rec709()) @ profile.matrix
    return np.asarray(light @ matrix.T, np.float32)


def _parsed(data: bytes) -> IccProfile:
    tags = _tags(data)
    space, description = data[16:20].decode("ascii").strip(), _description(tags)
    if space == "GRAY":
        curve = _finite(_curve(tags["kTRC"]))
        curve = _of_lightness(curve) if data[20:24] == b"Lab " else curve
        return IccProfile(description=description, curves=(curve,), matrix=np.eye(3))
    if space != "RGB":
        raise ValueError(f"it is for {space} pictures")
    named = tags.get("cicp", b"")  # ICC.1:2022, 10.3
    codes = (named[8], named[9]) if len(named) >= 12 else (2, 2)
    if _TABLES & set(tags):
        # Where a profile has a table, the table is what it means.
        transform = _transform(data)
        return IccProfile(description=description, curves=(), matrix=np.eye(3), transform=transform, codes=codes)
    curves = tuple(_finite(_curve(tags[name])) for name in ("rTRC", "gTRC", "bTRC"))
    matrix = np.array([_fixed(tags[name], 8, 3) for name in ("rXYZ", "gXYZ", "bXYZ")]).T
    return IccProfile(description=description, curves=curves, matrix=matrix, codes=codes)


def _transform(data: bytes) -> ImageCms.ImageCmsTransform:
    """From 8 bits in the profile's space to 8 bits in sRGB, relative colorimetric."""
    return ImageCms.buildTransform(
        ImageCms.ImageCmsProfile(io.BytesIO(data)),
        ImageCms.createProfile("sRGB"),
        "RGB",
        "RGB",
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags(_NOT_PRECOMPUTED),
    )


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
        return printable(tag[12 : 12 + size].split(b"\0")[0].decode("latin-1"), _LONGEST_NAME)
    if tag[:4] == b"mluc":
        size, start = struct.unpack_from(">II", tag, 20)
        return printable(tag[start : start + size].decode("utf-16-be").strip("\0"), _LONGEST_NAME)
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
    if len(tag) < 12 + 2 * count:
        raise ValueError("its curve is truncated")
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


def _finite(curve: Curve) -> Curve:
    """``curve``, which is checked. Raises ``ValueError``."""
    with np.errstate(all="ignore"):
        if not np.all(np.isfinite(curve(np.linspace(0.0, 1.0, 65)))):
            raise ValueError("its curve is not finite")
    return curve


def _of_lightness(curve: Curve) -> Curve:
    """The light of a curve whose values are CIE L* (ISO 11664-4), 0 to 1 for 0 to 100."""

    def light(values: Matrix) -> Matrix:
        lightness = 100.0 * curve(values)
        return np.asarray(np.where(lightness > 8.0, ((lightness + 16.0) / 116.0) ** 3, lightness * 27.0 / 24389.0))

    return light


def _through_littlecms(transform: ImageCms.ImageCmsTransform, colour: Float32) -> Float32:
    """The colour by way of sRGB in 8 bits."""
    pixels = np.rint(np.clip(colour, 0.0, 1.0) * 255.0).astype(np.uint8)
    found = ImageCms.applyTransform(PillowImage.fromarray(np.ascontiguousarray(pixels)), transform)
    encoded = np.asarray(found, np.float32) / np.float32(255.0)
    return to_linear(NumericSpace(curve=SRGB_CURVE, chromaticities=REC_709), encoded)
