"""The files that a picture is read from, as they are on disk. No nuke here.

Nuke's hashes do not notice a file that was overwritten in place, so each result records the times and sizes of the
files that it was read from.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from matte_link.seen_files import Seen, SeenTogether, look_at, stamp_of

from .frame_reach import SAME_FRAME, Chosen, FrameMap

_NEAREST = "nearest frame"
"""What a Read's ``on_error`` may say."""
_VIDEOS = (".mov", ".qt", ".mp4", ".m4v", ".avi", ".mxf", ".mkv", ".webm", ".mpg", ".mpeg", ".r3d", ".braw", ".gif")
_NUMBER = re.compile(r"%0?(\d*)d|#+")


@dataclass(frozen=True)
class SourceFile:
    """A file, or a sequence of files, that a node reads.

    ``pattern`` has the frame number as ``%04d`` or ``####`` and the view as ``%V``. ``frames`` are the first and
    last frame of a Read, which shows at the frames ``before`` and ``after`` them what the two say; None for other
    files. ``on_error`` is what a Read shows in place of a file that does not exist. ``takes`` says which
    file's number a frame has; ``is_made``, that TCL or the project's directory made the pattern of the node's text.
    ``only_in`` is the view that it is the file of, where the node has others in other views; else empty. ``is_cut``
    says that ``frames`` are not all that the files have.
    """

    pattern: str
    frames: Optional[tuple[int, int]] = None
    before: str = "hold"
    after: str = "hold"
    on_error: str = "error"
    takes: FrameMap = SAME_FRAME
    is_made: bool = False
    only_in: str = ""
    is_cut: bool = False


_NEW = SourceFile(pattern="")
"""As a new Read is."""


def frame_file(pattern: str, frame: int, view: str) -> str:
    """The file of one frame and view: ``%04d`` or ``####``, ``%V`` or ``%v``."""
    return _NUMBER.sub(lambda match: _number(match, frame), _in_view(pattern, view))


def _in_view(pattern: str, view: str) -> str:
    return pattern.replace("%V", view).replace("%v", view[:1])


def name_by_script(pattern: str, script: str) -> str:
    """What tells the files that TCL names in a ``script`` from those that it names in another one, and is the same
    wherever both lie: the way from the script's folder, else the end of their name with two folders."""
    folder = script.rpartition("/")[0] + "/"
    is_below = bool(script) and pattern.startswith(folder)
    return pattern[len(folder) :] if is_below else "/".join(pattern.split("/")[-3:])


def _number(match: re.Match[str], frame: int) -> str:
    digits = len(match.group(0)) if match.group(0).startswith("#") else int(match.group(1) or 1)
    # As printf does in Nuke: the sign takes one of the digits.
    return f"{frame:0{digits}d}"


def look_at_file(path: str) -> Seen:
    """A file as it is now; None where there is none."""
    try:
        return look_at(path)
    except (OSError, ValueError):
        return None


def _unknown(switch: int, frame: int) -> None:
    """No Switch is known."""


class FileStamps:
    """Looks at files; each is looked at once, so make a new one for each check.

    ``maps`` has, for each of the ``files``, the frames of it that a picture depends on, and ``chosen`` tells which
    input a Switch on the way there takes. ``views`` are the views of the script; ``look`` looks at a file.
    """

    def __init__(
        self,
        files: Sequence[SourceFile],
        maps: Sequence[Collection[FrameMap]],
        chosen: Chosen = _unknown,
        views: Sequence[str] = (),
        look: Callable[[str], Seen] = look_at_file,
    ) -> None:
        self._views = views
        self._look_at = look
        self._files = [(file, each) for file, each in zip(files, maps) if each]
        self._chosen = chosen
        self._seen: dict[str, Seen] = {}
        self._sequences: dict[tuple[SourceFile, str], Seen] = {}
        self._numbered: dict[tuple[str, str], dict[int, str]] = {}
        self._joined: dict[
            tuple[tuple[SourceFile, int], ...], tuple[list[tuple[SourceFile, Seen]], SeenTogether]
        ] = {}
        """By the identity of what was seen, which is kept beside: so no other object can have it."""

    def of(self, frame: int, view: str) -> SeenTogether:
        """The files behind one frame and view as they are, each once, in the order of their names. Where names
        were made by TCL, last of all which file each has become. Frames that have the same ones share them."""
        found = [(file, self._of_file(file, maps, frame, view)) for file, maps in self._seen_at(frame, view)]
        # Behind a retime it is the same whole sequence at every frame.
        known = tuple((file, id(one)) for file, one in found)
        if known not in self._joined:
            self._joined[known] = found, SeenTogether(_joined(found))
        return self._joined[known][1]

    def are_known(self, frame: int, view: str) -> bool:
        """Whether there is a file behind all of them. Where a Read has none, it is not known what it shows."""
        reads = [(file, maps) for file, maps in self._seen_at(frame, view) if file.frames is not None]
        return all(self._of_file(*one, frame, view) is not None for one in reads)

    def _seen_at(self, frame: int, view: str) -> list[tuple[SourceFile, list[FrameMap]]]:
        """The files that count for a frame of a view, each with the frames of it."""
        found = [
            (file, [one for one in maps if one.holds(frame, view, self._chosen) and self._shows(file, one, view)])
            for file, maps in self._files
        ]
        return [(file, maps) for file, maps in found if maps]

    def _shows(self, file: SourceFile, seen: FrameMap, view: str) -> bool:
        return not file.only_in or file.only_in in seen.views(view, self._views)

    def _of_file(self, file: SourceFile, maps: Collection[FrameMap], frame: int, view: str) -> Seen:
        places = self._places(file, maps, frame, view)
        found = [
            self._of_sequence(file, seen) if at is None else self._of_frame(file, at, seen) for at, seen in places
        ]
        return found[0] if len(found) == 1 else found

    def _places(
        self, file: SourceFile, maps: Collection[FrameMap], frame: int, view: str
    ) -> list[tuple[Optional[int], str]]:
        """The frames and views of a file that count, each once; None for all frames of a view."""
        places: dict[tuple[Optional[int], str], None] = {}
        for each in sorted(maps, key=FrameMap.order):
            at = None if each.is_any or file.takes.is_any else file.takes.at(each.at(frame))
            if at is not None and file.takes != SAME_FRAME and not _is_in_range(file, at):
                at = None  # no document says what it shows before and after its own range then
            seen = each.views(view, self._views) if "%v" in file.pattern.lower() else (view,)
            places.update(dict.fromkeys((at, one) for one in ([file.only_in] if file.only_in else seen)))
        return [(at, seen) for at, seen in places if at is None or (None, seen) not in places]

    def _of_frame(self, file: SourceFile, frame: int, view: str) -> Seen:
        shown = _shown_frame(file, frame)
        if shown is None:
            return "black"
        found = self._look(frame_file(file.pattern, shown, view))
        if found is None and file.on_error != "error":
            return self._nearest(file, shown, view) if file.on_error == _NEAREST else file.on_error
        is_another = shown != frame or file.takes != SAME_FRAME
        return [shown, found] if is_another and found is not None and _holds_frames(file.pattern) else found

    def _nearest(self, file: SourceFile, frame: int, view: str) -> Seen:
        """What a Read may show in place of a frame without a file: the one before it or the one after it, since no
        document says which it takes where both are as near. None where there is neither."""
        numbers = [number for number in self._names(file.pattern, view) if _is_in_range(file, number)]
        before = max((number for number in numbers if number < frame), default=None)
        after = min((number for number in numbers if number > frame), default=None)
        near = [number for number in (before, after) if number is not None]
        found: list[Seen] = [[one, self._look(frame_file(file.pattern, one, view))] for one in near]
        return [_NEAREST, *found] if found else None

    def _of_sequence(self, file: SourceFile, view: str) -> Seen:
        """All files of a sequence that exist, in the range of the Read where that is about their numbers."""
        if (file, view) not in self._sequences:
            self._sequences[file, view] = self._listed(file, view)
        return self._sequences[file, view]

    def _listed(self, file: SourceFile, view: str) -> Seen:
        path = Path(_in_view(file.pattern, view))
        if _NUMBER.search(path.name) is None:
            return self._one_file(file, str(path))
        is_about_files = file.takes == SAME_FRAME
        numbered = self._names(file.pattern, view)
        numbers = [number for number in numbered if not is_about_files or _is_in_range(file, number)]
        names = sorted(numbered[number] for number in numbers)
        found: list[Seen] = [[name, self._look(str(path.parent / name))] for name in names]
        cut = [*file.frames] if file.frames is not None and file.is_cut and not is_about_files else []
        return [*found, *cut, *_shown_elsewhere(file, _has_holes(file, numbers))] or None

    def _one_file(self, file: SourceFile, path: str) -> Seen:
        """A still or a video, of which no name tells where the range of its Read ends."""
        found = self._look(path)
        if found is None or file.frames is None:
            return found
        edges = _shown_elsewhere(file, has_holes=False)
        is_cut = file.is_cut and _holds_frames(file.pattern)
        return [found, *file.frames, *edges] if edges or is_cut else found

    def _names(self, pattern: str, view: str) -> dict[int, str]:
        """The names of the files of a sequence that exist, by their numbers."""
        if (pattern, view) not in self._numbered:
            self._numbered[pattern, view] = _names_there(Path(_in_view(pattern, view)))
        return self._numbered[pattern, view]

    def _look(self, path: str) -> Seen:
        if path not in self._seen:
            self._seen[path] = self._look_at(path)
        return self._seen[path]


def _holds_frames(pattern: str) -> bool:
    """Whether it is more than one picture, which a still is not, whatever its Read's range is. Which of them is
    seen counts, as the range does not: files of an archive may have the same time and size, and a video is one
    file."""
    return _NUMBER.search(pattern) is not None or pattern.lower().endswith(_VIDEOS)


def _names_there(path: Path) -> dict[int, str]:
    number = _NUMBER.search(path.name)
    if number is None:
        return {}
    wanted = re.compile(re.escape(path.name[: number.start()]) + r"(-?\d+)" + re.escape(path.name[number.end() :]))
    try:
        there = [one.name for one in path.parent.iterdir()]
    except OSError:
        return {}
    return {int(match[1]): match[0] for match in map(wanted.fullmatch, there) if match}


def _is_in_range(file: SourceFile, frame: int) -> bool:
    return file.frames is None or file.frames[0] <= frame <= file.frames[1]


def _has_holes(file: SourceFile, numbers: Collection[int]) -> bool:
    """Whether frames in the range of a Read have no file, where these ``numbers`` have one."""
    if file.frames is None:
        return False
    return sum(_is_in_range(file, number) for number in numbers) <= file.frames[1] - file.frames[0]


def _shown_elsewhere(file: SourceFile, has_holes: bool) -> list[Seen]:
    """What a Read shows before and after its range, and in its holes. Empty where that is what a new Read shows."""
    if file.frames is None:
        return []
    shown = (file.before, file.after, file.on_error if has_holes else _NEW.on_error)
    return [*shown] if shown != (_NEW.before, _NEW.after, _NEW.on_error) else []


def _joined(found: Sequence[tuple[SourceFile, Seen]]) -> list[Seen]:
    # The paths too: other frames of a sequence may have the same time and size.
    names = [(file.pattern, repr(stamp_of(one)), repr(one)) for file, one in found]
    by_name = {name: one for name, (_, one) in zip(names, found)}
    order = sorted(by_name)
    made: list[Seen] = [order.index(name) for name, (file, _) in zip(names, found) if file.is_made]
    return [*(by_name[name] for name in order), *([made] if made else [])]


def _shown_frame(file: SourceFile, frame: int) -> Optional[int]:
    """The frame of a Read that it shows at a frame; None for black."""
    if file.frames is None or file.frames[0] <= frame <= file.frames[1]:
        return frame
    first, last = file.frames
    mode = file.before if frame < first else file.after
    count = max(last - first + 1, 1)
    if mode == "black":
        return None
    if mode == "loop":
        return first + (frame - first) % count
    if mode == "bounce" and count > 1:
        place = (frame - first) % (2 * (count - 1))
        return first + min(place, 2 * (count - 1) - place)
    return first if frame < first else last
