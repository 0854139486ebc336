"""A button's work as data: which frames, which files, how far, and in which words. No nuke here."""

from __future__ import annotations

import contextlib
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Optional

from matte_link.endpoint import DEFAULT_ADDRESS, Endpoint
from matte_link.errors import LinkError
from matte_link.job import MatteJob
from matte_link.job_events import FrameDone, FrameFailed, JobEvent, JobFinished
from matte_link.options import MatteOptions
from matte_link.result_key import MAKER, Maker
from matte_link.tasks import FrameTask, LocalFile, TaskNeighbour

from . import manifest, neighbours
from .fingerprint import FrameKey, frame_file
from .job_progress import JobProgress, warnings_of
from .neighbours import Footage, InUse, Sides

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
class RangePlan:
    """Everything that one press of a button does, decided before anything is rendered.

    ``frames`` are those to make; ``keys`` what each frame and view is made from; ``still_clean`` says that the
    clean plate is the same picture on every frame. Where ``footage`` is given, each frame is sent with those before
    and after it, but for the ``lost`` ones, by frame and view: the host's words of why it could not render them.
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
    lost: Mapping[tuple[int, str], str] = field(default_factory=dict)
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

    def only_beside(self, view: str) -> tuple[int, ...]:
        """The frames whose plates are rendered for the sake of the frames beside them."""
        return neighbours.only_beside(self.wanted(view), self.footage)

    def beside(self, frame: int, view: str) -> Sides:
        """The frames before and after that are sent with a frame."""
        before, after = neighbours.beside(frame, self.footage)
        return None if (before, view) in self.lost else before, None if (after, view) in self.lost else after

    def named(self, frame: int, view: str) -> tuple[int, ...]:
        """All frames whose plates a frame's task names."""
        return (frame, *(one for one in self.beside(frame, view) if one is not None))

    def losses(self, frame: int, view: str) -> list[str]:
        """What is to be said of a frame whose neighbours could not be rendered."""
        around = neighbours.beside(frame, self.footage)
        lost = [one for one in around if one is not None and (one, view) in self.lost]
        return [neighbours.lost_words(one, self.lost[one, view]) for one in lost]

    def plates(self) -> int:
        """How many pictures the host renders."""
        count = 0
        for view in self.views:
            frames = len(self.wanted(view)) + len(self.only_beside(view))
            count += frames * len(self.roles) - (frames - 1) * self.still_clean if frames else 0
        return count


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


def tasks(plan: RangePlan, view: str, expected: str = "") -> list[FrameTask]:
    """The frames of a view, for the job; ``expected`` names the first one's clean plate."""

    def guide(role: str, frame: int) -> Optional[LocalFile]:
        return LocalFile(plan.plate_file(role, frame, view)) if role in plan.roles else None

    def neighbour(frame: Optional[int]) -> Optional[TaskNeighbour]:
        if frame is None:
            return None
        clean = None if plan.still_clean else guide("clean", frame)
        return TaskNeighbour(
            plate=LocalFile(plan.plate_file("src", frame, view)),
            clean_plate=clean,
            core=guide("core", frame),
            holdout=guide("holdout", frame),
        )

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
            before=neighbour(plan.beside(frame, view)[0]),
            after=neighbour(plan.beside(frame, view)[1]),
        )
        for number, frame in enumerate(plan.wanted(view))
    ]


def remove_plates(plan: RangePlan) -> None:
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
class FrameEnded:
    """A frame that ended."""

    view: str
    event: object


class ViewJobs:
    """The jobs of a plan's views, one after the other; :meth:`poll` tells what happened, and keeps the records.

    A plate is deleted once all frames that need it have ended, by :meth:`tidy`: a shot's plates are larger than its
    mattes.
    """

    def __init__(self, plan: RangePlan, patience_s: float, clean_plates: Optional[CleanPlates] = None) -> None:
        self.plan = plan
        self.tally = JobProgress(plan.total)
        self._patience_s = patience_s
        self._clean_plates = clean_plates or CleanPlates()
        self._used: list[Path] = []
        self._in_use = InUse(())
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
                self._in_use = InUse(self.plan.named(frame, view) for frame in self.plan.wanted(view))
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

    def poll(self, wait_s: float = 0.0) -> list[FrameEnded]:
        """The frames that ended since the last call, or within ``wait_s`` seconds. ``finished`` is set once all is
        over."""
        ended: list[FrameEnded] = []
        for found in self._job.poll(wait_s) if self._job else ():
            event = self._with_losses(found)
            self.tally.add(event, self._view)
            if isinstance(event, (FrameDone, FrameFailed)):
                self._record(event)
                ended.append(FrameEnded(self._view, event))
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

    def _with_losses(self, event: JobEvent) -> JobEvent:
        """A result's doubts with what only the host knows: which neighbours it could not render."""
        losses = self.plan.losses(event.frame, self._view) if isinstance(event, FrameDone) else []
        if not isinstance(event, FrameDone) or not losses:
            return event
        return replace(
            event, diagnostics={**event.diagnostics, "warnings": [*warnings_of(event.diagnostics), *losses]}
        )

    def _record(self, event: JobEvent) -> None:
        assert isinstance(event, (FrameDone, FrameFailed))
        key = self.plan.keys[event.frame, self._view]
        record = manifest.Record(
            frame=event.frame, view=self._view, hashes=key.hashes, files=key.files, around=key.around
        )
        if isinstance(event, FrameDone):
            self._clean_plates.saw(self.plan.node_id, self._view, event.clean_digest)
            maker = Maker.from_dict(event.diagnostics.get(MAKER))
            record = replace(record, warnings=warnings_of(event.diagnostics), maker=maker)
        else:
            text = f"{event.message} {event.hint}".strip()
            record = replace(record, code=event.code, message=text)
        with contextlib.suppress(OSError):
            # Where even this cannot be written, the frame counts as missing and is made again.
            manifest.write(self.plan.folder, record)
        over = self._in_use.ended(self.plan.named(event.frame, self._view))
        for role in self.plan.roles:
            if not (role == "clean" and self.plan.still_clean):
                self._used += [Path(self.plan.plate_file(role, frame, self._view)) for frame in over]


def spans(first: int, last: int, frames: Iterable[int]) -> tuple[int, int]:
    """The range that the Read must cover: what it covered, or should, and the new frames."""
    every = [first, last, *frames]
    return min(every), max(every)


def all_pairs(frames: Sequence[int], views: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Each frame in each view."""
    for frame in frames:
        for view in views:
            yield frame, view
