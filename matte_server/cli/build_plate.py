"""``cleanplate build-plate``: builds a clean plate from the shot itself, where nobody shot one."""

from __future__ import annotations

import argparse
from dataclasses import replace
from math import isnan
from pathlib import Path

from matte_link.option_spec import OptionSpec
from matte_link.options import MatteOptions, option_specs
from matte_link.sequence import counted
from rich.markup import escape

from ..core.clean_plate_vote import LEAST_FRAMES
from ..core.window import Window
from ..errors import MatteError
from ..shots.arguments import SHOT_ARGUMENTS
from ..shots.build_plate import FRAMES, BuiltPlate, build, reference_frame, save, voting_frames
from ..shots.inputs import ShotInputs
from ..shots.named_paths import named_path
from ..shots.plan_checks import check_new, check_writable
from ..shots.shot import ShotFrame
from ..shots.without_effect import without_effect
from . import console
from .number_range import ANY_WHOLE, NumberRange
from .shot_flags import add_options, add_shot_flags, options_from, order_from

EPILOG = """\
examples:
  cleanplate build-plate plate.####.exr -o clean.exr
  cleanplate build-plate take7.mov -o clean.exr --reference 120
  cleanplate build-plate plate.####.exr -o clean.exr --subject rough_roto.####.exr
  cleanplate build-plate take7.mov -o clean.exr --frames 1-4    empty frames

In every pixel three frames or more vote for the colour behind the subject. Where too few agree, or two colours
come back about as often, there is not enough evidence: the layer 'coverage' of the result is 0 there, the command
says how much that is, and 'cleanplate matte' treats it as not covered. A subject that never moves looks like the
set: mask it with --subject.

exit codes: 0 written, 1 written, but with places without evidence, 2 the input cannot work
"""

_OPTIONS = ("align", "layer", "view", "colourspace", "ocio_config")
_HELP = {
    "align": "How the frames are brought onto the reference. 'auto' measures it and takes the simplest transform.",
    "view": "View of multi-view EXRs, such as left or right. Empty: the first.",
    "colourspace": "Colourspace of the plate. 'auto' reads it from the file.",
    "ocio_config": "OpenColorIO config, as a path. Empty: $OCIO, else the built-in ACES config.",
}
"""Where it differs from that of the table of options: there is neither a clean plate nor a server here."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``build-plate``."""
    parser.description = "Builds a clean plate from frames in which the subject is elsewhere."
    parser.epilog = EPILOG
    parser.add_argument(
        "plate", type=named_path, metavar="PLATE", help="the shot: a pattern such as plate.####.exr, or a video"
    )
    parser.add_argument("-o", "--output", type=named_path, required=True, metavar="OUT", help="the EXR to write")
    parser.add_argument("--frames", default="", metavar="RANGE", help="frames that may vote (default: all)")
    parser.add_argument(
        "--reference",
        type=ANY_WHOLE,
        default=None,
        metavar="N",
        help="the frame whose view is built (default: the middle one)",
    )
    parser.add_argument(
        "--subject",
        type=named_path,
        default="",
        metavar="MATTE",
        help="rough matte of the subject; what it covers does not vote",
    )
    parser.add_argument(
        "--samples",
        type=NumberRange(kind=int, least=LEAST_FRAMES),
        default=FRAMES,
        metavar="N",
        help="how many frames vote",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace OUT")
    add_shot_flags(parser, [argument for argument in SHOT_ARGUMENTS if argument.name == "deinterlace"])
    add_options(parser, [_of_frames(spec) for spec in option_specs() if spec.name in _OPTIONS])
    parser.set_defaults(run=run)


def _of_frames(spec: OptionSpec) -> OptionSpec:
    """An option with the help that fits this command."""
    return replace(spec, help=_HELP.get(spec.name, spec.help))


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    output = Path(arguments.output)
    _check_output(output, arguments.overwrite)
    options = options_from(arguments)
    frames = _frames(arguments, options)
    check_writable(output, "Name another -o.")
    reference = reference_frame(frames, arguments.reference)
    chosen = voting_frames(frames, reference, arguments.samples)
    with (
        ShotInputs(options, arguments.deinterlace) as pictures,
        console.Steps("clean plate", len(chosen)) as steps,
    ):
        built = build(chosen, reference, options.align, pictures, steps)
    save(built, output)
    return _report(built, output, reference)


def _check_output(output: Path, may_overwrite: bool) -> None:
    if output.suffix.lower() != ".exr":
        raise MatteError(
            "bad_output", f"{output} is not an EXR; a clean plate is a float EXR.", "Name -o with .exr."
        )
    check_new(output, may_overwrite)


def _frames(arguments: argparse.Namespace, options: MatteOptions) -> tuple[ShotFrame, ...]:
    """The frames of the shot, planned and checked as if the shot were its own clean plate."""
    if Path(arguments.plate).is_dir():
        raise MatteError("no_frames", f"{arguments.plate} is a folder.", "Name a pattern such as plate.####.exr.")
    order = replace(order_from(arguments, options), clean=arguments.plate, holdout=arguments.subject)
    shot = order.plan(one_output=True)
    for sentence in without_effect(order, shot):
        console.warn(sentence)
    return shot.frames


def _report(built: BuiltPlate, output: Path, reference: ShotFrame) -> int:
    grain = "" if isnan(built.noise) else f" (grain {100 * built.noise:.2f}%)"
    console.say(
        f"{output}: the clean plate as frame {reference.frame} sees it, from "
        f"{counted(len(built.used), 'frame')}{grain}."
    )
    if built.left_out:
        shown = ", ".join(str(frame) for frame in built.left_out[:10])
        console.err.print(f"Left out, because they could not be brought onto frame {reference.frame}: {shown}.")
    for warning in built.warnings:
        console.warn(warning)
    if len(built.used) < LEAST_FRAMES:
        console.say("So few frames do not vote: what stands in them stands in the clean plate.")
        return console.OK
    if built.gap is None:
        console.say("There is evidence for every pixel.")
        return console.OK
    console.err.print(
        escape(
            f"Not enough evidence in {100 * (1 - built.covered):.2f}% of the frame; the largest place is "
            f"{_place(built.gap)}. The layer 'coverage' is 0 there; do not trust the colour."
        )
    )
    return console.FRAMES_FAILED


def _place(gap: Window) -> str:
    return f"{gap.width} x {gap.height} pixels at x {gap.x}, y {gap.y}"
