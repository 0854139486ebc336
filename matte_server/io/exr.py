"""Reads and writes pictures; the only file that knows OpenImageIO's files.

Pictures come in as bytes or as a path, and sizes are checked in the header before any pixel is decoded.
What a format cannot say is not invented: windows, pixel aspect and attributes are kept exactly.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import OpenImageIO as oiio

from ..core.image import Float32, Image
from ..core.window import Window
from ..errors import MatteError
from . import exr_header, exr_planes, luma_chroma
from .colour import default_space, primaries_of, space_of_primaries
from .exr_channels import colour_channels
from .half import to_float, to_half

STAMP = "cleanplate:stamp"
DIAGNOSTICS = "cleanplate:diagnostics"
COVERAGE_LAYER = "coverage"
"""Where a clean plate that was built from its shot says how far it is known: 0 where it is not."""
CHROMA = luma_chroma.CHANNELS
# What of a file's attributes says which space its colour is in.
_COLOUR_TAGS = ("chromaticities", "colorInteropID")


@dataclass(frozen=True)
class ReadLimits:
    """The largest picture that is decoded: longest side and number of pixels in the data window."""

    side: int = 32768
    pixels: int = 1 << 27
    channels: int = 1024


DEFAULT_LIMITS = ReadLimits()


@dataclass(frozen=True)
class Attribute:
    """One attribute of a file: its type as OpenImageIO writes it ("string", "float[16]", ...) and value."""

    type: str
    value: object


@dataclass(frozen=True)
class ExrFormat:
    """How an EXR is stored."""

    bit_depth: str = "half"
    compression: str = "zip"


def use_threads(count: int) -> None:
    """How many threads a picture is decoded and encoded with in this process."""
    oiio.attribute("threads", count)
    # OpenEXR has pools of its own: OpenImageIO's, as large as the machine where nobody says otherwise, and ours.
    oiio.attribute("exr_threads", count)
    exr_planes.use_threads(count)


def known_formats() -> tuple[str, ...]:
    """Names of the picture formats that can be read here."""
    return tuple(str(oiio.get_string_attribute("format_list")).split(","))


def read_image(
    source: bytes | memoryview | Path,
    *,
    name: str = "",
    layer: str = "",
    view: str = "",
    limits: ReadLimits = DEFAULT_LIMITS,
    by_planes: bool = False,
) -> Image:
    """The picture in ``source``: R, G, B and, where the file has it, A; float32, unclamped.

    Grey pictures become R = G = B. ``layer`` takes ``layer.R`` ... instead of ``R`` ...; ``view`` takes the
    part or channels of one eye. ``colourspace`` is the rule of :func:`colour.default_space`, which callers
    may replace. EXR colour with alpha counts as premultiplied. Raises ``MatteError`` with the codes
    missing_file, unreadable, deep, too_large, no_colour, no_layer, no_view; ``name`` is what they call the picture,
    where that is not its path. ``by_planes`` is quicker with EXRs, but the library prints what is wrong with a
    damaged one: for a process whose standard output is a log.
    """
    if isinstance(source, Path):
        if not source.exists():
            raise MatteError("missing_file", f"{name or source} does not exist.")
        return _read_file(source, name or str(source), layer, view, limits, by_planes)
    label = name or "the picture"
    with _spool(Path(name).suffix or ".exr") as path:
        path.write_bytes(source)
        return _read_file(path, label, layer, view, limits, by_planes)


@contextlib.contextmanager
def _spool(suffix: str) -> Iterator[Path]:
    """A file in memory where the machine has such a place: OpenImageIO's Python cannot read from bytes."""
    memory = Path("/dev/shm")
    folder = str(memory) if memory.is_dir() and os.access(memory, os.W_OK) else None
    safe = suffix.lower() if suffix[1:].isalnum() else ".exr"
    with tempfile.TemporaryDirectory(prefix="cleanplate-", dir=folder) as temporary:
        yield Path(temporary) / f"picture{safe}"


def _read_file(path: Path, label: str, layer: str, view: str, limits: ReadLimits, by_planes: bool) -> Image:
    try:
        return _decoded(path, label, layer, view, limits, by_planes)
    except (UnicodeDecodeError, RuntimeError):
        # What OpenImageIO's Python raises on names that are no UTF-8 and on attributes of impossible types.
        raise _unreadable(path, label, "its header is damaged") from None


def _decoded(path: Path, label: str, layer: str, view: str, limits: ReadLimits, by_planes: bool) -> Image:
    hints = oiio.ImageSpec()
    # Colour is wanted as it is stored: OpenImageIO would multiply PNG and TIFF by their alpha.
    hints.attribute("oiio:UnassociatedAlpha", 1)
    reader = oiio.ImageInput.open(str(path), hints)
    if reader is None:
        reason = oiio.geterror()
        if "subsampled" in reason.lower():
            return _from_luma_chroma(path, label, limits)
        raise _unreadable(path, label, reason)
    try:
        if set(reader.spec().channelnames) >= CHROMA and not layer:
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
    """Y, RY, BY as R, G, B; sizes are checked in the header first."""
    try:
        data = luma_chroma.window_of(path)
        if data is None:
            raise MatteError("no_colour", f"{label} has no R, G, B and no whole Y, RY, BY.")
        _check_size(oiio.ImageSpec(data.width, data.height, 3, "float"), label, limits)
        found = luma_chroma.read(path)
    except (RuntimeError, ValueError) as error:
        raise _unreadable(path, label, str(error)) from None
    kept = {
        name: Attribute(kind, value)
        for name, (kind, value) in found.attributes.items()
        if not exr_header.structural(name)
    }
    channels = ("R", "G", "B", "A")[: found.pixels.shape[2]]
    return Image(
        found.pixels,
        channels,
        found.data_window,
        found.display_window,
        found.pixel_aspect,
        default_space("openexr", True, space_of_primaries(found.attributes.get("chromaticities", ("", None))[1])),
        "A" in channels,
        kept,
    )


def _read_planes(path: Path, reader: oiio.ImageInput, indices: Sequence[int]) -> Float32 | None:
    """The wanted channels where an EXR of a single part, in lines, holds hardly any others; else None."""
    if reader.format_name() != "openexr" or reader.seek_subimage(1, 0):
        return None
    spec = reader.spec(0)
    if spec.tile_width or spec.nchannels > 2 * len(indices):
        return None
    return exr_planes.read(path, [spec.channelnames[index] for index in indices])


def _read_channels(reader: oiio.ImageInput, subimage: int, indices: Sequence[int]) -> Float32 | None:
    """The wanted channels only, plane after plane: what lies between them in the file is never held in full."""
    first, last = min(indices), max(indices)
    spec = reader.spec(subimage)
    # Half is read as half: floats are made of it here in a fraction of the time that OpenImageIO takes.
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
    """Which subimage and which of its channels hold the colour: the first part that has it."""
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
    """The views that a part holds side by side in its channels."""
    listed = spec.getattribute("multiView")
    return [listed] if isinstance(listed, str) else [str(name) for name in listed or ()]


def _image(spec: oiio.ImageSpec, file_format: str, pixels: Float32, channels: tuple[str, ...]) -> Image:
    is_float = spec.format.basetype in (oiio.BASETYPE.HALF, oiio.BASETYPE.FLOAT, oiio.BASETYPE.DOUBLE)
    tag = str(spec.getattribute("oiio:ColorSpace") or "") if is_float or file_format == "dpx" else ""
    if file_format == "openexr":
        # What the file itself says, before OpenImageIO's own rule.
        told = spec.getattribute("colorInteropID"), space_of_primaries(spec.getattribute("chromaticities"))
        tag = next((str(space) for space in told if space), tag)
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
        # Some cameras write Latin-1, which cannot be carried through Python: only that text is left behind.
        with contextlib.suppress(UnicodeError):
            if not exr_header.structural(entry.name):
                f"{entry.name} {entry.value}".encode()
                kept[entry.name] = Attribute(str(entry.type), entry.value)
    return kept


def _raw_attributes(path: Path, part: int) -> dict[str, object]:
    """What OpenImageIO would lose of an EXR part's attributes, as bytes."""
    with path.open("rb") as file:
        found = exr_header.parts(file.read(exr_header.HEADER_LIMIT))
    if part >= len(found):
        return {}
    lost = ((name, value) for name, value in found[part].items() if value.type not in exr_header.CARRIED)
    return {name: value for name, value in lost if not exr_header.structural(name)}


def retagged(image: Image, written_for: str) -> Image:
    """``image`` with tags of colour that are true: its metadata comes from a picture in ``written_for``. Where
    that is still its space they stay; else they give way to the primaries of a linear space, which is all that an
    EXR's tag can say."""
    if image.colourspace == written_for:
        return image
    kept = {name: value for name, value in image.metadata.items() if name not in _COLOUR_TAGS}
    primaries = primaries_of(image.colourspace)
    if primaries is not None:
        kept["chromaticities"] = Attribute("float[8]", primaries)
    return replace(image, metadata=kept)


def read_stamp(path: Path) -> str:
    """What a picture's writer was told that it was made from; empty where it is not one of ours."""
    spec = _spec_of(path)
    if spec is None:
        return ""
    described = str(spec.getattribute("ImageDescription") or "").partition(f"{STAMP}=")[2]
    return str(spec.getattribute(STAMP) or described)


def layers_of(path: Path) -> frozenset[str]:
    """Names of an EXR's layers in its first part; none for other formats and unreadable files."""
    spec = _spec_of(path) if path.suffix.lower() == ".exr" else None
    names = spec.channelnames if spec else ()
    return frozenset(name.rpartition(".")[0] for name in names if "." in name)


def read_diagnostics(path: Path) -> dict[str, object]:
    """The figures that the server wrote into one of its results; empty where the picture is none of ours."""
    spec = _spec_of(path)
    try:
        found = json.loads(str(spec.getattribute(DIAGNOSTICS) or "{}")) if spec else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _spec_of(path: Path) -> oiio.ImageSpec | None:
    """What the header says of a file's first picture; None where it cannot be read."""
    reader = oiio.ImageInput.open(str(path))
    if reader is None:
        oiio.geterror()
        return None
    try:
        return reader.spec(0)
    finally:
        reader.close()


def encode_exr(image: Image, layers: Mapping[str, Image], form: ExrFormat) -> bytes:
    """An EXR's bytes: ``image``'s channels, then each of ``layers`` as ``name.channel``.

    All share ``image``'s windows; a one-channel layer's channel is called V, which Blender shows as a value
    and Nuke as a channel. Half clips at its largest number, 65504, instead of turning to infinity.
    """
    with _spool(".exr") as path:
        _write(path, image, layers, form)
        return path.read_bytes()


def write_image(
    path: Path, image: Image, form: ExrFormat | None = None, layers: Mapping[str, Image] | None = None
) -> None:
    """Writes ``image`` as the format its name asks for, as temporary + rename; creates the folder. ``layers``
    are for EXR, as in :func:`encode_exr`.

    EXR is written as it is; other formats get sRGB-ready values as given, 16 bit where the format has it.
    Raises ``MatteError("cannot_write", ...)``.
    """
    temporary = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}.tmp{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(temporary, image, layers or {}, form or ExrFormat())
        temporary.replace(path)
    except OSError as error:
        raise MatteError("cannot_write", f"{path} cannot be written: {error.strerror or error}.") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _write(path: Path, image: Image, layers: Mapping[str, Image], form: ExrFormat) -> None:
    suffix = path.suffix.lower()
    if suffix == ".exr":
        _write_exr(path, image, layers, form)
        return
    data, display = image.data_window, image.display_window
    stored = "uint8" if suffix in (".jpg", ".jpeg") else "uint16"
    spec = oiio.ImageSpec(data.width, data.height, len(image.channels), oiio.TypeDesc(stored))
    spec.x, spec.y = data.x, data.y
    spec.full_x, spec.full_y = display.x, display.y
    spec.full_width, spec.full_height = display.width, display.height
    spec.channelnames = image.channels
    if not image.premultiplied:
        spec.attribute("oiio:UnassociatedAlpha", 1)
    if isinstance(stamp := image.metadata.get(STAMP), Attribute):
        # The one text that PNG and TIFF both keep.
        spec.attribute("ImageDescription", f"{STAMP}={stamp.value}")
    spec.attribute("DateTime", "")
    spec.attribute("PixelAspectRatio", float(image.pixel_aspect))
    _store(path, spec, np.ascontiguousarray(image.pixels))


def _store(path: Path, spec: oiio.ImageSpec, pixels: Float32) -> None:
    writer = oiio.ImageOutput.create(str(path))
    if writer is None:
        raise MatteError("cannot_write", f"{path.name} has no picture format that can be written.")
    try:
        if not writer.open(str(path), spec) or not writer.write_image(pixels):
            raise OSError(writer.geterror().strip())
    except RuntimeError:
        # A well-known attribute in a type that it cannot have; OpenImageIO does not say which.
        raise MatteError(
            "bad_metadata", "The plate's metadata cannot be written to an EXR.", "Remove its odd attributes first."
        ) from None
    finally:
        closed = writer.close()
    if not closed:
        raise OSError(writer.geterror().strip() or "the disk may be full")


def _write_exr(path: Path, image: Image, layers: Mapping[str, Image], form: ExrFormat) -> None:
    planes = {name: image.pixels[..., index] for index, name in enumerate(image.channels)}
    for layer, picture in layers.items():
        for index, channel in enumerate(picture.channels):
            name = channel if len(picture.channels) > 1 else "V"
            planes[f"{layer}.{name}"] = picture.pixels[..., index]
    stored = to_half if form.bit_depth == "half" else np.ascontiguousarray
    exr_planes.write(
        path,
        {name: stored(plane) for name, plane in planes.items()},
        image.data_window,
        image.display_window,
        image.pixel_aspect,
        form.compression,
        _described(image),
    )


def _described(image: Image) -> dict[str, exr_header.RawAttribute]:
    """The attributes of an EXR of ``image``, as OpenImageIO stores them in one of a single pixel; what it cannot
    carry is passed on as it came."""
    spec = oiio.ImageSpec(1, 1, 1, "half")
    for name, attribute in image.metadata.items():
        if isinstance(attribute, Attribute):
            spec.attribute(name, oiio.TypeDesc(attribute.type), attribute.value)
    if "A" in image.channels and not image.premultiplied:
        spec.attribute(exr_header.UNPREMULTIPLIED, 1)
    if "DateTime" not in image.metadata:
        # OpenImageIO would write the time of writing as the time of capture; the same result has the same bytes.
        spec.attribute("DateTime", "")
    with _spool(".exr") as path:
        _store(path, spec, np.zeros((1, 1, 1), np.float32))
        stored = exr_header.parts(path.read_bytes())[0]
    raw = {n: v for n, v in image.metadata.items() if isinstance(v, exr_header.RawAttribute)}
    return {**raw, **stored}


def single(image: Image) -> Image:
    """A guide's one channel out of whatever the artist sent: alpha where there is one, else red."""
    wanted = "A" if "A" in image.channels else image.channels[0]
    position = image.channels.index(wanted)
    return replace(image, pixels=np.ascontiguousarray(image.pixels[..., position : position + 1]), channels=("A",))
