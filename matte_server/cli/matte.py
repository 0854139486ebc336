"""``cleanplate matte``: makes the mattes of a frame, a shot, a video, a folder of portraits, or of several shots
that a job file names."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from matte_link.client import MatteClient
from matte_link.endpoint import Endpoint
from matte_link.errors import LinkError
from matte_link.files import write_atomically
from matte_link.options import option_specs
from matte_link.sequence import format_frames
from rich.markup import escape

from ..errors import MatteError
from ..server.local_server import server_for
from ..shots.arguments import SHOT_ARGUMENTS, SWITCH, ShotOrder
from ..shots.batch import run_shot
from ..shots.job_file import read_job
from ..shots.plan_checks import check_model
from ..shots.reports import (
    REPORT_HEAD,
    ResultStatus,
    ShotReport,
    has_other_clean_plate,
    report_json,
    warnings_of,
    worst_warned,
)
from ..shots.shot import Shot
from . import console
from . import review as review_cli
from .shot_flags import add_options, add_shot_flags, options_from, order_from

PATIENCE_S = 30.0
EPILOG = """\
examples:
  cleanplate matte plate.####.exr --clean clean.exr -o matte.####.exr
  cleanplate matte plate.%04d.png --clean clean.png -o out/matte.####.exr --frames 1001-1100x2,1200
  cleanplate matte portrait.jpg --clean empty.jpg -o matte.exr --background beach.jpg --comp comp.png
  cleanplate matte take7.mov --clean empty.png -o take7_matte.mov --background sea.mp4 --comp comp.mp4
  cleanplate matte portraits/ --clean empty_studio.png -o mattes/
  cleanplate matte --job tonight.yaml

PLATE and the like are a file, a video, or a pattern: plate.####.exr and plate.%04d.exr are accepted.
The words of a job file are these flags without the dashes, one list 'shots' of them, and 'defaults' for all.
--json writes {"format": "cleanplate report", "version": 1, "frames": [{"frame", "status", "output", "seconds",
"code", "message", "diagnostics", "files"}, ...], "stopped", "solve", "solve_file", "movies", "options", "server"};
of several shots {"format", "version", "shots": [...]}.
A frame's line says how the clean plate was aligned, which part of the tracked points agree on that, and by how many
pixels they are off; the re-composition is how far the foreground over the clean plate is from the plate.

OUT is EXR (float, everything kept), PNG or TIFF (16 bit, sRGB), or .mov (ProRes 4444 with alpha; its float EXRs
stay beside it in OUT.frames). The same command again goes on where it was interrupted.

exit codes: 0 every frame is done, 1 some frames failed, 2 the input cannot work, 3 no server,
4 the clean plate shows another place than the plate, 130 interrupted
"""


def add_parser(subparsers: Any) -> None:
    """Adds ``matte`` to the command line; its options are :class:`MatteOptions`'s."""
    parser = subparsers.add_parser(
        "matte",
        help="make mattes of a frame or a shot",
        description="Makes an EXR of alpha and foreground for each frame of PLATE.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_shot_flags(parser)
    _add_run_flags(parser)
    review_cli.add_argument(parser)
    add_options(parser)
    parser.set_defaults(run=run)


def _add_run_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of the run as a whole, whatever shots it has."""
    parser.add_argument(
        "--job", default="", metavar="FILE", help="several shots, YAML or JSON, instead of PLATE, --clean and -o"
    )
    parser.add_argument(
        "--server",
        default="",
        metavar="ADDR",
        help="the matting server (default: one that runs, else its own)",
    )
    parser.add_argument("--keys", default="", metavar="FILE", help="keys for an encrypted server")
    parser.add_argument(
        "--patience",
        type=float,
        default=PATIENCE_S,
        metavar="SECONDS",
        help="how long a server that gives no sign of life is waited for (default: %(default)g)",
    )
    parser.add_argument("--json", default="", metavar="REPORT", help="write every frame's diagnostics as JSON")
    parser.add_argument("--dry-run", action="store_true", help="check everything, list the frames, make nothing")
    parser.add_argument("-q", "--quiet", action="store_true", help="print problems and the last lines only")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    shots = [order.plan() for order in _orders(arguments)]
    if arguments.json:
        check_report_path(Path(arguments.json))
    if arguments.dry_run:
        return _describe(shots)
    frames = sum(len(shot.frames) for shot in shots)
    with server_for(
        arguments.server, arguments.keys, _named_files(shots), frames, on_progress=console.tell
    ) as endpoint:
        _check_models(shots, endpoint, arguments.patience)
        reports = []
        for number, shot in enumerate(shots, 1):
            if len(shots) > 1:
                console.err.print(escape(f"shot {number} of {len(shots)}: {shot.title}"))
            reports.append(_one_shot(shot, endpoint, arguments.patience, arguments.quiet))
            if reports[-1].stopped:
                break
        if arguments.json:
            write_reports(arguments.json, reports, endpoint, shots)
    codes = [conclude(report, len(shot.frames)) for report, shot in zip(reports, shots, strict=False)]
    codes += [_check_clean_plate(report, shot) for report, shot in zip(reports, shots, strict=False)]
    if arguments.review:
        codes += [review_cli.review(shot, report) for report, shot in zip(reports, shots, strict=False)]
    return max(codes, default=console.OK)


def _orders(arguments: argparse.Namespace) -> tuple[ShotOrder, ...]:
    """The shots of the job file, or the one that the command line names. Raises ``MatteError``: bad_option,
    bad_job."""
    if arguments.job:
        own = [argument for argument in SHOT_ARGUMENTS if argument.kind != SWITCH]
        given = [each.name for each in own if getattr(arguments, each.name) != each.default]
        given += [spec.name for spec in option_specs() if getattr(arguments, spec.name) != spec.default]
        if given:
            raise MatteError("bad_option", f"With --job, the file says what {given[0]} is; leave it out here.")
        orders = read_job(Path(arguments.job))
        return tuple(
            replace(
                order,
                overwrite=order.overwrite or arguments.overwrite,
                deinterlace=order.deinterlace or arguments.deinterlace,
            )
            for order in orders
        )
    for name, shown in (("plate", "PLATE"), ("clean", "--clean"), ("output", "-o OUT")):
        if not getattr(arguments, name):
            raise MatteError("bad_option", f"{shown} is missing.", "Name it, or several shots with --job FILE.")
    return (order_from(arguments, options_from(arguments)),)


def check_report_path(path: Path) -> None:
    """Raises ``MatteError("cannot_write", ...)`` where a report cannot be written there."""
    folder = next((each for each in path.absolute().parents if each.exists()), path.parent)
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise MatteError("cannot_write", f"{path} cannot be written; nothing was started.", "Name another --json.")


def _describe(shots: Sequence[Shot]) -> int:
    """``--dry-run``: the shots as they are planned."""
    for shot in shots:
        first = shot.frames[0]
        numbers = format_frames(frame.frame for frame in shot.frames)
        console.out.print(
            escape(
                f"{shot.title}: {len(shot.frames)} frames ({numbers}), model {shot.options.model}; the first is "
                f"{first.plate} with {first.clean_plate} to {first.output}"
            )
        )
    return console.OK


def _check_models(shots: Sequence[Shot], endpoint: Endpoint, patience_s: float) -> None:
    """Refuses all shots before the first is begun, where the server cannot run the model of one of them."""
    with MatteClient(endpoint, patience_s) as client:
        server = client.ping(patience_s)
    for shot in shots:
        check_model(shot.options, server)


def _one_shot(shot: Shot, endpoint: Endpoint, patience_s: float, is_quiet: bool) -> ShotReport:
    """Runs one shot; a server that fails in it ends its report, and leaves the other shots to be tried."""
    try:
        return mattes(shot, endpoint, patience_s, is_quiet)
    except LinkError as error:
        return ShotReport(frames=(), stopped=str(error), stopped_code=error.code)


def mattes(shot: Shot, endpoint: Endpoint, patience_s: float = PATIENCE_S, is_quiet: bool = False) -> ShotReport:
    """Runs a shot with progress on the console."""
    shown = console.ShotProgress(len(shot.frames), is_quiet)
    with MatteClient(endpoint, patience_s) as client, shown as progress:
        return run_shot(shot, client, progress)


def write_reports(path: str, reports: Sequence[ShotReport], endpoint: Endpoint, shots: Sequence[Shot]) -> None:
    """``--json``: the report of one shot, or ``{"shots": [...]}`` of several; raises
    ``MatteError("cannot_write", ...)``."""
    pairs = zip(reports, shots, strict=False)
    each = [report_json(report, endpoint.address, shot.options) for report, shot in pairs]
    text = each[0] if len(shots) == 1 else json.dumps(REPORT_HEAD)[:-1] + ', "shots": [' + ", ".join(each) + "]}"
    try:
        write_atomically(path, (text + "\n").encode())
    except OSError as error:
        raise MatteError("cannot_write", f"{path} cannot be written: {error.strerror}.") from None


def conclude(report: ShotReport, wanted: int) -> int:
    """Prints how a shot's run ended; returns the exit code. ``wanted`` is the number of its frames."""
    done = sum(frame.status == ResultStatus.DONE for frame in report.frames)
    skipped = sum(frame.status == ResultStatus.SKIPPED for frame in report.frames)
    console.out.print(
        f"{done} done, {skipped} already there, {len(report.failed)} failed, "
        f"{wanted - len(report.frames)} not tried."
    )
    if report.solve:
        console.out.print(escape(report.solve))
    for movie in report.movies:
        outcomes = {"done": "written", "skipped": "already there"}
        console.out.print(escape(f"{movie.path}: {outcomes.get(movie.status, movie.message)}"))
    for frame in report.failed:
        console.err.print(f"  frame {frame.frame} ({frame.code}): {escape(frame.message)}")
    _report_warnings(report)
    if report.stopped:
        console.complain(report.stopped, report.stopped_code)
        return console.NO_SERVER
    if len(report.frames) < wanted:
        # A defect of ours, should it ever happen; it must not look like success.
        console.complain(
            f"{wanted - len(report.frames)} of {wanted} frames were neither made nor reported as failed; "
            "run the same command again.",
            "not_tried",
        )
        return console.FRAMES_FAILED
    broken = report.failed or any(movie.status == ResultStatus.FAILED for movie in report.movies)
    return console.FRAMES_FAILED if broken else console.OK


def _report_warnings(report: ShotReport) -> None:
    worst = worst_warned(report)
    if worst is None:
        return
    count = sum(bool(warnings_of(frame.diagnostics)) for frame in report.frames)
    noun = "frame has" if count == 1 else "frames have"
    sentences = " ".join(warnings_of(worst.diagnostics))
    console.out.print(escape(f"{count} {noun} warnings; the worst is frame {worst.frame}: {sentences}"))


def _check_clean_plate(report: ShotReport, shot: Shot) -> int:
    """Complains where the clean plate does not belong to the plate; returns the exit code."""
    if shot.options.align == "none" or not has_other_clean_plate(report):
        return console.OK
    console.complain(
        f"{shot.frames[0].clean_plate} does not seem to show the same place as {shot.frames[0].plate}: hardly "
        "anything of it is found again, and alpha is nearly everywhere. Name the clean plate of this shot.",
        "other_clean_plate",
    )
    return console.OTHER_CLEAN_PLATE


def _named_files(shots: Sequence[Shot]) -> list[Path]:
    """The files that the options name by path: weights and OCIO configs."""
    named = [path for shot in shots for path in (shot.options.weights, shot.options.ocio_config)]
    return sorted({Path(path) for path in named if Path(path).is_file() and Path(path).is_absolute()})
