"""Takes one part out of an EXR of several, so that only its pixels are decoded."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from typing import BinaryIO

from .exr_header import MULTI_PART, TILED, for_pixels, packed, read_parts

_PLACES = {b"scanlineimage": 1, b"tiledimage": 4}
"""How many numbers of four bytes say where a chunk lies, by the part's type: its line; its tile and level."""


def single_part(file: BinaryIO, index: int) -> bytes | None:
    """Part ``index`` of an EXR, whose file is at its start, as the bytes of an EXR of its own: the same chunks, and
    of the attributes those that its pixels need. None where the EXR has one part alone, where the part is deep, or
    where its header or its chunks are damaged."""
    try:
        stored = read_parts(file)
        tables = file.tell()
        file.seek(0)
        magic, flags = struct.unpack("<4sI", file.read(8))
        kind = stored[index]["type"].data
        counts = [struct.unpack("<I", part["chunkCount"].data)[0] for part in stored[: index + 1]]
        table, count, whole = tables + 8 * sum(counts[:-1]), counts[-1], file.seek(0, io.SEEK_END)
        if not flags & MULTI_PART or table + 8 * count > whole:
            return None
        file.seek(table)
        offsets = struct.unpack(f"<{count}Q", file.read(8 * count))
        chunks = _chunks(file, offsets, index, _PLACES[kind], whole)
    except (LookupError, ValueError, OverflowError, OSError, struct.error):
        return None
    flags = flags & ~MULTI_PART | (TILED if kind == b"tiledimage" else 0)
    head = struct.pack("<4sI", magic, flags) + packed(for_pixels(stored[index])) + b"\0"
    places, at = [], len(head) + 8 * count
    for chunk in chunks:
        places.append(at)
        at += len(chunk)
    return b"".join((head, struct.pack(f"<{count}Q", *places), *chunks))


def _chunks(file: BinaryIO, offsets: Sequence[int], index: int, numbers: int, whole: int) -> list[bytes]:
    """The chunks at ``offsets``. Raises as :func:`_chunk` does, and ``ValueError`` where they are together larger
    than the file: a table that names one of them many times would fill the memory."""
    chunks: list[bytes] = []
    total = 0
    for offset in offsets:
        chunks.append(_chunk(file, offset, index, numbers))
        total += len(chunks[-1])
        if total > whole:
            raise ValueError("chunks overlap")
    return chunks


def _chunk(file: BinaryIO, offset: int, index: int, numbers: int) -> bytes:
    """The chunk at ``offset`` without its part's number. Raises ``ValueError`` or ``struct.error`` where there is
    none of this part, or not all of it."""
    file.seek(offset)
    layout = f"<{numbers + 2}i"
    head = file.read(struct.calcsize(layout))
    number, *_, size = struct.unpack(layout, head)
    data = file.read(size)
    if number != index or len(data) != size:
        raise ValueError("the chunk is not there")
    return head[4:] + data
