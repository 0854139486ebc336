"""What a farm is to do, independent of the farm: which frames, and the command that makes some of them.

A command is a list of words. :data:`FRAMES` stands for the chunk's frames, :data:`CLEANPLATE` and :data:`HOST`
for the programs, whose place on the worker only the farm knows; every other word is meant literally.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from matte_link.files import write_atomically
from matte_link.sequence import format_frames

from ..errors import MatteError
from ..shots.arguments import PATH, SHOT_ARGUMENTS, SWITCH, ShotArgument, ShotOrder
from ..shots.plan import frame_numbers
from ..shots.shot import shot_inputs

FRAMES = "<frames>"
CLEANPLATE = "<cleanplate>"
HOST = "<host>"


@dataclass(frozen=True)
class PathWord:
    """A path on the command line that the farm may map to the worker's own, under the name ``name``."""

    name: str
    path: str
    help: str


Word = str | PathWord


@dataclass(frozen=True)
class Work:
    """``command`` makes the frames of one chunk, ``inputs`` are all files read and ``folders`` those written
    to. ``host`` is the program of a host application where the command needs one."""

    name: str
    frames: tuple[int, ...]
    command: tuple[Word, ...]
    inputs: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    host: str = ""


@dataclass(frozen=True)
class FarmPlan:
    """How the work is cut and where its mattes are computed. ``server`` empty: one resident server on each
    worker; else the address of one for all, with ``keys`` the client's key file as a worker sees it."""

    chunk: int = 10
    server: str = ""
    keys: str = ""
    device: str = "auto"
    cleanplate: str = "cleanplate"
    gpu: bool = False

    def __post_init__(self) -> None:
        if self.chunk < 1:
            raise MatteError("bad_option", f"A chunk of {self.chunk} frames cannot be cut.", "Use 1 or more.")


def shot_work(order: ShotOrder, name: str) -> Work:
    """The mattes of an EXR shot: ``cleanplate farm task`` for each chunk. Raises as :meth:`ShotOrder.plan` does."""
    shot = order.plan()
    words: list[Word] = [CLEANPLATE, "farm", "task"]
    for argument in SHOT_ARGUMENTS:
        if argument.on_farm and argument.name != "frames":
            words += _task_words(argument, getattr(order, argument.name))
    words += ["--frames", FRAMES]
    if shot.options.to_dict():
        words += ["--options", json.dumps(shot.options.to_dict(), sort_keys=True)]
    return Work(
        name=name,
        frames=tuple(frame.frame for frame in shot.frames),
        command=tuple(words),
        inputs=tuple(sorted(absolute(str(path)) for path in shot_inputs(shot))),
        folders=tuple(sorted({absolute(str(frame.output.parent)) for frame in shot.frames})),
    )


def _task_words(argument: ShotArgument, value: str | int | bool) -> list[Word]:
    """How a task is told one argument of its shot; nothing where it is as by default."""
    if value == argument.default:
        return []
    if argument.kind == SWITCH:
        return [argument.task_flag]
    if argument.kind == PATH:
        words = f"{argument.help[:1].upper()}{argument.help[1:]}."
        return [argument.task_flag, PathWord(argument.parameter, absolute(str(value)), words)]
    # One word: a number may begin with a dash.
    return [f"{argument.task_flag}={value}"]


def nuke_work(script: str, node: str, frames: str, plugin: str, host: str, name: str) -> Work:
    """The bake of a Cleanplate node in a Nuke script."""
    bake = _plugin_file(plugin, "matte/bake.py", "plugin_nuke")
    words: tuple[Word, ...] = (
        HOST,
        "-t",
        PathWord("Bake", bake, "bake.py of the Cleanplate plugin for Nuke."),
        PathWord("Script", _input(script), "The Nuke script."),
        "--node",
        node,
        "--frames",
        FRAMES,
    )
    return Work(name, frame_numbers(frames), words, inputs=(_input(script), bake), host=host)


def blender_work(scene: str, frames: str, plugin: str, host: str, name: str) -> Work:
    """The solve of the Cleanplate nodes in a Blender file."""
    solve = _plugin_file(plugin, "solve_headless.py", "plugin_blender")
    words: tuple[Word, ...] = (
        HOST,
        "-b",
        PathWord("Scene", _input(scene), "The Blender file."),
        "--python-exit-code",
        "1",
        "--python",
        PathWord("Solve", solve, "solve_headless.py of the Cleanplate plugin for Blender."),
        "--",
        "--frames",
        FRAMES,
    )
    return Work(name, frame_numbers(frames), words, inputs=(_input(scene), solve), host=host)


def absolute(path: str) -> str:
    """A path as every machine that shares the disk writes it; links stay as they are."""
    return str(Path(path).absolute())


def _input(path: str) -> str:
    if not Path(path).is_file():
        raise MatteError("missing_file", f"{path} does not exist; nothing was written.")
    return absolute(path)


def _plugin_file(folder: str, name: str, plugin: str) -> str:
    """A file of a host's plugin: in ``folder``, else in the checkout that this package lies in."""
    base = Path(folder) if folder else Path(__file__).resolve().parents[2] / plugin
    if not (base / name).is_file():
        raise MatteError(
            "missing_file",
            f"There is no {name} in {base}.",
            f"Name the folder of Cleanplate's {plugin} with --plugin.",
        )
    return absolute(str(base / name))


def plain_range(frames: tuple[int, ...]) -> str:
    """The frames as runs and single numbers, which every farm and every host reads: ``1001-1010,1020``."""
    return format_frames(frames)


def write_job(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Writes a job's files by name; raises ``MatteError`` where the folder holds one already, or cannot be
    written."""
    taken = next((name for name in contents if (folder / name).exists()), None)
    if taken:
        raise MatteError(
            "exists", f"{folder / taken} exists already.", "Choose another --bundle folder, or remove it first."
        )
    try:
        for name, data in contents.items():
            write_atomically(str(folder / name), data)
    except OSError as error:
        raise MatteError("cannot_write", f"{folder} cannot be written: {error.strerror}.") from None
