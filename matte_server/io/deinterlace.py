"""Makes a whole frame of one with two fields, with FFmpeg's filter bwdif (Bob Weaver deinterlacing)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import av
import av.filter


def deinterlaced(frames: Sequence[Any], index: int) -> Any:
    """The frame at ``index``, deinterlaced. ``frames`` are PyAV's, one to three in the order shown: with those
    before and after it, if there are any. The first field's moment is kept."""
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=frames[0].width,
        height=frames[0].height,
        format=frames[0].format,
        time_base=frames[0].time_base,
    )
    bwdif, sink = graph.add("bwdif", "mode=send_frame:parity=auto:deint=all"), graph.add("buffersink")
    source.link_to(bwdif)
    bwdif.link_to(sink)
    graph.configure()
    for frame in frames:
        graph.push(frame)
    graph.push(None)
    found: list[Any] = []
    try:
        while len(found) <= index:
            found.append(graph.pull())
    except (av.error.BlockingIOError, av.error.EOFError):
        return found[-1]
    return found[index]
