"""What one press of a button does, as data: frames, files and folders. No nuke here."""

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

from matte_link.endpoint import DEFAULT_ADDRESS, Endpoint
from matte_link.errors import LinkError
from matte_link.options import MatteOptions

from . import manifest, neighbours
from .fingerprint import FrameKey
from .neighbours import Footage, Sides
from .source_files import frame_file

_PLATES = ".plates-"
_BYTES_A_PIXEL = 12
# What Nuke replaces in the name of any file, in its folders too: frame numbers, views, and TCL.
_REPLACED = re.compile(r"#|%0?\d*d|%[vV]|[\[\]${}]")

_DRIVE = re.compile(r"[A-Za-z]:/")


class Refused(LinkError):
    """Nothing was started, because the artist has to correct something first."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.code = code


@dataclass(frozen=True)
class RangePlan:
    """Everything that one press of a button does, decided before anything is rendered.

    ``frames`` are the frames to make, and ``keys`` says for each frame and view what it is made from. ``options``
    holds on every frame but those that ``own_options`` has others for, where an option is animated.
    ``still_clean`` says that the clean plate is the same picture on every frame. If ``footage`` is given, each
    frame that is smoothed in time is sent with the frames before and after it. ``unrendered`` holds, by frame and
    view, the neighbours that Nuke could not render, with its error message.
    """

    node_id: str
    folder: str
    frames: tuple[int, ...]
    views: tuple[str, ...]
    options: MatteOptions
    endpoint: Endpoint
    keys: Mapping[tuple[int, str], FrameKey]
    roles: tuple[str, ...] = ("src", "clean")
    still_clean: bool = False
    hints: Mapping[str, str] = field(default_factory=dict)
    priority: str = "interactive"
    footage: Footage = None
    own_options: Mapping[int, MatteOptions] = field(default_factory=dict)
    shown: Optional[int] = None
    """The frame that the artist looks at: the frames nearest to it are sent first."""
    unrendered: Mapping[tuple[int, str], str] = field(default_factory=dict)
    replaced: str = ""
    """The folder of the results that this run replaces, where they must not be written over; else empty."""
    token: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    """Part of the name of the plates' folder, since several tasks of a farm may share one folder of results."""

    @property
    def total(self) -> int:
        """The number of results to make: frames times views."""
        return len(self.keys)

    def wanted(self, view: str) -> tuple[int, ...]:
        """The frames of a view that are to be made."""
        return tuple(frame for frame in self.frames if (frame, view) in self.keys)

    def in_order(self, view: str) -> tuple[int, ...]:
        """The wanted frames of a view in the order in which they are sent. With temporal smoothing they follow each
        other, since the server then looks at each frame once."""
        wanted = self.wanted(view)
        if self.shown is None or self.footage is not None:
            return wanted
        near = self.shown
        return tuple(sorted(wanted, key=lambda frame: (abs(frame - near), frame)))

    def plates_folder(self) -> str:
        """The folder of this plan's plates. They are deleted once they were sent."""
        return f"{self.folder}/{_PLATES}{self.token}"

    def plate_pattern(self, role: str) -> str:
        """The file name for the Write of ``role``."""
        return f"{self.plates_folder()}/{role}.%V.%04d.exr"

    def plate_file(self, role: str, frame: int, view: str) -> str:
        """The file of one rendered plate. A still clean plate is rendered for the first frame only."""
        if role == "clean" and self.still_clean:
            frame = self.wanted(view)[0]
        return frame_file(self.plate_pattern(role), frame, view)

    def to_render(self, role: str, view: str) -> tuple[int, ...]:
        """The frames that Nuke renders for ``role``, without neighbours."""
        wanted = self.wanted(view)
        return wanted[:1] if role == "clean" and self.still_clean else wanted

    def only_beside(self, view: str) -> tuple[int, ...]:
        """The frames that are rendered only because a wanted frame has them as a neighbour."""
        return neighbours.only_beside(self.wanted(view), self._around)

    def options_at(self, frame: int) -> MatteOptions:
        """The options that a frame is made with."""
        return self.own_options.get(frame, self.options)

    def _around(self, frame: int) -> Sides:
        return neighbours.beside(frame, self.footage if self.options_at(frame).temporal else None)

    def beside(self, frame: int, view: str) -> Sides:
        """The frames before and after that are sent with ``frame``."""
        before, after = self._around(frame)
        missing = self.unrendered
        return None if (before, view) in missing else before, None if (after, view) in missing else after

    def task_frames(self, frame: int, view: str) -> tuple[int, ...]:
        """All frames whose plates are sent with ``frame``, itself included."""
        return (frame, *(one for one in self.beside(frame, view) if one is not None))

    def warnings_for(self, frame: int, view: str) -> list[str]:
        """The warnings for ``frame`` about neighbours that could not be rendered."""
        missing = [one for one in self._around(frame) if one is not None and (one, view) in self.unrendered]
        return [neighbours.unrendered_warning(one, self.unrendered[one, view]) for one in missing]

    def plates(self) -> int:
        """The number of pictures that Nuke renders."""
        count = 0
        for view in self.views:
            frames = len(self.wanted(view)) + len(self.only_beside(view))
            count += frames * len(self.roles) - (frames - 1) * self.still_clean if frames else 0
        return count


def result_folder(cache: str, node_id: str, key: str) -> str:
    """The folder of the results of one node and one settings key."""
    return f"{cache.rstrip('/')}/{node_id}/{key}"


def shown_folder(file: str) -> str:
    """The folder of the results that the Read shows; empty if it shows none."""
    folder, _, name = file.replace("\\", "/").rpartition("/")
    return folder if name == manifest.RESULT else ""


def key_of(folder: str) -> str:
    """The settings key of a folder of results; each folder of one key but the first has a number behind it."""
    return folder.rpartition("/")[2].partition("-")[0]


def absolute(path: str, script: str, filtered: Callable[[str], str] = str) -> str:
    """``path`` as an absolute path, where a relative one starts at the script's folder, after the house's filters.
    Raises ``Refused`` if it is empty, on a drive that only Windows has, or has something in its name that Nuke
    would replace."""
    text = path.replace("\\", "/").strip()
    if not text:
        raise Refused("no_folder", "The results folder is empty.", "Fill in 'Results folder'.")
    found = filtered(text if _DRIVE.match(text) else Path(Path(script).parent, text).as_posix())
    if _DRIVE.match(found) and not Path(found).is_absolute():
        raise Refused(
            "bad_folder",
            f"The results folder {found} is on a drive of Windows, which this machine does not have.",
            "Fill in another 'Results folder'.",
        )
    replaced = _REPLACED.search(found)
    if replaced:
        raise Refused(
            "bad_folder",
            f"The results folder {found} has '{replaced.group(0)}' in its name, which Nuke replaces in file names.",
            "Fill in another 'Results folder'.",
        )
    return found


def endpoint_of(address: str) -> Endpoint:
    """The server at ``address``. The default address stands for ``$CLEANPLATE_SERVER``, if that is set. Raises
    ``Refused`` for text that is not an address."""
    address = address.strip()
    try:
        return Endpoint.resolve("" if address == DEFAULT_ADDRESS else address)
    except ValueError as error:
        raise Refused("bad_address", f"Server: {error}", "Correct the node's 'Server'.") from None


def segments(frames: Sequence[int]) -> tuple[tuple[int, int, int], ...]:
    """Frames as the ranges that Nuke executes: ``(first, last, 1)`` for each run of consecutive frames."""
    runs: list[tuple[int, int, int]] = []
    for frame in sorted(set(frames)):
        if runs and frame == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], frame, 1)
        else:
            runs.append((frame, frame, 1))
    return tuple(runs)


def check_room(folder: str, pixels: int, pictures: int) -> None:
    """Makes the folder. Raises ``Refused`` if it cannot be made or the plates would not fit on its disk."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise Refused(
            "cannot_write", f"{folder} cannot be made: {error.strerror}.", "Choose another 'Results folder'."
        ) from None
    needed = pixels * _BYTES_A_PIXEL * pictures
    if needed > free:
        raise Refused(
            "disk_full",
            f"{folder} has {free / 1e6:.0f} MB free, and {pictures} plates need {needed / 1e6:.0f} MB.",
            "Free some space, choose another 'Results folder', or process fewer frames at a time.",
        )


def spans(first: int, last: int, frames: Iterable[int]) -> tuple[int, int]:
    """The smallest range that covers ``first`` to ``last`` and all ``frames``."""
    every = [first, last, *frames]
    return min(every), max(every)


def all_pairs(frames: Sequence[int], views: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Each frame in each view."""
    for frame in frames:
        for view in views:
            yield frame, view
