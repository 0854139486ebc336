"""``cleanplate demo``: the whole product on a packaged shot, measured against the truth."""

from __future__ import annotations

import argparse
from pathlib import Path

from matte_link.options import MatteOptions

from ..demo.distance import Distance, measure
from ..demo.packaged import demo_shot
from ..demo.sheet import demo_sheet
from ..errors import MatteError
from ..io import exr
from ..server.local_server import PRIVATE, LocalServer
from ..shots.plan import plan_shot
from ..shots.plan_checks import check_before_start
from ..shots.shot import ShotSources
from . import console
from .conclusion import conclude
from .matte import mattes

EPILOG = """\
examples:
  cleanplate demo
  cleanplate demo -o look_at_this

exit codes: 0 done, 1 some frames failed, 2 the input cannot work, 3 no server, 130 interrupted
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``demo``."""
    parser.epilog = EPILOG
    parser.description = (
        "Starts a server, mattes the packaged shot through it, and writes mattes, comps and a contact sheet."
    )
    parser.add_argument(
        "-o",
        "--output",
        default="cleanplate_demo",
        metavar="FOLDER",
        help="the folder for mattes, comps and the contact sheet",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    if not arguments.output:
        raise MatteError("bad_option", "-o names no folder.")
    folder, shot = Path(arguments.output), demo_shot()
    sources = ShotSources(
        plate=shot.plate,
        clean_plate=shot.clean_plate,
        output=str(folder / "matte.####.exr"),
        background=shot.background,
        comp=str(folder / "comp.####.exr"),
    )
    planned = plan_shot(sources, "", MatteOptions(), overwrite=True)
    check_before_start(planned)
    with LocalServer([PRIVATE], on_progress=console.tell) as server:
        console.say(f"A matting server of our own runs at {server.endpoint.address}.")
        report = mattes(planned, server.endpoint)
    code = conclude(report, len(planned.frames))
    if code == console.OK:
        sheet = folder / "contact_sheet.png"
        exr.write_image(sheet, demo_sheet(planned.frames))
        _report(folder, sheet, measure(planned.frames, shot, report))
    return code


def _report(folder: Path, sheet: Path, distance: Distance) -> None:
    console.say(
        f"Mattes, comps and a contact sheet lie in {folder.resolve()}:\n"
        f"  {folder / 'matte.####.exr'}   unpremultiplied foreground in RGB, alpha in A\n"
        f"  {folder / 'comp.####.exr'}    over a new background, scene-linear\n"
        f"  {sheet}   look at this one first\n"
        f"From the truth: alpha is off by {distance.frame:.4f} on average over the frame and by "
        f"{distance.band:.3f} in the hair and edge band;\nthe foreground put back over the clean plate misses "
        f"the plate by {distance.recomposition:.1e} of its range (median)."
    )
