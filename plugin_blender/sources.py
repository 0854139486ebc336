"""What feeds an input, without Blender: files on disk with Blender's rule of frame numbers, or a digest of nodes.

Frozen and plain, so that a render thread may use it while the file is being edited.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from .file_states import state_of

_NUMBER = re.compile(r"([0-9]+)([^0-9]*)\Z")
Identity = list[object]
OF_ANOTHER_NODE = ", a result of another Cleanplate Matte,"


@dataclass(frozen=True)
class Span:
    """The frames of which a source has pictures of its own, both ends included; ``held`` says whether past them
    it goes on with the last one."""

    first: int
    last: int
    held: bool

    def has(self, frame: int) -> bool:
        """Whether the frame has a picture of its own."""
        return self.first <= frame <= self.last

    def shows(self, frame: int) -> bool:
        """Whether there is anything to be seen in the frame."""
        return self.first <= frame and (self.held or frame <= self.last)


@dataclass(frozen=True)
class Numbering:
    """Which file of a sequence a frame shows: an Image node's ``frame_start`` and so on."""

    start: int
    duration: int
    offset: int
    cyclic: bool = False

    def file_number(self, frame: int) -> int:
        """Blender's own rule: before the start nothing is there, past the end the last picture is held. A sequence
        of no frames shows the file of number 0."""
        if not self.duration:
            return 0
        index = frame - self.start + 1
        if self.cyclic:
            index = (index - 1) % self.duration + 1
        return min(max(index, 0), self.duration) + self.offset

    @property
    def name(self) -> object:
        """How frames are turned into files, whatever the length: that counts for the frames beyond it alone."""
        return ["loop", self.start, self.duration, self.offset] if self.cyclic else self.offset - self.start

    def is_beyond(self, frame: int) -> bool:
        """Whether the sequence has no file of its own for the frame, but the one of another."""
        return not (self.cyclic or self.start <= frame < self.start + self.duration)

    @property
    def span(self) -> Span | None:
        """The frames that are played once; None for a loop, and for a sequence of no frames: they have no ends."""
        if self.cyclic or not self.duration:
            return None
        return Span(first=self.start, last=self.start + self.duration - 1, held=True)


@dataclass(frozen=True)
class ClipNumbering:
    """Which file of a sequence a frame of a movie clip shows; nothing is held."""

    first: int
    start: int
    offset: int

    def file_number(self, frame: int) -> int:
        """The number in the file's name."""
        return self.first + frame - self.start + self.offset

    def span_of(self, numbers: list[int]) -> Span | None:
        """The frames between the lowest and the highest number of the files that there are; None without any."""
        if not numbers:
            return None
        shift = self.file_number(0)
        return Span(first=min(numbers) - shift, last=max(numbers) - shift, held=False)


@dataclass(frozen=True)
class FileSource:
    """A picture file, or a sequence of them, in a colourspace that the server knows.

    ``movie`` is for one that nodes read: the frames that a movie file is played in.
    """

    file: str
    colourspace: str
    numbering: Numbering | ClipNumbering | None = None
    movie: Span | None = None

    @property
    def name(self) -> Identity:
        """Tells one source from another on any machine: the file with its folder, and how it is read."""
        numbering = self.numbering.name if isinstance(self.numbering, Numbering) else repr(self.numbering)
        return ["/".join(Path(self.file).parts[-2:]), self.colourspace, numbering]

    @property
    def pictures(self) -> tuple[FileSource, ...]:
        """What has to be there for a solve, as of a :class:`GraphSource`; none where nothing is connected."""
        return (self,) if self.file else ()

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths of which the name holds the last two parts."""
        return (self.file,) if self.file else ()

    def path(self, frame: int) -> str:
        """The frame's file, absolute."""
        if self.numbering is None or self._around_number is None:
            return self.file
        before, digits, after = self._around_number
        number = max(self.numbering.file_number(frame), 0)
        return f"{before}{number:0{digits}d}{after}" if digits or number else f"{before}{after}"

    @cached_property
    def _around_number(self) -> tuple[str, int, str] | None:
        """What stands before the number in the file's path, the number's digits, and what stands after it; None
        where there is none, and Blender puts none there. Looked for once: after an edit a node asks several times
        for each frame."""
        path = Path(self.file)
        match = _NUMBER.search(path.stem)
        if not path.name:
            return None
        if match is None:
            # An image is numbered behind its name then ("plate7.exr"), a clip is not.
            is_image = isinstance(self.numbering, Numbering)
            return (str(path.with_suffix("")), 0, path.suffix) if is_image else None
        start = len(str(path)) - len(path.name)
        digits = len(match.group(1))
        return str(path)[: start + match.start()], digits, match.group(2) + path.suffix

    def identity(self, frame: int) -> Identity:
        """Changes where the frame's file does, and where another frame's is shown."""
        found = file_identity(self.path(frame))
        if isinstance(self.numbering, Numbering) and self.numbering.is_beyond(frame):
            found.append(self.numbering.file_number(frame))
        return found

    def files_of(self, frame: int) -> list[str]:
        """The files that the frame is read from."""
        return [self.path(frame)] if self.file else []

    def missing(self, frame: int) -> str:
        """The frame's file where it is not there; else empty."""
        path = self.path(frame)
        return "" if file_identity(path) else path

    @cached_property
    def span(self) -> Span | None:
        """The frames that the footage has; None where it has every frame, as a still has."""
        if isinstance(self.numbering, ClipNumbering):
            # A clip's own length is that of the day on which it was loaded, with the offset that it had then.
            return self.numbering.span_of(numbers_on_disk(self.file))
        return self.numbering.span if self.numbering else self.movie


@dataclass(frozen=True)
class GraphSource:
    """Nodes that are rendered. ``digest`` names all their settings, and those of the 3D scene behind them.

    ``pictures`` are those that the nodes play, which have to be there; ``files`` are others that are read, such as
    textures, and ``folders`` those of which any file may be read. ``unknown`` names what cannot be compared, each
    as a noun ("the simulation of Cube").
    """

    digest: str
    pictures: tuple[FileSource, ...] = ()
    files: tuple[FileSource, ...] = ()
    folders: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def name(self) -> Identity:
        """Tells one source from another on any machine."""
        return [self.digest]

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths of which the digest holds the last two parts, in an order that comes from the nodes."""
        return (*(source.file for source in (*self.pictures, *self.files)), *self.folders)

    def identity(self, frame: int) -> Identity:
        """Changes where a file that is read for this frame does."""
        return [source.identity(frame) for source in (*self.pictures, *self.files)]

    def files_of(self, frame: int) -> list[str]:
        """The files that are read for the frame."""
        return [file for source in (*self.pictures, *self.files) for file in source.files_of(frame)]

    def missing(self, frame: int) -> str:
        """The first picture that the nodes play and that is not there; else empty."""
        return next((path for path in (source.missing(frame) for source in self.pictures) if path), "")

    @cached_property
    def span(self) -> Span | None:
        """The frames in which any footage that the nodes play has pictures of its own; None where they play none
        that has ends."""
        spans = [source.span for source in self.pictures if source.span]
        if not spans:
            return None
        first, last = min(span.first for span in spans), max(span.last for span in spans)
        return Span(first=first, last=last, held=any(span.held for span in spans))


Source = FileSource | GraphSource


def file_identity(path: str) -> Identity:
    """A file's size and time, in milliseconds because network folders keep no finer ones; not its place, so
    that a project may move. Empty where there is no such file."""
    state = state_of(path)
    return [state.size, state.modified_ns // 1_000_000] if state.is_file else []


def remedy(missing: str) -> str:
    """What to do where an input is not on disk, which is named as an artist is told of it."""
    if OF_ANOTHER_NODE in missing:
        return "Solve that node first."
    return "Correct the path, or restore the file."


def first_number(file: str) -> int:
    """The number in a sequence's first file name; 1 where there is none."""
    match = _NUMBER.search(Path(file).stem)
    return int(match.group(1)) if match else 1


def numbers_on_disk(file: str) -> list[int]:
    """The numbers of a sequence's files, in no order; empty where there is none."""
    path = Path(file)
    match = _NUMBER.search(path.stem)
    if not match:
        return []
    name = re.compile(re.escape(path.stem[: match.start()]) + r"([0-9]+)" + re.escape(match.group(2) + path.suffix))
    try:
        names = [each.name for each in path.parent.iterdir()]
    except OSError:
        return []
    return [int(found.group(1)) for found in map(name.fullmatch, names) if found]
