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

from .orientation import orientation_of_matrix

_TYPES, _DISPLAY_MATRIX = range(64), 6
"""FFmpeg's numbers for what may come with a frame (AVFrameSideDataType); it uses 32 of them today."""


def orientation_of(frame: Any) -> int:
    """The orientation, 1 to 8, in which PyAV's ``frame`` is stored; 1 if it does not say."""
    for entry in _with_matrix_alone(frame).side_data:
        return orientation_of_matrix(struct.unpack("<9i", bytes(entry)))
    return 1


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
