"""Which colourspace a file says its colour is in.

By EXR attributes, ICC profiles, PNG chunks, DPX headers, H.273 codes.

docs/FILES.md has a table of formats and tags. A tag that cannot be honoured becomes a warning that names it, and
the next tag, or the rule for files without tags, decides.
"""

from __future__ import annotations

import contextlib
import math
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
from matte_link.plain_text import printable

from ..core.image import SCENE_LINEAR
from .bmp import colour_not_followed, embedded_profile
from .colour import (
    ADOBE_RGB_GAMMA,
    CINEON,
    EMBEDDED_PROFILE,
    HLG_VIDEO,
    PQ_VIDEO,
    REC_2020_VIDEO,
    SRGB,
    VIDEO_709,
    default_space,
    is_known,
    resolve,
)
from .exr_part import ExrPart
from .icc import read_profile
from .jpeg import has_profile
from .png_chunks import LARGEST_CHUNK
from .primaries import (
    P3_D65,
    P3_DCI,
    PQ_CURVE,
    REC_709,
    REC_2020,
    SRGB_CURVE,
    Chromaticities,
    NumericSpace,
    linear_space,
    primaries_of,
    spans_colours,
)
from .radiance import RadianceHeader
from .still_header import StillHeader
from .tiff_tags import (
    PRIMARIES,
    TRANSFER_FUNCTION,
    WHITE_POINT,
    chromaticities_of,
    interoperability_of,
    stated_colour_tags,
)

_DPX_VIDEO = ("Unspecified video", "SMPTE 274M", "ITU-R 709-4", "ITU-R 601-5", "NTSC", "PAL")
_DPX_LOG = ("Printing density", "Logarithmic", "User defined", "Undefined", "")
# H.273: primaries. Those of SD video are so near Rec.709's that players show them as Rec.709.
_H273_PRIMARIES: dict[int, Chromaticities] = {
    **dict.fromkeys((1, 2, 5, 6, 7), REC_709),
    4: (0.67, 0.33, 0.21, 0.71, 0.14, 0.08, 0.31, 0.316),
    8: (0.681, 0.319, 0.243, 0.692, 0.145, 0.049, 0.31, 0.316),
    9: REC_2020,
    11: P3_DCI,
    12: P3_D65,
    22: (0.63, 0.34, 0.295, 0.605, 0.155, 0.077, 0.3127, 0.329),
}
# H.273: transfer characteristics that are watched on a BT.1886 display, gamma 2.4; and those of other gammas.
_BT_1886 = (1, 2, 6, 7, 11, 12, 14, 15)
_GAMMAS = {4: 2.2, 5: 2.8, 17: 2.6}
_UNSPECIFIED, _LINEAR, _SRGB, _PQ, _HLG = 2, 8, 13, 16, 18
_MATRICES_2020 = (9, 10)
_CICP = 4
"""Bytes of a PNG's cICP."""


_SAYS_NOTHING = ("", "unknown", "raw", "data")
"""Values of a colour tag that name no colourspace."""
_QUOTED = 80
"""Characters that are quoted of a tag's value."""
_OF_FFMPEG = (
    "The {} was read as linear; FFmpeg, which wrote it, stores codes as they are, those of video too. State its "
    "colourspace."
)
_IMPOSSIBLE = "The tag {} names impossible primaries and was ignored."
_EXIF_ADOBE_RGB, _EXIF_UNCALIBRATED = 2, 0xFFFF


@dataclass(frozen=True)
class FileColour:
    """The colourspace of a file, a sentence for each tag that could not be honoured, and its ICC profile if the
    colourspace refers to it."""

    space: str
    warnings: tuple[str, ...] = ()
    profile: bytes = b""


def exr_colour(part: ExrPart) -> FileColour:
    """By ``colorInteropID``, then ``chromaticities``, then ``oiio:ColorSpace``, then the flag of an ACES container;
    scene-linear Rec.709 if there are none."""
    warnings = []
    for name in ("colorInteropID", "oiio:ColorSpace"):
        tag = part.text(name)
        if tag and is_known(space := resolve(tag)):
            if name == "colorInteropID" and _contradicts(part, space):
                warnings.append(f"The tag chromaticities contradicts colorInteropID {tag!r} and was ignored.")
            return FileColour(space=space, warnings=tuple(warnings))
        if tag not in _SAYS_NOTHING:
            warnings.append(f"The tag {name} {tag[:_QUOTED]!r} is not supported and was ignored.")
        if name == "colorInteropID" and "chromaticities" in part.attributes:
            if space := linear_space(part.chromaticities):
                return FileColour(space=space, warnings=tuple(warnings))
            warnings.append(_IMPOSSIBLE.format("chromaticities"))
    is_aces = any(part.numbers("acesImageContainerFlag", "int", "<i"))
    warnings += [_OF_FFMPEG.format("EXR")] if part.text("writer") == "lavc" else []
    return FileColour(space="ACES2065-1" if is_aces else SCENE_LINEAR, warnings=tuple(warnings))


def _contradicts(part: ExrPart, space: str) -> bool:
    """Whether a part's chromaticities are those of another colourspace than ``space``, where it is a linear one."""
    if not part.chromaticities or primaries_of(space) is None:
        return False
    return linear_space(part.chromaticities) != space


def still_colour(header: StillHeader, spec: oiio.ImageSpec, is_float: bool) -> FileColour:
    """The colourspace of a still that is no EXR."""
    is_grey, path, file_format = spec.nchannels < 3, header.path, header.file_format
    if file_format == "png":
        return _png_colour(header.chunks, is_grey)
    if file_format in ("dpx", "cineon"):
        return _dpx_colour(spec, is_float)
    if file_format == "hdr":
        return _hdr_colour(header.lines)
    untagged = default_space(file_format, is_float)
    if file_format == "bmp":
        return _bmp_colour(path, untagged, is_grey)
    stored = spec.getattribute("ICCProfile")
    if stored is not None:
        return _icc_colour(np.asarray(stored, np.uint8).tobytes(), untagged, is_grey)
    if file_format == "jpeg" and has_profile(path):
        return _profile_ignored("a part of it is missing", untagged)
    if _is_adobe_rgb(path, spec):
        return FileColour(space=ADOBE_RGB_GAMMA)
    return _tiff_colour(path, untagged) if file_format == "tiff" else FileColour(space=untagged)


def h273_space(primaries: int, transfer: int, matrix: int = _UNSPECIFIED) -> str:
    """The colourspace that codes of ITU-T H.273 name; empty if they are not supported. PQ, HLG and the matrices of
    BT.2020 are of BT.2020's primaries where these are not stated."""
    if primaries == _UNSPECIFIED and (transfer in (_PQ, _HLG) or matrix in _MATRICES_2020):
        primaries = 9
    numbers = _H273_PRIMARIES.get(primaries)
    if primaries == 9 and transfer in (_PQ, _HLG):
        return PQ_VIDEO if transfer == _PQ else HLG_VIDEO
    if numbers is None:
        return ""
    if transfer in _BT_1886:
        named = {REC_709: VIDEO_709, REC_2020: REC_2020_VIDEO}.get(numbers)
        return named or NumericSpace(curve="gamma", gamma=2.4, chromaticities=numbers).name
    if transfer == _LINEAR:
        return linear_space(numbers)
    if transfer == _SRGB:
        return _srgb_curve(numbers)
    if transfer == _PQ:
        return NumericSpace(curve=PQ_CURVE, chromaticities=numbers).name
    gamma = _GAMMAS.get(transfer)
    return NumericSpace(curve="gamma", gamma=gamma, chromaticities=numbers).name if gamma else ""


def _icc_colour(data: bytes, untagged: str, is_grey: bool) -> FileColour:
    try:
        profile = read_profile(data)
        if profile.is_for_grey and not is_grey:
            raise ValueError("it is for grey pictures")
    except ValueError as error:
        return _profile_ignored(str(error), untagged)
    if profile.codes[1] in (_PQ, _HLG) and (space := h273_space(*profile.codes)):
        # Its curves or tables make an SDR picture of light that is beyond 1 in PQ and HLG.
        return FileColour(space=space)
    name = profile.description or "without a name"
    rounded = f"The ICC profile {name} has tables and was applied in 8 bits."
    return FileColour(space=EMBEDDED_PROFILE + name, profile=data, warnings=() if profile.is_exact else (rounded,))


def _profile_ignored(reason: str, untagged: str) -> FileColour:
    warning = f"The ICC profile was ignored: {reason}. The picture was read as {untagged}."
    return FileColour(space=untagged, warnings=(warning,))


def _bmp_colour(path: Path, untagged: str, is_grey: bool) -> FileColour:
    """By the ICC profile in the file."""
    if profile := embedded_profile(path):
        return _icc_colour(profile, untagged, is_grey)
    if said := colour_not_followed(path):
        return FileColour(
            space=untagged, warnings=(f"The BMP {said}, which was ignored. The picture was read as {untagged}.",)
        )
    return FileColour(space=untagged)


def _is_adobe_rgb(path: Path, spec: oiio.ImageSpec) -> bool:
    """Whether EXIF says so: by the index of DCF 2.0's option files, or by ColorSpace 2, as some cameras do."""
    stated = spec.get_int_attribute("Exif:ColorSpace", 0)
    return stated == _EXIF_ADOBE_RGB or (stated == _EXIF_UNCALIBRATED and interoperability_of(path) == "R03")


def _tiff_colour(path: Path, untagged: str) -> FileColour:
    """By PrimaryChromaticities and WhitePoint, with the curve of a file without tags."""
    stated, numbers = stated_colour_tags(path), chromaticities_of(path)
    linear = linear_space(numbers) if numbers else ""
    warnings = []
    if TRANSFER_FUNCTION in stated:
        warnings.append(
            f"The tag {TRANSFER_FUNCTION} is not supported; the picture was read with the curve of {untagged}."
        )
    if stated >= {PRIMARIES, WHITE_POINT} and not linear:
        warnings.append(_IMPOSSIBLE.format(PRIMARIES))
    for tag, other in ((PRIMARIES, WHITE_POINT), (WHITE_POINT, PRIMARIES)):
        if tag in stated and other not in stated:
            warnings.append(f"The tag {tag} was ignored, for there is no {other} beside it.")
    if not linear:
        return FileColour(space=untagged, warnings=tuple(warnings))
    space = linear if untagged == SCENE_LINEAR else _srgb_curve(numbers)
    return FileColour(space=space, warnings=tuple(warnings))


def _hdr_colour(lines: RadianceHeader) -> FileColour:
    """A Radiance picture: scene-linear, with the primaries and white that its header may state."""
    space, warnings = SCENE_LINEAR, []
    for name, value in lines:
        if name == "PRIMARIES":
            with contextlib.suppress(ValueError):
                space = linear_space([float(number) for number in value.split()])
            if not space:
                space = SCENE_LINEAR
                warnings.append(_IMPOSSIBLE.format(name))
        elif name in ("EXPOSURE", "COLORCORR", "GAMMA") and not _are_ones(value):
            quoted = f"{name}={printable(value, _QUOTED)}"
            warnings.append(f"The tag {quoted} was ignored; the values were read as they are stored.")
    return FileColour(space=space, warnings=tuple(warnings))


def _are_ones(numbers: str) -> bool:
    """Whether a text holds numbers that are all 1."""
    with contextlib.suppress(ValueError):
        return all(float(number) == 1.0 for number in numbers.split())
    return False


def _srgb_curve(numbers: Chromaticities) -> str:
    return (
        SRGB
        if linear_space(numbers) == SCENE_LINEAR
        else NumericSpace(curve=SRGB_CURVE, chromaticities=numbers).name
    )


def _dpx_colour(spec: oiio.ImageSpec, is_float: bool) -> FileColour:
    transfer = str(spec.getattribute("dpx:Transfer") or "")
    if is_float or transfer == "Linear":
        says_nothing = spec.get_string_attribute("Software").startswith("Lavc") and not is_float
        return FileColour(space=SCENE_LINEAR, warnings=(_OF_FFMPEG.format("DPX"),) if says_nothing else ())
    if transfer.startswith(_DPX_VIDEO):
        return FileColour(space=VIDEO_709)
    if transfer in _DPX_LOG:
        return FileColour(space=CINEON)
    warning = f"The transfer characteristic {transfer!r} is no colour curve; the picture was read as {CINEON}."
    return FileColour(space=CINEON, warnings=(warning,))


def _png_colour(chunks: Mapping[bytes, bytes], is_grey: bool) -> FileColour:
    """By cICP, then iCCP, then sRGB, then gAMA with cHRM: the order of the PNG specification, third edition,
    4.3."""
    warnings = []
    cicp = chunks.get(b"cICP")
    if cicp is not None and tuple(cicp[:2]) != (_UNSPECIFIED, _UNSPECIFIED):
        space = _space_of_cicp(cicp)
        if space:
            return FileColour(space=space)
        warnings.append(f"The tag cICP {'/'.join(map(str, cicp[:_CICP]))} is not supported.")
    if b"iCCP" in chunks:
        found = _icc_colour(_inflated_profile(chunks[b"iCCP"]), SRGB, is_grey)
        return FileColour(space=found.space, profile=found.profile, warnings=(*warnings, *found.warnings))
    if b"sRGB" in chunks:
        return FileColour(space=SRGB, warnings=tuple(warnings))
    gamma, primaries = _gamma_of(chunks.get(b"gAMA")), _primaries_of(chunks.get(b"cHRM"))
    space = _space_of_gamma(gamma, primaries or REC_709)
    if not primaries:
        warnings.append(_IMPOSSIBLE.format("cHRM"))
    if not is_known(space):
        warnings.append("The tag gAMA names an impossible curve and was ignored.")
        space = SRGB
    return FileColour(space=space, warnings=tuple(warnings))


def _space_of_cicp(chunk: bytes) -> str:
    """The colourspace of a PNG's cICP; empty if it is not supported."""
    if len(chunk) != _CICP:
        return ""
    primaries, transfer, matrix, is_full_range = chunk
    return h273_space(primaries, transfer) if matrix == 0 and is_full_range else ""


def _gamma_of(chunk: bytes | None) -> float:
    """The exponent that a PNG's gAMA is the inverse of; 0 without the chunk, infinite where it is impossible."""
    if chunk is None:
        return 0.0
    inverse = int.from_bytes(chunk, "big") if len(chunk) == 4 else 0
    return 100000.0 / inverse if inverse else math.inf


def _primaries_of(chunk: bytes | None) -> Chromaticities | None:
    """The primaries and white of a PNG's cHRM, Rec.709's without the chunk; None where they are impossible."""
    if chunk is None:
        return REC_709
    if len(chunk) != 32:
        return None
    white_first = tuple(number / 100000.0 for number in struct.unpack(">8I", chunk))
    given = (*white_first[2:], *white_first[:2])
    if not spans_colours(given):
        return None
    return given if linear_space(given) != SCENE_LINEAR else REC_709


def _space_of_gamma(gamma: float, primaries: Chromaticities) -> str:
    """The colourspace of a gamma and primaries; with a gamma of 0 the curve is sRGB's. A gamma beyond reason gives
    a name that is not known."""
    if gamma == 0.0:
        return _srgb_curve(primaries)
    if abs(gamma - 1.0) < 1e-3:
        return linear_space(primaries)
    return NumericSpace(curve="gamma", gamma=float(f"{gamma:.4g}"), chromaticities=primaries).name


def _inflated_profile(chunk: bytes) -> bytes:
    """The profile in an iCCP chunk: a name, a zero byte, the method, and compressed data. Empty if it is
    damaged."""
    _, _, rest = chunk.partition(b"\0")
    try:
        return zlib.decompressobj().decompress(rest[1:], LARGEST_CHUNK)
    except zlib.error:
        return b""
