"""The tasks of a plan, and the jobs that send them to the server. No nuke here."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Optional, Union

from matte_link.diagnostics import warnings_of
from matte_link.job import MatteJob
from matte_link.job_events import FrameDone, FrameFailed, JobEvent, JobFinished
from matte_link.result_key import MAKER, Maker
from matte_link.seen_files import SeenTogether
from matte_link.tasks import FrameTask, LocalFile, TaskNeighbour

from . import manifest
from .fingerprint import FrameKey
from .job_progress import JobProgress
from .neighbours import PlateUses
from .range_plan import RangePlan


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
            options=plan.own_options.get(frame),
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
    frames that need it have ended. :meth:`note_content` reads the files that a result was made from, which are in
    memory yet, and adds their content to its record. No result waits for either.
    """

    def __init__(
        self, plan: RangePlan, patience_s: float, clean_plate_history: Optional[CleanPlateHistory] = None
    ) -> None:
        self.plan = plan
        self.progress = JobProgress(plan.total)
        self._patience_s = patience_s
        self._clean_plate_history = clean_plate_history or CleanPlateHistory()
        self._used: list[Path] = []
        self._unread: list[tuple[manifest.Record, SeenTogether]] = []
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
            self.progress.add(event)
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

    def note_content(self) -> bool:
        """Does so for one result; False where none is left."""
        if not self._unread:
            return False
        record, seen = self._unread.pop(0)
        if content := seen.read_contents():
            manifest.amend(self.plan.folder, record, replace(record, content=content))
        return True

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
            frame=event.frame,
            view=self._view,
            hashes=key.hashes,
            files=key.files,
            around=key.around,
            options=key.options,
            driven=key.driven,
            witness=key.witness,
            sizes=key.seen.sizes,
        )
        # If a record cannot be written either, the frame counts as missing and is made again next time.
        with contextlib.suppress(OSError):
            if isinstance(event, FrameDone):
                self._record_result(record, event, key)
            else:
                self._record_failure(record, event, key)
        unused = self._plate_uses.ended(self.plan.task_frames(event.frame, self._view))
        for role in self.plan.roles:
            if not (role == "clean" and self.plan.still_clean):
                self._used += [Path(self.plan.plate_file(role, frame, self._view)) for frame in unused]

    def _record_result(self, record: manifest.Record, event: FrameDone, key: FrameKey) -> None:
        self._clean_plate_history.add(self.plan.node_id, self._view, event.clean_digest)
        maker = Maker.from_dict(event.diagnostics.get(MAKER))
        record = replace(record, warnings=warnings_of(event.diagnostics), maker=maker)
        self._unread.append((record, key.seen))
        manifest.write(self.plan.folder, record)

    def _record_failure(self, record: manifest.Record, event: FrameFailed, key: FrameKey) -> None:
        """A result of the same sources stays, as where a frame is made once more and the server goes away."""
        if not manifest.has_result(self.plan.replaced or self.plan.folder, event.frame, self._view, key):
            text = f"{event.message} {event.hint}".strip()
            manifest.write_failure(self.plan.folder, replace(record, code=event.code, message=text))
