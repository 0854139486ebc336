"""Frame ranges, samples of them, and file patterns.

Ranges as ``1001-1100x2,1200``; patterns as ``####``, ``@@@@``, ``%04d``, ``$F4``, ``<f>``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

Item = TypeVar("Item")
MAX_FRAMES = 1_000_000
_PART = re.compile(r"\s*(-?\d{1,9})(?:-(-?\d{1,9})(?:x([1-9]\d{0,8}))?)?\s*\Z")
# A single @ is part of many names, such as photo@2x, as are a single # before a digit (Reel #2) and %d in a word
# (50%done, 50%début).
_NO_LETTER = r"(?![^\W\d_])"
_TOKEN = re.compile(rf"#{{2,}}|#(?!\d)|@{{2,}}|%0?([1-9]\d?)d|%0?d{_NO_LETTER}|\$F(?:(\d)|{_NO_LETTER})|<f>")


def parse_frames(text: str) -> tuple[int, ...]:
    """The frames of a range such as ``1001-1010,1200``, sorted and without repeats.

    ``1-5`` is every frame from 1 to 5, ``1-9x2`` every second one; commas join parts. Raises ``ValueError`` with
    one sentence.
    """
    frames: set[int] = set()
    for part in text.split(","):
        match = _PART.match(part)
        if not match:
            raise ValueError(f"{text!r} is not a frame range; it should look like 1001-1100x2,1200.")
        first = int(match.group(1))
        last = first if match.group(2) is None else int(match.group(2))
        step = int(match.group(3) or 1)
        if last < first:
            raise ValueError(f"the frame range {part.strip()!r} runs backwards; write the smaller frame first.")
        if len(frames) + (last - first) // step >= MAX_FRAMES:
            raise ValueError(f"the frame range {text!r} has more than {MAX_FRAMES} frames.")
        frames.update(range(first, last + 1, step))
    return tuple(sorted(frames))


def format_frames(frames: Iterable[int]) -> str:
    """Frames as a range without steps, such as ``1-5,9``; :func:`parse_frames` reads it back."""
    runs: list[list[int]] = []
    for frame in sorted(set(frames)):
        if runs and frame == runs[-1][1] + 1:
            runs[-1][1] = frame
        else:
            runs.append([frame, frame])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def counted(count: int, noun: str) -> str:
    """A number with its noun: "1 frame", "2 frames"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def evenly_spaced(items: Sequence[Item], count: int) -> tuple[Item, ...]:
    """At most ``count`` items (2 or more), evenly spaced, the first and the last among them."""
    if len(items) <= count:
        return tuple(items)
    return tuple(items[round(index * (len(items) - 1) / (count - 1))] for index in range(count))


def is_number_at(name: str, place: int) -> bool:
    """Whether a frame number, such as ``$F4``, begins at a place of a file's name."""
    return _TOKEN.match(name, place) is not None


@dataclass(frozen=True)
class FramePattern:
    """A path whose file name has at most one frame number: ``plate.####.exr``, ``plate.@@@@.exr``,
    ``plate.%04d.exr``, ``plate.$F4.exr``, ``plate.<f>.exr``.

    ``<f>``, ``%d`` and ``$F`` are not padded; a padded number is as wide as C prints it, its sign included. Folders
    may have any name. Raises ``ValueError`` if there are several frame numbers. ``is_literal``: the path is that of
    one file, whatever its name.
    """

    text: str
    is_literal: bool = False

    def __post_init__(self) -> None:
        if not self.is_literal and len(list(_TOKEN.finditer(Path(self.text).name))) > 1:
            raise ValueError(f"{self.text!r} has more than one frame number.")

    @property
    def is_sequence(self) -> bool:
        """Whether the path has a frame number; without one it is a still, the same for every frame."""
        return not self.is_literal and bool(_TOKEN.search(Path(self.text).name))

    @property
    def padding(self) -> int:
        """The number of digits to which the frame number is padded with zeros."""
        match = _TOKEN.search(Path(self.text).name)
        if not match or match.group(0) == "<f>":
            return 1
        if match.group(0)[0] in "#@":
            return len(match.group(0))
        return int(match.group(1) or match.group(2) or 1)

    def path(self, frame: int) -> Path:
        """The path of one frame's file."""
        if not self.is_sequence:
            return Path(self.text)
        number, path = f"{frame:0{self.padding}d}", Path(self.text)
        return path.with_name(_TOKEN.sub(lambda match: number, path.name))

    def frames_on_disk(self) -> tuple[int, ...]:
        """The frames whose files are in the folder now, links that lead nowhere among them, sorted; none for a
        still or if the folder is missing."""
        return tuple(sorted(frame for path, frame in self._numbered_files() if self.path(frame).name == path.name))

    def odd_files(self) -> list[Path]:
        """Existing files whose frame number has another number of digits than the pattern gives it, or whose suffix
        has other capitals where no file of the frame has the pattern's, such as ``plate.7.exr`` and
        ``plate.0007.EXR`` beside ``plate.####.exr``; sorted."""
        found = [(path, frame, self.path(frame)) for path, frame in self._numbered_files()]
        complete = {frame for path, frame, own in found if path.name == own.name}
        return sorted(
            path
            for path, frame, own in found
            if path.name != own.name and (path.name.lower() != own.name.lower() or frame not in complete)
        )

    def _numbered_files(self) -> Iterator[tuple[Path, int]]:
        """Existing files that differ from the pattern in the frame number, and in capitals of the suffix, alone,
        with that number."""
        pattern = Path(self.text)
        match = _TOKEN.search(pattern.name)
        if not match or self.is_literal or not pattern.parent.is_dir():
            return
        after = pattern.name[match.end() :]
        rest = after.removesuffix(pattern.suffix)
        suffix = re.escape(after[len(rest) :])
        name = re.compile(re.escape(pattern.name[: match.start()]) + rf"(-?\d+){re.escape(rest)}(?i:{suffix})")
        for path in pattern.parent.iterdir():
            # A link to a file that is away is a frame that is missing, and no shorter sequence.
            if hit := name.fullmatch(path.name):
                yield path, int(hit.group(1))
