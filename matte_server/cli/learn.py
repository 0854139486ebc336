"""``cleanplate learn``: a network of its own for one shot, from a few mended mattes or from none."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from matte_link.options import option_specs
from rich.markup import escape

from ..errors import MatteError
from ..learning.settings import STEPS, STEPS_WITHOUT_KEYS, SUFFIX, LearningSettings
from ..shots.arguments import SHOT_ARGUMENTS
from ..shots.plan import plan_shot
from ..shots.plan_checks import check_new
from ..shots.shot import Camera, Shot, ShotSources
from . import console
from .number_range import ANY_WHOLE
from .shot_flags import add_options, add_shot_flags, options_from

if TYPE_CHECKING:
    from ..shots.learn import LearnReport

_ARGUMENTS = ("plate", "clean", "clean_offset", "output", "frames", "camera", "solve", "overwrite")
EPILOG = """\
examples:
  cleanplate learn plate.####.exr --clean clean.exr --key mended.####.exr -o take7.learned
  cleanplate learn plate.####.exr --clean clean.exr --key 1001=a.png 1040=b.exr -o take7.learned
  cleanplate learn plate.####.exr --clean clean.exr -o take7.learned
  cleanplate matte plate.####.exr --clean clean.exr --weights take7.learned -o matte.####.exr

Make the shot's mattes first, mend one or two of them by hand (paint, roto), and name them with --key. Without --key
the shot is learnt from its own mattes, put before its own set again; that gains less. The network is measured on
parts that it does not learn from; where it gained nothing there, nothing is written.

The same command again goes on where it was interrupted.

exit codes: 0 learned, 1 nothing was gained and nothing was written, 2 the input cannot work, 130 interrupted
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``learn``."""
    parser.description = "Learns a shot, and writes weights that --weights takes."
    parser.epilog = EPILOG
    add_shot_flags(parser, [each for each in SHOT_ARGUMENTS if each.name in _ARGUMENTS], are_needed=True)
    parser.add_argument(
        "--key",
        nargs="+",
        default=[],
        metavar="MATTE",
        help="mended mattes: a pattern such as mended.####.exr, or FRAME=FILE; EXR, PNG, TIFF",
    )
    parser.add_argument(
        "--key-mask", default="", metavar="FILE", help="where the mended mattes are right (default: everywhere)"
    )
    parser.add_argument(
        "--steps",
        type=int,
        default=None,
        metavar="N",
        help=f"the most training steps, 1 or more (default: {STEPS} with --key, {STEPS_WITHOUT_KEYS} without)",
    )
    parser.add_argument("--seed", type=ANY_WHOLE, default=1, metavar="N", help="another seed gives another run")
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda, cuda:N or mps")
    add_options(parser, [spec for spec in option_specs() if spec.affects == "alignment" or spec.name == "weights"])
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    _check_output(Path(arguments.output), arguments.overwrite)
    # Late: torch takes seconds, and the help does not need it.
    from ..shots.learn import LearnOrder, key_mattes, learn_shot
    from ..worker.solver import choose_device

    shot = _shot(arguments)
    keys = key_mattes(arguments.key, arguments.key_mask, shot.frames)
    order = LearnOrder(
        shot=shot,
        keys=keys,
        output=Path(arguments.output),
        settings=LearningSettings(steps=_steps(arguments.steps, bool(keys)), seed=arguments.seed),
        device=choose_device(arguments.device),
    )
    with console.LearningBar() as progress:
        report = learn_shot(order, lambda: None, progress)
    return _conclude(report, order.output)


def _check_output(output: Path, may_overwrite: bool) -> None:
    check_new(output, may_overwrite)
    if output.suffix.lower() != SUFFIX:
        raise MatteError("bad_output", f"{output} must end in {SUFFIX}.", f"Write -o {output.stem}{SUFFIX}.")


def _shot(arguments: argparse.Namespace) -> Shot:
    """The shot, planned as one file made of all its frames."""
    sources = ShotSources(
        plate=arguments.plate,
        clean_plate=arguments.clean,
        # The plan is that of the shot's mattes, whose plate solve is used where it is.
        output=str(Path(arguments.output).with_suffix(".exr")),
        clean_offset=arguments.clean_offset,
    )
    camera = Camera(kind=arguments.camera, solve=arguments.solve)
    return plan_shot(sources, arguments.frames, options_from(arguments), camera=camera, one_output=True)


def _steps(wanted: int | None, has_keys: bool) -> int:
    if wanted is None:
        return STEPS if has_keys else STEPS_WITHOUT_KEYS
    if wanted < 1:
        raise MatteError("bad_option", f"--steps must be 1 or more, not {wanted}.")
    return wanted


def _conclude(report: LearnReport, output: Path) -> int:
    before, after = 1e3 * report.first_error, 1e3 * report.error
    measured = f"error of alpha on what was left out, x 1000: {before:.2f} before, {after:.2f} after"
    if not report.was_written:
        console.err.print(
            f"{report.steps} steps gained nothing ({measured}). Nothing is written: keep the weights you have."
        )
        return console.FRAMES_FAILED
    console.out.print(
        escape(f"{output}: learned from {len(report.frames)} frames in {report.steps} steps ({measured}).")
    )
    console.out.print(escape(f"Use it with: cleanplate matte ... --weights {output}"))
    return console.OK
