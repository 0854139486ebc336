"""What the other rooms import to read and write still pictures: EXR and every other format."""

from __future__ import annotations

import OpenImageIO as oiio

from . import exr_planes
from .exr_header import RawAttribute
from .exr_part import frame_rate, timecode_text
from .image_check import is_whole
from .image_facts import check_layer, has_views, is_exr, layers_of, read_diagnostics, read_stamp
from .image_file import (
    COVERAGE_LAYER,
    DEFAULT_LIMITS,
    DIAGNOSTICS,
    STAMP,
    Attribute,
    ExrFormat,
    ReadLimits,
    in_display_window,
    matte_channel,
    retag_colour,
)
from .image_reader import read_image
from .image_writer import encode_exr, write_image

__all__ = [
    "COVERAGE_LAYER",
    "DEFAULT_LIMITS",
    "DIAGNOSTICS",
    "STAMP",
    "Attribute",
    "ExrFormat",
    "RawAttribute",
    "ReadLimits",
    "check_layer",
    "encode_exr",
    "frame_rate",
    "has_views",
    "in_display_window",
    "is_exr",
    "is_whole",
    "known_formats",
    "layers_of",
    "matte_channel",
    "read_diagnostics",
    "read_image",
    "read_stamp",
    "retag_colour",
    "timecode_text",
    "use_threads",
    "write_image",
]


def use_threads(count: int) -> None:
    """Sets the number of threads that decode and encode pictures in this process."""
    oiio.attribute("threads", count)
    # OpenImageIO and the OpenEXR module each have a thread pool of their own, by default as large as the machine.
    oiio.attribute("exr_threads", count)
    exr_planes.use_threads(count)


def known_formats() -> tuple[str, ...]:
    """Names of the picture formats that this installation can read."""
    return tuple(str(oiio.get_string_attribute("format_list")).split(","))
