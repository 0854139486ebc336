"""What one press of a button does, as data: frames, files and tasks, and the jobs that send them. No nuke here."""

from __future__ import annotations

import contextlib
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Optional, Union

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
from .neighbours import Footage, PlateUses, Sides

ROLES = ("src", "clean", "core", "holdout")
_PLATES = ".plates-"
_BYTES_A_PIXEL = 12
# What Nuke replaces in the name of any file, in its folders too: frame numbers, views, and TCL.
_REPLACED = re.compile(r"#|%0?\d*d|%[vV]|[\[\]${}]")


class Refused(LinkError):
    """Nothing was started, because the artist has to correct something first."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.code = code


@dataclass(frozen=True)
class RangePlan:
    """Everything that one press of a button does, decided before anything is rendered.

    ``frames`` are the frames to make, and ``keys`` says for each frame and view what it is made from.
    ``still_clean`` says that the clean plate is the same picture on every frame. If ``footage`` is given, each
    frame is sent with the frames before and after it. ``unrendered`` holds, by frame and view, the neighbours that
    Nuke could not render, with its error message.
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
    shown: Optional[int] = None
    """The frame that the artist looks at: the frames nearest to it are sent first."""
    unrendered: Mapping[tuple[int, str], str] = field(default_factory=dict)
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
        return neighbours.only_beside(self.wanted(view), self.footage)

    def beside(self, frame: int, view: str) -> Sides:
        """The frames before and after that are sent with ``frame``."""
        before, after = neighbours.beside(frame, self.footage)
        missing = self.unrendered
        return None if (before, view) in missing else before, None if (after, view) in missing else after

    def task_frames(self, frame: int, view: str) -> tuple[int, ...]:
        """All frames whose plates are sent with ``frame``, itself included."""
        return (frame, *(one for one in self.beside(frame, view) if one is not None))

    def warnings_for(self, frame: int, view: str) -> list[str]:
        """The warnings for ``frame`` about neighbours that could not be rendered."""
        around = neighbours.beside(frame, self.footage)
        missing = [one for one in around if one is not None and (one, view) in self.unrendered]
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


def absolute(path: str, script: str) -> str:
    """``path`` as an absolute path, where a relative one starts at the script's folder. Raises ``Refused`` if it is
    empty or has something in its name that Nuke would replace."""
    text = path.replace("\\", "/").strip()
    if not text:
        raise Refused("no_folder", "The results folder is empty.", "Fill in 'Results folder'.")
    found = Path(Path(script).parent, text).as_posix()
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


class CleanPlateHistory:
    """The last two digests of the clean plate of each node and view.

    Nuke renders the clean plate again for every press of a button, so only its bytes tell whether it changed. If
    the last two digests are equal, the next one is expected to be the same. The job then sends the frame at once,
    computes the digest while the server works, and sends the frame again if the expectation was wrong. Where Nuke
    writes something new into every file, such as the time, nothing is ever expected.
    """

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], tuple[str, ...]] = {}

    def expected(self, node_id: str, view: str) -> str:
        """The digest that the next clean plate will probably have; empty if nothing is known."""
        last = self._last.get((node_id, view), ())
        return last[-1] if len(last) == 2 and last[0] == last[1] else ""

    def add(self, node_id: str, view: str, digest: str) -> None:
        """Adds the digest of a clean plate that was just sent."""
        if digest:
            self._last[node_id, view] = (*self._last.get((node_id, view), ()), digest)[-2:]


def tasks(plan: RangePlan, view: str, expected: str = "") -> list[FrameTask]:
    """The tasks for the frames of a view; ``expected`` is the digest that the first clean plate probably has."""

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
        for number, frame in enumerate(plan.in_order(view))
    ]


def remove_plates(plan: RangePlan) -> None:
    """Deletes all plates of a plan, those that Nuke left unfinished included."""
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
    """A frame of one view that has its result or has failed, as ``event`` says."""

    view: str
    event: Union[FrameDone, FrameFailed]


class ViewJobs:
    """The jobs of a plan, one for each view, run one after the other. :meth:`poll` also writes the frames' records.

    A shot's plates are larger than its mattes, so :meth:`delete_used_plates` deletes each plate as soon as all
    frames that need it have ended.
    """

    def __init__(
        self, plan: RangePlan, patience_s: float, clean_plate_history: Optional[CleanPlateHistory] = None
    ) -> None:
        self.plan = plan
        self.progress = JobProgress(plan.total)
        self._patience_s = patience_s
        self._clean_plate_history = clean_plate_history or CleanPlateHistory()
        self._used: list[Path] = []
        self._plate_uses = PlateUses(())
        self._views = iter(plan.views)
        self._view = ""
        self._job: Optional[MatteJob] = None
        self._cancelled = False
        self.finished = not self._next()

    def _next(self) -> bool:
        """Starts the job of the next view; returns False if there is none left."""
        for view in self._views:
            if self.plan.wanted(view):
                self._view = view
                self._plate_uses = PlateUses(self.plan.task_frames(frame, view) for frame in self.plan.wanted(view))
                self._job = MatteJob(
                    tasks(self.plan, view, self._clean_plate_history.expected(self.plan.node_id, view)),
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
        """The frames that ended since the last call; waits ``wait_s`` seconds for the first one. Sets ``finished``
        when all jobs have ended."""
        ended: list[FrameEnded] = []
        for found in self._job.poll(wait_s) if self._job else ():
            event = self._with_warnings(found)
            self.progress.add(event, self._view)
            if isinstance(event, (FrameDone, FrameFailed)):
                self._record(event)
                ended.append(FrameEnded(view=self._view, event=event))
            elif isinstance(event, JobFinished):
                stop = self._cancelled or event.cancelled or bool(event.code)
                self.finished = stop or not self._next()
        return ended

    def delete_used_plates(self) -> None:
        """Deletes plates that no unfinished frame needs. :meth:`poll` does not, so that no result waits for it."""
        used, self._used = self._used, []
        for path in used:
            with contextlib.suppress(OSError):
                path.unlink()
        if self.finished:
            remove_plates(self.plan)

    def _with_warnings(self, event: JobEvent) -> JobEvent:
        """Adds to a result's warnings which neighbours Nuke could not render."""
        warnings = self.plan.warnings_for(event.frame, self._view) if isinstance(event, FrameDone) else []
        if not isinstance(event, FrameDone) or not warnings:
            return event
        return replace(
            event, diagnostics={**event.diagnostics, "warnings": [*warnings_of(event.diagnostics), *warnings]}
        )

    def _record(self, event: JobEvent) -> None:
        assert isinstance(event, (FrameDone, FrameFailed))
        key = self.plan.keys[event.frame, self._view]
        record = manifest.Record(
            frame=event.frame, view=self._view, hashes=key.hashes, files=key.files, around=key.around
        )
        if isinstance(event, FrameDone):
            self._clean_plate_history.add(self.plan.node_id, self._view, event.clean_digest)
            maker = Maker.from_dict(event.diagnostics.get(MAKER))
            record = replace(record, warnings=warnings_of(event.diagnostics), maker=maker)
        else:
            text = f"{event.message} {event.hint}".strip()
            record = replace(record, code=event.code, message=text)
        with contextlib.suppress(OSError):
            # If the record cannot be written either, the frame counts as missing and is made again next time.
            manifest.write(self.plan.folder, record)
        unused = self._plate_uses.ended(self.plan.task_frames(event.frame, self._view))
        for role in self.plan.roles:
            if not (role == "clean" and self.plan.still_clean):
                self._used += [Path(self.plan.plate_file(role, frame, self._view)) for frame in unused]


def spans(first: int, last: int, frames: Iterable[int]) -> tuple[int, int]:
    """The smallest range that covers ``first`` to ``last`` and all ``frames``."""
    every = [first, last, *frames]
    return min(every), max(every)


def all_pairs(frames: Sequence[int], views: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Each frame in each view."""
    for frame in frames:
        for view in views:
            yield frame, view
