"""Colourspaces through OpenColorIO: every picture to scene-linear Rec.709 and back.

The OCIO configuration is the one named in the options, else ``$OCIO``, else OpenImageIO's built-in ACES studio
config, which needs no file. Only the colour channels are converted; alpha is coverage and is left alone.
"""

from __future__ import annotations

import os
from dataclasses import replace
from functools import lru_cache

import numpy as np
import OpenImageIO as oiio

from ..core.image import SCENE_LINEAR, Float32, Image
from ..errors import MatteError

BUILT_IN_CONFIG = "ocio://studio-config-v2.1.0_aces-v1.3_ocio-v2.3"
CINEON = "Cineon"

# Short name, as artists and tags write it -> name in the built-in config.
ALIASES = {
    "linear": SCENE_LINEAR,
    "scene-linear": SCENE_LINEAR,
    "scene_linear": SCENE_LINEAR,
    "linear rec.709": SCENE_LINEAR,
    "lin_rec709": SCENE_LINEAR,
    "lin_rec709_scene": SCENE_LINEAR,
    "linear rec.709 (srgb)": SCENE_LINEAR,
    "srgb": "sRGB - Texture",
    "srgb_rec709_scene": "sRGB - Texture",
    "rec709": "Gamma 2.4 Rec.709 - Texture",
    "g24_rec709_scene": "Gamma 2.4 Rec.709 - Texture",
    "g22_rec709_scene": "Gamma 2.2 Rec.709 - Texture",
    "acescg": "ACEScg",
    "lin_ap1_scene": "ACEScg",
    "aces": "ACES2065-1",
    "aces2065-1": "ACES2065-1",
    "lin_ap0_scene": "ACES2065-1",
    "logc3": "ARRI LogC3 (EI800)",
    "logc4": "ARRI LogC4",
    "slog3": "S-Log3 S-Gamut3",
    "slog3.cine": "S-Log3 S-Gamut3.Cine",
    "log3g10": "Log3G10 REDWideGamutRGB",
    "canonlog2": "CanonLog2 CinemaGamut D55",
    "canonlog3": "CanonLog3 CinemaGamut D55",
    "davinci": "DaVinci Intermediate WideGamut",
    "vlog": "V-Log V-Gamut",
    "cineon": CINEON,
    "kodaklog": CINEON,
}
_LINEAR_IN_CONFIG = ("Linear Rec.709 (sRGB)", "lin_rec709", "Utility - Linear - sRGB", "linear")

# Cineon printing density as film scans use it: black at code 95, white at 685 of 1023, 0.002 density per
# code value, film gamma 0.6 (Kodak, "Conversion of 10-bit Log Film Data to 8-bit Linear or Video Data").
_BLACK, _WHITE, _RANGE = 95.0, 685.0, 0.002 / 0.6
_OFFSET = 10.0 ** ((_BLACK - _WHITE) * _RANGE)


def to_scene_linear(image: Image, space: str, config: str = "") -> Image:
    """Converts ``image`` from ``space`` to scene-linear Rec.709. Raises ``MatteError``."""
    return _convert(image, resolve(space), SCENE_LINEAR, config)


def from_scene_linear(image: Image, space: str, config: str = "") -> Image:
    """Converts a scene-linear Rec.709 image to ``space``. Raises ``MatteError``."""
    return _convert(image, SCENE_LINEAR, resolve(space), config)


def resolve(space: str) -> str:
    """The full name of a colourspace given by a short one; other names are returned as they are."""
    return ALIASES.get(space.strip().lower(), space.strip())


def clean_plate_space(asked: str, clean_own: str, plate_own: str, plate_asked: str) -> str:
    """The colourspace to read a clean plate's file in; full names in and out, except for ``asked``.

    ``asked`` is the option's value. With "auto", a space that was chosen for the plate (``plate_asked``, empty for
    none) holds for the clean plate too, provided that both files are in the same space by their own tags
    (``plate_own``, ``clean_own``). Otherwise the clean plate's own tags decide.
    """
    if asked != "auto":
        return resolve(asked)
    return plate_asked if plate_asked and clean_own == plate_own else clean_own


def _convert(image: Image, source: str, target: str, config: str) -> Image:
    if source == target or len(image.channels) < 3:
        return replace(image, colourspace=target)
    colour = np.ascontiguousarray(image.pixels[..., :3])
    if CINEON in (source, target):
        converted = _cineon_to_linear(colour) if source == CINEON else _linear_to_cineon(colour)
    else:
        converted = _ocio(colour, source, target, config)
    pixels = image.pixels.copy(order="K")  # keeps the memory layout
    pixels[..., :3] = converted
    return replace(image, pixels=pixels, colourspace=target)


def _cineon_to_linear(code: Float32) -> Float32:
    exposure = 10.0 ** ((code.astype(np.float64) * 1023.0 - _WHITE) * _RANGE)
    light: Float32 = ((exposure - _OFFSET) / (1.0 - _OFFSET)).astype(np.float32)
    return light


def _linear_to_cineon(light: Float32) -> Float32:
    exposure = np.maximum(light.astype(np.float64) * (1.0 - _OFFSET) + _OFFSET, 1e-10)
    code: Float32 = ((np.log10(exposure) / _RANGE + _WHITE) / 1023.0).astype(np.float32)
    return code


def _ocio(colour: Float32, source: str, target: str, config: str) -> Float32:
    path = config or os.environ.get("OCIO", "") or BUILT_IN_CONFIG
    names = _known_spaces(path)
    source, target = (_linear_name(path) if name == SCENE_LINEAR else name for name in (source, target))
    for name in (source, target):
        if name not in names:
            raise MatteError(
                "unknown_colourspace",
                f"The colourspace {name!r} is not in the OCIO config {path}.",
                f"It knows {', '.join(sorted(names)[:12])} and {max(len(names) - 12, 0)} more; "
                f"short names are {', '.join(sorted(ALIASES)[:8])}...",
            )
    result = oiio.ImageBufAlgo.colorconvert(
        oiio.ImageBuf(colour), source, target, unpremult=False, colorconfig=path
    )
    if result.has_error:
        raise MatteError("colour_failed", f"OpenColorIO cannot convert {source} to {target}: {result.geterror()}")
    return np.asarray(result.get_pixels(oiio.FLOAT), np.float32)


@lru_cache(maxsize=8)
def _known_spaces(path: str) -> frozenset[str]:
    # Where the file is missing, OpenImageIO silently falls back to a config of its own.
    if "://" not in path and not os.path.isfile(path):  # noqa: PTH113 - also takes $OCIO's odd spellings
        raise MatteError("bad_ocio_config", f"There is no OCIO config at {path}.")
    config = oiio.ColorConfig(path)
    names = frozenset(config.getColorSpaceNames())
    if config.geterror() or not names:
        raise MatteError("bad_ocio_config", f"The OCIO config {path} cannot be read.")
    return names | frozenset(alias for name in names for alias in config.getAliases(name))


def _linear_name(path: str) -> str:
    names = _known_spaces(path)
    found = next((name for name in _LINEAR_IN_CONFIG if name in names), None)
    if found is None:
        raise MatteError("bad_ocio_config", f"The OCIO config {path} has no scene-linear Rec.709 space to work in.")
    return found


_PRIMARIES = {
    "ACES2065-1": (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, 0.32168, 0.33767),
    "ACEScg": (0.713, 0.293, 0.165, 0.83, 0.128, 0.044, 0.32168, 0.33767),
    SCENE_LINEAR: (0.64, 0.33, 0.3, 0.6, 0.15, 0.06, 0.3127, 0.329),
}


def space_of_primaries(chromaticities: object) -> str:
    """The linear space that has the primaries and white of an EXR's ``chromaticities`` (x, y of R, G, B, W); empty
    unless it is one of the three in ``_PRIMARIES``."""
    try:
        given = np.asarray(chromaticities, np.float64).ravel()
    except (TypeError, ValueError):
        return ""
    if given.shape != (8,):
        return ""
    # Writers round the white point to three to five decimals.
    return next((space for space, known in _PRIMARIES.items() if np.allclose(given, known, atol=1e-3)), "")


def primaries_of(space: str) -> tuple[float, ...] | None:
    """x, y of red, green, blue and white of a linear space; None for spaces that are not in ``_PRIMARIES``."""
    return _PRIMARIES.get(space)


def default_space(file_format: str, is_float: bool, tag: str = "") -> str:
    """The colourspace of a file for which the artist chose none.

    A known ``tag`` in the file decides. Without one, float pictures are scene-linear Rec.709, DPX and Cineon are
    Cineon log, and other integer pictures (PNG, JPEG, TIFF) are sRGB.
    """
    if resolve(tag) in ALIASES.values():
        return resolve(tag)
    if is_float:
        return SCENE_LINEAR
    return CINEON if file_format in ("dpx", "cineon") else "sRGB - Texture"
