"""A shot through the server: plans the frames, keeps several under way, resumes, and reports each one.

The rules: nothing is started when the plan is impossible; a frame whose result on disk was made from the same
inputs, options and version is skipped; a result made from something else is only replaced when the caller says
so; a frame that fails is reported while the others are finished; results appear under their final name whole.
"""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from matte_link.client import Answer, MatteClient
from matte_link.errors import LinkError
from matte_link.job import write_atomically
from matte_link.messages import Accepted, Digest, Failure, Inline, Matte, Pong, Progress, digest_of
from matte_link.options import MatteOptions
from matte_link.sequence import FramePattern, format_frames, parse_frames

from . import exr
from .colour import from_scene_linear, to_scene_linear
from .comp import comp_over
from .core.image import SCENE_LINEAR
from .errors import MatteError

FRAMES_UNDER_WAY = 3


@dataclass(frozen=True)
class Sources:
    """The pictures of a shot as the artist names them: files or patterns; empty means not given."""

    plate: str
    clean_plate: str
    output: str
    core: str = ""
    holdout: str = ""
    background: str = ""
    comp: str = ""


@dataclass(frozen=True)
class ShotFrame:
    """One frame's files."""

    frame: int
    plate: Path
    clean_plate: Path
    output: Path
    core: Path | None = None
    holdout: Path | None = None
    background: Path | None = None
    comp: Path | None = None


@dataclass(frozen=True)
class Shot:
    """A plan: every file was seen to exist, and no output is an input."""

    frames: tuple[ShotFrame, ...]
    options: MatteOptions = field(default_factory=MatteOptions)
    overwrite: bool = False
    name: str = field(default_factory=lambda: uuid.uuid4().hex)


@dataclass(frozen=True)
class FrameReport:
    """How one frame ended: ``status`` is done, skipped or failed."""

    frame: int
    status: str
    output: str
    seconds: float = 0.0
    diagnostics: Mapping[str, object] = field(default_factory=dict)
    code: str = ""
    message: str = ""


@dataclass(frozen=True)
class ShotReport:
    """Every frame's end, in order of frames; ``stopped`` is why the rest was not tried."""

    frames: tuple[FrameReport, ...]
    stopped: str = ""
    stopped_code: str = ""

    @property
    def failed(self) -> tuple[FrameReport, ...]:
        """The frames without a result."""
        return tuple(frame for frame in self.frames if frame.status == "failed")


Listener = Callable[[FrameReport | tuple[int, Progress]], None]


def plan_shot(sources: Sources, frames: str, options: MatteOptions, overwrite: bool = False) -> Shot:
    """The frames of a shot with all their files; raises ``MatteError`` with the codes bad_range, no_frames,
    missing_frame, bad_output, output_is_input."""
    try:
        patterns = {name: FramePattern(text) for name, text in vars(sources).items() if text}
        wanted = parse_frames(frames) if frames else ()
    except ValueError as error:
        raise MatteError("bad_range", str(error)) from None
    numbers = wanted or _frames_of(patterns["plate"])
    planned = tuple(_shot_frame(patterns, number) for number in numbers)
    _check_inputs(planned)
    _check_outputs(patterns, planned)
    return Shot(planned, options, overwrite)


def _frames_of(plate: FramePattern) -> tuple[int, ...]:
    if not plate.is_sequence:
        return (1,)
    found = plate.frames_on_disk()
    if not found:
        raise MatteError(
            "no_frames", f"No file matches {plate.text}.", "Check the folder and the number of # in the name."
        )
    missing = set(range(found[0], found[-1] + 1)) - set(found)
    if missing:
        raise MatteError(
            "missing_frame",
            f"{plate.text} has no frame {format_frames(missing)} between {found[0]} and {found[-1]}.",
            "Render what is missing, or name the frames wanted with --frames.",
        )
    return found


def _shot_frame(patterns: Mapping[str, FramePattern], number: int) -> ShotFrame:
    def optional(name: str) -> Path | None:
        return patterns[name].path(number) if name in patterns else None

    return ShotFrame(
        frame=number,
        plate=patterns["plate"].path(number),
        clean_plate=patterns["clean_plate"].path(number),
        output=patterns["output"].path(number),
        core=optional("core"),
        holdout=optional("holdout"),
        background=optional("background"),
        comp=optional("comp"),
    )


def _inputs(frame: ShotFrame) -> list[Path]:
    named = (frame.plate, frame.clean_plate, frame.core, frame.holdout, frame.background)
    return [path for path in named if path is not None]


def _check_inputs(planned: Sequence[ShotFrame]) -> None:
    absent = sorted({path for frame in planned for path in _inputs(frame) if not path.is_file()})
    if absent:
        more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
        raise MatteError(
            "missing_frame",
            f"{absent[0]}{more} does not exist; nothing was started.",
            "Correct the name, or leave the frame out with --frames.",
        )


def _check_outputs(patterns: Mapping[str, FramePattern], planned: Sequence[ShotFrame]) -> None:
    for name in ("output", "comp"):
        if name in patterns and len(planned) > 1 and not patterns[name].is_sequence:
            raise MatteError(
                "bad_output",
                f"{patterns[name].text} is one file for {len(planned)} frames.",
                "Put a frame number into its name, such as matte.####.exr.",
            )
    if Path(patterns["output"].text).suffix.lower() != ".exr":
        raise MatteError("bad_output", f"{patterns['output'].text} is not an EXR; mattes are float EXRs.")
    inputs = {path.resolve() for frame in planned for path in _inputs(frame)}
    outputs = [path.resolve() for frame in planned for path in (frame.output, frame.comp) if path]
    clash = next((path for path in outputs if path in inputs), None)
    if clash is not None:
        raise MatteError(
            "output_is_input",
            f"{clash} is both input and output; nothing was started.",
            "Choose another output.",
        )
    if len(set(outputs)) < len(outputs):
        raise MatteError("bad_output", "The matte and the comp have the same name.", "Choose two names.")


def run_shot(shot: Shot, client: MatteClient, listener: Listener) -> ShotReport:
    """Runs the plan to its end; never raises for a frame's sake. ``KeyboardInterrupt`` cancels and re-raises."""
    runner = _Runner(shot, client, client.ping(client.patience_s), listener)
    try:
        runner.run()
    except LinkError as error:
        return runner.report(str(error), error.code)
    except KeyboardInterrupt:
        for request_id in client.outstanding:
            client.cancel(request_id)
        raise
    return runner.report()


@dataclass
class _UnderWay:
    frame: ShotFrame
    started: float


class _Runner:
    def __init__(self, shot: Shot, client: MatteClient, server: Pong, listener: Listener) -> None:
        self._shot = shot
        self._client = client
        self._server = server
        self._listener = listener
        self._reports: dict[int, FrameReport] = {}
        self._under_way: dict[str, _UnderWay] = {}
        self._clean: tuple[tuple[Path, int], Inline, str] | None = None

    def run(self) -> None:
        waiting = iter(self._shot.frames)
        while True:
            self._fill(waiting)
            if not self._under_way:
                return
            answer = self._client.receive(0.2)
            if answer is not None:
                self._finish(self._under_way.pop(answer.id), answer)

    def report(self, stopped: str = "", code: str = "") -> ShotReport:
        ordered = [self._reports[frame.frame] for frame in self._shot.frames if frame.frame in self._reports]
        return ShotReport(tuple(ordered), stopped, code)

    def _fill(self, waiting: Iterator[ShotFrame]) -> None:
        while len(self._under_way) < FRAMES_UNDER_WAY:
            frame = next(waiting, None)
            if frame is None:
                return
            try:
                self._start(frame)
            except OSError as error:
                self._fail(frame, "missing_file", f"{error.filename} cannot be read: {error.strerror}.")

    def _start(self, frame: ShotFrame) -> None:
        request = self._request(frame)
        stamp = str(request.hints["stamp"])
        if frame.output.exists() and not self._shot.overwrite:
            if exr.read_stamp(frame.output) == stamp:
                self._end(FrameReport(frame.frame, "skipped", str(frame.output)))
            else:
                self._fail(
                    frame,
                    "exists",
                    f"{frame.output} exists and was made from other inputs or settings; "
                    "use --overwrite to replace it.",
                )
            return
        self._under_way[request.id] = _UnderWay(frame, time.monotonic())
        self._client.submit(request, lambda event: self._progress(frame.frame, event))

    def _request(self, frame: ShotFrame) -> Matte:
        plate = _inline(frame.plate)
        clean, clean_digest = self._clean_plate(frame.clean_plate)
        guides = {"core": _optional(frame.core), "holdout": _optional(frame.holdout)}
        stamp = _stamp(
            {
                "plate": digest_of(plate.data),
                "clean_plate": clean_digest,
                **{name: digest_of(guide.data) for name, guide in guides.items() if guide},
            },
            self._shot.options,
            self._server.version,
        )
        return Matte(
            id=uuid.uuid4().hex,
            frame=frame.frame,
            plate=plate,
            clean_plate=clean,
            options=self._shot.options,
            core=guides["core"],
            holdout=guides["holdout"],
            priority="batch",
            shot=self._shot.name,
            hints={"stamp": stamp},
        )

    def _clean_plate(self, path: Path) -> tuple[Inline | Digest, str]:
        """A still clean plate is read and hashed once a shot."""
        key = (path, path.stat().st_mtime_ns)
        if self._clean is None or self._clean[0] != key:
            picture = _inline(path)
            self._clean = (key, picture, digest_of(picture.data))
        return self._clean[1], self._clean[2]

    def _progress(self, frame: int, event: Accepted | Progress) -> None:
        if isinstance(event, Progress):
            self._listener((frame, event))

    def _finish(self, item: _UnderWay, answer: Answer) -> None:
        frame = item.frame
        if isinstance(answer, Failure):
            self._fail(frame, answer.code, f"{answer.message} {answer.hint}".rstrip())
            return
        try:
            write_atomically(str(frame.output), answer.data)
            if frame.comp and frame.background:
                _write_comp(frame.output, frame.background, frame.comp)
        except OSError as error:
            self._fail(frame, "cannot_write", f"{frame.output} cannot be written: {error.strerror}.")
            return
        except MatteError as error:
            self._fail(frame, error.code, str(error))
            return
        seconds = time.monotonic() - item.started
        self._end(FrameReport(frame.frame, "done", str(frame.output), seconds, answer.diagnostics))

    def _fail(self, frame: ShotFrame, code: str, message: str) -> None:
        self._end(FrameReport(frame.frame, "failed", str(frame.output), code=code, message=message))

    def _end(self, report: FrameReport) -> None:
        self._reports[report.frame] = report
        self._listener(report)


def _inline(path: Path) -> Inline:
    return Inline(path.read_bytes(), path.name)


def _optional(path: Path | None) -> Inline | None:
    return None if path is None else _inline(path)


def _stamp(digests: Mapping[str, str], options: MatteOptions, version: str) -> str:
    """What a result was made from, as one word written into it: the same inputs give the same word."""
    facts = json.dumps([dict(digests), options.to_dict(), version], sort_keys=True)
    return hashlib.blake2b(facts.encode(), digest_size=16).hexdigest()


def _write_comp(matte: Path, background: Path, comp: Path) -> None:
    """The comp, in scene-linear light, written as scene-linear EXR or as sRGB in any other format."""
    picture = exr.read_image(background)
    result = comp_over(exr.read_image(matte), to_scene_linear(picture, picture.colourspace))
    if comp.suffix.lower() != ".exr":
        result = from_scene_linear(result, "srgb")
    exr.write_image(comp, result)


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
        "frames": [vars(frame) | {"diagnostics": dict(frame.diagnostics)} for frame in report.frames],
    }
    return json.dumps(facts, indent=2, sort_keys=True)
