"""``cleanplate farm``: job bundles for render farms, and what their workers call."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from matte_link.endpoint import ADDRESS_VARIABLE, KEYS_VARIABLE
from matte_link.options import MatteOptions
from matte_link.sequence import counted

from ..errors import MatteError
from ..farm import opencue, openjd, resident, task
from ..farm.farm_job import (
    FILE_OPTIONS,
    FarmJob,
    FarmPlan,
    absolute,
    blender_job,
    check_movies,
    nuke_job,
    shot_job,
)
from ..farm.learning import FarmLearning, learning_job
from ..shots.arguments import SHOT_ARGUMENTS, ShotOrder
from ..shots.named_paths import named_path
from ..shots.without_effect import without_effect
from . import console
from .conclusion import conclude
from .number_range import COUNT, COUNT_OR_NONE
from .shot_flags import add_learning_flags, add_options, add_shot_flags, add_task_flags, options_from, order_from

EPILOG = """\
examples:
  cleanplate farm openjd shot plate.####.exr --clean clean.exr -o matte.####.exr --bundle job
  openjd run job/template.yaml -p file://job/openjd_parameters.yaml
  deadline bundle submit job
  cleanplate farm opencue shot plate.####.exr --clean clean.exr -o matte.####.exr --bundle job
  python job/submit.py

exit codes: 0 written, 2 the input cannot work
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``farm``."""
    parser.description = (
        "Makes job bundles for render farms; start, stop and task are what the bundles' workers call."
    )
    parser.epilog = EPILOG
    commands = parser.add_subparsers(metavar="WHAT", required=True)
    for name, words, run in (
        ("openjd", "an Open Job Description bundle (openjd, AWS Deadline Cloud)", run_openjd),
        ("opencue", "an OpenCue outline", run_opencue),
    ):
        _add_kinds(commands.add_parser(name, help=words, description=f"Writes {words}."), run)
    _add_start(commands)
    _add_stop(commands)
    _add_task(commands)


def _add_kinds(parser: argparse.ArgumentParser, run: Any) -> None:
    kinds = parser.add_subparsers(metavar="KIND", required=True)
    shot = kinds.add_parser("shot", help="mattes of an EXR shot")
    add_shot_flags(shot, [argument for argument in SHOT_ARGUMENTS if argument.on_farm], are_needed=True)
    add_options(shot)
    _add_learning(shot)
    nuke = kinds.add_parser("nuke", help="the bake of a Cleanplate node in a .nk")
    nuke.add_argument("script", metavar="SCRIPT", help="the Nuke script")
    nuke.add_argument("--node", required=True, metavar="NAME", help="the Cleanplate node")
    blender = kinds.add_parser("blender", help="the solve of a .blend")
    blender.add_argument("scene", metavar="FILE", help="the Blender file")
    for kind, make_job, host in ((nuke, _nuke, "nuke"), (blender, _blender, "blender")):
        kind.add_argument("--frames", required=True, metavar="RANGE", help="such as 1001-1100")
        kind.add_argument("--plugin", default="", metavar="FOLDER", help="Cleanplate's plugin, as a worker sees it")
        kind.add_argument("--host", default=host, metavar="COMMAND", help="how a worker calls the host")
        kind.set_defaults(make_job=make_job)
    shot.set_defaults(make_job=_shot)
    for kind in (shot, nuke, blender):
        _add_plan(kind)
        kind.set_defaults(run=run)


def _add_learning(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("learning options")
    group.add_argument(
        "--learn",
        type=named_path,
        default="",
        metavar="FILE",
        help="first learn the shot into FILE (.learned), then matte with it",
    )
    add_learning_flags(group)


def _add_plan(parser: argparse.ArgumentParser) -> None:
    defaults = FarmPlan()
    group = parser.add_argument_group("farm options")
    group.add_argument("--bundle", type=Path, required=True, metavar="FOLDER", help="where the job is written")
    group.add_argument(
        "--name", default="", metavar="TEXT", help="the job's name (default: from the names of files)"
    )
    group.add_argument("--chunk", type=COUNT, default=defaults.chunk, metavar="N", help="frames a task")
    group.add_argument(
        "--server", default="", metavar="ADDR", help="one matting server for all workers (default: one each)"
    )
    group.add_argument("--keys", default="", metavar="FILE", help="key file for it, as a worker sees it")
    group.add_argument("--device", default=defaults.device, metavar="DEVICE", help="of the workers' own servers")
    group.add_argument(
        "--cleanplate", default=defaults.cleanplate, metavar="COMMAND", help="how a worker calls cleanplate"
    )
    group.add_argument("--gpu", action="store_true", help="only workers with a GPU; a session takes one")
    group.add_argument(
        "--min-memory-gb", type=COUNT_OR_NONE, default=0, metavar="GB", help="only workers with this memory"
    )


def _plan(arguments: argparse.Namespace) -> FarmPlan:
    return FarmPlan(
        chunk=arguments.chunk,
        server=arguments.server,
        keys=arguments.keys,
        device=arguments.device,
        cleanplate=arguments.cleanplate,
        gpu=arguments.gpu,
        memory_gb=arguments.min_memory_gb,
    )


def _shot(arguments: argparse.Namespace) -> FarmJob:
    order = order_from(arguments, _with_config(options_from(arguments)))
    name = arguments.name or _name_of(order)
    shot = order.plan()
    check_movies(shot, arguments.chunk)
    for sentence in without_effect(order, shot):
        console.warn(sentence)
    if arguments.learn:
        learning = FarmLearning(
            learned=arguments.learn,
            keys=arguments.key,
            mask=arguments.key_mask,
            steps=arguments.steps,
            seed=arguments.seed,
        )
        return learning_job(order, shot, name, learning, _plan(arguments))
    if arguments.key or arguments.key_mask:
        raise MatteError("bad_option", "--key and --key-mask are for --learn FILE.", "Add --learn NAME.learned.")
    return shot_job(order, shot, name)


def _name_of(order: ShotOrder) -> str:
    """The plate's name, after that of the folder in which plate and result lie: plates of many shots share one."""
    folder = ""
    with contextlib.suppress(ValueError):  # they lie on two drives
        folder = Path(
            os.path.commonpath([Path(absolute(each)).parent for each in (order.plate, order.output)])
        ).name
    return f"{folder} {Path(order.plate).name.split('.')[0]}".strip()


def _with_config(options: MatteOptions) -> MatteOptions:
    """The options with the config that ``$OCIO`` names here, where a colourspace is named: it is not set on a
    worker."""
    config = os.environ.get("OCIO", "")
    spaces = (options.colourspace, options.clean_colourspace, options.output_colourspace)
    if options.ocio_config or not Path(config).is_file() or all(space == "auto" for space in spaces):
        return options
    return replace(options, ocio_config=str(Path(config).resolve()))


def _nuke(arguments: argparse.Namespace) -> FarmJob:
    name = arguments.name or f"{Path(arguments.script).stem} {arguments.node}"
    return nuke_job(arguments.script, arguments.node, arguments.frames, arguments.plugin, arguments.host, name)


def _blender(arguments: argparse.Namespace) -> FarmJob:
    name = arguments.name or Path(arguments.scene).stem
    return blender_job(arguments.scene, arguments.frames, arguments.plugin, arguments.host, name)


def run_openjd(arguments: argparse.Namespace) -> int:
    """Writes an Open Job Description bundle."""
    job = arguments.make_job(arguments)
    openjd.write_bundle(arguments.bundle, openjd.documents(job, _plan(arguments)))
    _print_written(arguments.bundle, job, f"deadline bundle submit {console.as_word(arguments.bundle)}")
    return console.OK


def run_opencue(arguments: argparse.Namespace) -> int:
    """Writes an OpenCue outline."""
    job = arguments.make_job(arguments)
    opencue.write_outline(arguments.bundle, opencue.outline(job, _plan(arguments)))
    _print_written(arguments.bundle, job, f"python {console.as_word(arguments.bundle / opencue.SUBMIT)}")
    return console.OK


def _print_written(folder: Path, job: FarmJob, command: str) -> None:
    console.say(f"{folder}: {job.name}, {counted(len(job.frames), 'frame')}. Submit it with: {command}")


def _add_start(commands: Any) -> None:
    parser = commands.add_parser(
        "start",
        help="start a worker's matting server",
        description="Starts the matting server of a farm's session, or notes the one that all workers share.",
    )
    parser.add_argument("--state", type=Path, required=True, metavar="FILE", help="written for 'farm stop'")
    parser.add_argument("--server", default="", metavar="ADDR", help="one that all workers share; starts none")
    parser.add_argument("--keys", default="", metavar="FILE", help="the key file for that server")
    parser.add_argument(
        "--device", default="auto", metavar="DEVICE", help="auto, cpu, cuda, cuda:N, cuda:free or mps"
    )
    parser.add_argument(
        "--read", type=named_path, action="append", default=[], metavar="FILE", help="file that tasks may name"
    )
    parser.set_defaults(run=run_start)


def run_start(arguments: argparse.Namespace) -> int:
    """Starts the session's server and prints its address in the form that Open Job Description reads."""
    if arguments.server:
        found = resident.use_shared(arguments.state, arguments.server, arguments.keys)
    else:
        readable = [word for file in arguments.read for word in ("--read", file)]
        own = ("--device", arguments.device, *readable)
        found = resident.start(arguments.state, own, partial(print, flush=True))
    print(f"openjd_env: {ADDRESS_VARIABLE}={found.address}")
    if found.keys:
        print(f"openjd_env: {KEYS_VARIABLE}={found.keys}")
    if found.pid:
        print(f"openjd_env: {resident.STATE_VARIABLE}={arguments.state.absolute()}")
    print(f"matting server at {found.address}, {f'pid {found.pid}' if found.pid else 'shared by all workers'}")
    return console.OK


def _add_stop(commands: Any) -> None:
    parser = commands.add_parser("stop", help="stop a worker's matting server")
    parser.add_argument(
        "--state", type=Path, required=True, metavar="FILE", help="the file that 'farm start' wrote"
    )
    parser.set_defaults(run=run_stop)


def run_stop(arguments: argparse.Namespace) -> int:
    """Stops the session's server, if there is one."""
    found = resident.stop(arguments.state)
    what = "there was none"
    if found:
        what = f"{found.address or 'one that was starting'} {'stopped' if found.pid else 'goes on'}"
    console.say(f"matting server: {what}")
    return console.OK


def _add_task(commands: Any) -> None:
    parser = commands.add_parser(
        "task",
        help="make one chunk's mattes",
        description="Makes the mattes of some frames through the server that CLEANPLATE_SERVER names.",
    )
    add_task_flags(parser)
    parser.add_argument("--options", default="{}", metavar="JSON", help="the matte's options")
    for name in FILE_OPTIONS:
        parser.add_argument(f"--{name.replace('_', '-')}", default="", metavar="FILE", help=f"the option {name}")
    parser.set_defaults(run=run_task)


def run_task(arguments: argparse.Namespace) -> int:
    """Makes a chunk; exit codes as ``cleanplate matte``. A frame without a plate fails by itself."""
    files = {name: getattr(arguments, name) for name in FILE_OPTIONS if getattr(arguments, name)}
    try:
        order, missing = task.without_missing(order_from(arguments, replace(_options(arguments.options), **files)))
        shot = order.plan()
    except MatteError as error:
        task.print_failure(str(error))
        raise
    code = conclude(task.run_chunk(shot, missing), len(shot.frames))
    return code or (console.FRAMES_FAILED if missing else console.OK)


def _options(text: str) -> MatteOptions:
    try:
        options = json.loads(text)
        if not isinstance(options, dict):
            raise TypeError(f"{text[:40]!r} is no JSON object, such as {{}}.")
        return MatteOptions.from_dict(options)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise MatteError("bad_option", f"--options cannot be used: {error}") from None
