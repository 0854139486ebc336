"""Checks on a shot's plan: its inputs, its outputs, and whether the server has the model.

Inputs exist, outputs can be written, and no output overwrites another file."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from matte_link.messages import Pong
from matte_link.options import AUTO_MODEL, BUILT_IN_MODELS, MatteOptions

from ..errors import MatteError, name_too_long
from ..io import exr
from ..io.colour import ALIASES, check_config, check_space
from ..io.media import is_video
from .nearest_word import nearest_word
from .passes import COMP, LAYERS, pass_names
from .role_files import RoleFiles, check_files, input_pattern
from .shot import Movies, Shot, ShotFrame, ShotSources, frame_inputs, shot_inputs, shot_outputs

MATTE_SUFFIXES = (".exr", ".png", ".tif", ".tiff", ".mov")
_TEMPORARY = 24 * "x"
"""A file is written first under a name that is at most so much longer."""
_PACKAGED, _WITH_FOLDERS = (AUTO_MODEL, "cleanplate"), ("v1", "v2")
COMP_SUFFIXES = (".exr", ".png", ".tif", ".tiff", ".jpg", ".jpeg", ".mov", ".mp4", ".mkv")


def check_combinations(sources: ShotSources) -> None:
    """Raises ``MatteError`` where roles are given that do not go together (bad_option), or an output has a star
    (bad_output)."""
    _check_passes(sources)
    wants_comp = bool(sources.comp) or COMP in pass_names(sources.passes)
    if bool(sources.background) != wants_comp:
        raise MatteError(
            "bad_option",
            "A background and a comp go together: one names the picture, the other the file to write.",
            "Add --background FILE." if wants_comp else "Add --comp FILE, or comp to --passes.",
        )
    output = Path(sources.output)
    is_folder = output.is_dir() or not output.name or sources.output.endswith(("/", os.sep))
    if is_folder and not Path(sources.plate).is_dir():
        files = output / "matte.####.exr"
        raise MatteError("bad_output", f"{sources.output} is a folder.", f"Name files in it, such as {files}.")
    _check_timing(sources)
    starred = next((name for name in (sources.output, sources.comp) if "*" in Path(name).name), None)
    if starred is not None:
        raise MatteError("bad_output", f"{starred} names no file: * is for inputs.", "Write #### in its place.")
    _check_clean_frame(sources)
    if sources.shot_frames and not input_pattern(sources.plate).is_sequence:
        raise MatteError(
            "bad_option",
            f"--shot-frames says which frames a sequence has, and {sources.plate} is none.",
            "Leave it out.",
        )
    if sources.trimap and (sources.core or sources.holdout):
        raise MatteError(
            "bad_option",
            "A trimap says what core and holdout are.",
            "Give either the trimap, or core and holdout.",
        )


def _check_timing(sources: ShotSources) -> None:
    default = ShotSources(plate="", clean_plate="", output="")
    for role in ("core", "holdout", "trimap", "background"):
        for name in (f"{role}_offset", f"{role}_end"):
            if not getattr(sources, role) and getattr(sources, name) != getattr(default, name):
                flag = "--" + name.replace("_", "-")
                raise MatteError("bad_option", f"{flag} is given, and no {role}.", f"Add --{role} FILE.")


def _check_clean_frame(sources: ShotSources) -> None:
    if sources.clean_frame is None:
        return
    if RoleFiles(sources.clean_plate).is_still:
        raise MatteError(
            "bad_option",
            f"{sources.clean_plate} is a single picture, of which --clean-frame cannot choose one.",
            "Leave --clean-frame out, or name a sequence or a video.",
        )
    if sources.clean_offset or sources.clean_end:
        flag = "--clean-offset" if sources.clean_offset else "--clean-end"
        raise MatteError(
            "bad_option",
            f"--clean-frame chooses one picture for every frame, so {flag} says nothing.",
            "Leave one of them out.",
        )


def check_layers(sources: ShotSources, options: MatteOptions) -> None:
    """Raises ``MatteError("bad_option", ...)`` where results are to have layers that their format cannot hold. The
    EXRs beside a video hold them."""
    suffix = Path(sources.output).suffix.lower()
    wanted = next((name for name in LAYERS if getattr(options, f"layer_{name}")), None)
    if wanted is None or suffix not in MATTE_SUFFIXES or suffix == ".exr" or is_video(Path(sources.output)):
        return
    raise MatteError(
        "bad_option",
        f"--layer-{wanted} is a layer of an EXR, which {suffix} has not.",
        "Name -o with .exr.",
    )


def _check_passes(sources: ShotSources) -> None:
    names = pass_names(sources.passes)
    if not names or Path(sources.plate).is_dir():
        return
    suffix = Path(sources.output).suffix.lower()
    if is_video(Path(sources.output)):
        raise MatteError(
            "bad_option",
            f"{sources.output} is a video, and passes are pictures.",
            "Name -o such as matte.####.exr.",
        )
    layer = next((name for name in names if name in LAYERS), None)
    if layer is not None and suffix != ".exr":
        raise MatteError(
            "bad_option", f"The pass {layer} is a layer of an EXR, which {suffix} has not.", "Name -o with .exr."
        )


def check_model(options: MatteOptions, server: Pong, is_own: bool) -> None:
    """Raises ``MatteError`` where the server cannot run the model: unknown_model, or missing_weights. A model to
    which the options give weights is left to the server, which alone can read them; one that ``is_own``, started
    for this run, finds the files that are found here."""
    if is_own and options.weights:
        _check_weights(options)
    if options.weights or options.model in ("auto", *server.models):
        return
    if options.model in BUILT_IN_MODELS:
        raise MatteError(
            "missing_weights",
            f"The server has no weights for model {options.model}; nothing was started.",
            "'cleanplate models' says where to get them.",
        )
    raise MatteError(
        "unknown_model",
        f"The server has no model {options.model!r}; nothing was started.",
        f"It has {', '.join(server.models)}.",
    )


def _check_weights(options: MatteOptions) -> None:
    path, is_packaged = Path(options.weights), options.model in _PACKAGED
    # A name alone may be one of a file in the folders for weights.
    is_path = is_packaged or (options.model in _WITH_FOLDERS and path.name != options.weights)
    if path.is_file() or not is_path:
        return
    raise MatteError(
        "missing_weights",
        f"There are no weights at {path}; nothing was started.",
        "Correct the path, or leave it out for the packaged weights." if is_packaged else "Correct the path.",
    )


def check_colour(options: MatteOptions) -> None:
    """Raises ``MatteError`` where no picture can be read or written as the options say: unknown_colourspace,
    bad_ocio_config."""
    if options.ocio_config:
        check_config(options.ocio_config)
    for space in (options.colourspace, options.clean_colourspace, options.output_colourspace):
        if space != "auto":
            _check_space(space, options.ocio_config)


def _check_space(space: str, config: str) -> None:
    try:
        check_space(space, config)
    except MatteError as error:
        near = nearest_word(space, (*ALIASES, *ALIASES.values())) if error.code == "unknown_colourspace" else ""
        raise MatteError(
            error.code, error.message, f"Did you mean {near}? {error.hint}" if near else error.hint
        ) from None


def check_new(output: Path, may_overwrite: bool) -> None:
    """Raises ``MatteError("exists", ...)`` where ``output`` is there already and may not be replaced."""
    if output.exists() and not may_overwrite:
        raise MatteError("exists", f"{output} exists; nothing was started.", "Use --overwrite to replace it.")


def check_writable(path: Path, hint: str) -> None:
    """Raises ``MatteError`` where no file can be written there: cannot_write, or name_too_long. Its folder need not
    exist."""
    if reason := _why_not_writable(path):
        raise MatteError("cannot_write", f"{path} cannot be written ({reason}); nothing was started.", hint)


def _why_not_writable(path: Path) -> str:
    """What the system says against a file there; empty where it can be written."""
    if path.is_dir():
        return "it is a folder"
    try:
        # A link that leads nowhere is there too, and no folder can be made in its place.
        folder = next((each for each in path.absolute().parents if os.path.lexists(each)), path.parent)
        # Names that are too long are noticed in a folder that is there.
        for name in (path.name + _TEMPORARY, *(each.name for each in path.absolute().relative_to(folder).parents)):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                (folder / name).lstat()
        # Only a file that is made shows what a disk allows that is mounted to be read, and the system's folders.
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise name_too_long(str(path)) from None
        return error.strerror or str(error)


def check_before_start(shot: Shot) -> None:
    """Raises ``MatteError`` where the files of a planned shot keep it from being made: cannot_write, and no_layer
    or no_view where the first frame lacks what the options choose."""
    _check_layers(shot)
    _check_output_folders(shot)


def _check_layers(shot: Shot) -> None:
    first, options = shot.frames[0], shot.options
    for path, layer in ((first.plate, options.layer), (first.clean_plate, options.clean_layer)):
        if layer and is_video(path):
            raise MatteError("no_layer", f"{path} is a video, and {layer!r} a layer of an EXR.")
        if (layer or options.view) and not is_video(path):
            try:
                exr.check_layer(path, layer, options.view)
            except MatteError as error:
                # A frame that is damaged fails alone.
                if error.code in ("no_layer", "no_view"):
                    raise
            except OSError:
                continue


def _check_output_folders(shot: Shot) -> None:
    """Raises ``MatteError("cannot_write", ...)`` where a file cannot be written that a shot will make. One of each
    folder is tried."""
    comps = {shot.movies.comp, *(frame.comp for frame in shot.frames)}
    tried: set[Path] = set()
    for path in shot_outputs(shot.frames, shot.movies):
        if path.parent not in tried and (shot.overwrite or not path.exists()):
            tried.add(path.parent)
            check_writable(path, "Name another --comp." if path in comps else "Name another -o.")


def check_apart(shots: Sequence[Shot]) -> None:
    """Raises ``MatteError`` where two shots would write one file (bad_output), or one what an earlier one is made
    from (output_is_input). A later one may well be made from it."""
    if len(shots) < 2:  # a long shot has many files to resolve
        return
    owners: dict[str, Shot] = {}
    inputs: set[Path] = set()
    for shot in shots:
        for path in shot_outputs(shot.frames, shot.movies):
            place = path.resolve()
            # On Windows and macOS, names that differ in case alone are one file.
            if owners.setdefault(str(place).casefold(), shot) is not shot:
                raise MatteError("bad_output", f"Two shots of the job write {path}.", "Choose two names.")
            if place in inputs:
                raise MatteError(
                    "output_is_input",
                    f"{path} is an input of one shot of the job and an output of another; nothing was started.",
                    "Choose another output.",
                )
        inputs |= {path.resolve() for path in shot_inputs(shot)}


def check_inputs(frames: Sequence[ShotFrame]) -> None:
    """Raises ``MatteError("missing_frame", ...)`` where a file that a frame is made from does not exist."""
    check_files(path for frame in frames for path in frame_inputs(frame))


def check_clean_plate(sources: ShotSources, frames: Sequence[ShotFrame]) -> None:
    """Raises ``MatteError("bad_option", ...)`` where every frame would be its own clean plate."""
    differ = any(_picture(frame, "plate") != _picture(frame, "clean_plate") for frame in frames)
    if differ or sources.clean_frame is not None:
        return
    raise MatteError(
        "bad_option",
        f"{sources.clean_plate} is plate and clean plate at once, so nothing would be found in it.",
        "Name another clean plate, or the frame without the subject with --clean-frame N.",
    )


def _picture(frame: ShotFrame, role: str) -> tuple[Path, int]:
    return getattr(frame, role).resolve(), frame.video_frames.get(role, 0)


def check_outputs(
    sources: ShotSources,
    frames: Sequence[ShotFrame],
    movies: Movies,
    one_output: bool = False,
    other_inputs: Iterable[Path] = (),
) -> None:
    """Raises ``MatteError`` where an output cannot be written under its name (bad_output), would overwrite an input
    (output_is_input) or another output (bad_output). ``one_output``: all frames together make one file.
    ``other_inputs``: existing files of the shot's sequences that no wanted frame is made from."""
    _check_suffix(sources.output, movies.matte or frames[0].output, MATTE_SUFFIXES, "a matte")
    if sources.comp and (comp := movies.comp or frames[0].comp):
        _check_suffix(sources.comp, comp, COMP_SUFFIXES, "a comp")
    inputs = {path.resolve() for frame in frames for path in frame_inputs(frame)}
    outputs = [path.resolve() for path in shot_outputs(frames, movies)]
    there = [path for path in outputs if path.exists()]
    # A pipe would be waited for, a device has no end.
    if odd := next((path for path in there if not path.is_file()), None):
        what = "a folder" if odd.is_dir() else "neither a file nor a folder"
        raise MatteError("bad_output", f"{odd} is {what}; nothing was started.", "Choose another output.")
    if there:
        # Else none of them is a file of a sequence, of which there may be thousands for a task of ten frames.
        inputs |= {path.resolve() for path in other_inputs}
    clash = next((path for path in outputs if path in inputs), None)
    if clash is not None:
        raise MatteError(
            "output_is_input",
            f"{clash} is both input and output; nothing was started.",
            "Choose another output.",
        )
    if not one_output:
        _check_one_file_each(sources, frames)
        names = Counter(str(path).casefold() for path in outputs)
        twice = next((path for path in outputs if names[str(path).casefold()] > 1), None)
        if twice is not None:
            raise MatteError("bad_output", f"Two outputs have the same name, {twice}.", "Choose two names.")


def _check_one_file_each(sources: ShotSources, frames: Sequence[ShotFrame]) -> None:
    for role in ("output", "comp"):
        if len(frames) > 1 and getattr(frames[0], role) == Path(getattr(sources, role)):
            raise MatteError(
                "bad_output",
                f"{getattr(sources, role)} is one file for {len(frames)} frames.",
                "Put a frame number into its name, such as matte.####.exr.",
            )
        by_name: dict[str, ShotFrame] = {}
        for frame in frames:
            # On Windows and macOS, names that differ in case alone are one file.
            path = getattr(frame, role)
            other = by_name.setdefault(str(path).casefold(), frame) if path else frame
            if other is not frame:
                raise MatteError(
                    "bad_output",
                    f"The results of {other.plate} and {frame.plate} would be one file, {path}.",
                    "Rename one of them.",
                )


def _check_suffix(name: str, path: Path, allowed: Sequence[str], what: str) -> None:
    if path.suffix.lower() not in allowed:
        raise MatteError(
            "bad_output",
            f"{what.capitalize()} cannot be written to a file named {name}.",
            f"The name must end in one of {', '.join(allowed)}.",
        )
