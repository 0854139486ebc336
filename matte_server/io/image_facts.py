"""Reads a picture's header without its pixels: its stamp, its layers, the diagnostics of a result."""

from __future__ import annotations

import json
from pathlib import Path

import OpenImageIO as oiio

from .image_file import DIAGNOSTICS, STAMP


def read_stamp(path: Path) -> str:
    """The stamp that names what a picture was made from; empty if Cleanplate did not write the picture."""
    spec = _spec_of(path)
    if spec is None:
        return ""
    described = str(spec.getattribute("ImageDescription") or "").partition(f"{STAMP}=")[2]
    return str(spec.getattribute(STAMP) or described)


def layers_of(path: Path) -> frozenset[str]:
    """Names of the layers in an EXR's first part; empty for other formats and unreadable files."""
    spec = _spec_of(path)
    names = spec.channelnames if spec else ()
    return frozenset(name.rpartition(".")[0] for name in names if "." in name)


def read_diagnostics(path: Path) -> dict[str, object]:
    """The diagnostics that the server wrote into a result; empty if Cleanplate did not write the picture."""
    spec = _spec_of(path)
    try:
        found = json.loads(str(spec.getattribute(DIAGNOSTICS) or "{}")) if spec else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _spec_of(path: Path) -> oiio.ImageSpec | None:
    """The header of a file's first subimage; None if it cannot be read."""
    reader = oiio.ImageInput.open(str(path))
    if reader is None:
        oiio.geterror()
        return None
    try:
        return reader.spec(0)
    finally:
        reader.close()
