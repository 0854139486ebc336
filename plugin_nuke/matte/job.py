"""A button's work as data: which frames, which files, how far, and in which words. No nuke here."""

from __future__ import annotations

import contextlib
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

from matte_link.endpoint import DEFAULT_ADDRESS, Endpoint
from matte_link.errors import LinkError
from matte_link.job import (
    FrameDone,
    FrameFailed,
    FrameProgress,
    FrameTask,
    JobEvent,
    JobFinished,
    LocalFile,
    MatteJob,
)
from matte_link.options import MatteOptions

from . import manifest
from .fingerprint import FrameKey, frame_file

ROLES = ("src", "clean", "core", "holdout")
_PLATES = ".plates-"
_BYTES_A_PIXEL = 12
# Names by which Nuke's own configurations call the spaces that the server knows under others.
_LINEAR = ("linear", "scene_linear", "utility - linear - srgb", "linear rec.709 (srgb)")


class Refused(LinkError):
    """What the artist must put right before anything starts."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.code = code


@dataclass(frozen=True)
class Plan:
    """Everything that one press of a button does, decided before anything is rendered.

    ``frames`` are those to make; ``keys`` what each frame and view is made from; ``still_clean`` says that the
    clean plate is the same picture on every frame.
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
    token: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    """Keeps this plan's plates apart from those of a farm's other tasks, which share the folder of results."""

    @property
    def total(self) -> int:
        """How many results there are to make."""
        return len(self.keys)

    def wanted(self, view: str) -> tuple[int, ...]:
        """The frames of a view that are to be made."""
        return tuple(frame for frame in self.frames if (frame, view) in self.keys)

    def plates_folder(self) -> str:
        """Where this plan's plates lie until they were sent."""
        return f"{self.folder}/{_PLATES}{self.token}"

    def plate_pattern(self, role: str) -> str:
        """The name that the Write of ``role`` is given."""
        return f"{self.plates_folder()}/{role}.%V.%04d.exr"

    def plate_file(self, role: str, frame: int, view: str) -> str:
        """One rendered plate; a still clean plate is the first frame's."""
        if role == "clean" and self.still_clean:
            frame = self.wanted(view)[0]
        return frame_file(self.plate_pattern(role), frame, view)

    def to_render(self, role: str, view: str) -> tuple[int, ...]:
        """The frames of ``role`` that the host renders."""
        wanted = self.wanted(view)
        return wanted[:1] if role == "clean" and self.still_clean else wanted


def result_folder(cache: str, node_id: str, key: str) -> str:
    """Where the results of one node and one settings key lie."""
    return f"{cache.rstrip('/')}/{node_id}/{key}"


def shown_folder(file: str) -> str:
    """The folder of what the Read shows; empty where it shows no result of ours."""
    folder, _, name = file.replace("\\", "/").rpartition("/")
    return folder if name == manifest.RESULT else ""


def absolute(path: str, script: str) -> str:
    """A results folder as an absolute path, from the script's folder where it is relative."""
    text = path.replace("\\", "/").strip()
    if not text:
        raise Refused("no_folder", "The results folder is empty.", "Fill in 'Results folder'.")
    return Path(Path(script).parent, text).as_posix()


def endpoint_of(address: str) -> Endpoint:
    """The server an artist named; the default leaves it to ``$CLEANPLATE_SERVER``. Raises ``Refused``."""
    address = address.strip()
    try:
        return Endpoint.resolve("" if address == DEFAULT_ADDRESS else address)
    except ValueError as error:
        raise Refused("bad_address", f"Server: {error}", "Correct the node's 'Server'.") from None


def working_space(management: str, name: str, config: str) -> str:
    """The tag of the pixels that the host hands over raw, in words that the server knows; empty for its default.

    With Nuke's own colour management that is Linear Rec.709. An OCIO config's ``scene_linear`` is ACEScg where
    the config is an ACES one; other names travel as they are.
    """
    plain = name.strip()
    if management.lower() != "ocio" or not plain:
        return "linear"
    if "acescg" in plain.lower() or (plain.lower() == "scene_linear" and "aces" in config.lower()):
        return "acescg"
    return "linear" if plain.lower() in _LINEAR else plain


def segments(frames: Sequence[int]) -> tuple[tuple[int, int, int], ...]:
    """Frames as the ranges that a host executes: ``(first, last, 1)`` for each run."""
    runs: list[tuple[int, int, int]] = []
    for frame in sorted(set(frames)):
        if runs and frame == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], frame, 1)
        else:
            runs.append((frame, frame, 1))
    return tuple(runs)


def check_room(folder: str, pixels: int, pictures: int) -> None:
    """Raises ``Refused`` where the plates will not fit on the disk, or the folder cannot be made."""
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


class CleanPlates:
    """What the clean plate of each node and view was named by its content, press after press.

    The host renders it anew for every press, so only its bytes tell whether it changed. A clean plate that had
    the same name twice in a row is expected to have it again: the job then reads and names it while the server is
    at work already, and mends the frame where the expectation was wrong. A host that writes something new into
    every file is never expected anything of.
    """

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], tuple[str, ...]] = {}

    def expected(self, node_id: str, view: str) -> str:
        """The name; empty where there is no saying."""
        last = self._last.get((node_id, view), ())
        return last[-1] if len(last) == 2 and last[0] == last[1] else ""

    def saw(self, node_id: str, view: str, digest: str) -> None:
        """A press found this name."""
        if digest:
            self._last[node_id, view] = (*self._last.get((node_id, view), ()), digest)[-2:]


def tasks(plan: Plan, view: str, expected: str = "") -> list[FrameTask]:
    """The frames of a view, for the job; ``expected`` names the first one's clean plate."""

    def guide(role: str, frame: int) -> Optional[LocalFile]:
        return LocalFile(plan.plate_file(role, frame, view)) if role in plan.roles else None

    return [
        FrameTask(
            frame=frame,
            plate=LocalFile(plan.plate_file("src", frame, view)),
            clean_plate=LocalFile(plan.plate_file("clean", frame, view)),
            output=manifest.result_file(plan.folder, frame, view),
            core=guide("core", frame),
            holdout=guide("holdout", frame),
            hints=plan.hints,
            clean_digest="" if number else expected,
        )
        for number, frame in enumerate(plan.wanted(view))
    ]


def remove_plates(plan: Plan) -> None:
    """Deletes the plates of a plan, whichever were made, the host's unfinished ones included."""
    folder = Path(plan.plates_folder())
    for role in plan.roles:
        for view in plan.views:
            for path in folder.glob(f"{role}.{view}.*.exr*"):
                with contextlib.suppress(OSError):
                    path.unlink()
    for empty in (folder, folder.parent):
        with contextlib.suppress(OSError):
            empty.rmdir()


@dataclass(frozen=True)
class Told:
    """A frame that ended."""

    view: str
    event: object


class ViewJobs:
    """The jobs of a plan's views, one after the other; :meth:`poll` tells what happened, and keeps the records.

    A plate is deleted once its frame has ended, by :meth:`tidy`: a shot's plates are larger than its mattes.
    """

    def __init__(self, plan: Plan, patience_s: float, clean_plates: Optional[CleanPlates] = None) -> None:
        self.plan = plan
        self.tally = Tally(plan.total)
        self._patience_s = patience_s
        self._clean_plates = clean_plates or CleanPlates()
        self._used: list[Path] = []
        self._views = iter(plan.views)
        self._view = ""
        self._job: Optional[MatteJob] = None
        self._cancelled = False
        self.finished = not self._next()

    def _next(self) -> bool:
        """Starts the next view's job; False where there is none left."""
        for view in self._views:
            if self.plan.wanted(view):
                self._view = view
                self._job = MatteJob(
                    tasks(self.plan, view, self._clean_plates.expected(self.plan.node_id, view)),
                    self.plan.options,
                    self.plan.endpoint,
                    self.plan.priority,
                    shot=f"{self.plan.node_id}-{view}"[:80],
                    patience_s=self._patience_s,
                )
                self._job.start()
                return True
        return False

    def cancel(self) -> None:
        """Stops within a moment; finished frames stay."""
        self._cancelled = True
        if self._job:
            self._job.cancel()

    def poll(self, wait_s: float = 0.0) -> list[Told]:
        """The frames that ended since the last call, or within ``wait_s`` seconds. ``finished`` is set once all is
        over."""
        ended: list[Told] = []
        for event in self._job.poll(wait_s) if self._job else ():
            self.tally.add(event, self._view)
            if isinstance(event, (FrameDone, FrameFailed)):
                self._record(event)
                ended.append(Told(self._view, event))
            elif isinstance(event, JobFinished):
                stop = self._cancelled or event.cancelled or bool(event.code)
                self.finished = stop or not self._next()
        return ended

    def tidy(self) -> None:
        """Deletes the plates that are no longer needed. Apart from :meth:`poll`, so that no result waits for it."""
        used, self._used = self._used, []
        for path in used:
            with contextlib.suppress(OSError):
                path.unlink()
        if self.finished:
            remove_plates(self.plan)

    def _record(self, event: JobEvent) -> None:
        assert isinstance(event, (FrameDone, FrameFailed))
        key = self.plan.keys[event.frame, self._view]
        record = manifest.Record(event.frame, self._view, key.hashes, key.files)
        if isinstance(event, FrameDone):
            self._clean_plates.saw(self.plan.node_id, self._view, event.clean_digest)
            record = manifest.Record(
                event.frame, self._view, key.hashes, key.files, warnings=warnings_of(event.diagnostics)
            )
        else:
            text = f"{event.message} {event.hint}".strip()
            record = manifest.Record(event.frame, self._view, key.hashes, key.files, event.code, text)
        with contextlib.suppress(OSError):
            # Where even this cannot be written, the frame counts as missing and is made again.
            manifest.write(self.plan.folder, record)
        for role in self.plan.roles:
            if not (role == "clean" and self.plan.still_clean):
                self._used.append(Path(self.plan.plate_file(role, event.frame, self._view)))


def warnings_of(diagnostics: Mapping[str, object]) -> tuple[str, ...]:
    """The server's doubts of a result, with its figures."""
    found = diagnostics.get("warnings")
    return tuple(str(one) for one in found) if isinstance(found, (list, tuple)) else ()


class Tally:
    """How far a plan is, and what the artist must hear at its end."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = 0
        self.failed = 0
        self.cancelled = False
        self.code = ""
        self.trouble = ""
        self.warning = ""
        self.frames: set[int] = set()
        self._part = 0.0
        self._stage = ""

    def add(self, event: JobEvent, view: str) -> None:
        """Counts one event."""
        if isinstance(event, FrameProgress):
            self._part = event.done / max(event.total, 1)
            self._stage = f"frame {event.frame}, {event.stage}"
        elif isinstance(event, FrameDone):
            self._part = 0.0
            self.done += 1
            self.frames.add(event.frame)
            doubts = warnings_of(event.diagnostics)
            if doubts and not self.warning:
                self.warning = f"Frame {event.frame}: {' '.join(doubts)}"
        elif isinstance(event, FrameFailed):
            self._part = 0.0
            self.failed += 1
            self._note(event.code, f"Frame {event.frame}: {event.message} {event.hint}")
        elif isinstance(event, JobFinished):
            self.cancelled = self.cancelled or event.cancelled
            if event.code:
                # Why all the rest has no result says more than what the first frame died of.
                self.code, self.trouble = event.code, f"{event.message} {event.hint}".strip()

    def _note(self, code: str, text: str) -> None:
        if not self.trouble:
            self.code, self.trouble = code, text.strip()

    @property
    def percent(self) -> int:
        """0 to 100, a frame's stages included."""
        return min(100, int(100 * (self.done + self.failed + self._part) / max(self.total, 1)))

    @property
    def progress(self) -> str:
        """For the progress bar."""
        return f"{self.done} of {self.total} done" + (f", {self._stage}" if self._stage else "")

    @property
    def succeeded(self) -> bool:
        """Whether every result is there."""
        return self.done == self.total

    @property
    def summary(self) -> str:
        """One line for the status knob once all is over."""
        head = f"{self.done} of {self.total} frames done" if self.total != self.done else f"{self.done} done"
        if self.trouble:
            return f"{head}. {self.trouble}"
        if self.cancelled:
            return f"cancelled, {head}"
        return f"{head}. Check: {self.warning}" if self.warning else f"up to date, {head}"


def spans(first: int, last: int, frames: Iterable[int]) -> tuple[int, int]:
    """The range that the Read must cover: what it covered, or should, and the new frames."""
    every = [first, last, *frames]
    return min(every), max(every)


def all_pairs(frames: Sequence[int], views: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Each frame in each view."""
    for frame in frames:
        for view in views:
            yield frame, view
