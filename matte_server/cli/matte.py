"""``cleanplate matte``: plates and their clean plates to mattes: a frame, a shot, a folder, a video, or a job file
of several."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from matte_link.client import MatteClient
from matte_link.endpoint import Endpoint
from matte_link.errors import LinkError
from matte_link.files import write_atomically
from matte_link.option_spec import OptionSpec
from matte_link.options import MatteOptions, option_specs
from rich.markup import escape

from ..errors import MatteError
from ..server.local_server import server_for
from ..shots.batch import run_shot
from ..shots.job_file import ShotOrder, read_job
from ..shots.reports import ShotReport, report_json
from ..shots.shot import CAMERAS, ENDS, Shot
from . import console
from . import review as review_cli

PATIENCE_S = 30.0
EPILOG = """\
examples:
  cleanplate matte plate.####.exr --clean clean.exr -o matte.####.exr
  cleanplate matte plate.%04d.png --clean clean.png -o out/matte.####.exr --frames 1001-1100x2,1200
  cleanplate matte portrait.jpg --clean empty.jpg -o matte.exr --background beach.jpg --comp comp.png
  cleanplate matte take7.mov --clean empty.png -o take7_matte.mov --background sea.mp4 --comp comp.mp4
  cleanplate matte portraits/ --clean empty_studio.png -o mattes/
  cleanplate matte --job tonight.yaml

OUT is EXR (float, everything kept), PNG or TIFF (16 bit, sRGB), or .mov (ProRes 4444 with alpha; its float EXRs
stay beside it in OUT.frames). The same command again goes on where it was interrupted.

exit codes: 0 every frame is done, 1 some frames failed, 2 the input cannot work, 3 no server, 130 interrupted
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
    parser.add_argument(
        "plate",
        nargs="?",
        default="",
        metavar="PLATE",
        help="the shot: a file, a pattern such as plate.####.exr, a video, or a folder of portraits",
    )
    parser.add_argument(
        "--clean",
        default="",
        metavar="CLEAN",
        help="the same view without the subject: a still, a pattern, a video, or a folder for a folder",
    )
    parser.add_argument(
        "--clean-offset",
        type=int,
        default=0,
        metavar="N",
        help="frame n of the plate goes with frame n + N of a clean plate sequence (default: %(default)s)",
    )
    parser.add_argument(
        "-o", "--output", default="", metavar="OUT", help="what to write, such as matte.####.exr or matte.mov"
    )
    parser.add_argument(
        "--job", default="", metavar="FILE", help="several shots, YAML or JSON, instead of PLATE, --clean and -o"
    )
    add_frames_and_guides(parser)
    parser.add_argument(
        "--camera",
        choices=CAMERAS,
        default="auto",
        help="one alignment for the whole shot (locked) or one for each frame (moving); auto finds out",
    )
    parser.add_argument(
        "--solve", default="", metavar="FILE", help="use this plate solve, a JSON that a run leaves beside OUT"
    )
    parser.add_argument(
        "--background", default="", metavar="BG", help="new background for --comp: a still, a pattern or a video"
    )
    parser.add_argument(
        "--background-offset",
        type=int,
        default=0,
        metavar="N",
        help="frame n goes before frame n + N of a background sequence (default: %(default)s)",
    )
    parser.add_argument(
        "--background-end",
        choices=ENDS,
        default="loop",
        help="what a background that is too short does (default: %(default)s)",
    )
    parser.add_argument(
        "--comp", default="", metavar="COMP", help="also write the subject over BG: pictures, or a video with sound"
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
    review_cli.add_argument(parser)
    add_options(parser)
    parser.set_defaults(run=run)


def add_frames_and_guides(parser: argparse.ArgumentParser) -> None:
    """The flags that every command over a shot's frames has."""
    parser.add_argument(
        "--frames", default="", metavar="RANGE", help="1001-1100x2,1200 (default: all that are there)"
    )
    parser.add_argument("--core", default="", metavar="FILE", help="matte of what is certainly subject")
    parser.add_argument("--holdout", default="", metavar="FILE", help="matte of what is certainly not subject")
    parser.add_argument(
        "--trimap", default="", metavar="FILE", help="core and holdout in one: white, black, and grey to be solved"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace results made from something else")


def add_options(parser: argparse.ArgumentParser) -> None:
    """One flag per entry of the options table, grouped as in the hosts' panels."""
    groups: dict[str, Any] = {}
    for spec in option_specs():
        group = groups.setdefault(spec.group, parser.add_argument_group(spec.group.lower() + " options"))
        _add_option(group, spec)


def _add_option(group: Any, spec: OptionSpec) -> None:
    flag = "--" + spec.name.replace("_", "-")
    text = spec.help.replace("%", "%%") + f" (default: {_shown(spec)})"
    if spec.type is bool:
        group.add_argument(
            flag, dest=spec.name, action=argparse.BooleanOptionalAction, default=spec.default, help=text
        )
    elif spec.choices and not spec.is_open:
        group.add_argument(flag, dest=spec.name, choices=spec.choices, default=spec.default, help=text)
    else:
        name = spec.unit.upper() or {str: "TEXT", int: "N", float: "X"}[spec.type]
        group.add_argument(flag, dest=spec.name, type=spec.type, metavar=name, default=spec.default, help=text)


def _shown(spec: OptionSpec) -> str:
    if spec.type is bool:
        return "yes" if spec.default else "no"
    return str(spec.default) or "none"


def options_from(arguments: argparse.Namespace) -> MatteOptions:
    """The options that were given; raises ``MatteError("bad_option", ...)``."""
    given = {spec.name: getattr(arguments, spec.name) for spec in option_specs()}
    if given["weights"] and Path(given["weights"]).is_file():
        # The server has another working folder.
        given["weights"] = str(Path(given["weights"]).resolve())
    try:
        return MatteOptions(**given)
    except ValueError as error:
        raise MatteError("bad_option", str(error)) from None


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    shots = [order.plan() for order in _orders(arguments)]
    frames = sum(len(shot.frames) for shot in shots)
    with server_for(
        arguments.server, arguments.keys, _named_folders(shots), frames, on_progress=console.tell
    ) as endpoint:
        reports = []
        for number, shot in enumerate(shots, 1):
            if len(shots) > 1:
                console.err.print(escape(f"shot {number} of {len(shots)}: {shot.title}"))
            reports.append(_one_shot(shot, endpoint, arguments.patience))
            if reports[-1].stopped:
                break
        if arguments.json:
            write_reports(arguments.json, reports, endpoint, shots)
    codes = [conclude(report, len(shot.frames)) for report, shot in zip(reports, shots, strict=False)]
    if arguments.review:
        codes += [review_cli.review(shot, report) for report, shot in zip(reports, shots, strict=False)]
    return max(codes, default=console.OK)


def _orders(arguments: argparse.Namespace) -> tuple[ShotOrder, ...]:
    """What is asked for: the shots of a file, or the one on the command line."""
    words = ("plate", "clean", "output", "frames", "core", "holdout", "trimap", "background", "comp", "solve")
    if arguments.job:
        given = [word for word in words if getattr(arguments, word)]
        if given:
            raise MatteError("bad_option", f"With --job, the file says what {given[0]} is; leave it out here.")
        orders = read_job(Path(arguments.job))
        return tuple(replace(order, overwrite=order.overwrite or arguments.overwrite) for order in orders)
    for word, shown in (("plate", "PLATE"), ("clean", "--clean"), ("output", "-o OUT")):
        if not getattr(arguments, word):
            raise MatteError("bad_option", f"{shown} is missing.", "Name it, or several shots with --job FILE.")
    return (
        ShotOrder(
            **{word: getattr(arguments, word) for word in words},
            camera=arguments.camera,
            clean_offset=arguments.clean_offset,
            background_offset=arguments.background_offset,
            background_end=arguments.background_end,
            overwrite=arguments.overwrite,
            options=options_from(arguments),
        ),
    )


def _one_shot(shot: Shot, endpoint: Endpoint, patience_s: float) -> ShotReport:
    """A shot of several: what makes one impossible must not keep the others from being made."""
    try:
        return mattes(shot, endpoint, patience_s)
    except LinkError as error:
        return ShotReport((), str(error), error.code)


def mattes(shot: Shot, endpoint: Endpoint, patience_s: float = PATIENCE_S) -> ShotReport:
    """Runs a shot with progress on the console."""
    with MatteClient(endpoint, patience_s) as client, console.ShotProgress(len(shot.frames)) as progress:
        return run_shot(shot, client, progress)


def write_reports(path: str, reports: Sequence[ShotReport], endpoint: Endpoint, shots: Sequence[Shot]) -> None:
    """``--json``: the report of one shot, or ``{"shots": [...]}`` of several; raises
    ``MatteError("cannot_write", ...)``."""
    pairs = zip(reports, shots, strict=False)
    each = [report_json(report, endpoint.address, shot.options) for report, shot in pairs]
    text = each[0] if len(shots) == 1 else '{"shots": [' + ", ".join(each) + "]}"
    try:
        write_atomically(path, (text + "\n").encode())
    except OSError as error:
        raise MatteError("cannot_write", f"{path} cannot be written: {error.strerror}.") from None


def conclude(report: ShotReport, wanted: int) -> int:
    """The last lines and the exit code."""
    done = sum(frame.status == "done" for frame in report.frames)
    skipped = sum(frame.status == "skipped" for frame in report.frames)
    console.out.print(
        f"{done} done, {skipped} already there, {len(report.failed)} failed, "
        f"{wanted - len(report.frames)} not tried."
    )
    if report.solve:
        console.out.print(escape(report.solve))
    for movie in report.movies:
        words = {"done": "written", "skipped": "already there"}
        console.out.print(escape(f"{movie.path}: {words.get(movie.status, movie.message)}"))
    for frame in report.failed:
        console.err.print(f"  frame {frame.frame} ({frame.code}): {escape(frame.message)}")
    if report.stopped:
        console.complain(report.stopped, report.stopped_code)
        return console.NO_SERVER
    if len(report.frames) < wanted:
        # Nothing should end here; where it does, it must not look like success.
        console.complain(
            f"{wanted - len(report.frames)} of {wanted} frames were neither made nor reported as failed; "
            "run the same command again.",
            "not_tried",
        )
        return console.FRAMES_FAILED
    broken = report.failed or any(movie.status == "failed" for movie in report.movies)
    return console.FRAMES_FAILED if broken else console.OK


def _named_folders(shots: Sequence[Shot]) -> list[Path]:
    """The folders of the files that the options name by path: weights and OCIO configs."""
    named = [path for shot in shots for path in (shot.options.weights, shot.options.ocio_config)]
    return sorted({Path(path).parent for path in named if Path(path).is_file() and Path(path).is_absolute()})
