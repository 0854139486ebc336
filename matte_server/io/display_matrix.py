"""Reads from a video's frame how it must be turned to be upright.

PyAV cannot list everything that comes with a frame: it raises ValueError where there is a type that it does not
know (EXIF, stereo views), and crashes the process where an entry has a name (an ICC profile). So all but the matrix
is removed first, by FFmpeg's filter sidedata.
"""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import Any

import av
import av.filter

_TYPES, _DISPLAY_MATRIX = range(64), 6
"""FFmpeg's numbers for what may come with a frame (AVFrameSideDataType); it uses 32 of them today."""


def display_matrix(frame: Any) -> tuple[float, ...]:
    """The nine numbers of PyAV's ``frame`` that say how it is shown (ISO 14496-12, 6.2.2); those of an upright
    picture if it does not say."""
    for entry in _with_matrix_alone(frame).side_data:
        return struct.unpack("<9i", bytes(entry))
    return (1, 0, 0, 0, 1, 0, 0, 0, 1)


def _with_matrix_alone(frame: Any) -> Any:
    graph = av.filter.Graph()
    last = graph.add_buffer(
        width=frame.width,
        height=frame.height,
        format=frame.format,
        time_base=frame.time_base or Fraction(1),
    )
    removed = [
        graph.add("sidedata", f"mode=delete:type={number}") for number in _TYPES if number != _DISPLAY_MATRIX
    ]
    for step in (*removed, graph.add("buffersink")):
        last.link_to(step)
        last = step
    graph.configure()
    graph.push(frame)
    return graph.pull()
