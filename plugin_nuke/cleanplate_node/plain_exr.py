"""Reads and writes the pixels of uncompressed EXR files, for the self-test.

Pixels are rows of float tuples, in the order of ``channels``; windows are (x, y, width, height), y down.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from matte_link.exr_header import FLOAT, HALF, PlaneWindow, header_attributes, plain_header
from matte_link.files import write_atomically

Row = Sequence[Sequence[float]]
_SIZES = {HALF: 2, FLOAT: 4}
_LETTERS = {HALF: "e", FLOAT: "f"}


@dataclass(frozen=True)
class PlainImage:
    """A picture; ``rows[y][x]`` has one value for each channel. Windows are (x, y, width, height) in pixels."""

    channels: tuple[str, ...]
    rows: Sequence[Row]
    data: PlaneWindow
    display: PlaneWindow
    aspect: float = 1.0
    attributes: dict[str, str] = field(default_factory=dict)

    def at(self, x: int, y: int, channel: str) -> float:
        """A value by its place in the display window's plane; 0 outside the data window."""
        column, row = x - self.data[0], y - self.data[1]
        if not (0 <= column < self.data[2] and 0 <= row < self.data[3]) or channel not in self.channels:
            return 0.0
        return self.rows[row][column][self.channels.index(channel)]


def write(path: Path, picture: PlainImage) -> None:
    """Writes 32 bit float, uncompressed: the whole file or none."""
    order = sorted(range(len(picture.channels)), key=lambda index: picture.channels[index])
    names = [picture.channels[index] for index in order]
    header = plain_header(
        names, FLOAT, picture.data, picture.display, picture.aspect, texts=picture.attributes.items()
    )
    _, top, width, height = picture.data
    size = width * len(names) * 4
    start = len(header) + 8 * height
    offsets = b"".join(struct.pack("<Q", start + row * (8 + size)) for row in range(height))
    lines = []
    for index, row in enumerate(picture.rows):
        columns = list(zip(*row))
        planes = [struct.pack(f"<{width}f", *columns[channel]) for channel in order]
        lines.append(struct.pack("<ii", top + index, size) + b"".join(planes))
    write_atomically(str(path), header + offsets + b"".join(lines))


def read(path: Path) -> PlainImage:
    """Reads half or float, uncompressed; raises ``ValueError`` on any other EXR."""
    data = path.read_bytes()
    found = {attribute.name: attribute for attribute in header_attributes(data)}
    value = {name: data[attribute.place] for name, attribute in found.items()}
    if value["compression"] != b"\0":
        raise ValueError(f"{path} is compressed, which this reader does not do.")
    window, display = _window(value["dataWindow"]), _window(value["displayWindow"])
    channels = _channels(value["channels"])
    strings = [name for name, attribute in found.items() if attribute.kind == "string"]
    texts = {name: value[name].decode("utf-8", "replace") for name in strings}
    aspect = struct.unpack("<f", value["pixelAspectRatio"])[0]
    table = max(attribute.place.stop for attribute in found.values()) + 1
    rows = [_row(data, table + 8 * index, channels, window[2]) for index in range(window[3])]
    return PlainImage(tuple(name for name, _ in channels), rows, window, display, aspect, texts)


def _window(value: bytes) -> PlaneWindow:
    left, top, right, bottom = struct.unpack("<iiii", value)
    return left, top, right - left + 1, bottom - top + 1


def _channels(value: bytes) -> list[tuple[str, int]]:
    found = []
    position = 0
    while value[position] != 0:
        end = value.index(b"\0", position)
        found.append((value[position:end].decode(), struct.unpack_from("<i", value, end + 1)[0]))
        position = end + 17
    return found


def _row(data: bytes, entry: int, channels: Sequence[tuple[str, int]], width: int) -> Row:
    position = struct.unpack_from("<Q", data, entry)[0] + 8
    planes = []
    for _, kind in channels:
        planes.append(struct.unpack_from(f"<{width}{_LETTERS[kind]}", data, position))
        position += width * _SIZES[kind]
    return list(zip(*planes))
