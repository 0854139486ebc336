"""The door to picture files: what the other rooms use to read and write EXRs and the other formats."""

from __future__ import annotations

import OpenImageIO as oiio

from . import exr_planes
from .image_facts import layers_of, read_diagnostics, read_stamp
from .image_file import (
    COVERAGE_LAYER,
    DEFAULT_LIMITS,
    DIAGNOSTICS,
    STAMP,
    Attribute,
    ExrFormat,
    ReadLimits,
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
    "ReadLimits",
    "encode_exr",
    "known_formats",
    "layers_of",
    "matte_channel",
    "read_diagnostics",
    "read_image",
    "read_stamp",
    "retag_colour",
    "use_threads",
    "write_image",
]


def use_threads(count: int) -> None:
    """How many threads a picture is decoded and encoded with in this process."""
    oiio.attribute("threads", count)
    # OpenEXR has pools of its own: OpenImageIO's, as large as the machine where nobody says otherwise, and ours.
    oiio.attribute("exr_threads", count)
    exr_planes.use_threads(count)


def known_formats() -> tuple[str, ...]:
    """Names of the picture formats that can be read here."""
    return tuple(str(oiio.get_string_attribute("format_list")).split(","))
