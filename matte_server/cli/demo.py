"""``cleanplate demo``: the whole product on a packaged shot, measured against the truth."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matte_link.options import MatteOptions
from matte_link.sequence import FramePattern

from ..core.image import Float32
from ..demo.packaged import DemoShot, demo_shot
from ..io import exr
from ..review.contact_sheet import Cell, contact_sheet, foreground_and_alpha, matte_cells
from ..server.local_server import LocalServer
from ..shots.plan import plan_shot
from ..shots.reports import ShotReport
from ..shots.shot import ShotFrame, ShotSources
from . import console
from .matte import conclude, mattes

_ROWS = 4
_BAND = (0.02, 0.98)


@dataclass(frozen=True)
class Distance:
    """How far a result is from the truth: mean absolute error of alpha over the frame and in the true band
    (0.02 < alpha < 0.98), and the frames' median re-composition error as a part of the plate's range."""

    frame: float
    band: float
    recomposition: float


def add_parser(subparsers: Any) -> None:
    """Adds ``demo`` to the command line."""
    parser = subparsers.add_parser(
        "demo",
        help="matte a packaged shot and look at the result",
        description="Starts a server, mattes the packaged shot through it, and writes mattes, comps and a contact "
        "sheet.",
    )
    parser.add_argument("-o", "--output", default="cleanplate_demo", metavar="FOLDER", help="where to write")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    folder, shot = Path(arguments.output), demo_shot()
    sources = ShotSources(
        plate=shot.plate,
        clean_plate=shot.clean_plate,
        output=str(folder / "matte.####.exr"),
        background=shot.background,
        comp=str(folder / "comp.####.exr"),
    )
    planned = plan_shot(sources, "", MatteOptions(), overwrite=True)
    with LocalServer(on_progress=console.tell) as server:
        console.out.print(f"A matting server of our own runs at {server.endpoint.address}.")
        report = mattes(planned, server.endpoint)
    code = conclude(report, len(planned.frames))
    if code == console.OK:
        sheet = folder / "contact_sheet.png"
        exr.write_image(sheet, _sheet(planned.frames))
        _tell(folder, sheet, measure(planned.frames, shot, report))
    return code


def _sheet(frames: Sequence[ShotFrame]) -> Any:
    spread = np.linspace(0, len(frames) - 1, min(_ROWS, len(frames))).round().astype(int)
    chosen = [frames[index] for index in spread]
    rows = [_row(frame) for frame in chosen]
    titles = [f"frame {frame.frame}:" for frame in chosen]
    return contact_sheet(rows, titles, "Cleanplate demo: plate and clean plate in, alpha and foreground out")


def _row(frame: ShotFrame) -> list[Cell]:
    assert frame.comp is not None
    plate, clean, comp = (exr.read_image(path).rgb for path in (frame.plate, frame.clean_plate, frame.comp))
    return matte_cells(plate, clean, *foreground_and_alpha(exr.read_image(frame.output)), comp)


def measure(frames: Sequence[ShotFrame], shot: DemoShot, report: ShotReport) -> Distance:
    """The demo's results against its true alpha."""
    truth = FramePattern(shot.truth)
    pairs = [(_alpha(frame.output), _alpha(truth.path(frame.frame))) for frame in frames]
    errors = [np.abs(found - true) for found, true in pairs]
    bands = [error[(true > _BAND[0]) & (true < _BAND[1])] for error, (_, true) in zip(errors, pairs, strict=True)]
    recomposition = [frame.diagnostics["recomposition_error"] for frame in report.frames]
    return Distance(
        float(np.mean([error.mean() for error in errors])),
        float(np.concatenate(bands).mean()),
        float(np.median(np.array(recomposition, np.float64))),
    )


def _alpha(path: Path) -> Float32:
    image = exr.read_image(path)
    return image.pixels[..., image.channels.index("A") if "A" in image.channels else 0]


def _tell(folder: Path, sheet: Path, distance: Distance) -> None:
    console.out.print(
        f"Mattes, comps and a contact sheet lie in {folder.resolve()}:\n"
        f"  {folder / 'matte.####.exr'}   unpremultiplied foreground in RGB, alpha in A\n"
        f"  {folder / 'comp.####.exr'}    over a new background, scene-linear\n"
        f"  {sheet}   look at this one first\n"
        f"From the truth: alpha is off by {distance.frame:.4f} on average over the frame and by "
        f"{distance.band:.3f} in the hair and edge band;\nthe foreground put back over the clean plate misses "
        f"the plate by {distance.recomposition:.1e} of its range (median)."
    )
