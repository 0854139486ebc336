"""Makes ICC profiles (ICC.1:2022) of colourspaces that are given by numbers."""

from __future__ import annotations

import struct
from collections.abc import Iterable

import numpy as np

from .icc import D50
from .primaries import SRGB_CURVE, NumericSpace, adaptation, to_rec709, white_of_rec709, xyz_to_rec709

_HEADER, _ENTRY, _VERSION = 128, 12, 0x04400000
_SRGB_PARAMETERS = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
"""Of a parametric curve of type 3: (a x + b)^g for x >= d, else c x."""


def profile_of(space: NumericSpace) -> bytes:
    """A display profile of version 4 with a matrix and one curve, for a linear space, one with a gamma or with
    sRGB's curve. It bears no date: equal spaces give equal bytes."""
    to_d65 = xyz_to_rec709() @ adaptation(D50, white_of_rec709())
    matrix = np.linalg.solve(to_d65, to_rec709(space.chromaticities))
    red, green, blue = (b"XYZ \0\0\0\0" + _fixed(matrix[:, channel]) for channel in range(3))
    curve = _curve(space)
    return _profile(
        {
            b"desc": _text(space.name),
            b"cprt": _text("No copyright"),
            b"wtpt": b"XYZ \0\0\0\0" + _fixed(D50),
            b"chad": b"sf32\0\0\0\0" + _fixed(adaptation(white_of_rec709(), D50).ravel()),
            b"rXYZ": red,
            b"gXYZ": green,
            b"bXYZ": blue,
            **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve),
        }
    )


def _curve(space: NumericSpace) -> bytes:
    kind, parameters = (3, _SRGB_PARAMETERS) if space.curve == SRGB_CURVE else (0, (space.gamma,))
    return b"para\0\0\0\0" + struct.pack(">HH", kind, 0) + _fixed(parameters)


def _text(text: str) -> bytes:
    data = text.encode("utf-16-be")
    return b"mluc\0\0\0\0" + struct.pack(">II4sII", 1, 12, b"enUS", len(data), 28) + data


def _fixed(numbers: Iterable[float]) -> bytes:
    return b"".join(struct.pack(">i", round(float(number) * 65536)) for number in numbers)


def _profile(tags: dict[bytes, bytes]) -> bytes:
    """The header, the table of tags and their data; equal data are stored once."""
    begin = _HEADER + 4 + _ENTRY * len(tags)
    places: dict[bytes, int] = {}
    body = b""
    for data in tags.values():
        if data not in places:
            places[data] = begin + len(body)
            body += data + bytes(-len(data) % 4)
    table = [struct.pack(">4sII", name, places[data], len(data)) for name, data in tags.items()]
    head = struct.pack(">I4xI12s", begin + len(body), _VERSION, b"mntrRGB XYZ ")
    head += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp") + bytes(28) + _fixed(D50)
    return head.ljust(_HEADER, b"\0") + struct.pack(">I", len(tags)) + b"".join(table) + body
