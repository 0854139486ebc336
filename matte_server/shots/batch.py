"""A shot through the server: reads ahead, keeps several frames under way, writes behind, resumes, and reports
each frame.

The rules: a frame whose result on disk was made from the same inputs, plate solve, options, version and weights
(and neighbours, where it follows them in time) is skipped; a result made from something else is only replaced when
the caller says so; a frame that fails is reported while the others are finished; results appear under their final
name whole.

Three kinds of work overlap: a few threads read, decode videos and solve plates; the server decodes, infers and
encodes; a few threads write results and comps. How many frames are in each is bounded, so a shot's length does
not matter. The client's socket belongs to the calling thread alone.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from matte_link.client import MatteClient
from matte_link.errors import LinkError
from matte_link.messages import Accepted, Answer, Blob, Failure, MatteReply, Pong, Progress
from matte_link.options import MatteOptions

from ..core.image import SCENE_LINEAR
from ..errors import MatteError
from ..io import exr
from .frame_partition import FramePartition
from .inputs import ShotInputs
from .outputs import Leftovers, MovieReport, comp_stamp, write_comp, write_matte, write_movies
from .plate_solve import PlateSolve
from .requests import PreparedFrame, ShotRequests
from .shot import Shot, ShotFrame

# Read and waiting to be sent; sent and not yet answered; answered and not yet on disk.
FRAMES_AHEAD, FRAMES_UNDER_WAY, FRAMES_BEHIND = 3, 8, 3
_READERS, _WRITERS = 2, 2
_LOOK_S = 0.02


@dataclass(frozen=True)
class FrameReport:
    """How one frame ended: ``status`` is done, skipped or failed. ``files`` are its pictures by role."""

    frame: int
    status: str
    output: str
    seconds: float = 0.0
    diagnostics: Mapping[str, object] = field(default_factory=dict)
    code: str = ""
    message: str = ""
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ShotReport:
    """Every frame's end, in order of frames; ``stopped`` is why the rest was not tried. ``solve`` is a sentence
    on the plate solve, ``solve_file`` where it lies."""

    frames: tuple[FrameReport, ...]
    stopped: str = ""
    stopped_code: str = ""
    movies: tuple[MovieReport, ...] = ()
    solve: str = ""
    solve_file: str = ""

    @property
    def failed(self) -> tuple[FrameReport, ...]:
        """The frames without a result."""
        return tuple(frame for frame in self.frames if frame.status == "failed")


Listener = Callable[[FrameReport | tuple[int, Progress]], None]


def run_shot(shot: Shot, client: MatteClient, listener: Listener) -> ShotReport:
    """Runs the plan to its end; never raises for a frame's sake. Raises ``MatteError`` where a given plate solve
    cannot be used. ``KeyboardInterrupt`` cancels and re-raises, with every file whole."""
    with ShotInputs(shot.options) as pictures:
        server = client.ping(client.patience_s)
        solve = PlateSolve(shot, pictures, server.version)
        lanes = FramePartition(shot.frames, _processes(client) if shot.options.temporal else 1)
        runner = _Runner(shot, client, server, listener, _RunParts(pictures, solve, lanes))
        try:
            runner.run()
        except LinkError as error:
            return runner.report(str(error), error.code)
        return runner.finished()


def _processes(client: MatteClient) -> int:
    """How many matting processes the server has, those that still start included."""
    found = client.status(client.patience_s).state.get("workers")
    return len(found) if isinstance(found, list) else 1


@dataclass(frozen=True)
class _RunParts:
    pictures: ShotInputs
    solve: PlateSolve
    lanes: FramePartition


@dataclass
class _UnderWay:
    ready: PreparedFrame
    started: float


class _Runner:
    def __init__(self, shot: Shot, client: MatteClient, server: Pong, listener: Listener, tools: _RunParts) -> None:
        self._shot = shot
        self._client = client
        self._listener = listener
        self._tools = tools
        self._requests = ShotRequests(shot, server, tools.pictures, tools.solve)
        self._leftovers = Leftovers()
        self._reports: dict[int, FrameReport] = {}
        self._preparing: deque[Future[PreparedFrame | FrameReport]] = deque()
        self._under_way: dict[str, _UnderWay] = {}
        self._writing: deque[Future[FrameReport]] = deque()

    def run(self) -> None:
        with ThreadPoolExecutor(_READERS, "reader") as readers, ThreadPoolExecutor(_WRITERS, "writer") as writers:
            try:
                self._loop(readers, writers)
            finally:
                # What is being written is finished; nothing further is begun.
                readers.shutdown(wait=False, cancel_futures=True)
                writers.shutdown(wait=True)
                self._collect(wait=True)
                for request_id in self._client.outstanding:
                    self._client.cancel(request_id)
                self._save_solve()

    def _loop(self, readers: ThreadPoolExecutor, writers: ThreadPoolExecutor) -> None:
        while True:
            more = self._read_ahead(readers)
            self._send()
            self._collect()
            if not (more or self._preparing or self._under_way or self._writing):
                return
            answer = self._client.receive(_LOOK_S)
            while answer is not None:
                item = self._under_way.pop(answer.id)
                self._writing.append(writers.submit(self._finish, item, answer))
                answer = self._client.receive(0.0)

    def finished(self) -> ShotReport:
        """The report, with the videos made of the frames where all are there."""
        report = self.report()
        if report.failed or not (self._shot.movies.matte or self._shot.movies.comp):
            return report
        last = self._shot.frames[-1].frame

        def said(words: str) -> None:
            self._listener((last, Progress("movie", words, 0, 1)))

        return replace(report, movies=tuple(write_movies(self._shot, self._tools.pictures, said)))

    def report(self, stopped: str = "", code: str = "") -> ShotReport:
        ordered = [self._reports[frame.frame] for frame in self._shot.frames if frame.frame in self._reports]
        path = self._shot.solve_file if self._tools.solve.applies else None
        kept = str(path) if path and path.is_file() else ""
        return ShotReport(tuple(ordered), stopped, code, (), self._tools.solve.summary(), kept)

    def _save_solve(self) -> None:
        try:
            self._tools.solve.save()
        except OSError:
            # The frames of an output folder that cannot be written say so themselves.
            return

    # -- reading

    def _read_ahead(self, readers: ThreadPoolExecutor) -> bool:
        """Begins as many frames as there is room for; whether there may be more."""
        while len(self._preparing) < FRAMES_AHEAD and len(self._writing) < FRAMES_BEHIND:
            frame = self._tools.lanes.next()
            if frame is None:
                return False
            self._preparing.append(readers.submit(self._prepare, frame))
        return True

    def _prepare(self, frame: ShotFrame) -> PreparedFrame | FrameReport:
        try:
            return self._prepared(frame)
        except MatteError as error:
            return self._failed(frame, error.code, str(error))
        except OSError as error:
            return self._failed(frame, "missing_file", f"{error.filename} cannot be read: {error.strerror}.")

    def _prepared(self, frame: ShotFrame) -> PreparedFrame | FrameReport:
        for path in (frame.output, frame.comp):
            if path is not None:
                self._leftovers.sweep(path)
        ready = self._requests.ready(frame)
        if not frame.output.exists() or self._shot.overwrite:
            return ready
        if exr.read_stamp(frame.output) != ready.stamp:
            return self._failed(
                frame,
                "exists",
                f"{frame.output} exists and was made from other inputs or settings; use --overwrite to replace it.",
            )
        diagnostics = exr.read_diagnostics(frame.output)
        self._comp(frame, ready.stamp, str(diagnostics.get("colourspace", "")))
        return FrameReport(frame.frame, "skipped", str(frame.output), diagnostics=diagnostics, files=_files(frame))

    # -- the server

    def _send(self) -> None:
        while self._preparing and self._preparing[0].done() and len(self._under_way) < FRAMES_UNDER_WAY:
            ready = self._preparing.popleft().result()
            if isinstance(ready, FrameReport):
                self._end(ready)
                continue
            self._under_way[ready.request.id] = _UnderWay(ready, time.monotonic())
            self._client.submit(ready.request, self._progress_of(ready.frame.frame))

    def _progress_of(self, frame: int) -> Callable[[Accepted | Progress], None]:
        def heard(event: Accepted | Progress) -> None:
            if isinstance(event, Progress):
                self._listener((frame, event))

        return heard

    # -- writing

    def _collect(self, wait: bool = False) -> None:
        while self._writing and (wait or self._writing[0].done()):
            self._end(self._writing.popleft().result())

    def _finish(self, item: _UnderWay, answer: Answer) -> FrameReport:
        frame = item.ready.frame
        if isinstance(answer, Failure):
            return self._failed(frame, answer.code, f"{answer.message} {answer.hint}".rstrip())
        try:
            self._write(item.ready, answer)
        except MatteError as error:
            return self._failed(frame, error.code, str(error))
        except OSError as error:
            return self._failed(frame, "cannot_write", f"{frame.output} cannot be written: {error.strerror}.")
        # What the server worked on it, where it says so: waiting for other frames is nobody's cost.
        worked = answer.diagnostics.get("seconds")
        spent = sum(worked.values()) if isinstance(worked, Mapping) else time.monotonic() - item.started
        seconds = round(float(spent), 3)
        return FrameReport(frame.frame, "done", str(frame.output), seconds, answer.diagnostics, files=_files(frame))

    def _write(self, ready: PreparedFrame, answer: MatteReply) -> None:
        data: Blob = answer.data
        write_matte(ready.frame, data, ready.stamp, self._tools.pictures)
        self._comp(ready.frame, ready.stamp, str(answer.diagnostics.get("colourspace", "")))

    def _comp(self, frame: ShotFrame, stamp: str, space: str) -> None:
        """The comp, where one is wanted and the one that is there is not of this matte and background."""
        if frame.comp is None or frame.background is None:
            return
        mark = comp_stamp(frame, stamp, self._tools.pictures)
        if frame.comp.exists() and not self._shot.overwrite:
            if exr.read_stamp(frame.comp) == mark:
                return
            raise MatteError(
                "exists",
                f"{frame.comp} exists and was made from something else; use --overwrite to replace it.",
            )
        write_comp(frame, mark, space, self._tools.pictures)

    def _failed(self, frame: ShotFrame, code: str, message: str) -> FrameReport:
        return FrameReport(
            frame.frame, "failed", str(frame.output), code=code, message=message, files=_files(frame)
        )

    def _end(self, report: FrameReport) -> None:
        self._tools.lanes.close(report.frame)
        self._reports[report.frame] = report
        self._listener(report)


def _files(frame: ShotFrame) -> dict[str, str]:
    roles = ("plate", "clean_plate", "core", "holdout", "trimap", "background", "comp")
    files = {role: str(path) for role in roles if (path := getattr(frame, role)) is not None}
    return {**files, **{f"{role}_picture": str(number) for role, number in frame.video_frames.items()}}


def describe(diagnostics: Mapping[str, object]) -> str:
    """One line of a frame's alignment for people."""
    alignment = diagnostics.get("alignment")
    parts = []
    if isinstance(alignment, Mapping):
        parts.append(str(alignment.get("kind", "")))
        if alignment.get("inliers") is not None:
            parts.append(f"inliers {100 * float(alignment['inliers']):.0f}%")
        if alignment.get("residual_px") is not None:
            parts.append(f"residual {float(alignment['residual_px']):.2f} px")
        parts.append(f"coverage {100 * float(alignment.get('coverage', 1.0)):.1f}%")
    if isinstance(diagnostics.get("recomposition_error"), float):
        parts.append(f"re-composition {diagnostics['recomposition_error']:.1e}")
    warnings = diagnostics.get("warnings")
    if isinstance(warnings, list) and warnings:
        parts.append("WARNING: " + " ".join(str(warning) for warning in warnings))
    return ", ".join(part for part in parts if part)


def report_json(report: ShotReport, server: str, options: MatteOptions) -> str:
    """The whole report for ``--json``."""
    facts = {
        "server": server,
        "options": options.to_dict(),
        "working_space": SCENE_LINEAR,
        "stopped": report.stopped,
        "solve": report.solve,
        "solve_file": report.solve_file,
        "movies": [vars(movie) for movie in report.movies],
        "frames": [
            vars(frame) | {"diagnostics": dict(frame.diagnostics), "files": dict(frame.files)}
            for frame in report.frames
        ],
    }
    return json.dumps(facts, indent=2, sort_keys=True)
