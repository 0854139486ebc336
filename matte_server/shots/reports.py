"""What a run of a shot reports: how each frame and each video ended, for people and as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from matte_link.diagnostics import NO_SUBJECT, warnings_of
from matte_link.options import MatteOptions

REPORT_HEAD = {"format": "cleanplate report", "version": 1}
"""What a report in JSON begins with; the version changes where a program that reads it could fail."""
_NUMBER = re.compile(r"\d+")
_NOT_ON_SERVER = ("path_refused", "missing_file", "not_a_file")
"""Of weights or a config that the options name: a shot's pictures travel, and are never named by path."""
ALL_FRAMES_FAIL = frozenset(
    (
        "missing_weights",
        "bad_weights",
        "unknown_model",
        "bad_ocio_config",
        "mixed_sizes",
        "protocol",
        *_NOT_ON_SERVER,
    )
)
"""Codes of failures that lie in the order, not in the server: what its options name, as the server finds at the
first frame, plates of several sizes for one video, and an option that an older server does not know."""
MEASURING = "measuring alignment"
"""The stage in which frames spread over the shot are compared with the clean plate, before the first is sent."""


class ResultStatus(StrEnum):
    """How a frame or a video ended: made, already there and up to date, or without a result."""

    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True)
class FrameReport:
    """How one frame ended. ``name`` is the file's name of a picture that stands alone, such as a portrait; empty
    for a frame of a shot, which has a number. ``output`` is its matte, ``files`` are its other files by role,
    ``seconds`` is how long the server worked on it. ``code`` and ``message`` say why it failed."""

    frame: int
    status: ResultStatus
    output: str
    seconds: float = 0.0
    diagnostics: Mapping[str, object] = field(default_factory=dict)
    code: str = ""
    message: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    name: str = ""

    @property
    def title(self) -> str:
        """The frame as people are told of it: "frame 1001", or the name of a portrait."""
        return self.name or f"frame {self.frame}"

    @property
    def cause(self) -> tuple[str, str]:
        """Why it failed, equal for frames that failed alike: sentences that differ in their numbers alone, as those
        of a full disk do in the files' names, tell one cause."""
        return self.code, _NUMBER.sub("#", self.message)


@dataclass(frozen=True)
class MovieReport:
    """How a video of a shot ended; ``code`` and ``message`` say why it failed. The message of one that was written
    holds the warnings on its background."""

    path: str
    status: ResultStatus
    code: str = ""
    message: str = ""


@dataclass(frozen=True)
class ShotReport:
    """The frames that ended, in order of frames. ``stopped`` says why the others were not tried, ``solve`` is a
    sentence on the plate solve, and ``solve_file`` is where that is kept. ``finds_clean_plate``: whether most of
    the frames that were compared with the clean plate for that, wanted or not, surely show what it shows."""

    frames: tuple[FrameReport, ...]
    stopped: str = ""
    stopped_code: str = ""
    movies: tuple[MovieReport, ...] = ()
    solve: str = ""
    solve_file: str = ""
    finds_clean_plate: bool = False

    @property
    def cannot_work(self) -> bool:
        """Whether the reason why it stopped lies in the shot's options, not in the server."""
        return self.stopped_code in ALL_FRAMES_FAIL

    @property
    def failed(self) -> tuple[FrameReport, ...]:
        """The frames without a result."""
        return tuple(frame for frame in self.frames if frame.status == ResultStatus.FAILED)


def is_measured_frame(frame: FrameReport) -> bool:
    """Whether the clean plate's alignment was measured on the frame."""
    alignment = frame.diagnostics.get("alignment")
    return isinstance(alignment, Mapping) and bool(alignment.get("points")) and alignment.get("inliers") is not None


def warned_frames(report: ShotReport) -> list[FrameReport]:
    """The frames with warnings, the one that fits its clean plate worst first. That a frame shows the set alone is
    none where others have a subject: somebody has not come yet, or has gone."""
    told = {frame.frame: set(warnings_of(frame.diagnostics)) for frame in report.frames}
    if any(alpha_area(frame) > 0 and NO_SUBJECT not in told[frame.frame] for frame in report.frames):
        told = {number: warnings - {NO_SUBJECT} for number, warnings in told.items()}
    return sorted((frame for frame in report.frames if told[frame.frame]), key=_misfit, reverse=True)


def _misfit(frame: FrameReport) -> tuple[bool, int, float]:
    """The larger, the worse: not measured before measured, many warnings before few, then by points that agree."""
    alignment = frame.diagnostics.get("alignment")
    inliers = alignment.get("inliers") if isinstance(alignment, Mapping) else None
    agreeing = float(inliers) if isinstance(inliers, int | float) else 0.0
    return not is_measured_frame(frame), len(warnings_of(frame.diagnostics)), -agreeing


def alpha_area(frame: FrameReport) -> float:
    """The part of the frame that alpha fills, 0..1; 0 where that is not known."""
    area = frame.diagnostics.get("alpha_area")
    return float(area) if isinstance(area, int | float) else 0.0


def summary_of(diagnostics: Mapping[str, object], reported: set[str] | None = None) -> str:
    """One line for people: how the clean plate was aligned, how well the result fits the plate, and warnings.
    Warnings in ``reported`` were printed with an earlier frame and are left out; the others are added to it."""
    alignment = diagnostics.get("alignment")
    parts = _alignment_figures(alignment) if isinstance(alignment, Mapping) else []
    error = diagnostics.get("recomposition_error")
    if isinstance(error, float):
        parts.append(f"foreground over clean plate within {100 * error:.3f}% of the plate")
    known = set() if reported is None else reported
    new = [warning for warning in warnings_of(diagnostics) if warning not in known]
    known.update(new)
    if new:
        parts.append("WARNING: " + " ".join(dict.fromkeys(new)))
    return ", ".join(part for part in parts if part)


_MOVED = {"none": "not moved", "translation": "shifted", "homography": "moved in perspective"}
"""How the clean plate was brought onto the plate, by the kind of its transform."""


def _alignment_figures(alignment: Mapping[str, object]) -> list[str]:
    kind = str(alignment.get("kind", ""))
    figures = [_MOVED.get(kind, kind)]
    inliers, residual = alignment.get("inliers"), alignment.get("residual_px")
    if isinstance(inliers, int | float) and isinstance(residual, int | float):
        figures.append(f"{100 * inliers:.0f}% of {alignment.get('points')} points agree to {residual:.2f} px")
    coverage = alignment.get("coverage", 1.0)
    if isinstance(coverage, int | float):
        figures.append(f"clean plate covers {100 * coverage:.1f}%")
    return figures


def report_json(report: ShotReport, server: str, options: MatteOptions) -> str:
    """The whole report for ``--json``."""
    # Imported here: a small command needs these reports, but no NumPy.
    from ..core.image import SCENE_LINEAR

    facts = {
        **REPORT_HEAD,
        "server": server,
        "options": options.to_dict(),
        "working_space": SCENE_LINEAR,
        "stopped": report.stopped,
        "stopped_code": report.stopped_code,
        "solve": report.solve,
        "solve_file": report.solve_file,
        "movies": [vars(movie) for movie in report.movies],
        "frames": [
            vars(frame) | {"diagnostics": dict(frame.diagnostics), "files": dict(frame.files)}
            for frame in report.frames
        ],
    }
    return json.dumps(facts, indent=2, sort_keys=True)
