"""Reads and writes uncompressed scanline EXR files in plain Python, for the self-test: Nuke's Python has no module
for that.

Pixels are rows of float tuples, in the order of ``channels``; windows are (x, y, width, height), y down.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from matte_link.files import write_atomically

Window = tuple[int, int, int, int]
Row = Sequence[Sequence[float]]
_MAGIC = struct.pack("<II", 20000630, 2)
_HALF, _FLOAT = 1, 2
_SIZES = {_HALF: 2, _FLOAT: 4}
_LETTERS = {_HALF: "e", _FLOAT: "f"}


@dataclass(frozen=True)
class PlainImage:
    """A picture; ``rows[y][x]`` has one value for each channel. Windows are (x, y, width, height) in pixels."""

    channels: tuple[str, ...]
    rows: Sequence[Row]
    data: Window
    display: Window
    aspect: float = 1.0
    attributes: dict[str, str] = field(default_factory=dict)

    def at(self, x: int, y: int, channel: str) -> float:
        """A value by its place in the display window's plane; 0 outside the data window."""
        column, row = x - self.data[0], y - self.data[1]
        if not (0 <= column < self.data[2] and 0 <= row < self.data[3]) or channel not in self.channels:
            return 0.0
        return self.rows[row][column][self.channels.index(channel)]


def _attribute(name: str, kind: str, value: bytes) -> bytes:
    return name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(value)) + value


def _box(window: Window) -> bytes:
    x, y, width, height = window
    return struct.pack("<iiii", x, y, x + width - 1, y + height - 1)


def write(path: Path, picture: PlainImage) -> None:
    """Writes 32 bit float, uncompressed: the whole file or none."""
    order = sorted(range(len(picture.channels)), key=lambda index: picture.channels[index])
    names = [picture.channels[index] for index in order]
    listed = b"".join(name.encode() + b"\0" + struct.pack("<iiii", _FLOAT, 0, 1, 1) for name in names) + b"\0"
    header = _MAGIC + b"".join(
        [
            _attribute("channels", "chlist", listed),
            _attribute("compression", "compression", b"\0"),
            _attribute("dataWindow", "box2i", _box(picture.data)),
            _attribute("displayWindow", "box2i", _box(picture.display)),
            _attribute("lineOrder", "lineOrder", b"\0"),
            _attribute("pixelAspectRatio", "float", struct.pack("<f", picture.aspect)),
            _attribute("screenWindowCenter", "v2f", struct.pack("<ff", 0.0, 0.0)),
            _attribute("screenWindowWidth", "float", struct.pack("<f", 1.0)),
            *(_attribute(name, "string", value.encode()) for name, value in picture.attributes.items()),
            b"\0",
        ]
    )
    _, top, width, height = picture.data
    size = width * len(names) * 4
    start = len(header) + 8 * height
    offsets = b"".join(struct.pack("<Q", start + row * (8 + size)) for row in range(height))
    lines = []
    for index, row in enumerate(picture.rows):
        planes = [struct.pack(f"<{width}f", *(pixel[channel] for pixel in row)) for channel in order]
        lines.append(struct.pack("<ii", top + index, size) + b"".join(planes))
    write_atomically(str(path), header + offsets + b"".join(lines))


def read(path: Path) -> PlainImage:
    """Reads half or float, uncompressed; raises ``ValueError`` on any other EXR."""
    data = path.read_bytes()
    if data[:4] != _MAGIC[:4]:
        raise ValueError(f"{path} is no EXR.")
    attributes, position = _header(data)
    if attributes["compression"][1] != b"\0":
        raise ValueError(f"{path} is compressed, which this reader does not do.")
    window, display = _window(attributes["dataWindow"][1]), _window(attributes["displayWindow"][1])
    channels = _channels(attributes["channels"][1])
    strings = {name: value for name, (kind, value) in attributes.items() if kind == "string"}
    texts = {name: value.decode("utf-8", "replace") for name, value in strings.items()}
    aspect = struct.unpack("<f", attributes["pixelAspectRatio"][1])[0]
    rows = [_row(data, position + 8 * index, channels, window[2]) for index in range(window[3])]
    return PlainImage(tuple(name for name, _ in channels), rows, window, display, aspect, texts)


def _header(data: bytes) -> tuple[dict[str, tuple[str, bytes]], int]:
    attributes: dict[str, tuple[str, bytes]] = {}
    position = 8
    while data[position] != 0:
        name, kind = (part.decode() for part in data[position : position + 300].split(b"\0", 2)[:2])
        position += len(name) + len(kind) + 2
        size = struct.unpack_from("<i", data, position)[0]
        attributes[name] = (kind, data[position + 4 : position + 4 + size])
        position += 4 + size
    return attributes, position + 1


def _window(value: bytes) -> Window:
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
