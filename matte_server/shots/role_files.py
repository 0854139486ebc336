"""Which file, and which picture of it, each frame of a shot has in one role."""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache
from pathlib import Path

from matte_link.sequence import FramePattern

from ..errors import MatteError
from ..io.media import VideoReader, is_video

_CORRECT = "Correct the name."
_OTHER_PATTERNS = "%<{?[@"
"""Marks by which other programs write frame numbers, and which names of files seldom have."""


def frame_pattern(text: str) -> FramePattern:
    """The pattern; raises ``MatteError("bad_range", ...)``."""
    try:
        return FramePattern(text)
    except ValueError as error:
        raise MatteError("bad_range", str(error)) from None


def named_pattern(name: str) -> FramePattern:
    """The pattern of a name; a video is one file, whatever its name. Raises ``MatteError("bad_range", ...)``."""
    return FramePattern(name, is_literal=True) if is_video(name) else frame_pattern(name)


def input_pattern(name: str) -> FramePattern:
    """The pattern of an input. A file that is there under a name such as ``take ##.exr`` while none is numbered so
    is taken by its name. Raises ``MatteError``: no_frames, bad_range."""
    text = without_star(name)
    if not Path(text).is_file():
        return named_pattern(text)
    try:
        pattern = named_pattern(text)
    except MatteError:
        return FramePattern(text, is_literal=True)
    is_numbered = bool(pattern.frames_on_disk() or pattern.odd_files())
    return pattern if is_numbered else FramePattern(text, is_literal=True)


def without_star(name: str) -> str:
    """An input's name such as ``plate.*.exr`` with the width of its frame numbers, as they are on disk, in place of
    the star; any other name as it is. Raises ``MatteError``: no_frames, bad_range."""
    path = Path(name)
    if path.name.count("*") != 1 or path.exists():
        return name
    before, after = path.name.split("*")
    number = re.compile(re.escape(before) + r"(\d+)" + re.escape(after))
    entries = path.parent.iterdir() if path.parent.is_dir() else ()
    digits = {hit.group(1) for entry in entries if (hit := number.fullmatch(entry.name))}
    if not digits:
        hint = "Check the folder and the name: * stands for a frame number."
        raise MatteError("no_frames", f"No file matches {name}.", hint)
    if before[-1:].isdigit() or after[:1].isdigit():
        whole = f"{before.rstrip('0123456789')}*{after.lstrip('0123456789')}"
        raise MatteError(
            "bad_range",
            f"The * of {name} stands for a part of a frame number.",
            f"Put it in place of the whole number, as in {whole}, and choose frames with --frames.",
        )
    widths = {len(each) for each in digits}
    if len(widths) == 1:
        return str(path.with_name(f"{before}%0{widths.pop()}d{after}"))
    if any(each != str(int(each)) for each in digits):
        raise MatteError(
            "bad_range", f"The frame numbers of {name} are of several widths.", "Name one, such as ####."
        )
    # Not %d, which is no frame number before a letter.
    return str(path.with_name(f"{before}%01d{after}"))


def check_numbers(pattern: FramePattern) -> None:
    """Raises ``MatteError("bad_range", ...)`` where files beside a sequence have frame numbers of another width, or
    a suffix in other capitals: whether they belong to it, the names do not say."""
    if odd := pattern.odd_files():
        others = f" and {len(odd) - 1} more" if len(odd) > 1 else ""
        suffix, own = odd[0].suffix, Path(pattern.text).suffix
        is_in_capitals = suffix != own and suffix.lower() == own.lower()
        difference = "other capitals in its suffix" if is_in_capitals else "another number of digits"
        raise MatteError(
            "bad_range",
            f"Beside {pattern.text} there is {odd[0].name}{others}, with {difference}; nothing was started.",
            "Rename or move what does not belong together, or name the frames wanted with --frames.",
        )


def check_files(paths: Iterable[Path], hint: str = _CORRECT) -> None:
    """Raises ``MatteError("missing_frame", ..., hint)`` where a path is not that of a file."""
    wrong = sorted({path for path in paths if not path.is_file()})
    if not wrong:
        return
    problem = _problem(wrong[0])
    if hint == _CORRECT and any(mark in wrong[0].name for mark in _OTHER_PATTERNS):
        hint = f"{_CORRECT} Frame numbers are written as ####, %04d or *."
    if len(wrong) > 1 and not any(map(os.path.lexists, wrong)):
        problem = f"and {len(wrong) - 1} more do not exist"
    raise MatteError(
        "missing_frame",
        f"{wrong[0]} {problem}; nothing was started.",
        hint,
    )


def _problem(path: Path) -> str:
    if path.is_dir():
        return "is a folder, and one picture is needed"
    if path.exists():
        return "is neither a file nor a folder"
    return "is a link to a file that does not exist" if path.is_symlink() else "does not exist"


def number_of_still(name: str) -> int:
    """The frame number in the name of a still, such as 1001 of plate.1001.exr; 1 without one."""
    match = re.search(r"[._](-?\d{1,15})\Z", Path(name).stem)
    return int(match.group(1)) if match else 1


@lru_cache(maxsize=64)
def _video_length(path: Path, modified_ns: int) -> int:
    with VideoReader(path) as video:
        return video.facts.frames


class RoleFiles:
    """The files of one role: a still, a numbered sequence, or a video, whose pictures are numbered from 1.

    ``offset`` is added to a frame's number. ``end`` ("loop" or "hold") says what stands for frames that are not
    there; empty leaves them missing. ``only`` is the number of the one picture that all frames share; None where
    each has its own."""

    def __init__(self, name: str, offset: int = 0, end: str = "", only: int | None = None) -> None:
        self.pattern = input_pattern(name)
        self.offset = offset
        self._end = end
        self.only = only
        self.is_video = is_video(name)

    @property
    def is_still(self) -> bool:
        """Whether every frame has the same file, and that is no video."""
        return not self.is_video and not self.pattern.is_sequence

    @cached_property
    def frames(self) -> tuple[int, ...]:
        """The numbers of the frames that exist; empty for a still."""
        if not self.is_video:
            return self.pattern.frames_on_disk()
        path = Path(self.pattern.text)
        check_files([path])
        return tuple(range(1, _video_length(path, path.stat().st_mtime_ns) + 1))

    @cached_property
    def _there(self) -> frozenset[int]:
        return frozenset(self.frames)

    def files(self) -> tuple[Path, ...]:
        """Every file of the role: a still's or a video's own, and those of a sequence that exist."""
        if not self.pattern.is_sequence:
            return (Path(self.pattern.text),)
        return tuple(self.pattern.path(number) for number in self.frames)

    def file_of(self, number: int) -> tuple[Path, int]:
        """The file of a frame, and where it is a video, the number of its picture in it (else 0)."""
        if self.is_still:
            return Path(self.pattern.text), 0
        number = self.only if self.only is not None else number + self.offset
        if self._end and self.frames and number not in self._there:
            number = _substitute(number, self.frames, self._end)
        if self.is_video:
            return Path(self.pattern.text), number
        return self.pattern.path(number), 0

    def has(self, number: int) -> bool:
        """Whether a frame has a picture in this role."""
        path, picture = self.file_of(number)
        return picture in self._there if self.is_video else path.is_file()


def _substitute(number: int, existing: Sequence[int], end: str) -> int:
    """The existing frame, of a sorted sequence, that is shown in place of a missing one: with "hold" the first or
    the last, with "loop" as if the sequence were repeated before and after itself."""
    first, last = existing[0], existing[-1]
    if end == "hold":
        return min(max(number, first), last)
    looped = (number - first) % (last - first + 1) + first
    return existing[bisect_right(existing, looped) - 1]
