"""What feeds an input, without Blender: files on disk with Blender's rule of frame numbers, or a digest of nodes.

Frozen and plain, so that a render thread may use it while the file is being edited.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_NUMBER = re.compile(r"(\d+)(\D*)\Z")
Identity = list[object]


@dataclass(frozen=True)
class Numbering:
    """Which file of a sequence a frame shows: an Image node's ``frame_start`` and so on."""

    start: int
    duration: int
    offset: int
    cyclic: bool = False

    def file_number(self, frame: int) -> int:
        """Blender's own rule: before the start nothing is there, past the end the last picture is held."""
        index = frame - self.start + 1
        if self.cyclic:
            index = (index - 1) % self.duration + 1
        return min(max(index, 0), self.duration) + self.offset


@dataclass(frozen=True)
class ClipNumbering:
    """Which file of a sequence a frame of a movie clip shows; nothing is held."""

    first: int
    start: int
    offset: int

    def file_number(self, frame: int) -> int:
        """The number in the file's name."""
        return self.first + frame - self.start + self.offset


@dataclass(frozen=True)
class FileSource:
    """A picture file, or a sequence of them, in a colourspace that the server knows."""

    file: str
    colourspace: str
    numbering: Numbering | ClipNumbering | None = None

    @property
    def name(self) -> Identity:
        """Tells one source from another on any machine: the file with its folder, and how it is read."""
        return ["/".join(Path(self.file).parts[-2:]), self.colourspace, repr(self.numbering)]

    def path(self, frame: int) -> str:
        """The frame's file, absolute."""
        path = Path(self.file)
        match = _NUMBER.search(path.stem)
        if self.numbering is None or not match:
            return self.file
        number = self.numbering.file_number(frame)
        stem = path.stem[: match.start()] + f"{number:0{len(match.group(1))}d}" + match.group(2)
        return str(path.with_name(stem + path.suffix))

    def identity(self, frame: int) -> Identity:
        """Changes where the frame's file does."""
        return file_identity(self.path(frame))

    def missing(self, frame: int) -> str:
        """The frame's file where it is not there; else empty."""
        path = self.path(frame)
        return "" if Path(path).is_file() else path


@dataclass(frozen=True)
class GraphSource:
    """Nodes that are rendered; ``digest`` names their settings and ``files`` are the pictures they read."""

    digest: str
    files: tuple[FileSource, ...] = ()

    @property
    def name(self) -> Identity:
        """Tells one source from another on any machine."""
        return [self.digest]

    def identity(self, frame: int) -> Identity:
        """Changes where a file that the nodes read in this frame does."""
        return [source.identity(frame) for source in self.files]

    def missing(self, frame: int) -> str:
        """The first picture that the nodes read and that is not there; else empty."""
        return next((path for path in (source.missing(frame) for source in self.files) if path), "")


Source = FileSource | GraphSource


def file_identity(path: str) -> Identity:
    """A file's size and time, in milliseconds because network folders keep no finer ones; not its place, so
    that a project may move."""
    try:
        facts = Path(path).stat()
    except OSError:
        return []
    return [facts.st_size, facts.st_mtime_ns // 1_000_000]


def first_number(file: str) -> int:
    """The number in a sequence's first file name; 1 where there is none."""
    match = _NUMBER.search(Path(file).stem)
    return int(match.group(1)) if match else 1
