"""A job for a render farm, whichever farm it is: the frames, and the command that makes a chunk of them.

A command is a list of words. :data:`FRAMES` stands for the chunk's frames, :data:`CLEANPLATE` and :data:`HOST` for
the programs, whose place on the worker only the farm knows; every other word is passed on unchanged.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from matte_link.files import write_atomically
from matte_link.plain_text import printable
from matte_link.sequence import format_frames

from ..errors import MatteError
from ..io.colour_config import luts_of
from ..io.media import is_video
from ..shots.arguments import PATH, SHOT_ARGUMENTS, SWITCH, ShotArgument, ShotOrder
from ..shots.named_paths import written_name
from ..shots.plan import frame_numbers, looped_files
from ..shots.plate_solve import solve_inputs
from ..shots.shot import Shot, shot_inputs
from ..worker.gpu_claim import FREE

_LONGEST_NAME = 128
"""Characters of a job's name, by the Open Job Description."""
FRAMES = "<frames>"
"""One word, ``--frames=RANGE``: a range of negative frames begins with a dash."""
CLEANPLATE = "<cleanplate>"
HOST = "<host>"
FILE_OPTIONS = {"weights": "Weights", "ocio_config": "OcioConfig"}
"""The options of a matte that name a file, and the names under which a farm may map it."""
_FILE_HELP = {"weights": "The network's weights.", "ocio_config": "The OCIO config of the shot's colourspaces."}


@dataclass(frozen=True)
class PathWord:
    """A path on the command line. The farm may map it to a path of the worker, as the job's parameter ``name``.
    ``is_of_host``: a host reads the word, which takes a $ as it is."""

    name: str
    path: str
    help: str
    before: str = ""
    """What stands before the path in the same word, such as ``1001=``."""
    is_of_host: bool = False

    @property
    def text(self) -> str:
        """The path as the command takes it, without what stands before it."""
        return self.path if self.is_of_host else written_name(self.path)


Word = str | PathWord


@dataclass(frozen=True)
class FarmJob:
    """``command`` makes the frames of one chunk. ``inputs`` are all files that it reads, ``folders`` those that it
    writes to. ``host`` is the program of a host application where the command needs one. ``learn``: a command that
    ends before the first chunk begins, and writes what all chunks need; empty: none. Raises
    ``MatteError("bad_name", ...)`` for a name that not every farm takes."""

    name: str
    frames: tuple[int, ...]
    command: tuple[Word, ...]
    inputs: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    host: str = ""
    learn: tuple[Word, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= len(self.name) <= _LONGEST_NAME or not self.name.isprintable() or "/" in self.name:
            raise MatteError(
                "bad_name",
                f"{printable(self.name, 40)!r} cannot name a farm's job.",
                f"Choose 1 to {_LONGEST_NAME} characters on one line, without '/', with --name.",
            )

    @property
    def words(self) -> tuple[Word, ...]:
        """The words of all its commands."""
        return (*self.learn, *self.command)


@dataclass(frozen=True)
class FarmPlan:
    """How a job is cut into chunks, and where its mattes are computed. ``server`` is the address of one server for
    all workers, with ``keys`` the client's key file as a worker sees it. If it is empty, each worker starts its
    own."""

    chunk: int = 10
    server: str = ""
    keys: str = ""
    device: str = "auto"
    cleanplate: str = "cleanplate"
    gpu: bool = False
    memory_gb: int = 0
    """Memory that a worker must have, in GB; 0: any."""

    @property
    def session_device(self) -> str:
        """Where a session's own server computes. A session that asks the farm for one GPU takes one: several
        sessions on a machine must not each load every GPU with their models."""
        return FREE if self.gpu and self.device == "auto" else self.device

    def __post_init__(self) -> None:
        if self.chunk < 1:
            raise MatteError("bad_option", f"A chunk of {self.chunk} frames cannot be cut.", "Use 1 or more.")


def shot_job(order: ShotOrder, shot: Shot, name: str) -> FarmJob:
    """The mattes of an EXR shot, planned as ``shot``: ``cleanplate farm task`` for each chunk."""
    order = with_shot_frames(order, shot)
    words: list[Word] = [CLEANPLATE, "farm", "task"]
    for argument in SHOT_ARGUMENTS:
        if argument.on_farm and argument.name != "frames":
            words += task_words(argument, getattr(order, argument.name))
    words.append(FRAMES)
    options = dict(shot.options.to_dict())
    files = [option for option in FILE_OPTIONS if _is_file(options.get(option, ""))]
    for option in files:
        words += [f"--{option.replace('_', '-')}", file_word(option, str(options.pop(option)))]
    if options:
        words += ["--options", json.dumps(options, sort_keys=True)]
    named = {path for option in files for path in _files_of(option, getattr(shot.options, option))}
    return FarmJob(
        name=name,
        frames=tuple(frame.frame for frame in shot.frames),
        command=tuple(words),
        inputs=tuple(sorted(absolute(str(path)) for path in _shot_files(order, shot) | named)),
        folders=tuple(sorted({absolute(str(frame.output.parent)) for frame in shot.frames})),
    )


def check_movies(shot: Shot, chunk: int) -> None:
    """Raises ``MatteError("bad_output", ...)`` where several tasks would each make the same video."""
    movie, count = shot.movies.matte or shot.movies.comp, len(shot.frames)
    if movie is not None and chunk < count:
        raise MatteError(
            "bad_output",
            f"{movie} is one video of {count} frames, and each task makes {chunk} of them.",
            f"Name pictures, such as matte.####.exr, or have one task make all with --chunk {count}.",
        )


def with_shot_frames(order: ShotOrder, shot: Shot) -> ShotOrder:
    """The order of a part of a shot, planned as ``shot``, with the frames that the whole has: a worker to which the
    farm brings only the files that the part needs must still cut the shot as the whole is cut."""
    whole = {frame.frame for frame in shot.all_frames}
    if order.shot_frames or is_video(order.plate) or not whole - {frame.frame for frame in shot.frames}:
        return order
    return replace(order, shot_frames=_brief_range(sorted(whole)))


def _brief_range(frames: Sequence[int]) -> str:
    """Frames as Cleanplate reads them: a shot on twos as ``1001-1999x2``, for commands have a longest length."""
    step = frames[1] - frames[0] if len(frames) > 1 else 1
    is_even = list(frames) == list(range(frames[0], frames[-1] + 1, step))
    return f"{frames[0]}-{frames[-1]}x{step}" if is_even and step > 1 else format_frames(frames)


def _shot_files(order: ShotOrder, shot: Shot) -> set[Path]:
    return shot_inputs(shot) | solve_inputs(shot) | looped_files(order.sources)


def file_word(option: str, path: str) -> PathWord:
    """The file that an option names, as a path that the farm may map."""
    return PathWord(name=FILE_OPTIONS[option], path=absolute(path), help=_FILE_HELP[option])


def _is_file(path: object) -> bool:
    return bool(path) and Path(str(path)).is_file()


def _files_of(option: str, path: str) -> list[Path]:
    """The file that an option names and the files that it names in turn."""
    return [Path(path), *(luts_of(path) if option == "ocio_config" else ())]


def task_words(argument: ShotArgument, value: object) -> list[Word]:
    """The words of a task's command for one argument of its shot; none where the argument has its default value."""
    return argument_words(argument, value, [argument.task_flag])


def argument_words(argument: ShotArgument, value: object, flags: Sequence[str]) -> list[Word]:
    """As :func:`task_words` with another flag, or for a path none."""
    if value == argument.default:
        return []
    if argument.kind == SWITCH:
        return [*flags]
    if argument.kind == PATH:
        path = absolute(str(value))
        return [*flags, PathWord(name=argument.parameter, path=path, help=_description(argument))]
    # One word: a number may begin with a dash.
    return [f"{flags[0]}={value}"]


def _description(argument: ShotArgument) -> str:
    """The argument's help as a sentence; argparse would fill in its default, so that is done here."""
    text = argument.help % {"default": argument.default}
    return f"{text[:1].upper()}{text[1:]}."


def _host_word(name: str, path: str, text: str) -> PathWord:
    return PathWord(name=name, path=path, help=text, is_of_host=True)


def nuke_job(script: str, node: str, frames: str, plugin: str, host: str, name: str) -> FarmJob:
    """The bake of a Cleanplate node in a Nuke script."""
    bake = _plugin_file(plugin, "cleanplate_node/bake.py", "plugin_nuke")
    words: tuple[Word, ...] = (
        HOST,
        "-t",
        _host_word("Bake", bake, "bake.py of the Cleanplate plugin for Nuke."),
        _host_word("Script", _input(script), "The Nuke script."),
        FRAMES,
        # Last, because Nuke keeps a last word that is a number or a frame range for itself.
        "--node",
        node,
    )
    inputs = (_input(script), bake)
    return FarmJob(name=name, frames=frame_numbers(frames), command=words, inputs=inputs, host=host)


def blender_job(scene: str, frames: str, plugin: str, host: str, name: str) -> FarmJob:
    """The solve of the Cleanplate nodes in a Blender file."""
    solve = _plugin_file(plugin, "solve_headless.py", "plugin_blender")
    words: tuple[Word, ...] = (
        HOST,
        "-b",
        _host_word("Scene", _input(scene), "The Blender file."),
        "--python-exit-code",
        "1",
        "--python",
        _host_word("Solve", solve, "solve_headless.py of the Cleanplate plugin for Blender."),
        "--",
        FRAMES,
    )
    inputs = (_input(scene), solve)
    return FarmJob(name=name, frames=frame_numbers(frames), command=words, inputs=inputs, host=host)


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
        said = f"{folder} cannot be written: {error.strerror}."
        raise MatteError("cannot_write", said, "Name another --bundle.") from None
