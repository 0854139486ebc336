"""Reads still pictures through OpenImageIO, from bytes or from a path.

Sizes are checked in the header before any pixel is decoded. Windows, pixel aspect and attributes are kept exactly.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import OpenImageIO as oiio

from ..core.image import Float32, Image
from ..core.window import Window
from ..errors import MatteError
from . import exr_header, exr_planes, luma_chroma
from .colour import default_space, space_of_primaries
from .exr_channels import colour_channels
from .half import to_float
from .image_file import DEFAULT_LIMITS, Attribute, ReadLimits, temporary_picture


def read_image(
    source: bytes | memoryview | Path,
    *,
    name: str = "",
    layer: str = "",
    view: str = "",
    limits: ReadLimits = DEFAULT_LIMITS,
    by_planes: bool = False,
) -> Image:
    """The picture in ``source``: R, G, B and, if the file has it, A; float32, unclamped.

    Grey pictures become R = G = B. ``layer`` reads ``layer.R`` ... instead of ``R`` ...; ``view`` reads the part or
    channels of one eye. The image's ``colourspace`` follows :func:`colour.default_space`; callers may replace it.
    The colour of an EXR with alpha counts as premultiplied. ``name`` is what messages call the picture; without it
    they use the path. ``by_planes`` reads EXRs faster, but the OpenEXR library then prints errors of damaged files
    to standard output. Raises ``MatteError`` with the codes missing_file, unreadable, deep, too_large, no_colour,
    no_layer, no_view.
    """
    if isinstance(source, Path):
        if not source.exists():
            raise MatteError("missing_file", f"{name or source} does not exist.")
        return _read_file(source, name or str(source), layer, view, limits, by_planes)
    label = name or "the picture"
    with temporary_picture(Path(name).suffix or ".exr") as path:
        path.write_bytes(source)
        return _read_file(path, label, layer, view, limits, by_planes)


def _read_file(path: Path, label: str, layer: str, view: str, limits: ReadLimits, by_planes: bool) -> Image:
    try:
        return _decoded(path, label, layer, view, limits, by_planes)
    except (UnicodeDecodeError, RuntimeError):
        # OpenImageIO's Python module raises these on names that are not UTF-8 and on attributes of impossible
        # types.
        raise _unreadable(path, label, "its header is damaged") from None


def _decoded(path: Path, label: str, layer: str, view: str, limits: ReadLimits, by_planes: bool) -> Image:
    hints = oiio.ImageSpec()
    # Without this, OpenImageIO multiplies the colour of PNG and TIFF by their alpha.
    hints.attribute("oiio:UnassociatedAlpha", 1)
    reader = oiio.ImageInput.open(str(path), hints)
    if reader is None:
        reason = oiio.geterror()
        if "subsampled" in reason.lower():
            return _from_luma_chroma(path, label, limits)
        raise _unreadable(path, label, reason)
    try:
        if set(reader.spec().channelnames) >= luma_chroma.CHANNELS and not layer:
            return _from_luma_chroma(path, label, limits)
        subimage, indices, channels = _find_part(reader, label, layer, view)
        spec = reader.spec(subimage)
        _check_size(spec, label, limits)
        chosen = _read_planes(path, reader, indices) if by_planes else None
        if chosen is None:
            chosen = _read_channels(reader, subimage, indices)
        if chosen is None or reader.has_error:
            raise _unreadable(path, label, reader.geterror())
        image = _image(spec, reader.format_name(), chosen, channels)
        return replace(image, metadata={**image.metadata, **_raw_attributes(path, subimage)})
    finally:
        reader.close()


def _from_luma_chroma(path: Path, label: str, limits: ReadLimits) -> Image:
    """Reads a luminance-chroma EXR (Y, RY, BY) as R, G, B."""
    try:
        data = luma_chroma.window_of(path)
        if data is None:
            raise MatteError("no_colour", f"{label} has neither R, G, B nor Y, RY, BY.")
        _check_size(oiio.ImageSpec(data.width, data.height, 3, "float"), label, limits)
        found = luma_chroma.read(path)
    except (RuntimeError, ValueError) as error:
        raise _unreadable(path, label, str(error)) from None
    kept = {
        name: Attribute(type=kind, value=value)
        for name, (kind, value) in found.attributes.items()
        if not exr_header.structural(name)
    }
    channels = ("R", "G", "B", "A")[: found.pixels.shape[2]]
    tag = space_of_primaries(found.attributes.get("chromaticities", ("", None))[1])
    return Image(
        pixels=found.pixels,
        channels=channels,
        data_window=found.data_window,
        display_window=found.display_window,
        pixel_aspect=found.pixel_aspect,
        colourspace=default_space("openexr", True, tag),
        premultiplied="A" in channels,
        metadata=kept,
    )


def _read_planes(path: Path, reader: oiio.ImageInput, indices: Sequence[int]) -> Float32 | None:
    """The wanted channels of a single-part scanline EXR that has few other channels; None for other files."""
    if reader.format_name() != "openexr" or reader.seek_subimage(1, 0):
        return None
    spec = reader.spec(0)
    if spec.tile_width or spec.nchannels > 2 * len(indices):
        return None
    return exr_planes.read(path, [spec.channelnames[index] for index in indices])


def _read_channels(reader: oiio.ImageInput, subimage: int, indices: Sequence[int]) -> Float32 | None:
    """The wanted channels, planar in memory. Other channels of the file are decoded only if they are few."""
    first, last = min(indices), max(indices)
    spec = reader.spec(subimage)
    # Half floats are read as they are, because to_float converts them faster than OpenImageIO does.
    all_half = spec.format.basetype == oiio.BASETYPE.HALF and not spec.channelformats
    kind = oiio.HALF if all_half else oiio.FLOAT
    if last - first < 2 * len(indices):
        pixels = reader.read_image(subimage, 0, first, last + 1, kind)
        in_order = list(indices) == list(range(first, last + 1))
        wanted = slice(None) if in_order else [index - first for index in indices]
        parts = None if pixels is None else pixels[..., wanted]
    else:
        read = (reader.read_image(subimage, 0, index, index + 1, kind) for index in indices)
        planes = [plane for plane in read if plane is not None]
        parts = np.concatenate(planes, axis=-1) if len(planes) == len(indices) else None
    return None if parts is None else np.moveaxis(to_float(np.moveaxis(parts, -1, 0)), 0, -1)


def _unreadable(path: Path, label: str, reason: str) -> MatteError:
    lines = reason.replace(str(path), label).replace("\x00", "").strip().splitlines()
    first = lines[0].rstrip(".") if lines else "the file is damaged or of an unknown format"
    return MatteError(
        "unreadable",
        f"{label} cannot be read: {first[:200]}.",
        "It may be truncated or still being written; render or copy it again.",
    )


def _check_size(spec: oiio.ImageSpec, label: str, limits: ReadLimits) -> None:
    side = max(spec.width, spec.height, spec.full_width, spec.full_height)
    if side > limits.side or spec.width * spec.height > limits.pixels or spec.nchannels > limits.channels:
        raise MatteError(
            "too_large",
            f"{label} is {spec.width} x {spec.height} with {spec.nchannels} channels, more than this server "
            f"takes ({limits.side} a side, {limits.pixels} pixels).",
        )


def _find_part(
    reader: oiio.ImageInput, label: str, layer: str, view: str
) -> tuple[int, list[int], tuple[str, ...]]:
    """The first subimage that has the colour, the indices of its colour channels, and their plain names."""
    seen: list[str] = []
    views: list[str] = []
    subimage = 0
    while reader.seek_subimage(subimage, 0):
        spec = reader.spec(subimage)
        if spec.deep:
            raise MatteError(
                "deep", f"{label} is a deep EXR, which has no single alpha per pixel.", "Flatten it first."
            )
        part = str(spec.getattribute("oiio:subimagename") or "")
        part_view = str(spec.getattribute("view") or "")
        views += [part_view] if part_view else _views_inside(spec)
        if view and view not in views and views and not part_view:
            break
        found = colour_channels(spec.channelnames, part, part_view, layer, view)
        if found:
            return subimage, [index for index, _ in found], tuple(name for _, name in found)
        seen += spec.channelnames
        subimage += 1
    if view and views and view not in views:
        raise MatteError("no_view", f"{label} has no view {view!r}.", f"Its views are {', '.join(views)}.")
    if layer:
        raise MatteError(
            "no_layer", f"{label} has no layer {layer!r}.", f"Its channels are {', '.join(seen[:20])}."
        )
    raise MatteError("no_colour", f"{label} has no R, G, B.", f"Its channels are {', '.join(seen[:20])}.")


def _views_inside(spec: oiio.ImageSpec) -> list[str]:
    """The views that one part holds in differently named channels."""
    listed = spec.getattribute("multiView")
    return [listed] if isinstance(listed, str) else [str(name) for name in listed or ()]


def _image(spec: oiio.ImageSpec, file_format: str, pixels: Float32, channels: tuple[str, ...]) -> Image:
    is_float = spec.format.basetype in (oiio.BASETYPE.HALF, oiio.BASETYPE.FLOAT, oiio.BASETYPE.DOUBLE)
    tag = str(spec.getattribute("oiio:ColorSpace") or "") if is_float or file_format == "dpx" else ""
    if file_format == "openexr":
        # The file's own attributes come before OpenImageIO's guess.
        stored = spec.getattribute("colorInteropID"), space_of_primaries(spec.getattribute("chromaticities"))
        tag = next((str(space) for space in stored if space), tag)
    associated = not (
        spec.get_int_attribute("oiio:UnassociatedAlpha", 0) or spec.get_int_attribute(exr_header.UNPREMULTIPLIED, 0)
    )
    return Image(
        pixels=pixels,
        channels=channels,
        data_window=Window(spec.x, spec.y, spec.width, spec.height),
        display_window=Window(spec.full_x, spec.full_y, spec.full_width, spec.full_height),
        pixel_aspect=float(spec.get_float_attribute("PixelAspectRatio", 1.0)) or 1.0,
        colourspace=default_space(file_format, is_float, tag),
        premultiplied="A" in channels and is_float and associated,
        metadata=_attributes(spec),
    )


def _attributes(spec: oiio.ImageSpec) -> dict[str, object]:
    kept: dict[str, object] = {}
    for entry in spec.extra_attribs:
        # Texts that are not UTF-8, such as Latin-1 from some cameras, cannot pass through Python and are left out.
        with contextlib.suppress(UnicodeError):
            if not exr_header.structural(entry.name):
                f"{entry.name} {entry.value}".encode()
                kept[entry.name] = Attribute(type=str(entry.type), value=entry.value)
    return kept


def _raw_attributes(path: Path, part: int) -> dict[str, object]:
    """The attributes of an EXR part that OpenImageIO would lose, as bytes."""
    with path.open("rb") as file:
        found = exr_header.parts(file.read(exr_header.HEADER_LIMIT))
    if part >= len(found):
        return {}
    lost = ((name, value) for name, value in found[part].items() if value.type not in exr_header.CARRIED)
    return {name: value for name, value in lost if not exr_header.structural(name)}
