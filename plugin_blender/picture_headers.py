"""What a picture's header says that Blender does not follow and the server does: EXIF's orientation, and the
windows of an EXR. Does not import bpy."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path

from .exr_header import windows_of
from .file_states import FileState, state_of

_ORIENTATION = 0x0112
_UPRIGHT = 1
_MOST_EXIF = 1 << 16
_JPEG, _PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"
_EXIF_MARK = b"Exif\0\0"
_APP1, _SCAN = 0xE1, 0xDA
_known: dict[tuple[Callable[[Path], bool], str], tuple[FileState, bool]] = {}


def is_turned(path: str) -> bool:
    """Whether a JPEG or PNG is stored lying or mirrored: the server turns it upright, Blender shows it as it lies.
    False for what cannot be read."""
    return _asked(_is_turned, path)


def has_own_windows(path: str) -> bool:
    """Whether the pixels of an EXR are others than those of its display window, or that does not begin at 0: the
    server lays pictures upon each other by their windows, Blender does not. False for what cannot be read."""
    return _asked(_has_own_windows, path)


def _asked(question: Callable[[Path], bool], path: str) -> bool:
    """The file is only opened where it has changed."""
    state = state_of(path)
    known = _known.get((question, path))
    if known is None or known[0] != state:
        try:
            known = state, state.is_file and question(Path(path))
        except (OSError, ValueError, struct.error):
            known = state, False
        _known[question, path] = known
    return known[1]


def _has_own_windows(path: Path) -> bool:
    data, display = windows_of(str(path))
    return data != display or data[:2] != (0, 0)


def _is_turned(path: Path) -> bool:
    return any(_orientation(block) not in (0, _UPRIGHT) for block in _exif_blocks(path))


def _exif_blocks(path: Path) -> Iterator[bytes]:
    """What the EXIF segments of a JPEG, or chunks of a PNG, hold: each a TIFF directory."""
    with path.open("rb") as file:
        start = file.read(len(_PNG))
        if start == _PNG:
            while len(head := file.read(8)) == 8:
                size, kind = struct.unpack(">I4s", head)
                if kind == b"eXIf":
                    yield file.read(min(size, _MOST_EXIF))
                    return
                file.seek(size + 4, 1)
        elif start.startswith(_JPEG):
            file.seek(len(_JPEG))
            while len(head := file.read(4)) == 4:
                mark, kind, size = struct.unpack(">BBH", head)
                if mark != 0xFF or kind == _SCAN:
                    return
                block = file.read(size - 2)
                if kind == _APP1 and block.startswith(_EXIF_MARK):
                    yield block[len(_EXIF_MARK) :]


def _orientation(exif: bytes) -> int:
    """0 where it is not said."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return 0
    (at,) = struct.unpack_from(f"{order}I", exif, 4)
    (count,) = struct.unpack_from(f"{order}H", exif, at)
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        tag, _, _, value = struct.unpack_from(f"{order}HHIH", exif, entry)
        if tag == _ORIENTATION:
            return int(value)
    return 0
