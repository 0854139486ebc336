"""Which stills are not read, with a sentence for each: by their first bytes, and by their headers.

OpenImageIO would refuse some of them with words that do not help, and read another picture than the others hold.
"""

from __future__ import annotations

from pathlib import Path

import OpenImageIO as oiio

from ..errors import MatteError
from .bmp import refuse_odd_bmp
from .dpx import CINEON_MAGIC, cineon_is_cut
from .image_check import ends_unwritten
from .image_file import unreadable
from .jpeg2000 import JPEG_2000_MAGIC, refuse_other_numbers
from .jpeg_xl import JPEG_XL_MAGIC, jpeg_xl_head
from .orientation import FIRST_TURNED
from .png_chunks import PNG_SIGNATURE, damaged_chunk, png_is_cut
from .psd import PSD_MAGIC, lacks_its_picture
from .tiff_tags import TIFF_MAGIC, lacks_jpeg_data

HEAD = 66
"""Bytes at a file's begin by which it is known."""
PHOTOMETRIC, BITS = "tiff:PhotometricInterpretation", "oiio:BitsPerSample"
_PSD_MODE, _MULTICHANNEL = slice(24, 26), b"\0\7"
"""Where a PSD says how its channels make colour; of inks of their own."""
_OF_SENSORS, _FP24 = (32803, 34892), 24
# Brands of files that are made of boxes (ISO 14496-12) -> what they are, in the order looked for.
_REFUSED = {
    b"crx ": "a camera raw file",
    b"avif": "an AVIF file",
    b"avis": "an AVIF file",
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"), "a HEIC file"),
    b"mif1": "a HEIF file",
    b"msf1": "a HEIF file",
}
_OF_VIDEOS = (b"isom", b"iso2", b"mp41", b"mp42", b"avc1", b"qt  ", b"M4V ", b"3gp4", b"3gp5")
_CAMERA_RAW = (".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".rw2", ".orf", ".pef", ".srw")


def refuse_file(path: Path, head: bytes, label: str) -> None:
    """Raises ``MatteError`` with the codes unreadable, no_colour for a still that is not read, or lacks a part, by
    its bytes. ``head``: the first ``HEAD`` of them. Raises ``OSError``."""
    _refuse_unsupported(head, label)
    if head.startswith(PNG_SIGNATURE):
        _refuse_damaged_png(path, label)
    if head.startswith(JPEG_XL_MAGIC) and jpeg_xl_head(path).is_animation:
        raise MatteError(
            "unreadable",
            f"{label} is an animated JPEG XL, which Cleanplate does not read.",
            "Convert it to a sequence of PNGs or EXRs.",
        )
    if head.startswith(PSD_MAGIC) and head[_PSD_MODE] == _MULTICHANNEL:
        # OpenImageIO takes the first three for red, green and blue.
        raise MatteError(
            "no_colour", f"{label} is a multichannel PSD, whose channels are inks.", "Convert it to RGB first."
        )
    if head.startswith(PSD_MAGIC) and lacks_its_picture(path):
        raise MatteError(
            "unreadable",
            f"{label} was saved without the picture that its layers make.",
            "Save it with Photoshop's Maximize Compatibility, or as a TIFF.",
        )
    if head.startswith(JPEG_2000_MAGIC):
        refuse_other_numbers(path, label)
    refuse_odd_bmp(path, head, label)
    if ends_unwritten(path, head):
        raise unreadable(path, label, "its end was never written")
    if head.startswith(CINEON_MAGIC) and cineon_is_cut(path):
        raise unreadable(path, label, "it is shorter than its header says")
    if head.startswith(TIFF_MAGIC) and lacks_jpeg_data(path):
        raise unreadable(path, label, "it is shorter than its tags say")


def refuse_layout(spec: oiio.ImageSpec, file_format: str, label: str) -> None:
    """Raises ``MatteError("unreadable", ...)`` where OpenImageIO would read another picture than the file has."""
    if file_format in ("dpx", "cineon") and spec.get_int_attribute("Orientation", 1) >= FIRST_TURNED:
        # It reads their columns as if they were lines.
        raise MatteError("unreadable", f"{label} stores its pixels in columns.", "Export it again in rows.")
    if file_format == "tiff" and spec.get_int_attribute(PHOTOMETRIC, -1) in _OF_SENSORS:
        raise MatteError(
            "unreadable", f"{label} holds the raw data of a camera's sensor.", "Develop it to TIFF or EXR first."
        )
    if file_format == "tiff" and spec.format == oiio.TypeDesc("float") and spec.get_int_attribute(BITS, 0) == _FP24:
        # It takes them for parts of 32 bit floats.
        raise MatteError(
            "unreadable",
            f"{label} is a TIFF of 24 bit floats, which Cleanplate does not read.",
            "Convert it to 16 or 32 bit floats, or to an EXR.",
        )
    is_interleaved = str(spec.getattribute("planarconfig")) != "separate"
    if (
        file_format == "tiff"
        and spec.tile_width
        and spec.format.basetype == oiio.BASETYPE.DOUBLE
        and is_interleaved
    ):
        raise MatteError(
            "unreadable",
            f"{label} is a TIFF of 64 bit floats in tiles, which Cleanplate does not read.",
            "Convert it to 32 bit floats, or to an EXR.",
        )


def _refuse_damaged_png(path: Path, label: str) -> None:
    if png_is_cut(path):
        # Before libpng, which would print a line of its own.
        raise unreadable(path, label, "it ends before its last chunk")
    if chunk := damaged_chunk(path):
        raise unreadable(path, label, f"its chunk {chunk} is damaged")


def _refuse_unsupported(head: bytes, label: str) -> None:
    if not any(head):
        problem = "begins with zeros, as a file that was never written" if head else "is empty"
        raise MatteError("unreadable", f"{label} {problem}.", "Render or copy it again.")
    kind = "a camera raw file" if Path(label).suffix.lower() in _CAMERA_RAW else ""
    if head[4:8] == b"ftyp":
        brands = head[8 : min(HEAD, int.from_bytes(head[:4], "big"))]
        kind = next((name for brand, name in _REFUSED.items() if brand in brands), kind)
        if not kind and any(brand in brands for brand in _OF_VIDEOS):
            raise MatteError("unreadable", f"{label} is a video.", "Give it the suffix of one, such as .mp4.")
    if kind:
        raise MatteError(
            "unreadable",
            f"{label} is {kind}, which Cleanplate does not read.",
            "Convert it to TIFF, PNG, JPEG or EXR first.",
        )
