"""``cleanplate matte``: makes the mattes of a frame, a shot, a video, portraits, or a job file's shots."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from matte_link.client import MatteClient
from matte_link.endpoint import Endpoint
from matte_link.errors import LinkError
from matte_link.options import MatteOptions
from matte_link.sequence import counted, format_frames
from rich.markup import escape

from ..errors import MatteError
from ..server.local_server import endpoint_of, server_for
from ..shots.arguments import ShotOrder
from ..shots.batch import ready_server, run_shot
from ..shots.job_file import read_job
from ..shots.job_schema import job_schema
from ..shots.option_files import files_of
from ..shots.plan_checks import check_apart, check_before_start, check_model
from ..shots.report_schema import report_schema
from ..shots.reports import REPORT_HEAD, ShotReport, report_json
from ..shots.shot import Shot, frame_titles, shot_outputs
from ..shots.without_effect import without_effect
from . import console
from . import review as review_cli
from .conclusion import check_clean_plate, conclude
from .number_range import AMOUNT
from .report_file import check_report, check_report_apart, write_report
from .shot_flags import add_options, add_shot_flags, given_names, options_from, order_from
from .standard_streams import OUTPUT, StreamNames, standard_streams
from .watch import check_watched, watch

PATIENCE_S = 30.0
_FOR_EVERY_SHOT = ("overwrite", "deinterlace")
"""Switches that hold for every shot of a job, whatever its file says."""
EPILOG = """\
examples:
  cleanplate matte plate.####.exr --clean clean.exr -o matte.####.exr
  cleanplate matte plate.%04d.png --clean clean.png -o out/matte.####.exr --frames 1001-1100x2,1200
  cleanplate matte portrait.jpg --clean empty.jpg -o matte.exr --background beach.jpg --comp comp.png
  cleanplate matte take7.mov --clean empty.png -o take7_matte.mov --background sea.mp4 --comp comp.mp4
  cleanplate matte portraits/ --clean empty_studio.png -o mattes/
  cleanplate matte portraits/ --clean empty_studio.png -o mattes/ --watch
  cleanplate matte plate.####.exr --clean clean.exr -o matte.####.exr --passes alpha,foreground,shadow
  render | cleanplate matte - --clean clean.exr -o - > matte.exr
  cleanplate matte --job tonight.yaml

PLATE and the like are a file, a video, or a pattern of numbered files: plate.####.exr, plate.@@@@.exr,
plate.%04d.exr, 'plate.$F4.exr' and 'plate.<f>.exr' (in single quotes, for the shell); the names of inputs may have
"plate.*.exr" (in quotes) too. A single # before a digit, as in "Reel #2", is part of a name. $SHOW and ~ mean what
they mean to a shell, in quotes and in a job file too; a variable that is not set is refused. --frames takes
1001-1100, 1001-1100x2 and lists of them with commas.

A job file (--job) is YAML or JSON: a list 'shots', in which each shot has the words 'plate', 'clean', 'output' and
any other of these flags, without dashes; 'defaults' holds words for all. --job-schema prints every word:
  defaults: {model: cleanplate, overwrite: true}
  shots:
    - {plate: sh010/plate.####.exr, clean: sh010/clean.exr,
       output: sh010/matte.####.exr, frames: 1001-1100}
    - {plate: portraits, clean: empty_studio.png, output: portraits_out}

--json writes {"format": "cleanplate report", "version": 1, "frames": [{"frame", "status", "output", "seconds",
"code", "message", "diagnostics", "files"}, ...], "stopped", "stopped_code", "solve", "solve_file", "movies",
"options", "server"}; of several shots {"format", "version", "shots": [...]}. --json-schema prints what each of
them is.

A frame's line says how the clean plate was aligned with the plate; how many of the points that were tracked for
this agree, and to how many pixels; which part of the plate the clean plate covers; and how close the foreground
over the clean plate comes to the plate, as a part of its range.

- is standard input as PLATE (or --clean): one picture; and standard output as OUT: an EXR, or as REPORT.
OUT is EXR (float, everything kept), PNG or TIFF (16 bit, sRGB), or .mov (ProRes 4444 with alpha; its float EXRs
stay beside it in OUT.frames). The same command again goes on where it was interrupted.

exit codes: 0 every frame is done, 1 some frames failed, 2 the input cannot work, 3 no server,
4 the clean plate shows another place than the plate, or is mirrored, 130 interrupted
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``matte``."""
    parser.description = "Makes an EXR of alpha and foreground for each frame of PLATE."
    parser.epilog = EPILOG
    add_shot_flags(parser, only_given=True)
    _add_run_flags(parser)
    review_cli.add_argument(parser)
    add_options(parser, only_given=True)
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
        help="the matting server, such as tcp://gpu7:5560 (default: one that runs here, else its own)",
    )
    parser.add_argument("--keys", default="", metavar="FILE", help="keys for an encrypted server")
    parser.add_argument(
        "--patience",
        type=AMOUNT,
        default=PATIENCE_S,
        metavar="SECONDS",
        help="how long a server that gives no sign of life is waited for",
    )
    parser.add_argument("--json", default="", metavar="REPORT", help="write every frame's diagnostics as JSON")
    parser.add_argument(
        "--watch", action="store_true", help="PLATE is a folder: matte what is added to it, until interrupted"
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="check all that needs no server (its models do), list the frames, make nothing",
    )
    parser.add_argument("--job-schema", action="store_true", help="print the JSON Schema of a job file, and end")
    parser.add_argument("--json-schema", action="store_true", help="print the JSON Schema of REPORT, and end")
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument("-q", "--quiet", action="store_true", help="print problems and the last lines only")
    amount.add_argument("-v", "--verbose", action="store_true", help="print every frame's seconds by stage, too")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    if arguments.job_schema or arguments.json_schema:
        print(json.dumps(job_schema() if arguments.job_schema else report_schema(), indent=2))
        return console.OK
    with standard_streams(arguments) as names:
        orders = _orders(arguments)
        if arguments.json:
            check_report(Path(arguments.json))
        return _watch(orders, arguments) if arguments.watch else _make(orders, arguments, names)


def _watch(orders: Sequence[ShotOrder], arguments: argparse.Namespace) -> int:
    """``--watch``: the pictures of one folder as they come."""
    if len(orders) != 1 or arguments.json or arguments.review or arguments.dry_run:
        raise MatteError("bad_option", "--watch is for one folder, without --json, --review and --dry-run.")
    check_watched(orders[0])
    with ExitStack() as stack:
        server = _WatchServer(stack, orders[0].options, arguments)
        server.endpoint()
        return watch(orders[0], server.matte_shot)


class _WatchServer:
    """The server of a watched folder. One of the command's own that has died is started again."""

    def __init__(self, stack: ExitStack, options: MatteOptions, arguments: argparse.Namespace) -> None:
        self._stack = stack
        self._options = options
        self._arguments = arguments
        self._endpoint: Endpoint | None = None

    def endpoint(self) -> Endpoint:
        """Where the server listens; raises ``MatteError``, where it has not the model among others."""
        if self._endpoint is None:
            address, keys, named = self._arguments.server, self._arguments.keys, files_of([self._options])
            found = self._stack.enter_context(server_for(address, keys, named, on_progress=console.tell))
            _check_models([self._options], found, self._arguments.patience)
            self._endpoint = found
        return self._endpoint

    def matte_shot(self, shot: Shot) -> ShotReport:
        """Makes some pictures, and prints how that ended."""
        try:
            report = _one_shot(shot, self.endpoint(), self._arguments)
        except LinkError as error:
            report = ShotReport(frames=(), stopped=str(error), stopped_code=error.code)
        if report.cannot_work:
            raise MatteError(report.stopped_code, report.stopped)
        conclude(report, len(shot.frames))
        check_clean_plate(report, shot)
        if report.stopped:
            self._endpoint = None
            self._stack.close()
        return report


def _make(orders: Sequence[ShotOrder], arguments: argparse.Namespace, names: StreamNames) -> int:
    """The shots, one after the other; all are planned before the first is begun. ``names``: those of streams."""
    shots = [order.plan() for order in orders]
    check_apart(shots)
    idle = [without_effect(order, shot) for order, shot in zip(orders, shots, strict=True)]
    for sentence in dict.fromkeys(names.shown(sentence) for sentences in idle for sentence in sentences):
        console.warn(sentence)
    if arguments.json:
        made = [path for shot in shots for path in shot_outputs(shot.frames, shot.movies)]
        kept = [shot.solve_file for shot in shots if shot.solve_file is not None]
        check_report_apart(Path(arguments.json), [*made, *kept])
    for shot in shots:
        check_before_start(shot)
    # Beside a result that has no place of its own, no plate solve is kept.
    shots = [replace(shot, solve_file=None) if names.shown(shot.title) == OUTPUT else shot for shot in shots]
    if arguments.dry_run:
        if given := [flag for flag in ("--json", "--review") if getattr(arguments, flag[2:])]:
            console.warn(f"{' and '.join(given)}: a dry run makes no files.")
        endpoint_of(arguments.server, arguments.keys)
        return _describe(shots, names)
    frames, named = sum(len(shot.frames) for shot in shots), files_of([shot.options for shot in shots])
    with server_for(arguments.server, arguments.keys, named, frames, on_progress=console.tell) as endpoint:
        _check_models([shot.options for shot in shots], endpoint, arguments.patience)
        reports = []
        for number, shot in enumerate(shots, 1):
            if len(shots) > 1:
                console.err.print(escape(f"shot {number} of {len(shots)}: {shot.title}"))
            reports.append(_one_shot(shot, endpoint, arguments))
            if reports[-1].stopped and not reports[-1].cannot_work:
                break
    codes = [conclude(report, len(shot.frames)) for report, shot in zip(reports, shots, strict=False)]
    codes += [check_clean_plate(report, shot) for report, shot in zip(reports, shots, strict=False)]
    if arguments.review:
        codes += [review_cli.review(shot, report) for report, shot in zip(reports, shots, strict=False)]
    if arguments.json:
        text = reports_json(reports, endpoint, shots)
        write_report(Path(arguments.json), names.shown(text))
    return max(codes, default=console.OK)


def _orders(arguments: argparse.Namespace) -> tuple[ShotOrder, ...]:
    """The shots of the job file, or the one that the command line names. Raises ``MatteError``: bad_option,
    bad_job."""
    if arguments.job:
        given = [name for name in given_names(arguments) if name not in _FOR_EVERY_SHOT]
        if given:
            flag = "PLATE" if given[0] == "plate" else "--" + given[0].replace("_", "-")
            raise MatteError(
                "bad_option",
                f"With --job, the file says what {given[0]} is: {flag} is not taken from the command line.",
                f"Write {given[0]!r} into the job file, in 'defaults' for every shot.",
            )
        switches: dict[str, Any] = {name: True for name in _FOR_EVERY_SHOT if name in given_names(arguments)}
        return tuple(replace(order, **switches) for order in read_job(Path(arguments.job)))
    for name, shown in (("plate", "PLATE"), ("clean", "--clean"), ("output", "-o OUT")):
        if not getattr(arguments, name, ""):
            raise MatteError("bad_option", f"{shown} is missing.", "Name it, or several shots with --job FILE.")
    return (order_from(arguments, options_from(arguments)),)


def _describe(shots: Sequence[Shot], names: StreamNames) -> int:
    """``--dry-run``: the shots as they are planned."""
    for shot in shots:
        first = shot.frames[0]
        numbers = format_frames(frame.frame for frame in shot.frames)
        sentence = (
            f"{shot.title}: {counted(len(shot.frames), 'frame')} ({numbers}), model {shot.options.model}; the "
            f"first is {first.plate} with {first.clean_plate} to {first.output}"
        )
        console.out.print(escape(names.shown(sentence)))
    return console.OK


def _check_models(options: Sequence[MatteOptions], endpoint: Endpoint, patience_s: float) -> None:
    """Refuses all shots before the first is begun, where the server cannot run the model of one of them."""
    with MatteClient(endpoint, patience_s) as client:
        server = ready_server(client)
    for each in options:
        check_model(each, server, endpoint.is_own)


def _one_shot(shot: Shot, endpoint: Endpoint, arguments: argparse.Namespace) -> ShotReport:
    """Runs one shot; a server that fails in it ends its report, and leaves the other shots to be tried."""
    try:
        return mattes(shot, endpoint, arguments.patience, console.detail_of(arguments.quiet, arguments.verbose))
    except LinkError as error:
        return ShotReport(frames=(), stopped=str(error), stopped_code=error.code)


def mattes(
    shot: Shot,
    endpoint: Endpoint,
    patience_s: float = PATIENCE_S,
    detail: console.Detail = console.Detail.NORMAL,
) -> ShotReport:
    """Runs a shot with progress on the console."""
    shown = console.ShotProgress(frame_titles(shot), detail)
    with MatteClient(endpoint, patience_s) as client, shown as progress:
        return run_shot(shot, client, progress)


def reports_json(reports: Sequence[ShotReport], endpoint: Endpoint, shots: Sequence[Shot]) -> str:
    """``--json``: the report of one shot, or ``{"shots": [...]}`` of several."""
    pairs = zip(reports, shots, strict=False)
    each = [report_json(report, endpoint.address, shot.options) for report, shot in pairs]
    return each[0] if len(shots) == 1 else json.dumps(REPORT_HEAD)[:-1] + ', "shots": [' + ", ".join(each) + "]}"
