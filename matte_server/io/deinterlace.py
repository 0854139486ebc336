"""Says which frames have two fields or are one, and makes whole ones of those that have two.

By FFmpeg's filter bwdif (Bob Weaver deinterlacing)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import av
import av.filter

_WITHOUT_FIELDS = frozenset(
    (
        *("qtrle", "png", "mjpeg", "jpeg2000", "huffyuv", "ffvhuff", "hap", "r10k", "r210"),
        *("8bps", "bmp", "cinepak", "dpx", "exr", "msrle", "rpza", "sgi", "smc", "targa", "tiff"),
    )
)
"""Codecs whose pictures do not say that they have two fields: there the container is believed. Of other codecs it
is not, for their decoders mark each picture."""
_ONE_BY_ONE = frozenset(("hevc", "vvc"))
"""Codecs that code fields as pictures of their own; FFmpeg marks them like frames that have two."""
# The container's order of fields (FFmpeg's AVFieldOrder) -> which one is shown first, in bwdif's words. 4 and 5 are
# stored in the other order.
_ORDERS = {2: "tff", 3: "bff", 4: "bff", 5: "tff"}


def is_one_field(frame: Any, context: Any) -> bool:
    """Whether PyAV's ``frame`` is one field, of half the frame's height. ``context``: of the track's decoder."""
    return bool(frame.interlaced_frame) and context.name in _ONE_BY_ONE


def field_order(frame: Any, context: Any) -> str:
    """Which field of PyAV's ``frame`` is shown first: "tff" for the top one, "bff" for the bottom one, or "auto"
    where the frame says it. Empty where nothing says that it has two. ``context``: of the track's decoder."""
    if frame.interlaced_frame:
        return "" if is_one_field(frame, context) else "auto"
    return _ORDERS.get(int(context.field_order), "") if context.name in _WITHOUT_FIELDS else ""


def deinterlaced(frames: Sequence[Any], index: int, order: str) -> Any:
    """The frame at ``index``, deinterlaced. ``frames`` are PyAV's, one to three in the order shown: with those
    before and after it, if there are any. The moment of the field that is shown first is kept; ``order``: as
    :func:`field_order` returns it."""
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=frames[0].width,
        height=frames[0].height,
        format=frames[0].format,
        time_base=frames[0].time_base,
    )
    bwdif, sink = graph.add("bwdif", f"mode=send_frame:parity={order}:deint=all"), graph.add("buffersink")
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
