"""``cleanplate matte``: a plate and its clean plate to EXR mattes."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from matte_link.client import MatteClient
from matte_link.endpoint import Endpoint
from matte_link.errors import LinkError
from matte_link.job import write_atomically
from matte_link.options import MatteOptions, OptionSpec, option_specs
from rich.markup import escape

from . import console
from .batch import Shot, ShotReport, Sources, plan_shot, report_json, run_shot
from .errors import MatteError
from .local import LocalServer

EPILOG = """\
examples:
  cleanplate matte plate.####.exr --clean clean.exr -o matte.####.exr
  cleanplate matte plate.%04d.png --clean clean.png -o out/matte.####.exr --frames 1001-1100x2,1200
  cleanplate matte portrait.jpg --clean empty.jpg -o matte.exr --background beach.jpg --comp comp.png

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
        "plate", metavar="PLATE", help="the shot: a file, or a pattern such as plate.####.exr"
    )
    parser.add_argument(
        "--clean",
        required=True,
        metavar="CLEAN",
        help="the same view without the subject: a still or a pattern",
    )
    parser.add_argument(
        "-o", "--output", required=True, metavar="OUT", help="the EXRs to write, e.g. matte.####.exr"
    )
    parser.add_argument(
        "--frames", default="", metavar="RANGE", help="1001-1100x2,1200 (default: all that are there)"
    )
    parser.add_argument("--core", default="", metavar="FILE", help="matte of what is certainly subject")
    parser.add_argument(
        "--holdout", default="", metavar="FILE", help="matte of what is certainly not subject"
    )
    parser.add_argument("--background", default="", metavar="BG", help="new background for --comp")
    parser.add_argument("--comp", default="", metavar="COMP", help="also write the subject over BG")
    parser.add_argument("--overwrite", action="store_true", help="replace results made from something else")
    parser.add_argument(
        "--server",
        default="",
        metavar="ADDR",
        help="the matting server (default: one that runs, else its own)",
    )
    parser.add_argument("--keys", default="", metavar="FILE", help="keys for an encrypted server")
    parser.add_argument(
        "--json", default="", metavar="REPORT", help="write every frame's diagnostics as JSON"
    )
    add_options(parser)
    parser.set_defaults(run=run)


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
    elif spec.choices:
        group.add_argument(flag, dest=spec.name, choices=spec.choices, default=spec.default, help=text)
    else:
        name = spec.unit.upper() or {str: "TEXT", int: "N", float: "X"}[spec.type]
        group.add_argument(
            flag, dest=spec.name, type=spec.type, metavar=name, default=spec.default, help=text
        )


def _shown(spec: OptionSpec) -> str:
    if spec.type is bool:
        return "yes" if spec.default else "no"
    return str(spec.default) or "none"


def options_from(arguments: argparse.Namespace) -> MatteOptions:
    """The options that were given; raises ``MatteError("bad_option", ...)``."""
    try:
        return MatteOptions(**{spec.name: getattr(arguments, spec.name) for spec in option_specs()})
    except ValueError as error:
        raise MatteError("bad_option", str(error)) from None


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    if bool(arguments.background) != bool(arguments.comp):
        raise MatteError(
            "bad_option", "--background and --comp go together: one names the picture, one the file."
        )
    sources = Sources(
        plate=arguments.plate,
        clean_plate=arguments.clean,
        output=arguments.output,
        core=arguments.core,
        holdout=arguments.holdout,
        background=arguments.background,
        comp=arguments.comp,
    )
    shot = plan_shot(sources, arguments.frames, options_from(arguments), arguments.overwrite)
    with server_for(arguments.server, arguments.keys) as endpoint:
        report = mattes(shot, endpoint)
        if arguments.json:
            write_report(arguments.json, report, endpoint, shot.options)
    return conclude(report, len(shot.frames))


def mattes(shot: Shot, endpoint: Endpoint) -> ShotReport:
    """Runs a shot with progress on the console."""
    with MatteClient(endpoint) as client, console.ShotProgress(len(shot.frames)) as progress:
        return run_shot(shot, client, progress)


def write_report(path: str, report: ShotReport, endpoint: Endpoint, options: MatteOptions) -> None:
    """``--json``; raises ``MatteError("cannot_write", ...)``."""
    try:
        write_atomically(path, report_json(report, endpoint.address, options).encode())
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
    for frame in report.failed:
        console.err.print(f"  frame {frame.frame}: {escape(frame.message)}")
    if report.stopped:
        console.complain(report.stopped, report.stopped_code)
        return console.NO_SERVER
    return console.FRAMES_FAILED if report.failed else console.OK


@contextmanager
def server_for(address: str, keys: str = "") -> Iterator[Endpoint]:
    """The server named, else one that already runs on the default address, else one of our own for the run."""
    try:
        endpoint = Endpoint.resolve(address, keys)
    except ValueError as error:
        raise MatteError("bad_address", str(error)) from None
    if address or _answers(endpoint):
        yield endpoint
        return
    with LocalServer() as own:
        yield own.endpoint


def _answers(endpoint: Endpoint) -> bool:
    with MatteClient(endpoint) as client:
        try:
            client.ping(0.5)
        except LinkError:
            return False
        return True
