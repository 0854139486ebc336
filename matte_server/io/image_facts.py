"""Reads a picture's header without its pixels: its stamp, its layers, the diagnostics of a result."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import OpenImageIO as oiio

from ..errors import MatteError
from .exr_channels import choose_channels, views_in
from .exr_header import MAGIC_BYTES, read_parts
from .exr_part import ExrPart, part_of
from .exr_reader import exr_parts
from .image_check import opened
from .image_file import DIAGNOSTICS, STAMP, only_exrs_have_layers
from .library_output import libraries_silenced


def is_exr(path: Path) -> bool:
    """Whether a file is an EXR, by its first bytes. Raises ``OSError``."""
    with path.open("rb") as file:
        return file.read(len(MAGIC_BYTES)) == MAGIC_BYTES


def check_layer(path: Path, layer: str, view: str) -> None:
    """Raises what ``read_image`` does where a picture lacks a layer or a view: ``MatteError`` with the codes
    no_layer, no_view; also the codes of an EXR whose header is damaged, and ``OSError``."""
    if is_exr(path):
        choose_channels(exr_parts(path, str(path)), str(path), layer, view)
    elif layer:
        raise only_exrs_have_layers(str(path), layer)


def has_views(path: Path) -> bool:
    """Whether a picture is an EXR that speaks of views; True for one whose header cannot be read."""
    try:
        return is_exr(path) and bool(views_in(exr_parts(path, str(path))))
    except (MatteError, OSError):
        return True


def read_stamp(path: Path) -> str:
    """The stamp that names what a picture was made from; empty if Cleanplate did not write the picture."""
    described = _text_of(path, "ImageDescription").partition(f"{STAMP}=")[2]
    return _text_of(path, STAMP) or described


def layers_of(path: Path) -> frozenset[str]:
    """Names of the layers in an EXR's first part; empty for other formats and unreadable files."""
    part = _exr_part(path)
    return frozenset(name.rpartition(".")[0] for name in part.names if "." in name) if part else frozenset()


def read_diagnostics(path: Path) -> dict[str, object]:
    """The diagnostics that the server wrote into a result; empty if Cleanplate did not write the picture."""
    try:
        found = json.loads(_text_of(path, DIAGNOSTICS) or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _text_of(path: Path, name: str) -> str:
    """A text attribute of a file's first picture; empty if there is none, or the file cannot be read."""
    if part := _exr_part(path):
        return part.text(name)
    spec = _spec_of(path)
    with contextlib.suppress(UnicodeError, RuntimeError):
        return str(spec.getattribute(name) or "") if spec else ""
    return ""


def _exr_part(path: Path) -> ExrPart | None:
    """The first part of an EXR; None for other formats and damaged headers."""
    try:
        with path.open("rb") as file:
            return part_of(read_parts(file)[0])
    except (OSError, ValueError, IndexError):
        return None


@libraries_silenced()
def _spec_of(path: Path) -> oiio.ImageSpec | None:
    """The header of a file's first subimage; None if it cannot be read."""
    with opened(path) as reader:
        return None if reader is None else reader.spec(0)
