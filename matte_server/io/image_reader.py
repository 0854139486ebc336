"""Reads still pictures, from bytes or from a path.

EXRs by ``exr_reader.py``, all other formats through OpenImageIO.

Sizes are checked in the header before any pixel is decoded. Pictures come upright. Windows, pixel aspect and
attributes of EXRs are kept exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
from matte_link.plain_text import printable

from ..core.image import Float32, Image, divided_by_alpha
from ..core.window import Window
from ..errors import MatteError
from .bmp import BMP_MAGIC, ended_once
from .dpx import CINEON_MAGIC, DPX_MAGIC, corrected, fully_stated
from .dpx_video import COLOUR_DIFFERENCES, has_colour_differences, rgb_of_dpx
from .exr_header import MAGIC_BYTES
from .exr_reader import read_exr
from .file_colour import still_colour
from .half import to_float
from .image_file import (
    DEFAULT_LIMITS,
    ReadLimits,
    check_size,
    library_path,
    only_exrs_have_layers,
    temporary_picture,
    unreadable,
)
from .jpeg import (
    JPEG_MAGIC,
    first_picture,
    holds_several,
    jpeg_is_cut,
    refuse_unsaid_inks,
    states_pixels_per_length,
)
from .jpeg2000 import is_multiplied_by_alpha
from .jpeg_xl import JPEG_XL_MAGIC, jpeg_xl_head, long_enough
from .library_output import libraries_silenced
from .orientation import ORIENTATIONS, upright
from .png_chunks import ANIMATION, exif_after_pixels
from .portable_map import refuse_misread
from .psd import PSD_MAGIC
from .radiance import holds_xyz, radiance_orientation, radiance_pixel_aspect
from .refused_stills import BITS, HEAD, PHOTOMETRIC, refuse_file, refuse_layout
from .still_attributes import attributes_of
from .still_header import StillHeader
from .tiff_tags import TIFF_MAGIC, has_pages_below, orientation_of_exif, with_wide_palette
from .unused_alpha import is_unused_alpha, lacks_its_alpha

_NOT_THE_PICTURE = 1 | 4
"""Bits of NewSubfileType: a reduced copy of another page, and a transparency mask for one."""
_WHITE_IS_ZERO, _BLACK_IS_ZERO = 0, 1
# What stills begin with that are read: PNG, JPEG, TIFF and BigTIFF, DPX, Cineon, BMP, GIF, WebP, PSD, Radiance HDR,
# JPEG 2000 and JPEG XL (as boxes and as a codestream), SGI, icons and PNM. Targa has none. Of others, OpenImageIO
# reads FITS without its scale, and alpha of 16 bits in Maya's IFF wrong.
_BEGINNINGS = (
    b"\x89PNG",
    b"\xff\xd8\xff",
    *TIFF_MAGIC,
    *DPX_MAGIC,
    *CINEON_MAGIC,
    *(BMP_MAGIC, b"GIF8", b"RIFF", PSD_MAGIC, b"#?"),
    *(b"\0\0\0\x0cjP", b"\xff\x4f\xff\x51", b"\0\0\0\x0cJXL", b"\xff\x0a", b"\x01\xda", b"\0\0\1\0"),
    *(b"P%c" % kind for kind in b"123456Ff"),
)
# First bytes of formats -> what writes such a file anew where OpenImageIO would read it wrong or not at all.
_REWRITTEN: dict[tuple[bytes, ...], Callable[[Path], bytes | None]] = {
    (BMP_MAGIC,): ended_once,
    DPX_MAGIC: fully_stated,
    TIFF_MAGIC: with_wide_palette,
    JPEG_XL_MAGIC: long_enough,
}
_TARGA = (".tga", ".tpic", ".icb", ".vda", ".vst")
_SEVERAL = "The file holds several pictures, and the first one was read."
_WITHOUT_ALPHA = "The picture's alpha, of one bit, was left out."
_GAIN_MAP = "The file holds a gain map, which makes an HDR picture of its SDR one; the SDR picture was read."
_STORED_IN_INKS = 5
"""PhotometricInterpretation of TIFFs in CMYK or other inks. OpenImageIO makes RGB of CMYK alone."""
_SINGLE_COLOURS = ("r", "g", "b", "i")
"""Names of the only channel of a grey DPX or Cineon file."""
_OWN_WINDOWS = ("png", "tiff", "dpx", "jpeg2000")
"""Formats of which Blender shows the pixels alone. What their headers say of a place on a page, or of a larger
picture that they were once cut from, is no data window: many programs leave it there."""
_NOT_RGB = ("CIELAB", "ICCLAB", "ITULAB", "LOGL", "LOGLUV")


@libraries_silenced()
def read_image(
    source: bytes | memoryview | Path,
    *,
    name: str = "",
    layer: str = "",
    view: str = "",
    limits: ReadLimits = DEFAULT_LIMITS,
) -> Image:
    """The picture in ``source``: R, G, B and, if the file has it, A; float32, upright, unclamped.

    Grey pictures become R = G = B. ``layer`` reads ``layer.R`` ... instead of ``R`` ...; ``view`` reads the part or
    channels of one eye. The image's ``colourspace`` is the one that the file's tags name, else that of
    :func:`colour.default_space`; callers may replace it. The colour of an EXR with alpha counts as premultiplied.
    ``name`` is what messages call the picture; without it they use the path. Raises ``MatteError`` with the codes
    missing_file, unreadable, deep, too_large, no_colour, no_layer, no_view.
    """
    if isinstance(source, Path):
        if not source.is_file():
            problem = "is not a file" if source.exists() else "does not exist"
            raise MatteError("missing_file", f"{name or source} {problem}.")
        with library_path(source) as path:
            return _read_file(path, name or str(source), layer, view, limits)
    label = name or "the picture"
    with temporary_picture(Path(name).suffix or ".exr") as path:
        path.write_bytes(source)
        return _read_file(path, label, layer, view, limits)


def _read_file(path: Path, label: str, layer: str, view: str, limits: ReadLimits) -> Image:
    with path.open("rb") as file:
        head = file.read(HEAD)
    if head.startswith(MAGIC_BYTES):
        return read_exr(path, label, layer, view, limits)
    refuse_file(path, head, label)
    if layer:
        raise only_exrs_have_layers(label, layer)
    try:
        plain, warnings = _plainer(path, head, label)
        if plain is None:
            image = _read_raster(path, head, label, limits)
        else:
            with temporary_picture(path.suffix) as copy:
                copy.write_bytes(plain)
                image = _read_raster(copy, head, label, limits)
        return replace(image, warnings=(*warnings, *image.warnings))
    except (UnicodeDecodeError, RuntimeError):
        # OpenImageIO's Python module raises these on texts that are not UTF-8 and on impossible attributes.
        raise unreadable(path, label, "its header is damaged") from None


def _plainer(path: Path, head: bytes, label: str) -> tuple[bytes | None, tuple[str, ...]]:
    """The bytes of a still that OpenImageIO reads right where it does not so with the file itself, else None; and
    what it leaves out. Raises ``MatteError`` as :func:`refuse_unsaid_inks` does."""
    if not head.startswith(JPEG_MAGIC):
        return next((rewrite(path) for begins, rewrite in _REWRITTEN.items() if head.startswith(begins)), None), ()
    data = path.read_bytes()
    refuse_unsaid_inks(data, label)
    if jpeg_is_cut(data):
        raise unreadable(path, label, "it ends before its picture does")
    if (alone := first_picture(data)) is not None:
        return alone, (_GAIN_MAP,)
    return None, (_SEVERAL,) if holds_several(data) else ()


def _read_raster(path: Path, head: bytes, label: str, limits: ReadLimits) -> Image:
    if not head.startswith(_BEGINNINGS) and Path(label).suffix.lower() not in _TARGA:
        raise MatteError(
            "unreadable",
            f"{label} cannot be read: it is in no format that Cleanplate reads.",
            "Convert it to EXR, DPX, TIFF, PNG or JPEG; if it is one of these, it is damaged: copy it again.",
        )
    hints = oiio.ImageSpec()
    # Without this, OpenImageIO multiplies the colour of PNG and TIFF by their alpha.
    hints.attribute("oiio:UnassociatedAlpha", 1)
    if head.startswith(DPX_MAGIC) and has_colour_differences(path):
        # It would make R'G'B' of them as if codes had the full range.
        hints.attribute("dpx:RawColor", 1)
    reader = oiio.ImageInput.open(str(path), hints)
    if reader is None:
        reason = oiio.geterror()
        if head.startswith(b"#?") and holds_xyz(path):
            raise MatteError(
                "unreadable",
                f"{label} holds XYZ (XYZE), which Cleanplate does not read.",
                "Convert it with Radiance's ra_xyze -r, or to an EXR.",
            )
        raise unreadable(path, label, reason)
    try:
        if reader.format_name() == "pnm":
            refuse_misread(path, label)
        subimage = _largest_page(reader) if reader.format_name() == "ico" else _full_page(reader, path, label)
        reader.geterror()  # of the page that is not there
        spec = reader.spec(subimage)
        refuse_layout(spec, reader.format_name(), label)
        data, display = _windows(spec, reader.format_name())
        check_size(data, display, spec.nchannels, label, limits)
        is_alone = reader.format_name() != "dpx" or _next_full_page(reader, subimage + 1) is None
        indices, channels = _colour_channels(spec, reader.format_name(), label, is_alone)
        pixels = _read_channels(reader, subimage, indices)
        if pixels is None or reader.has_error:
            raise unreadable(path, label, reader.geterror())
        if reader.format_name() == "dpx":
            bits = spec.get_int_attribute(BITS, 8 * spec.format.size())
            colorimetric = str(spec.getattribute("dpx:Colorimetric") or "")
            pixels = rgb_of_dpx(corrected(path, pixels, indices), spec.channelnames, bits, colorimetric)
        if "A" in channels and is_unused_alpha(path, reader.format_name(), pixels[..., 3]):
            pixels, channels = pixels[..., :3], channels[:3]
        header = StillHeader.read(path, reader.format_name())
        image = _image(header, spec, pixels, channels)
        warnings: tuple[str, ...] = (_SEVERAL,) if _holds_several(header, reader, subimage) else ()
        warnings += (_WITHOUT_ALPHA,) if lacks_its_alpha(path, reader.format_name()) else ()
        return replace(image, warnings=warnings, read_from=tuple(spec.channelnames[at] for at in indices[:3]))
    finally:
        reader.close()


def _read_channels(reader: oiio.ImageInput, subimage: int, indices: Sequence[int]) -> Float32 | None:
    """The wanted channels, planar in memory; None if they cannot be decoded. Other channels of the file are decoded
    only if they are few."""
    first, last = min(indices), max(indices)
    spec = reader.spec(subimage)
    # Half floats are read as they are, because to_float converts them faster than OpenImageIO does.
    all_half = spec.format.basetype == oiio.BASETYPE.HALF and not spec.channelformats
    kind = oiio.HALF if all_half else oiio.FLOAT
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


def _full_page(reader: oiio.ImageInput, path: Path, label: str) -> int:
    """The first page that is not marked as a reduced copy or a mask of another; the largest if all are. Raises
    ``MatteError("unreadable", ...)`` where the page that they are copies of is out of OpenImageIO's reach."""
    found = _next_full_page(reader, 0)
    if found is None and has_pages_below(path):
        raise MatteError(
            "unreadable",
            f"{label} is a TIFF with its picture in a page below a smaller copy, which Cleanplate does not read.",
            "Convert it to a TIFF of one page, or to an EXR.",
        )
    return _largest_page(reader) if found is None else found


def _next_full_page(reader: oiio.ImageInput, begin: int) -> int | None:
    """The first such page from ``begin`` on; None if there is none."""
    index = begin
    while reader.seek_subimage(index, 0):
        if not reader.spec(index).get_int_attribute("tiff:subfiletype", 0) & _NOT_THE_PICTURE:
            return index
        index += 1
    return None


def _holds_several(header: StillHeader, reader: oiio.ImageInput, page: int) -> bool:
    """Whether a file holds more pictures than this one: pages of a TIFF, elements of a DPX, moments of a GIF, WebP
    or PNG."""
    if header.file_format in ("tiff", "gif", "dpx"):
        return _next_full_page(reader, page + 1) is not None
    if header.file_format == "png":
        return ANIMATION in header.chunks
    return bool(reader.spec(page).get_int_attribute("oiio:Movie", 0))


def _largest_page(reader: oiio.ImageInput) -> int:
    """The page with the most pixels, the first of equals: an icon holds one picture in several sizes."""
    sizes: list[int] = []
    while reader.seek_subimage(len(sizes), 0):
        spec = reader.spec(len(sizes))
        sizes.append(spec.width * spec.height)
    return sizes.index(max(sizes)) if sizes else 0


def _colour_channels(
    spec: oiio.ImageSpec, file_format: str, label: str, is_alone: bool
) -> tuple[list[int], tuple[str, ...]]:
    """The indices of R, G, B and, if present, A, and their names; a grey picture's channel stands for all three, as
    does the red, green or blue one of a file that has no other (``is_alone``: nor other pictures). Those of a DPX
    may be indices of colour differences and luma."""
    stored = str(spec.getattribute("tiff:ColorSpace") or "")
    if stored in _NOT_RGB:
        raise MatteError("no_colour", f"{label} is stored as {stored}, not as RGB.", "Convert it to RGB first.")
    names = {name.lower(): index for index, name in reversed(list(enumerate(_stored_names(spec, file_format))))}
    single = [(name,) * 3 for name in names if name in _SINGLE_COLOURS and len(names) == 1 and is_alone]
    for triple in (("r", "g", "b"), *COLOUR_DIFFERENCES, ("y", "y", "y"), ("a", "a", "a"), *single):
        if all(name in names for name in triple):
            found = [names[name] for name in triple]
            has_alpha = "a" in names and triple != ("a", "a", "a")
            channels = ("R", "G", "B", "A") if has_alpha else ("R", "G", "B")
            return found + ([names["a"]] if has_alpha else []), channels
    if spec.get_int_attribute(PHOTOMETRIC, -1) == _STORED_IN_INKS:
        inks = f"{label} is stored in {spec.nchannels} inks, not as RGB."
        raise MatteError("no_colour", inks, "Convert it to RGB first, or to CMYK without other channels.")
    if not is_alone:
        raise MatteError(
            "no_colour",
            f"{label} stores its channels in image elements of their own, which Cleanplate does not read.",
            "Export it with R, G and B in one element, or as an EXR.",
        )
    listed = printable(", ".join(spec.channelnames[:20]))
    raise MatteError("no_colour", f"{label} has no R, G, B.", f"Its channels are {listed}.")


def _stored_names(spec: oiio.ImageSpec, file_format: str) -> Sequence[str]:
    """What the channels of a still are."""
    photometric = spec.get_int_attribute(PHOTOMETRIC, -1)
    if file_format in ("targa", "sgi") and spec.nchannels == 2:
        # OpenImageIO calls the two channels of a grey picture with alpha R and G.
        return ("Y", "A")
    if file_format == "cineon" and spec.nchannels == 3 and "I" in spec.channelnames:
        # ImageMagick says of all three that they are black and white, Blender of the first one.
        return ("R", "G", "B")
    if file_format == "tiff" and photometric in (_WHITE_IS_ZERO, _BLACK_IS_ZERO) and spec.nchannels > 1:
        # It calls those of a grey TIFF with other channels R, G and B.
        return ("Y", *("A" if index == spec.alpha_channel else "" for index in range(1, spec.nchannels)))
    return tuple(spec.channelnames)


def _windows(spec: oiio.ImageSpec, file_format: str) -> tuple[Window, Window]:
    if file_format in _OWN_WINDOWS:
        return (Window(0, 0, spec.width, spec.height),) * 2
    return (
        Window(spec.x, spec.y, spec.width, spec.height),
        Window(spec.full_x, spec.full_y, spec.full_width, spec.full_height),
    )


def _image(header: StillHeader, spec: oiio.ImageSpec, pixels: Float32, channels: tuple[str, ...]) -> Image:
    file_format = header.file_format
    is_float = spec.format.basetype in (oiio.BASETYPE.HALF, oiio.BASETYPE.FLOAT, oiio.BASETYPE.DOUBLE)
    colour = still_colour(header, spec, is_float)
    data, display = _windows(spec, file_format)
    is_associated = _is_associated(header.path, spec, file_format)
    image = Image(
        pixels=pixels,
        channels=channels,
        data_window=data,
        display_window=display,
        pixel_aspect=_pixel_aspect(header, spec),
        colourspace=colour.space,
        premultiplied="A" in channels and is_float and is_associated,
        metadata=attributes_of(spec, file_format),
        profile=colour.profile,
        colour_warnings=colour.warnings,
    )
    if file_format == "tiff":
        image = _from_white_as_zero(image, spec)
    if file_format in ("tiff", "jpegxl", "jpeg2000") and "A" in channels and is_associated:
        # The product is one of colour as it is stored: encoded, or light.
        image = divided_by_alpha(image)
    return upright(image, _orientation(header.path, spec, file_format))


def _is_associated(path: Path, spec: oiio.ImageSpec, file_format: str) -> bool:
    """Whether a still's colour is multiplied by its alpha."""
    if file_format == "jpegxl":
        return jpeg_xl_head(path).is_associated
    if file_format == "jpeg2000":
        return is_multiplied_by_alpha(path)
    return not spec.get_int_attribute("oiio:UnassociatedAlpha", 0)


def _from_white_as_zero(image: Image, spec: oiio.ImageSpec) -> Image:
    """``image`` with 1 as white where its TIFF says that 0 is (PhotometricInterpretation 0). Of unsigned numbers of
    8 bits or fewer OpenImageIO has turned colour already, and alpha too."""
    if spec.get_int_attribute(PHOTOMETRIC, -1) != _WHITE_IS_ZERO:
        return image
    wrong = slice(3, None) if spec.format == oiio.TypeDesc("uint8") else slice(None, 3)
    pixels = image.pixels.copy(order="K")
    pixels[..., wrong] = 1.0 - pixels[..., wrong]
    return replace(image, pixels=pixels)


def _orientation(path: Path, spec: oiio.ImageSpec, file_format: str) -> int:
    if file_format == "hdr":
        return radiance_orientation(path)
    stored = spec.get_int_attribute("Orientation", 0)
    if not stored and file_format == "png":
        stored = orientation_of_exif(exif_after_pixels(path))
    return stored if stored in ORIENTATIONS else 1


def _pixel_aspect(header: StillHeader, spec: oiio.ImageSpec) -> float:
    if header.file_format == "hdr":
        return radiance_pixel_aspect(header.lines)
    aspect = float(spec.get_float_attribute("PixelAspectRatio", 1.0))
    if header.file_format == "bmp" and (across := spec.get_float_attribute("XResolution", 0.0)) > 0.0:
        aspect = float(spec.get_float_attribute("YResolution", 0.0)) / across
    if not 0.0 < aspect < float("inf"):
        return 1.0
    is_inverse = header.file_format == "jpeg" and states_pixels_per_length(header.path)
    return 1.0 / aspect if is_inverse else aspect
