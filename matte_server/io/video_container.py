"""Whether a video's file is shorter than its container says: what its decoder does not notice."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import BinaryIO

from . import matroska
from .boxes import outermost

_MXF_PARTITION = bytes.fromhex("060e2b34020501010d01020101")
"""Begins the key of an MXF's partition pack."""
_TS_SYNC, _TS_PACKETS = 0x47, ((188, 0), (192, 4), (204, 0))
"""The byte that begins a transport stream's packet (ISO 13818-1, 2.4.3.2); sizes of packets, that of M2TS and that
with error correction too, and where the byte lies in them."""
_ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
"""The identifier of an ASF's object that states its size (Advanced Systems Format, 3.2)."""
_ASF_HEAD = 1 << 16
_FLV_TAG_HEAD, _FLV_TAG_END = 11, 4
"""Bytes before and behind a tag's data; those behind state its length, and some writers state another."""
_OGG_PAGE, _OGG_HEAD = b"OggS", 27
"""How a page of an Ogg begins, and the bytes before the sizes of what it holds; the last is the count of these."""
_DV_BEGIN, _DV_HEAD = re.compile(rb"\x1f\x07\x00[\x3f\xbf]"), 1 << 20
"""How a picture of DV begins (IEC 61834-2), the first one somewhere behind the file's begin."""
_DV_PICTURE = {0x3F: 120_000, 0xBF: 144_000}
"""Bytes of a picture of 25 Mbit/s, by the last of these, which says 525 or 625 lines; others have a multiple."""
_BOX_HEAD = 8


def is_cut(path: Path, container_format: str) -> bool:
    """Whether an AVI, Matroska, WebM, MP4, QuickTime, MXF, ASF, FLV, Ogg, MPEG-TS or raw DV file ends inside an
    element of its outermost level. False for other formats (by FFmpeg's name), and where no size is stated because
    the file was being written."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if container_format == "avi":
            return _end_of_riff(file) > size
        if container_format == "mxf":
            return _begin_of_footer(file) >= size
        if "matroska" in container_format:
            return matroska.end_of_segment(file) > size
        if container_format == "asf":
            return _end_of_asf(file) > size
        if container_format == "flv":
            return _end_of_tags(file, size) != size
        if container_format == "ogg":
            return _end_of_pages(file, size) != size
        if container_format == "mpegts":
            return bool(size % _ts_packet(file))
        if container_format == "dv":
            return _behind_dv_pictures(file, size) > 0
        return "mp4" in container_format and _end_of_boxes(file, size) > size


def _end_of_riff(file: BinaryIO) -> int:
    """Where the first RIFF chunk says that it ends: an AVI's own count of pictures is the same in a cut file."""
    head = file.read(8)
    return int(struct.unpack_from("<I", head, 4)[0]) + len(head) if len(head) == 8 else 0


def _begin_of_footer(file: BinaryIO) -> int:
    """Where the footer of an MXF begins, as its header states (SMPTE ST 377-1, 7.1); 0 if it does not."""
    pack = file.read(64)
    if not pack.startswith(_MXF_PARTITION) or len(pack) < 64:
        return 0
    value = 17 + (pack[16] & 0x7F if pack[16] & 0x80 else 0)  # behind the key and its length
    return int(struct.unpack_from(">Q", pack, value + 24)[0])


def _end_of_asf(file: BinaryIO) -> int:
    """Where an ASF ends, as its header states; 0 if it does not, as in a broadcast."""
    _, found, rest = file.read(_ASF_HEAD).partition(_ASF_FILE_PROPERTIES)
    if not found or len(rest) < 88 or rest[72] & 1:
        return 0
    return int(struct.unpack_from("<Q", rest, 24)[0])


def _end_of_tags(file: BinaryIO, size: int) -> int:
    """Where the last tag that begins in an FLV ends (Adobe Flash Video File Format 10.1, E.3)."""
    file.seek(5)
    at = int.from_bytes(file.read(4), "big") + _FLV_TAG_END
    while at + _FLV_TAG_HEAD <= size:
        file.seek(at + 1)
        at += _FLV_TAG_HEAD + int.from_bytes(file.read(3), "big") + _FLV_TAG_END
    return at


def _end_of_pages(file: BinaryIO, size: int) -> int:
    """Where the last page that begins in an Ogg of ``size`` bytes ends (RFC 3533, 6); its size where other bytes
    lie between its pages."""
    at = 0
    while at + _OGG_HEAD <= size:
        file.seek(at)
        head = file.read(_OGG_HEAD)
        if not head.startswith(_OGG_PAGE):
            return size
        at += _OGG_HEAD + head[-1] + sum(file.read(head[-1]))
    return at


def _ts_packet(file: BinaryIO) -> int:
    """Bytes of a transport stream's packets; 1 where they cannot be told."""
    head = file.read(3 * 204)
    for size, at in _TS_PACKETS:
        if head[at::size][:3] == bytes((_TS_SYNC,) * 3):
            return size
    return 1


def _behind_dv_pictures(file: BinaryIO, size: int) -> int:
    """Bytes of an incomplete picture at the end of a raw DV: its decoder fills it up from the picture before."""
    found = _DV_BEGIN.search(file.read(_DV_HEAD))
    return (size - found.start()) % _DV_PICTURE[found[0][-1]] if found else 0


def _end_of_boxes(file: BinaryIO, size: int) -> int:
    """Where the last box that begins in the file ends (ISO 14496-12, 4.2); a box of size 0 reaches to the file's
    end."""
    end = max((behind for _, _, behind in outermost(file, size)), default=0)
    # Less than the head of a box at the end is what is left of one; anything else there is no box.
    return size + 1 if size - _BOX_HEAD < end < size else max(end, size)
