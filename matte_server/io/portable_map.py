"""Headers of PFM, PPM and PGM pictures (Netpbm's manual) of which OpenImageIO reads what is not there."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from ..errors import MatteError

_LONGEST = 1 << 12
_GAP = rb"(?:\s|#[^\n]*\n)+"
_HEADER = re.compile(rb"P([56Ff])" + _GAP + rb"(\d+)" + _GAP + rb"(\d+)" + _GAP + rb"(\S+)(\s)")
"""Kind, width, height, and the largest code or the scale; one space character ends it."""
_COLOUR, _FLOATS = b"6F", b"Ff"
_EIGHT_BITS = 255
"""The largest code of one byte."""
_BINARY = "Write it again in binary mode, or convert it to an EXR."


def refuse_misread(path: Path, label: str) -> None:
    """Raises ``MatteError("unreadable", ...)`` for a PFM, PPM or PGM picture whose header OpenImageIO takes for
    another."""
    with path.open("rb") as file:
        head = file.read(_LONGEST)
    if head[2:3].strip() not in (b"", b"#"):
        name = head[:3].decode("latin-1")
        raise MatteError(
            "unreadable",
            f"{label} is a picture of the kind {name!r}, which Cleanplate does not read.",
            "Convert it to an EXR.",
        )
    if not (header := _HEADER.match(head)):
        return
    if not _is_factor(_number(header[4])):
        unit = "scale" if header[1] in _FLOATS else "largest code"
        raise MatteError(
            "unreadable",
            f"{label} cannot be read: its header states the {unit} {_number(header[4]):g}.",
            "Write it again (floats with the scale -1.0 or 1.0), or convert it to an EXR.",
        )
    if header[5] == b"\r" and path.stat().st_size == header.end() + 1 + _data_size(header):
        raise MatteError("unreadable", f"{label} cannot be read: CR and LF end its header, not LF alone.", _BINARY)


def _number(text: bytes) -> float:
    """The number that a header states; 1 for what is none, which OpenImageIO refuses."""
    try:
        return float(text)
    except ValueError:
        return 1.0


def _is_factor(scale: float) -> bool:
    """Whether a float32 can be multiplied by this, and something is left."""
    with np.errstate(over="ignore", under="ignore"):
        size = abs(np.float32(scale))
    return bool(np.isfinite(size) and size >= np.finfo(np.float32).tiny)


def _data_size(header: re.Match[bytes]) -> int:
    """Bytes of the pixels."""
    whole = 2 if _number(header[4]) > _EIGHT_BITS else 1
    sample = 4 if header[1] in _FLOATS else whole
    return int(header[2]) * int(header[3]) * sample * (3 if header[1] in _COLOUR else 1)
