"""``cleanplate learn``: trains the network on one shot, from a few mended mattes or from none."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from matte_link.files import write_atomically
from matte_link.messages import LARGEST_SEED
from matte_link.options import MatteOptions, option_specs
from matte_link.sequence import counted, format_frames

from ..errors import MatteError
from ..learning.settings import SUFFIX, LearningSettings, checkpoint_of, steps_for
from ..shots.arguments import LEARN_SHOT_ARGUMENTS, SHOT_ARGUMENTS, ShotArgument
from ..shots.plan_checks import check_new, check_writable
from ..shots.shot import Shot
from ..shots.without_effect import without_effect
from ..worker.machine import prepare_for_torch
from . import console
from .shot_flags import add_learning_flags, add_options, add_shot_flags, options_from, order_from

if TYPE_CHECKING:
    from ..learning.run import LearningResult

EPILOG = """\
examples:
  cleanplate learn plate.####.exr --clean clean.exr --key mended.####.exr -o take7.learned
  cleanplate learn plate.####.exr --clean clean.exr --key 1001=a.png 1040=b.exr -o take7.learned
  cleanplate learn plate.####.exr --clean clean.exr -o take7.learned
  cleanplate learn portraits/ --clean empty.png --key mended/ -o booth.learned
  cleanplate matte plate.####.exr --clean clean.exr --weights take7.learned -o matte.####.exr

Make the shot's mattes first, mend one or two of them by hand (paint, roto), and name them with --key. Without --key
the shot is learnt from its own mattes, put before its own set again; that gains less. The network is measured on
parts that it does not learn from; where it gains too little there to be sure, nothing is written.

The same command again goes on where it was interrupted.

exit codes: 0 learned, 1 too little was gained and nothing was written, 2 the input cannot work, 130 interrupted
"""


_HELP = {
    "output": f"the weights to write, such as take7{SUFFIX}",
    "overwrite": "replace OUT",
}
"""Help texts that differ from those of a shot's mattes."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``learn``."""
    parser.description = "Learns a shot, and writes weights that --weights takes."
    parser.epilog = EPILOG
    add_shot_flags(parser, [_as_learnt(each) for each in SHOT_ARGUMENTS if each.name in LEARN_SHOT_ARGUMENTS], True)
    add_learning_flags(parser)
    parser.add_argument(
        "--or-keep",
        action="store_true",
        help="where nothing is gained, write the weights that it began with, so that a farm's next step has a file",
    )
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda, cuda:N or mps")
    used = [spec for spec in option_specs() if spec.affects == "alignment" or spec.name in ("model", "weights")]
    add_options(parser, used)
    parser.set_defaults(run=run)


def _as_learnt(argument: ShotArgument) -> ShotArgument:
    """A shot's argument with the help that fits weights."""
    return replace(argument, help=_HELP.get(argument.name, argument.help))


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    prepare_for_torch()
    _check_output(Path(arguments.output), arguments.overwrite)
    # Late: torch takes seconds, and the help does not need it.
    from ..shots.key_mattes import key_mattes, unused_keys
    from ..shots.learn import LearnOrder, check_learn_output, learn_shot
    from ..worker.solver import choose_device

    shot = _shot(arguments)
    keys = key_mattes(arguments.key, arguments.key_mask, shot.frames)
    order = LearnOrder(
        shot=shot,
        keys=keys,
        output=Path(arguments.output),
        settings=_settings(arguments, bool(keys)),
        device=choose_device(arguments.device),
        may_overwrite=arguments.overwrite,
    )
    check_learn_output(order)
    if unused := unused_keys(arguments.key, shot.frames):
        console.tell(f"Key mattes of frames that are not learned from are left out: {format_frames(unused)}.")
    with console.LearningBar() as progress:
        result = learn_shot(order, lambda: None, progress, console.warn)
    if arguments.or_keep and not result.has_gained:
        return _keep(shot.options, order.output)
    return _conclude(result, order.output)


def _keep(options: MatteOptions, output: Path) -> int:
    from ..models.identity import as_safetensors

    write_atomically(str(output), as_safetensors(options.model, options.weights))
    console.say(f"{output}: too little was gained, so these are the weights that it began with.")
    return console.OK


def _check_output(output: Path, may_overwrite: bool) -> None:
    if output.suffix.lower() != SUFFIX:
        name = f"{output.stem or 'shot'}{SUFFIX}"
        raise MatteError("bad_output", f"-o {output} must end in {SUFFIX}.", f"Write -o {name}.")
    check_writable(output, "Name another -o.")
    # What an interrupted run has left is its own: the same command goes on with it.
    check_new(output, may_overwrite or checkpoint_of(output).is_file())


def _shot(arguments: argparse.Namespace) -> Shot:
    """The shot, planned as one file made of all its frames."""
    # The plan is that of the shot's mattes, whose plate solve is used where it is; those of portraits are a folder.
    suffix = ".mattes" if Path(arguments.plate).is_dir() else ".exr"
    output = str(Path(arguments.output).with_suffix(suffix))
    order = replace(order_from(arguments, options_from(arguments)), output=output)
    shot = order.plan(one_output=True)
    for sentence in without_effect(order, shot):
        console.warn(sentence)
    return shot


def _settings(arguments: argparse.Namespace, has_keys: bool) -> LearningSettings:
    steps = steps_for(has_keys) if arguments.steps is None else arguments.steps
    if steps < 1:
        raise MatteError("bad_option", f"--steps must be 1 or more, not {steps}.")
    if arguments.seed > LARGEST_SEED:
        raise MatteError("bad_option", f"--seed must be at most {LARGEST_SEED}, not {arguments.seed}.")
    return LearningSettings(steps=steps, seed=arguments.seed)


def _conclude(result: LearningResult, output: Path) -> int:
    before, after = 1e3 * (result.first_error or 0.0), 1e3 * (result.error or 0.0)
    measured = f"error of alpha on what was left out, x 1000: {before:.2f} before, {after:.2f} after"
    steps = counted(result.steps, "step")
    if not result.has_gained:
        console.err.print(f"{steps} gained too little ({measured}). Nothing is written: keep the weights you have.")
        return console.FRAMES_FAILED
    console.say(f"{output}: learned from {counted(len(result.frames), 'frame')} in {steps} ({measured}).")
    console.say(f"Use it with: cleanplate matte ... --weights {console.as_word(output)}")
    return console.OK
