"""Runs a shot through the server: reads ahead, keeps several frames there, writes, reports each frame.

The rules: a frame is skipped if its result on disk was made from the same inputs, plate solve, options, server
version and weights (and neighbours, with smoothing in time). A result that was made from something else is replaced
only if the shot says ``overwrite``. A frame that fails is reported, and the others go on. Files appear under their
final names only when they are complete.

Three kinds of work overlap: a few threads read pictures, decode videos and solve plates; the server decodes, mattes
and encodes; a few threads write results and comps. The number of frames in each is limited, so memory does not grow
with the length of the shot. Only the calling thread uses the client's socket.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from queue import SimpleQueue

from matte_link.client import MatteClient
from matte_link.diagnostics import warnings_of
from matte_link.errors import LinkError
from matte_link.messages import Accepted, Answer, Failure, LearnReply, MatteReply, Pong, Progress
from matte_link.result_key import MAKER, Maker

from ..errors import MatteError
from ..io import exr
from .frame_partition import FramePartition
from .inputs import ShotInputs
from .kept_files import make_unless_kept, may_keep, other_maker
from .leftovers import Leftovers
from .movie_size import MovieSize
from .named_on_server import check_named_on_server
from .output_folders import OutputFolders
from .outputs import comp_stamp, pass_stamp, write_comp, write_matte, write_movies, write_pass
from .plan_checks import check_model
from .plate_solve import PlateSolve
from .reports import ALL_FRAMES_FAIL, MEASURING, FrameReport, ResultStatus, ShotReport
from .requests import PreparedFrame, ShotRequests
from .shot import Shot, ShotFrame, frame_outputs, shot_outputs

# The most frames that are read and wait to be sent; that are at the server; that wait to be written.
FRAMES_AHEAD, FRAMES_AT_SERVER, FRAMES_BEHIND = 3, 8, 3
_READERS, _WRITERS = 2, 2
_POLL_S = 0.02
# A worker that has not started by then never will; its frames then fail with the reason.
_LONGEST_START_S, _START_POLL_S = 180.0, 0.25

Listener = Callable[[FrameReport | tuple[int, Progress]], None]
"""Called with each frame's report as it ends, and with (frame number, progress) in between."""


def run_shot(shot: Shot, client: MatteClient, listener: Listener) -> ShotReport:
    """Makes every frame of the plan. Frames that fail do not raise: they are in the report, as is a server that
    stops answering, or that finds that no frame can be made. Raises ``MatteError`` where the server lacks the model
    or a given plate solve cannot be used, and ``LinkError`` where the server does not answer at the start.
    ``KeyboardInterrupt`` cancels what is at the server and is raised again; every file on disk is complete then."""
    with ShotInputs(shot.options, shot.deinterlace) as pictures:
        server = ready_server(client)
        check_model(shot.options, server, client.endpoint.is_own)
        samples: SimpleQueue[tuple[int, Progress]] = SimpleQueue()

        def on_sample(frame: int, done: int, total: int) -> None:
            samples.put((frame, Progress(id="solve", stage=MEASURING, done=done, total=total)))

        solve = PlateSolve(shot, pictures, server.version, on_sample)
        order = FramePartition(shot.frames, _process_count(client) if shot.options.temporal else 1)
        run = _ShotRun(shot, client, server, listener, pictures=pictures, solve=solve, order=order, samples=samples)
        leftovers = Leftovers(_written_files(shot))
        try:
            check_named_on_server(shot.options, client)
            run.run()
        except (LinkError, _AllFramesFail) as error:
            return run.report(stopped=str(error), code=error.code)
        else:
            return run.report_with_movies()
        finally:
            leftovers.remove()


def _written_files(shot: Shot) -> list[Path]:
    """Every file that a run writes."""
    kept = [] if shot.solve_file is None else [shot.solve_file]
    return [*shot_outputs(shot.frames, shot.movies), *kept]


def ready_server(client: MatteClient) -> Pong:
    """What the server says of itself once a matting process has started: before that it knows neither its models
    nor their weights, and results would be stamped as made by others. Raises ``LinkError`` where it does not
    answer."""
    until = time.monotonic() + _LONGEST_START_S
    while not (server := client.ping(client.patience_s)).models and time.monotonic() < until:
        time.sleep(_START_POLL_S)
    return server


def _process_count(client: MatteClient) -> int:
    """How many matting processes the server has, including those that are still starting."""
    workers = client.status(client.patience_s).state.get("workers")
    return len(workers) if isinstance(workers, list) else 1


@dataclass(frozen=True)
class _SentFrame:
    prepared: PreparedFrame
    sent_at: float


class _AllFramesFail(MatteError):
    """No frame, or no video of the frames, can be made as the options are."""


class _ShotRun:
    """One run of a shot: frames go from being prepared to the server and from there to being written."""

    def __init__(
        self,
        shot: Shot,
        client: MatteClient,
        server: Pong,
        listener: Listener,
        *,
        pictures: ShotInputs,
        solve: PlateSolve,
        order: FramePartition,
        samples: SimpleQueue[tuple[int, Progress]],
    ) -> None:
        self._shot = shot
        self._client = client
        self._listener = listener
        self._pictures = pictures
        self._solve = solve
        self._order = order
        self._samples = samples
        self._requests = ShotRequests(shot, server, pictures, solve)
        self._movie_size = MovieSize(shot.movies)
        self._folders = OutputFolders(_written_files(shot))
        self._reports: dict[int, FrameReport] = {}
        self._preparing: deque[Future[PreparedFrame | FrameReport]] = deque()
        self._at_server: dict[str, _SentFrame] = {}
        self._writing: deque[Future[FrameReport]] = deque()

    def run(self) -> None:
        """Until every frame has ended. Raises ``LinkError``, and :class:`_AllFramesFail`."""
        with ThreadPoolExecutor(_READERS, "reader") as readers, ThreadPoolExecutor(_WRITERS, "writer") as writers:
            try:
                self._loop(readers, writers)
            finally:
                # Results that are being written are finished; no other work is started.
                readers.shutdown(wait=False, cancel_futures=True)
                writers.shutdown(wait=True)
                self._collect(wait=True)
                for request_id in self._client.outstanding:
                    self._client.cancel(request_id)
                self._save_solve()

    def _loop(self, readers: ThreadPoolExecutor, writers: ThreadPoolExecutor) -> None:
        while True:
            more = self._read_ahead(readers)
            self._tell_of_samples()
            self._send()
            self._collect()
            if problem := self._movie_size.problem:
                raise _AllFramesFail("mixed_sizes", *problem)
            if not (more or self._preparing or self._at_server or self._writing):
                return
            answer = self._client.receive(_POLL_S)
            while answer is not None:
                sent = self._at_server.pop(answer.id)
                _check_failure(answer)
                _check_maker(answer, self._requests.maker)
                self._writing.append(writers.submit(self._finish, sent, answer))
                answer = self._client.receive(0.0)

    def _tell_of_samples(self) -> None:
        """What the threads of the plate solve reported, in this thread."""
        while not self._samples.empty():
            self._listener(self._samples.get())

    def report_with_movies(self) -> ShotReport:
        """The report, after making the shot's videos where every frame has a result."""
        report = self.report()
        if report.failed or not (self._shot.movies.matte or self._shot.movies.comp):
            return report
        last = self._shot.frames[-1].frame

        def on_movie(stage: str) -> None:
            self._listener((last, Progress(id="movie", stage=stage, done=0, total=1)))

        return replace(report, movies=tuple(write_movies(self._shot, self._pictures, on_movie)))

    def report(self, stopped: str = "", code: str = "") -> ShotReport:
        """What has ended so far; ``stopped`` and its ``code`` say why the rest was not tried."""
        path = self._shot.solve_file if self._solve.applies else None
        return ShotReport(
            frames=tuple(self._reports[frame.frame] for frame in self._shot.frames if frame.frame in self._reports),
            stopped=stopped,
            stopped_code=code,
            solve=self._solve.summary(),
            solve_file=str(path) if path and path.is_file() else "",
            finds_clean_plate=self._solve.finds_clean_plate(),
        )

    def _save_solve(self) -> None:
        try:
            if self._shot.solve_file is not None:
                self._folders.check(self._shot.solve_file)
            self._solve.save()
        except (MatteError, OSError):
            # Where the output folder cannot be written to, the frames' own reports say so.
            return

    # -- reading

    def _read_ahead(self, readers: ThreadPoolExecutor) -> bool:
        """Starts preparing as many frames as there is room for; False when no frame is left."""
        while len(self._preparing) < FRAMES_AHEAD and len(self._writing) < FRAMES_BEHIND:
            frame = self._order.next()
            if frame is None:
                return False
            self._preparing.append(readers.submit(self._prepare, frame))
        return True

    def _prepare(self, frame: ShotFrame) -> PreparedFrame | FrameReport:
        try:
            return self._prepared_or_skipped(frame)
        except MatteError as error:
            return _failed(frame, error.code, str(error))
        except OSError as error:
            what, why = error.filename or frame.plate, error.strerror or error
            return _failed(frame, "missing_file", f"{what} cannot be read: {why}.")

    def _prepared_or_skipped(self, frame: ShotFrame) -> PreparedFrame | FrameReport:
        prepared = self._requests.prepare(frame)
        if not may_keep(frame.output, prepared.stamp, self._shot.overwrite, self._requests.maker):
            return prepared
        diagnostics = exr.read_diagnostics(frame.output)
        with self._folders.ready_for(frame_outputs(frame)):
            self._write_others(prepared, diagnostics)
        return FrameReport(
            frame=frame.frame,
            name=frame.name,
            status=ResultStatus.SKIPPED,
            output=str(frame.output),
            diagnostics=diagnostics,
            files=_files(frame),
        )

    # -- the server

    def _send(self) -> None:
        while self._preparing and self._preparing[0].done() and len(self._at_server) < FRAMES_AT_SERVER:
            prepared = self._preparing.popleft().result()
            if isinstance(prepared, FrameReport):
                self._end(prepared)
                continue
            self._at_server[prepared.request.id] = _SentFrame(prepared=prepared, sent_at=time.monotonic())
            self._client.submit(prepared.request, self._progress_listener(prepared.frame.frame))

    def _progress_listener(self, frame: int) -> Callable[[Accepted | Progress], None]:
        def on_event(event: Accepted | Progress) -> None:
            if isinstance(event, Progress):
                self._listener((frame, event))

        return on_event

    # -- writing

    def _collect(self, wait: bool = False) -> None:
        while self._writing and (wait or self._writing[0].done()):
            self._end(self._writing.popleft().result())

    def _finish(self, sent: _SentFrame, answer: Answer) -> FrameReport:
        frame = sent.prepared.frame
        if isinstance(answer, Failure):
            return _failed(frame, answer.code, f"{answer.message} {answer.hint}".rstrip())
        try:
            stamp = sent.prepared.stamp
            write = partial(write_matte, frame, answer.data, stamp, self._pictures)
            with self._folders.ready_for(frame_outputs(frame)):
                make_unless_kept(frame.output, stamp, self._shot.overwrite, write, self._requests.maker)
                warnings = self._write_others(sent.prepared, answer.diagnostics)
        except MatteError as error:
            return _failed(frame, error.code, str(error))
        except OSError as error:
            return _failed(frame, "cannot_write", f"{frame.output} cannot be written: {error.strerror}.")
        return FrameReport(
            frame=frame.frame,
            name=frame.name,
            status=ResultStatus.DONE,
            output=str(frame.output),
            seconds=_seconds_spent(sent, answer),
            diagnostics=_with_warnings(answer.diagnostics, (*sent.prepared.warnings, *warnings)),
            files=_files(frame),
        )

    def _write_others(self, prepared: PreparedFrame, diagnostics: Mapping[str, object]) -> tuple[str, ...]:
        """Writes the frame's comp and passes, those that are not there yet. Returns warnings on the background."""
        warnings = self._write_comp(prepared, diagnostics)
        for name, path in prepared.frame.passes.items():
            stamp = pass_stamp(prepared.stamp, name)
            write = partial(write_pass, prepared.frame, name, stamp, self._shot.options)
            make_unless_kept(path, stamp, self._shot.overwrite, write)
        return warnings

    def _write_comp(self, prepared: PreparedFrame, diagnostics: Mapping[str, object]) -> tuple[str, ...]:
        """Writes the frame's comp, if it has one, unless it is there, made from this matte and background."""
        frame = prepared.frame
        if frame.comp is None or frame.background is None:
            return ()
        stamp = comp_stamp(frame, prepared.stamp, self._pictures)
        write = partial(write_comp, frame, stamp, str(diagnostics.get("colourspace", "")), self._pictures)
        return make_unless_kept(frame.comp, stamp, self._shot.overwrite, write) or ()

    def _end(self, report: FrameReport) -> None:
        self._order.close(report.frame)
        self._reports[report.frame] = report
        self._movie_size.note(report)
        self._listener(report)


def _check_failure(answer: Answer) -> None:
    """Raises :class:`_AllFramesFail` where a frame failed for a reason that all frames share."""
    if isinstance(answer, Failure) and answer.code in ALL_FRAMES_FAIL:
        raise _AllFramesFail(answer.code, answer.message, answer.hint)


def _check_maker(answer: Answer, expected: Maker) -> None:
    """Raises :class:`_AllFramesFail` where a frame was made by another version, or from other weights, than the
    server had as the run began, and than the frame's stamp says: a service was updated meanwhile, or a file of
    weights."""
    found = Maker.from_dict(answer.diagnostics.get(MAKER)) if isinstance(answer, MatteReply) else None
    if other := other_maker(found, expected):
        raise _AllFramesFail(
            "server_changed",
            f"In the middle of the run a frame was made {other}: the server or its weights were replaced.",
            "Start again with --overwrite, so that all frames are made alike.",
        )


def _failed(frame: ShotFrame, code: str, message: str) -> FrameReport:
    return FrameReport(
        frame=frame.frame,
        name=frame.name,
        status=ResultStatus.FAILED,
        output=str(frame.output),
        code=code,
        message=message,
        files=_files(frame),
    )


def _with_warnings(diagnostics: Mapping[str, object], warnings: Sequence[str]) -> Mapping[str, object]:
    """The server's diagnostics, with warnings on files that were read here added to its own."""
    return {**diagnostics, "warnings": [*warnings_of(diagnostics), *warnings]}


def _seconds_spent(sent: _SentFrame, answer: MatteReply | LearnReply) -> float:
    """The server's own figure, which leaves out the time that a frame waited for others; else the time since the
    frame was sent."""
    stages = answer.diagnostics.get("seconds")
    spent = sum(stages.values()) if isinstance(stages, Mapping) else time.monotonic() - sent.sent_at
    return round(float(spent), 3)


def _files(frame: ShotFrame) -> dict[str, str]:
    roles = ("plate", "clean_plate", "core", "holdout", "trimap", "background", "comp")
    files = {role: str(path) for role in roles if (path := getattr(frame, role)) is not None}
    files |= {f"{name}_pass": str(path) for name, path in frame.passes.items()}
    return {**files, **{f"{role}_picture": str(number) for role, number in frame.video_frames.items()}}
