"""Reads EXRs: the header here, byte by byte, and the pixels through OpenEXR's module."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..core.image import Float32, Image
from ..errors import MatteError
from . import exr_planes
from .exr_channels import ChosenChannels, choose_channels
from .exr_header import UNPREMULTIPLIED, inherited, read_parts, without_attributes
from .exr_part import PIXEL_ASPECT, ExrPart, part_of
from .exr_single_part import single_part
from .file_colour import exr_colour
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
        with _part_alone(path, len(parts), chosen.part) as alone:
            if chosen.is_luma_chroma:
                return to_colour(exr_planes.read_stored(alone, chosen.names), part)
            return exr_planes.read(alone, chosen.names, part.data_window)
    except (OSError, TypeError, UnicodeError, RuntimeError, ValueError, ArithmeticError) as error:
        # The module raises these on damaged headers and data.
        raise unreadable(path, label, str(error)) from None


@contextlib.contextmanager
def _part_alone(path: Path, count: int, index: int) -> Iterator[Path]:
    """The path of an EXR that holds part ``index`` of ``count`` alone, so that only its pixels are decoded. Raises
    ``ValueError`` where not all of them are there."""
    if count == 1:
        yield path
        return
    with path.open("rb") as file:
        data = single_part(file, index)
    if data is None:
        raise ValueError("not all of its pixels are there")
    with temporary_picture(".exr") as alone:
        alone.write_bytes(data)
        yield alone
