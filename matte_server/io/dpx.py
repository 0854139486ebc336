"""Puts right what OpenImageIO reads wrong in DPX and Cineon files.

By SMPTE ST 268-1 and Kodak's Cineon image file format 4.5."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core.image import Float32

DPX_MAGIC, CINEON_MAGIC = (b"SDPX", b"XPDS"), (b"\x80\x2a\x5f\xd7", b"\xd7\x5f\x2a\x80")
"""First bytes, of big and of little endian files."""
_HEADER, _ALL_BEGIN, _BEGIN, _END_OF_LINE = 1664, 4, 808, 812
"""Bytes of a DPX's headers before its film and television headers; where they state the begin of all pixels, that
of the first image element's, and the padding of its lines."""
_NOT_STATED = (0, 0xFFFFFFFF)
_SAMPLES = {50: 3, 51: 4, 52: 4, 100: 2, 101: 3, 102: 3, 103: 4}
"""Descriptor of an image element -> samples to a pixel, where it is not one."""
_ABGR = 52
_PACKED, _FILLED_BELOW = 0, 1
"""Packings: without gaps; filled with zeros below each sample (method A)."""
_CINEON_PACKING = 681
_WORD, _SAMPLES_IN_WORD = 4, 3
"""Bytes of a word, and how many samples of 10 bits lie in one."""


@dataclass(frozen=True)
class DpxLayout:
    """How a DPX stores its only image element. ``order``: of its bytes, ">" or "<"; ``samples``: to a line;
    ``is_reversed``: those of a pixel are A, B, G, R, which OpenImageIO turns round; ``padding``: bytes behind each
    line as stated; ``size``: of the file."""

    order: str
    width: int
    height: int
    samples: int
    is_reversed: bool
    bits: int
    packing: int
    offset: int
    padding: int
    size: int

    @property
    def missing_padding(self) -> int:
        """Bytes behind each line that fill its last word, as the standard wants it, where the header does not state
        them. The file's size tells whether they are there: many writers leave them out."""
        has_whole_bytes = self.bits in (8, 16) or (self.bits == 12 and self.packing != _PACKED)
        if not has_whole_bytes or self.padding not in _NOT_STATED:
            return 0
        line = self.samples * (1 if self.bits == 8 else 2)
        padding = -line % _WORD
        return padding if self.size - self.offset == self.height * (line + padding) else 0


def dpx_layout(path: Path) -> DpxLayout | None:
    """The layout of a DPX with one image element that is not run-length encoded; None for all others."""
    head = _headers(path)
    return _layout(head, path.stat().st_size) if head else None


def _headers(path: Path) -> bytes:
    """A DPX's headers; empty for other files."""
    with path.open("rb") as file:
        head = file.read(_HEADER)
    return head if head.startswith(DPX_MAGIC) and len(head) == _HEADER else b""


def _order(head: bytes) -> str:
    return ">" if head.startswith(DPX_MAGIC[0]) else "<"


def _layout(head: bytes, size: int) -> DpxLayout | None:
    order = _order(head)
    elements, width, height = struct.unpack_from(f"{order}HII", head, 770)
    descriptor, bits = head[800], head[803]
    packing, encoding, offset, padding = struct.unpack_from(f"{order}HHII", head, 804)
    if elements != 1 or encoding:
        return None
    return DpxLayout(
        order=order,
        width=width,
        height=height,
        samples=width * _SAMPLES.get(descriptor, 1),
        is_reversed=descriptor == _ABGR,
        bits=bits,
        packing=packing,
        offset=offset if offset not in _NOT_STATED else struct.unpack_from(f"{order}I", head, _ALL_BEGIN)[0],
        padding=padding,
        size=size,
    )


def fully_stated(path: Path) -> bytes | None:
    """A DPX's bytes with what its header does not state of the first image element: where that begins, and the
    padding of its lines. None for files in which nothing of it is missing."""
    head = _headers(path)
    if not head:
        return None
    missing = {}
    if (begin := _missing_begin(head)) is not None:
        missing[_BEGIN] = begin
    layout = _layout(head, path.stat().st_size)
    if layout is not None and layout.missing_padding:
        missing[_END_OF_LINE] = layout.missing_padding
    if not missing:
        return None
    stated = bytearray(path.read_bytes())
    for place, value in missing.items():
        struct.pack_into(f"{_order(head)}I", stated, place, value)
    return bytes(stated)


def _missing_begin(head: bytes) -> int | None:
    """Where the first image element of a DPX begins that does not state it: at the begin of all pixels. None if it
    does. OpenImageIO reads nothing then, or with 0 the header as pixels."""
    (all_begin,), (begin,) = (struct.unpack_from(f"{_order(head)}I", head, place) for place in (_ALL_BEGIN, _BEGIN))
    if begin not in _NOT_STATED:
        return None
    # Where neither is stated, it reads nothing with this.
    return all_begin if all_begin not in _NOT_STATED else _NOT_STATED[1]


def corrected(path: Path, pixels: Float32, indices: Sequence[int]) -> Float32:
    """A DPX's pixels as OpenImageIO reads them, height x width x channels, with what it gets wrong put right.
    ``indices``: where each channel is in OpenImageIO's pixel."""
    layout = dpx_layout(path)
    if layout is None:
        return pixels
    if (layout.bits, layout.packing) == (12, _FILLED_BELOW):
        # It takes 12 bits above four zeros for 16.
        return pixels * np.float32(65535 / (4095 << 4))
    if (last := _last_samples(path, layout)) is not None:
        each = layout.samples // layout.width
        for place, values in enumerate(last.T, layout.samples - last.shape[1]):
            column, sample = divmod(place, each)
            wanted = each - 1 - sample if layout.is_reversed else sample
            for channel in (at for at, index in enumerate(indices) if index == wanted):
                pixels[:, column, channel] = values
    return pixels


def _last_samples(path: Path, layout: DpxLayout) -> Float32 | None:
    """The last one or two samples of each line, height x samples, of a picture of 10 bits whose lines end within a
    word; OpenImageIO takes them from the wrong end of it. None for other pictures."""
    count = layout.samples % _SAMPLES_IN_WORD
    if layout.bits != 10 or layout.packing == _PACKED or not count:
        return None
    words = -(-layout.samples // _SAMPLES_IN_WORD)
    line = _WORD * words + (layout.padding if layout.padding not in _NOT_STATED else 0)
    data = np.fromfile(path, np.uint8, line * layout.height, offset=layout.offset)
    if data.size < line * layout.height:
        return None
    last = data.reshape(layout.height, line)[:, _WORD * (words - 1) : _WORD * words]
    places = np.arange(count)
    if layout.samples > layout.width:
        # A grey picture's first sample lies in the lowest bits, the first of all others in the highest.
        places = _SAMPLES_IN_WORD - 1 - places
    samples = last.copy().view(f"{layout.order}u4") >> (places * 10 + 2 * (layout.packing == _FILLED_BELOW))
    return ((samples & 1023) / np.float32(1023)).astype(np.float32)


def cineon_is_cut(path: Path) -> bool:
    """Whether a Cineon file is shorter than its pixels need, which OpenImageIO accepts, or than its user data, for
    which it takes memory. The size that its header states counts for nothing: ImageMagick's is wrong."""
    with path.open("rb") as file:
        head = file.read(1024)
    order = ">" if head.startswith(CINEON_MAGIC[0]) else "<"
    if len(head) < 1024:
        return True
    offset, _, _, user_data = struct.unpack_from(f"{order}4I", head, 4)
    width, height = struct.unpack_from(f"{order}II", head, 200)
    samples, bits = width * head[193], head[198]
    line = samples * bits // 8
    if bits == 10 and head[_CINEON_PACKING] != _PACKED:
        line = _WORD * -(-samples // _SAMPLES_IN_WORD)
    needed = max(offset + height * line, 0 if user_data in _NOT_STATED else len(head) + user_data)
    return bool(path.stat().st_size < needed)
