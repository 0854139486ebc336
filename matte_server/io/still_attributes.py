"""The attributes of stills that are no EXRs, which a result inherits under EXR's names.

Left out is what says how the file is stored. Texts that are not UTF-8 are read as Windows-1252, which holds
Latin-1, and are UTF-8 in the result.
"""

from __future__ import annotations

import contextlib
import struct
from fractions import Fraction

import OpenImageIO as oiio

from .exr_header import RawAttribute
from .image_file import Attribute
from .timecode import nearest_rate

# OpenImageIO's attributes that describe how a file is stored, not what it shows.
_STORAGE = frozenset(
    ("BitsPerSample", "Orientation", "PixelAspectRatio", "compression", "planarconfig", "textureformat", "CICP")
)
_STORAGE_FAMILIES = ("oiio:", "openexr:", "jpeg:", "png:", "dpx:", "tiff:", "ICCProfile")
# What a DPX's header says of the shot and not of the file; its timecode and keycode have names of their own.
_OF_DPX = frozenset(
    f"dpx:{name}"
    for name in (
        "FilmEdgeCode",
        "Format",
        "FrameId",
        "FramePosition",
        "HeldCount",
        "InputDevice",
        "InputDeviceSerialNumber",
        "SequenceLength",
        "ShutterAngle",
        "SlateInfo",
        "SourceDateTime",
        "SourceImageFileName",
    )
)
_HIGHEST_RATE = 1000.0
_RATES_OF_DPX = ("dpx:FrameRate", "dpx:TemporalFrameRate")


def attributes_of(spec: oiio.ImageSpec, file_format: str) -> dict[str, object]:
    """The attributes of a picture: as bytes of an EXR, or by OpenImageIO's names, which its EXR writer knows."""
    kept: dict[str, object] = {}
    for entry in spec.extra_attribs:
        with contextlib.suppress(UnicodeDecodeError):  # of versions that cannot pass other texts to Python
            name, value = _utf8(entry.name), entry.value
            if isinstance(value, str):
                value = _utf8(_ended(value) if file_format == "dpx" else value)
            if name in _OF_DPX:
                kept[name] = _as_bytes(value)
            elif name not in _STORAGE and not name.startswith(_STORAGE_FAMILIES):
                kept[name] = Attribute(type=str(entry.type), value=value)
    if rate := _rate(spec):
        kept["framesPerSecond"] = _as_bytes(rate)
    return kept


def _utf8(text: str) -> str:
    """``text``, in which surrogates stand for the bytes of another encoding, with those bytes' characters."""
    stored = text.encode("utf-8", "surrogateescape")
    for encoding in ("utf-8", "cp1252"):
        with contextlib.suppress(UnicodeDecodeError):
            return stored.decode(encoding)
    return stored.decode("latin-1")


def _ended(text: str) -> str:
    """``text`` of a DPX up to its first unused byte, 255: where a field has no zero, OpenImageIO reads on behind
    it."""
    return text.partition("\udcff")[0]


def _as_bytes(value: object) -> RawAttribute:
    if isinstance(value, Fraction):
        return RawAttribute(type="rational", data=struct.pack("<iI", value.numerator, value.denominator))
    if isinstance(value, float):
        return RawAttribute(type="float", data=struct.pack("<f", value))
    if isinstance(value, int):
        return RawAttribute(type="int", data=struct.pack("<I", value & 0xFFFFFFFF))
    return RawAttribute(type="string", data=str(value).encode())


def _rate(spec: oiio.ImageSpec) -> Fraction | None:
    """The frame rate of a DPX's film or television header; None for other formats."""
    rates = (float(spec.get_float_attribute(name, 0.0)) for name in _RATES_OF_DPX)
    return next((nearest_rate(Fraction(rate)) for rate in rates if 0.0 < rate < _HIGHEST_RATE), None)
