"""Reads EXRs: the header here, byte by byte, and the pixels through OpenEXR's or OpenImageIO's module."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import OpenImageIO as oiio

from ..core.image import Float32, Image
from ..errors import MatteError
from . import exr_planes
from .exr_channels import ChosenChannels, choose_channels
from .exr_header import UNPREMULTIPLIED, inherited, read_parts, without_attributes
from .exr_part import PIXEL_ASPECT, UINT, ExrPart, part_of
from .exr_single_part import single_part
from .file_colour import exr_colour
from .half import to_float
from .image_file import ReadLimits, check_size, temporary_picture, unreadable
from .library_output import output_silenced
from .luma_chroma import to_colour


def read_exr(path: Path, label: str, layer: str, view: str, limits: ReadLimits) -> Image:
    """The picture in an EXR: see :func:`image_reader.read_image`."""
    parts = exr_parts(path, label)
    chosen = choose_channels(parts, label, layer, view)
    part = parts[chosen.part]
    check_size(part.data_window, part.display_window, len(part.channels), label, limits)
    _check_samples(part, label)
    if part.compression not in exr_planes.KNOWN_COMPRESSIONS:
        reason = f"compression number {part.compression} is not supported"
        raise unreadable(path, label, reason)
    with output_silenced() if part.compression in exr_planes.HTJ2K else contextlib.nullcontext():
        pixels = _pixels(path, label, parts, chosen)
    colour = exr_colour(part)
    channels = ("R", "G", "B", "A")[: pixels.shape[2]]
    return Image(
        pixels=pixels,
        channels=channels,
        data_window=part.data_window,
        display_window=part.display_window,
        pixel_aspect=part.pixel_aspect,
        colourspace=colour.space,
        premultiplied="A" in channels and not any(part.numbers(UNPREMULTIPLIED, "int", "<i")),
        metadata=inherited(part.attributes, is_multi_part=len(parts) > 1),
        warnings=_impossible_aspect(part),
        colour_warnings=colour.warnings,
        read_from=chosen.names[:3],
    )


def _impossible_aspect(part: ExrPart) -> tuple[str, ...]:
    (stated,) = part.numbers(PIXEL_ASPECT, "float", "<f") or (part.pixel_aspect,)
    if stated == part.pixel_aspect:
        return ()
    return (f"The tag {PIXEL_ASPECT} {stated:g} is impossible and counts as 1.",)


def exr_parts(path: Path, label: str) -> list[ExrPart]:
    """The headers of an EXR's parts. Raises ``MatteError("unreadable", ...)``, which calls it ``label``."""
    with path.open("rb") as file:
        stored = read_parts(file)
    try:
        parts = [part_of(attributes) for attributes in stored]
    except ValueError as error:
        raise unreadable(path, label, str(error)) from None
    if not parts:
        raise unreadable(path, label, "its header is damaged or incomplete")
    return parts


def _check_samples(part: ExrPart, label: str) -> None:
    odd = next((channel.name for channel in part.channels if not channel.fits(part.data_window)), None)
    if odd is not None:
        raise MatteError(
            "unreadable",
            f"{label} cannot be read: its data window does not begin and end with a sample of its channel {odd}.",
            "Write it again with a data window of even origin and size, or without subsampled channels.",
        )


def _pixels(path: Path, label: str, parts: Sequence[ExrPart], chosen: ChosenChannels) -> Float32:
    try:
        return _decoded(path, label, parts, chosen)
    except MatteError as refused:
        # The libraries refuse whole files for an attribute that says nothing about the pixels: of another type than
        # usual, or a frame rate of 0/0.
        plain = without_attributes(path.read_bytes()) if len(parts) == 1 else None
        if plain is None:
            raise
        with temporary_picture(".exr") as plain_path:
            plain_path.write_bytes(plain)
            with contextlib.suppress(MatteError):
                return _decoded(plain_path, label, parts, chosen)
        raise refused from None


def _decoded(path: Path, label: str, parts: Sequence[ExrPart], chosen: ChosenChannels) -> Float32:
    part = parts[chosen.part]
    try:
        if chosen.is_luma_chroma:
            return to_colour(_stored(path, parts, chosen), part)
        if len(parts) > 1 and not all(channel.is_full_size for each in parts for channel in each.channels):
            # OpenImageIO reads no part of such a file.
            return np.stack([channel.samples for channel in _stored(path, parts, chosen)], -1)
        full_size = {channel.name for channel in part.channels if channel.is_full_size}
        if len(parts) == 1 and part.is_scanline and full_size.issuperset(chosen.names):
            pixels = exr_planes.read(path, chosen.names, part.data_window)
            if pixels is not None:
                return pixels
        return _by_openimageio(path, label, part, chosen)
    except (UnicodeError, RuntimeError, ValueError, ArithmeticError) as error:
        # The modules raise these on damaged headers and data.
        raise unreadable(path, label, str(error)) from None


def _stored(path: Path, parts: Sequence[ExrPart], chosen: ChosenChannels) -> list[exr_planes.StoredChannel]:
    """The channels as they are stored; of several parts only theirs is decoded, where the file is whole."""
    data = None
    if len(parts) > 1:
        with path.open("rb") as file:
            data = single_part(file, chosen.part)
    if data is None:
        return exr_planes.read_stored(path, chosen.part, chosen.names)
    with temporary_picture(".exr") as alone:
        alone.write_bytes(data)
        return exr_planes.read_stored(alone, 0, chosen.names)


def _by_openimageio(path: Path, label: str, part: ExrPart, chosen: ChosenChannels) -> Float32:
    reader = oiio.ImageInput.open(str(path))
    if reader is None:
        raise unreadable(path, label, oiio.geterror())
    try:
        spec = reader.spec(chosen.part)
        missing = set(chosen.names) - set(spec.channelnames)
        if missing:
            raise unreadable(path, label, f"OpenImageIO does not find the channel {min(missing)}")
        indices = [spec.channelnames.index(name) for name in chosen.names]
        pixels = _floats(reader, part, chosen, indices)
        if pixels is None or reader.has_error:
            raise unreadable(path, label, reader.geterror())
        return pixels
    finally:
        reader.close()


def _floats(
    reader: oiio.ImageInput, part: ExrPart, chosen: ChosenChannels, indices: Sequence[int]
) -> Float32 | None:
    """The channels as floats. Whole numbers are read as such, because OpenImageIO would scale them to 0 to 1."""
    types = {channel.name: channel.sample_type for channel in part.channels}
    if UINT not in (types[name] for name in chosen.names):
        return read_channels(reader, chosen.part, indices)
    planes = [
        read_channels(reader, chosen.part, [index], oiio.UINT if types[name] == UINT else None)
        for name, index in zip(chosen.names, indices, strict=True)
    ]
    found = [plane for plane in planes if plane is not None]
    return np.concatenate(found, axis=-1) if len(found) == len(planes) else None


def read_channels(
    reader: oiio.ImageInput, subimage: int, indices: Sequence[int], kind: oiio.BASETYPE | None = None
) -> Float32 | None:
    """The wanted channels, planar in memory; None if they cannot be decoded. Other channels of the file are decoded
    only if they are few. ``kind``: the type to read them as, if not floats."""
    first, last = min(indices), max(indices)
    spec = reader.spec(subimage)
    # Half floats are read as they are, because to_float converts them faster than OpenImageIO does.
    all_half = spec.format.basetype == oiio.BASETYPE.HALF and not spec.channelformats
    kind = kind or (oiio.HALF if all_half else oiio.FLOAT)
    if last - first < 2 * len(indices):
        pixels = reader.read_image(subimage, 0, first, last + 1, kind)
        in_order = list(indices) == list(range(first, last + 1))
        wanted = slice(None) if in_order else [index - first for index in indices]
        found = None if pixels is None else pixels[..., wanted]
    else:
        read = (reader.read_image(subimage, 0, index, index + 1, kind) for index in indices)
        planes = [plane for plane in read if plane is not None]
        found = np.concatenate(planes, axis=-1) if len(planes) == len(indices) else None
    if found is None:
        return None
    planar = np.moveaxis(found, -1, 0)
    as_float = to_float(planar) if planar.dtype in (np.float16, np.float32) else planar.astype(np.float32)
    return np.moveaxis(as_float, 0, -1)
