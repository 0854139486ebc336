"""The last lines of a shot's run: what was made, what failed, what to look at; and the exit code."""

from __future__ import annotations

from matte_link.diagnostics import warnings_of
from matte_link.sequence import counted, format_frames
from rich.markup import escape

from ..shots.clean_plate_check import why_not_its_clean_plate
from ..shots.reports import FrameReport, ResultStatus, ShotReport, warned_frames
from ..shots.shot import Shot
from ..shots.unlike_frames import unlike_frames
from . import console


def conclude(report: ShotReport, wanted: int) -> int:
    """Prints how a shot's run ended; returns the exit code. ``wanted`` is the number of its frames."""
    done = sum(frame.status == ResultStatus.DONE for frame in report.frames)
    skipped = sum(frame.status == ResultStatus.SKIPPED for frame in report.frames)
    console.say(
        f"{done} done, {skipped} already there, {len(report.failed)} failed, "
        f"{wanted - len(report.frames)} not tried."
    )
    if report.solve:
        console.say(report.solve)
    for movie in report.movies:
        outcomes = {"done": "written", "skipped": "already there"}
        outcome = outcomes.get(movie.status, "")
        sentence = ". ".join(filter(None, (outcome, movie.message)))
        # Why it failed mostly begins with its name.
        console.say(sentence if sentence.startswith(movie.path) else f"{movie.path}: {sentence}")
    _report_failures(report)
    _report_warnings(report)
    for sentence in unlike_frames(report.frames):
        console.warn(sentence)
    if report.stopped:
        console.complain(report.stopped, report.stopped_code)
        return console.BAD_INPUT if report.cannot_work else console.NO_SERVER
    if len(report.frames) < wanted:
        # A defect of ours, should it ever happen; it must not look like success.
        console.complain(
            f"{wanted - len(report.frames)} of {counted(wanted, 'frame')} were neither made nor reported as "
            "failed; run the same command again.",
            "not_tried",
        )
        return console.FRAMES_FAILED
    broken = report.failed or any(movie.status == ResultStatus.FAILED for movie in report.movies)
    return console.FRAMES_FAILED if broken else console.OK


def _report_failures(report: ShotReport) -> None:
    """Each cause once, with the frames that it stopped."""
    causes: dict[tuple[str, str], list[FrameReport]] = {}
    for frame in report.failed:
        causes.setdefault(frame.cause, []).append(frame)
    for frames in causes.values():
        first = frames[0]
        console.err.print(f"  {escape(_titles(frames))} ({first.code}): {escape(first.message)}")


def _titles(frames: list[FrameReport]) -> str:
    """The frames as people are told of them, each: with -q nothing else says which failed."""
    if len(frames) == 1 or frames[0].name:
        return ", ".join(frame.title for frame in frames)
    return f"frames {format_frames(frame.frame for frame in frames)}"


def _report_warnings(report: ShotReport) -> None:
    warned = warned_frames(report)
    if not warned:
        return
    noun = "frame has" if len(warned) == 1 else "frames have"
    sentences = " ".join(warnings_of(warned[0].diagnostics))
    console.say(f"{len(warned)} {noun} warnings; the worst is {warned[0].title}: {sentences}")


def check_clean_plate(report: ShotReport, shot: Shot) -> int:
    """Complains where the clean plate does not belong to the plate; returns the exit code."""
    why = why_not_its_clean_plate(report, shot)
    if not why:
        return console.OK
    console.complain(why, "other_clean_plate")
    return console.OTHER_CLEAN_PLATE
