"""Writes still pictures: EXRs through the OpenEXR module, other formats through OpenImageIO.

A picture is encoded in memory, and its bytes are then written by :func:`write_atomically`. The libraries themselves
do not notice a full disk in every format, and on a full disk the JPEG library ends the process.
"""

from __future__ import annotations

import errno
import re
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
from matte_link.files import write_atomically

from ..core.image import Float32, Image
from ..errors import MatteError
from . import exr_header, exr_planes
from .colour import SRGB, interop_id, tag_numbers
from .half import to_half
from .icc_writer import profile_of
from .image_check import is_whole
from .image_file import OWN_PREFIX, STAMP, Attribute, ExrFormat, in_display_window, temporary_picture
from .library_output import libraries_silenced
from .primaries import PQ_CURVE

_SHORT_NUMBERS = ("int8", "uint8", "int16", "uint16")
_DROPPED_TYPES = re.compile(
    r"u?int64|(u?int8|u?int16|uint|u?int64|half|double|rational)\[\d+\]|int\[([4-9]|\d\d+)\]"
)
"""OpenImageIO's types that EXR has no equal of; their numbers become a text."""


def encode_exr(image: Image, layers: Mapping[str, Image], form: ExrFormat) -> bytes:
    """An EXR as bytes: ``image``'s channels, and each of ``layers`` as ``name.channel``.

    All layers have ``image``'s windows. The channel of a one-channel layer is called V, which Blender shows as a
    value and Nuke as a channel. Layers are half floats, whatever the depth of ``image``: none is more exact, and
    they cost half as much to pack. Half floats are clamped to 65504, half's largest number.
    """
    return _encoded(".exr", image, layers, form)


@libraries_silenced()
def _encoded(suffix: str, image: Image, layers: Mapping[str, Image], form: ExrFormat) -> bytes:
    """The bytes of a whole file. Raises ``OSError``, and ``MatteError`` as :func:`write_image` does."""
    with temporary_picture(suffix) as path:
        _encode(path, suffix, image, layers, form)
        if not is_whole(path, suffix):
            raise OSError(errno.ENOSPC, "the temporary folder may be full")
        return path.read_bytes()


def write_image(
    path: Path,
    image: Image,
    form: ExrFormat | None = None,
    layers: Mapping[str, Image] | None = None,
    name: str = "",
    replaces: bool = True,
) -> None:
    """Writes ``image`` in the format of the path's suffix: the whole file or none. Creates the folder. ``layers``
    are for EXR, as in :func:`encode_exr`.

    Values are stored as given: floats in EXR; in other formats integers of 0 to 1, 8 bit in JPEG and 16 bit
    elsewhere. Those hold the display window, black and transparent beyond the data window. Raises
    ``MatteError("cannot_write", ...)``, which calls the file ``name`` where that is not its path, and
    ``FileExistsError`` where a file is there by then that it may not replace.
    """
    try:
        data = _encoded(path.suffix.lower(), image, layers or {}, form or ExrFormat())
        write_atomically(str(path), data, replaces)
    except OSError as error:
        if isinstance(error, FileExistsError) and not replaces:
            raise
        raise MatteError("cannot_write", f"{name or path} cannot be written: {error.strerror or error}.") from None


def _encode(path: Path, suffix: str, image: Image, layers: Mapping[str, Image], form: ExrFormat) -> None:
    """Writes the file of the format that ``suffix`` names to ``path``, whatever the path's own name is."""
    if suffix == ".exr":
        _encode_exr(path, image, layers, form)
        return
    image = in_display_window(image)
    window = image.data_window
    stored = "uint8" if suffix in (".jpg", ".jpeg") else "uint16"
    spec = oiio.ImageSpec(window.width, window.height, len(image.channels), oiio.TypeDesc(stored))
    spec.channelnames = image.channels
    if not image.premultiplied:
        spec.attribute("oiio:UnassociatedAlpha", 1)
    if isinstance(stamp := image.metadata.get(STAMP), Attribute):
        # The only text attribute that both PNG and TIFF keep.
        spec.attribute("ImageDescription", f"{STAMP}={stamp.value}")
    spec.attribute("DateTime", "")
    spec.attribute("PixelAspectRatio", float(image.pixel_aspect))
    _state_colour(spec, suffix, image)
    _store(path, suffix, spec, np.ascontiguousarray(image.pixels))


def _state_colour(spec: oiio.ImageSpec, suffix: str, image: Image) -> None:
    """Has the file say which colourspace ``image`` is in: sRGB in the words of PNG and JPEG, others that numbers
    define by an ICC profile, PQ and HLG by PNG's cICP. Log curves have no tag, and grey pictures are data."""
    space = image.colourspace if len(image.channels) >= 3 else ""
    # In a TIFF, the words for sRGB move its directory, and with it our stamp, to the file's end.
    numbers = tag_numbers(space) if space != SRGB or suffix in (".tif", ".tiff") else None
    if numbers is not None and numbers.curve != PQ_CURVE:
        profile = np.frombuffer(profile_of(numbers), np.uint8)
        spec.attribute("ICCProfile", oiio.TypeDesc(f"uint8[{profile.size}]"), profile)
        space = ""
    # Without this attribute, OpenImageIO calls every PNG sRGB.
    spec.attribute("oiio:ColorSpace", interop_id(space) or "unknown")


def _store(path: Path, suffix: str, spec: oiio.ImageSpec, pixels: Float32) -> None:
    writer = oiio.ImageOutput.create(f"picture{suffix}")
    if writer is None:
        oiio.geterror()
        raise MatteError("cannot_write", f"{suffix!r} is not the suffix of a format that can be written.")
    try:
        if not writer.open(str(path), spec) or not writer.write_image(pixels):
            raise OSError(_reason(writer))
    except RuntimeError:
        # A standard attribute has a type that it cannot have; OpenImageIO does not say which.
        raise MatteError(
            "bad_metadata",
            "The plate's metadata cannot be written to an EXR: a standard attribute has a wrong type.",
            "Remove that attribute from the plate.",
        ) from None
    finally:
        closed = writer.close()
    if not closed:
        raise OSError(_reason(writer))


def _reason(writer: oiio.ImageOutput) -> str:
    """Why OpenImageIO could not write: the first line of what it says."""
    return next(iter(writer.geterror().strip().splitlines()), "the disk may be full")


def _encode_exr(path: Path, image: Image, layers: Mapping[str, Image], form: ExrFormat) -> None:
    stored = to_half if form.bit_depth == "half" else np.ascontiguousarray
    planes = {name: stored(image.pixels[..., index]) for index, name in enumerate(image.channels)}
    for layer, picture in layers.items():
        for index, channel in enumerate(picture.channels):
            name = channel if len(picture.channels) > 1 else "V"
            planes[f"{layer}.{name}"] = to_half(picture.pixels[..., index])
    exr_planes.write(
        path,
        planes,
        image.data_window,
        image.display_window,
        image.pixel_aspect,
        form.compression,
        _described(image),
    )


def _described(image: Image) -> dict[str, exr_header.RawAttribute]:
    """The attributes of ``image`` as EXR stores them. Those that came from an EXR are bytes already."""
    raw = {name: value for name, value in image.metadata.items() if isinstance(value, exr_header.RawAttribute)}
    others = {name: value for name, value in image.metadata.items() if isinstance(value, Attribute)}
    for name, value in list(others.items()):
        if stored := _as_raw(name, value):
            raw[name] = stored
            del others[name]
    if "A" in image.channels and not image.premultiplied:
        raw[exr_header.UNPREMULTIPLIED] = exr_header.RawAttribute(type="int", data=struct.pack("<i", 1))
    return {**(_as_exr(others) if others else {}), **raw}


def _as_raw(name: str, attribute: Attribute) -> exr_header.RawAttribute | None:
    """An attribute that OpenImageIO's EXR writer would rename or drop without a word; None for all others."""
    kind, value = attribute.type, attribute.value
    if name.startswith(OWN_PREFIX) and kind == "string":
        return exr_header.RawAttribute(type="string", data=str(value).encode())
    if kind in _SHORT_NUMBERS and isinstance(value, int):
        return exr_header.RawAttribute(type="int", data=struct.pack("<i", value))
    if kind in ("double", "half") and isinstance(value, float):
        return exr_header.RawAttribute(type="double", data=struct.pack("<d", value))
    if _DROPPED_TYPES.fullmatch(kind):
        return exr_header.RawAttribute(type="string", data=_listed(value).encode())
    return None


def _listed(value: object) -> str:
    return " ".join(map(str, np.ravel(np.asarray(value)).tolist()))


def _as_exr(attributes: Mapping[str, Attribute]) -> dict[str, exr_header.RawAttribute]:
    """Attributes of other formats under EXR's names, as OpenImageIO writes them into an EXR of one pixel."""
    spec = oiio.ImageSpec(1, 1, 1, "half")
    for name, attribute in attributes.items():
        spec.attribute(name, oiio.TypeDesc(attribute.type), attribute.value)
    if "DateTime" not in attributes:
        # OpenImageIO would set the current time, and equal results would not have equal bytes.
        spec.attribute("DateTime", "")
    with temporary_picture(".exr") as path:
        _store(path, ".exr", spec, np.zeros((1, 1, 1), np.float32))
        return exr_header.inherited(exr_header.parts(path.read_bytes())[0], is_multi_part=False)
