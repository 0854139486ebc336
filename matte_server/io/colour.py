"""Colourspaces through OpenColorIO: every picture to scene-linear Rec.709 and back.

The OCIO configuration is the one named in the options, else ``$OCIO``, else OpenImageIO's built-in ACES studio
config, which needs no file. Only the colour channels are converted; alpha is coverage and is left alone.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import OpenImageIO as oiio

from ..core.image import SCENE_LINEAR, Float32, Image
from ..errors import MatteError
from .colour_config import unusable_file
from .file_names import is_text
from .icc import profile_to_rec709, read_profile
from .primaries import (
    ADOBE_RGB,
    CIE_XYZ,
    LINEAR_SPACES,
    P3_D65,
    PQ_CURVE,
    REC_709,
    REC_2020,
    SRGB_CURVE,
    NumericSpace,
    from_linear,
    numeric_space,
    to_linear,
)

BUILT_IN_CONFIG = "ocio://studio-config-v2.1.0_aces-v1.3_ocio-v2.3"
CINEON = "Cineon"
SRGB = "sRGB - Texture"
VIDEO_709 = "Gamma 2.4 Rec.709 - Texture"
DISPLAY_P3 = "sRGB Encoded P3-D65 - Texture"
REC_2020_VIDEO = "Rec.1886 Rec.2020 - Display"
PQ_VIDEO, HLG_VIDEO = "Rec.2100-PQ - Display", "Rec.2100-HLG - Display"
"""HDR video. As in OpenColorIO's configs, 1.0 is 100 cd/m2 on the display; HLG's peak is 1000 cd/m2."""
ADOBE_RGB_GAMMA = NumericSpace(curve="gamma", gamma=563 / 256, chromaticities=ADOBE_RGB).name
EMBEDDED_PROFILE = "ICC profile "
"""Begins the name of a colourspace that the picture's own ICC profile defines."""

# Identifier of the Color Interop Forum, as colorInteropID holds it -> name in the built-in config. Where several
# mean the same to us, the first one is written.
_OF_IDENTIFIERS = {
    "lin_ap0_scene": "ACES2065-1",
    "lin_ap1_scene": "ACEScg",
    "lin_rec709_scene": SCENE_LINEAR,
    "lin_p3d65_scene": "Linear P3-D65",
    "lin_rec2020_scene": "Linear Rec.2020",
    "lin_adobergb_scene": NumericSpace(curve="linear", chromaticities=ADOBE_RGB).name,
    "lin_ciexyzd65_scene": CIE_XYZ,
    "srgb_rec709_scene": SRGB,
    "srgb_rec709_display": SRGB,
    "srgb_p3d65_scene": DISPLAY_P3,
    "srgb_p3d65_display": DISPLAY_P3,
    "srgbe_p3d65_display": DISPLAY_P3,
    "srgb_ap1_scene": "sRGB Encoded AP1 - Texture",
    "g18_rec709_scene": "Gamma 1.8 Rec.709 - Texture",
    "g22_rec709_scene": "Gamma 2.2 Rec.709 - Texture",
    "g22_rec709_display": "Gamma 2.2 Rec.709 - Texture",
    "g22_ap1_scene": "Gamma 2.2 AP1 - Texture",
    "g22_adobergb_scene": ADOBE_RGB_GAMMA,
    "g22_adobergb_display": ADOBE_RGB_GAMMA,
    "g24_rec709_scene": VIDEO_709,
    "g24_rec709_display": VIDEO_709,
    "g24_rec2020_display": REC_2020_VIDEO,
    "g26_p3d65_display": NumericSpace(curve="gamma", gamma=2.6, chromaticities=P3_D65).name,
    "pq_p3d65_display": "ST2084-P3-D65 - Display",
    "pq_rec2020_display": PQ_VIDEO,
    "hlg_rec2020_display": HLG_VIDEO,
}
# Short name, as artists and tags write it -> name in the built-in config.
ALIASES = {
    "linear": SCENE_LINEAR,
    "scene-linear": SCENE_LINEAR,
    "scene_linear": SCENE_LINEAR,
    "linear rec.709": SCENE_LINEAR,
    "lin_rec709": SCENE_LINEAR,
    "linear rec.709 (srgb)": SCENE_LINEAR,
    "srgb": SRGB,
    "rec709": VIDEO_709,
    "rec2020": REC_2020_VIDEO,
    "bt2020": REC_2020_VIDEO,
    "pq": PQ_VIDEO,
    "hdr10": PQ_VIDEO,
    "st2084": PQ_VIDEO,
    "rec2100-pq": PQ_VIDEO,
    "hlg": HLG_VIDEO,
    "rec2100-hlg": HLG_VIDEO,
    "p3": DISPLAY_P3,
    "displayp3": DISPLAY_P3,
    "display p3": DISPLAY_P3,
    "adobergb": ADOBE_RGB_GAMMA,
    "linear p3": "Linear P3-D65",
    "linear rec.2020": "Linear Rec.2020",
    "awg3": "Linear ARRI Wide Gamut 3",
    "awg4": "Linear ARRI Wide Gamut 4",
    "xyz": CIE_XYZ,
    "acescg": "ACEScg",
    "aces": "ACES2065-1",
    "aces2065-1": "ACES2065-1",
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
    **_OF_IDENTIFIERS,
}
# Colourspaces of the built-in config that need no config, because they are known by their numbers.
_BY_NUMBERS = {
    REC_2020_VIDEO: NumericSpace(curve="gamma", gamma=2.4, chromaticities=REC_2020),
    PQ_VIDEO: NumericSpace(curve=PQ_CURVE, chromaticities=REC_2020),
    "ST2084-P3-D65 - Display": NumericSpace(curve=PQ_CURVE, chromaticities=P3_D65),
}
# Colourspaces that OpenColorIO converts and whose numbers a file's tag may state all the same.
_STATED_BY_NUMBERS = {
    **_BY_NUMBERS,
    SCENE_LINEAR: NumericSpace(curve="linear", chromaticities=REC_709),
    SRGB: NumericSpace(curve=SRGB_CURVE, chromaticities=REC_709),
    VIDEO_709: NumericSpace(curve="gamma", gamma=2.4, chromaticities=REC_709),
    DISPLAY_P3: NumericSpace(curve=SRGB_CURVE, chromaticities=P3_D65),
    "Gamma 1.8 Rec.709 - Texture": NumericSpace(curve="gamma", gamma=1.8, chromaticities=REC_709),
    "Gamma 2.2 Rec.709 - Texture": NumericSpace(curve="gamma", gamma=2.2, chromaticities=REC_709),
    "Gamma 2.2 AP1 - Texture": NumericSpace(curve="gamma", gamma=2.2, chromaticities=LINEAR_SPACES["ACEScg"]),
    "sRGB Encoded AP1 - Texture": NumericSpace(curve=SRGB_CURVE, chromaticities=LINEAR_SPACES["ACEScg"]),
}
_SHORT_NAMES = ("srgb", "rec709", "rec2020", "pq", "hlg", "p3", "acescg", "aces", "logc3", "logc4", "slog3", "xyz")
_TAGGABLE = frozenset((*ALIASES.values(), *_BY_NUMBERS))
# OpenImageIO reads a config that is named anew for each picture, which takes 46 ms. Its own it keeps, and that one
# has these colourspaces of the built-in config too, under the same names and with the same bits.
_OPENIMAGEIOS_OWN = "ocio://default"
_IN_BOTH = frozenset(
    {
        "Linear Rec.709 (sRGB)",
        "ACES2065-1",
        "ACEScg",
        SRGB,
        VIDEO_709,
        DISPLAY_P3,
        "Gamma 1.8 Rec.709 - Texture",
        "Gamma 2.2 Rec.709 - Texture",
        "Gamma 2.2 AP1 - Texture",
        "sRGB Encoded AP1 - Texture",
    }
)
# Converted by OpenColorIO, although their numbers are known.
_BY_CONFIG = ("ACES2065-1", "ACEScg")
_LINEAR_IN_CONFIG = ("Linear Rec.709 (sRGB)", "lin_rec709", "Utility - Linear - sRGB", "linear")

# Cineon printing density as film scans use it: black at code 95, white at 685 of 1023, 0.002 density per
# code value, film gamma 0.6 (Kodak, "Conversion of 10-bit Log Film Data to 8-bit Linear or Video Data").
_BLACK, _WHITE, _RANGE = 95.0, 685.0, 0.002 / 0.6
_OFFSET = 10.0 ** ((_BLACK - _WHITE) * _RANGE)


def to_scene_linear(image: Image, space: str, config: str = "") -> Image:
    """Converts ``image`` from ``space`` to scene-linear Rec.709. Raises ``MatteError``."""
    source = resolve(space)
    return replace(_convert(image, source, SCENE_LINEAR, config), read_as=source)


def from_scene_linear(image: Image, space: str, config: str = "") -> Image:
    """Converts a scene-linear Rec.709 image to ``space``. Raises ``MatteError``."""
    return _convert(image, SCENE_LINEAR, resolve(space), config)


def resolve(space: str) -> str:
    """The full name of a colourspace given by a short one; other names are returned as they are."""
    return ALIASES.get(space.strip().lower(), space.strip())


def check_config(config: str) -> None:
    """Raises ``MatteError("bad_ocio_config", ...)`` where there is no such OCIO config, or it cannot be read."""
    _check_files(config)
    _config(config)


def check_space(space: str, config: str = "") -> None:
    """Raises ``MatteError`` where pictures cannot be converted from and to ``space``: unknown_colourspace, or
    bad_ocio_config."""
    name = resolve(space)
    if name not in (SCENE_LINEAR, CINEON) and _numbers_of(name) is None:
        _in_config(name, SCENE_LINEAR, config)


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
    converted = _converted(image, colour, source, target, config)
    pixels = image.pixels.copy(order="K")  # keeps the memory layout
    pixels[..., :3] = converted
    return replace(image, pixels=pixels, colourspace=target)


def _converted(image: Image, colour: Float32, source: str, target: str, config: str) -> Float32:
    if source.startswith(EMBEDDED_PROFILE) and image.profile:
        return profile_to_rec709(read_profile(image.profile), colour)
    if source == CINEON:
        return _cineon_to_linear(colour)
    if target == CINEON:
        return _linear_to_cineon(colour)
    if numbers := _numbers_of(source):
        return to_linear(numbers, colour)
    if numbers := _numbers_of(target):
        return from_linear(numbers, colour)
    return _ocio(colour, source, target, config)


def _numbers_of(space: str) -> NumericSpace | None:
    """The numbers that define a colourspace; None if OpenColorIO converts it."""
    return None if space in _BY_CONFIG else _BY_NUMBERS.get(space) or numeric_space(space)


def tag_numbers(space: str) -> NumericSpace | None:
    """The numbers by which a file's tag may state a colourspace, given by its full name; None if there are none."""
    return _STATED_BY_NUMBERS.get(space) or numeric_space(space)


def interop_id(space: str) -> str:
    """The Color Interop Forum's identifier of a colourspace, given by its full name; empty if it has none."""
    return next((identifier for identifier, name in _OF_IDENTIFIERS.items() if name == space), "")


def is_known(space: str) -> bool:
    """Whether a colourspace, given by its full name, is one that a file's tag may name."""
    return space in _TAGGABLE or numeric_space(space) is not None


def _cineon_to_linear(code: Float32) -> Float32:
    exposure = 10.0 ** ((code.astype(np.float64) * 1023.0 - _WHITE) * _RANGE)
    light: Float32 = ((exposure - _OFFSET) / (1.0 - _OFFSET)).astype(np.float32)
    return light


def _linear_to_cineon(light: Float32) -> Float32:
    exposure = np.maximum(light.astype(np.float64) * (1.0 - _OFFSET) + _OFFSET, 1e-10)
    code: Float32 = ((np.log10(exposure) / _RANGE + _WHITE) / 1023.0).astype(np.float32)
    return code


def _ocio(colour: Float32, source: str, target: str, config: str) -> Float32:
    path, source, target = _in_config(source, target, config)
    convert, picture = oiio.ImageBufAlgo.colorconvert, oiio.ImageBuf(colour)
    if path == BUILT_IN_CONFIG and _is_kept(source, target):
        result = convert(picture, source, target, unpremult=False)
    else:
        result = convert(picture, source, target, unpremult=False, colorconfig=path)
    if result.has_error:
        raise MatteError("colour_failed", f"OpenColorIO cannot convert {source} to {target}: {result.geterror()}")
    return np.asarray(result.get_pixels(oiio.FLOAT), np.float32)


def _is_kept(source: str, target: str) -> bool:
    """Whether the config that OpenImageIO keeps converts as the built-in one does. It keeps $OCIO's where that was
    set as the first picture of this process was converted."""
    if not {source, target} <= _IN_BOTH:
        return False
    return bool(oiio.ColorConfig.default_colorconfig().configname() == _OPENIMAGEIOS_OWN)


def _in_config(source: str, target: str, config: str) -> tuple[str, str, str]:
    """The config that knows two colourspaces, and their names in it. Raises ``MatteError``: unknown_colourspace,
    bad_ocio_config."""
    path = config or os.environ.get("OCIO", "") or BUILT_IN_CONFIG
    _check_files(path)
    known, names = _config(path)
    if {source, target} - names - {SCENE_LINEAR} and {source, target} <= _TAGGABLE:
        # Both are standard colourspaces, which the built-in config has.
        path = BUILT_IN_CONFIG
        known, names = _config(path)

    def name_of(space: str) -> str:
        """Its name here: the config may know it as a role, or in other letters."""
        if space == SCENE_LINEAR:
            return _linear_name(path, names)
        return space if space in names or not is_text(space) else str(known.resolve(space))

    source, target = name_of(source), name_of(target)
    for name in (source, target):
        if name not in names:
            raise MatteError(
                "unknown_colourspace",
                f"The colourspace {name!r} is not in the OCIO config {path}.",
                f"It knows {', '.join(sorted(names)[:12])} and {max(len(names) - 12, 0)} more; "
                f"short names are {', '.join(_SHORT_NAMES)}.",
            )
    return path, source, target


def _config(path: str) -> tuple[oiio.ColorConfig, frozenset[str]]:
    """A config and the names and aliases of its colourspaces, as its file is now: a server outlives edits."""
    return _config_as_written(path, 0 if "://" in path else os.stat(path).st_mtime_ns)  # noqa: PTH116 - as below


@lru_cache(maxsize=8)
def _config_as_written(path: str, _time: int) -> tuple[oiio.ColorConfig, frozenset[str]]:
    config = oiio.ColorConfig(path)
    names = frozenset(config.getColorSpaceNames())
    if config.geterror() or not names:
        raise MatteError("bad_ocio_config", f"The OCIO config {path} cannot be read.")
    return config, names | frozenset(alias for name in names for alias in config.getAliases(name))


def _check_files(path: str) -> None:
    """Each time: what a worker waits for, or reads without end, may have come there since."""
    if "://" in path:
        return
    if not is_text(path):
        raise MatteError(
            "bad_ocio_config",
            f"The name of the OCIO config {path} is not UTF-8, and OpenColorIO opens no other.",
            "Copy its folder to one with a plain name.",
        )
    # Where the file is missing, OpenImageIO silently falls back to a config of its own.
    if not os.path.isfile(path):  # noqa: PTH113 - also takes $OCIO's odd spellings
        raise MatteError("bad_ocio_config", f"There is no OCIO config at {path}.")
    try:
        problem = unusable_file(Path(path))
    except OSError as error:
        problem = str(error.strerror)
    if problem:
        raise MatteError("bad_ocio_config", f"The OCIO config {path} cannot be used: {problem}.")


def _linear_name(path: str, names: Collection[str]) -> str:
    found = next((name for name in _LINEAR_IN_CONFIG if name in names), None)
    if found is None:
        raise MatteError("bad_ocio_config", f"The OCIO config {path} has no scene-linear Rec.709 space to work in.")
    return found


def default_space(file_format: str, is_float: bool) -> str:
    """The colourspace of a file that has no tag, and for which the artist chose none: float pictures are
    scene-linear Rec.709, DPX and Cineon are Cineon log, and other integer pictures (PNG, JPEG, TIFF) are sRGB."""
    if is_float:
        return SCENE_LINEAR
    return CINEON if file_format in ("dpx", "cineon") else SRGB
