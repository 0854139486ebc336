"""From the names that the artist gives to a shot's plan: which frames there are, and which files each is made from.

A plan that cannot work is refused before anything is started: every input exists, no output is an input, and no two
outputs are one file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from matte_link.options import MatteOptions
from matte_link.sequence import counted, evenly_spaced, format_frames, parse_frames

from ..errors import MatteError
from ..io.media import is_video
from .passes import COMP, around_number, pass_file, pass_names
from .plan_checks import (
    MATTE_SUFFIXES,
    check_clean_plate,
    check_colour,
    check_combinations,
    check_layers,
    check_outputs,
)
from .portraits import plan_portraits
from .role_files import RoleFiles, check_files, check_numbers, frame_pattern, named_pattern, number_of_still
from .shot import SAMPLES, Camera, Movies, Shot, ShotFrame, ShotSources

_USUAL_NUMBER, _USUAL_SUFFIX = "####", ".exr"
_QUOTES = ("'", '"')
_RANGE_BESIDE = re.compile(r"\s(\d+-\d+(?:x\d+)?)\Z|(\d+-\d+(?:x\d+)?)[#@]")
"""As Nuke writes a range behind a pattern, and other programs into it."""
_INPUT_ROLES = ("plate", "clean_plate", "core", "holdout", "trimap", "background")


def plan_shot(
    sources: ShotSources,
    frames: str,
    options: MatteOptions,
    overwrite: bool = False,
    camera: Camera | None = None,
    one_output: bool = False,
) -> Shot:
    """The frames of a shot with all their files; ``frames`` is a range such as 1001-1100, empty for all.
    ``one_output``: all frames together make one file.

    Raises ``MatteError`` with the codes bad_range, no_frames, missing_frame, bad_output, output_is_input,
    bad_option, unknown_colourspace, bad_ocio_config.
    """
    check_combinations(sources)
    check_colour(options)
    check_layers(sources, options)
    if Path(sources.plate).is_dir():
        return plan_portraits(sources, frames, options, overwrite)
    if COMP in pass_names(sources.passes) and not sources.comp:
        sources = replace(sources, comp=pass_file(sources.output, COMP))
    files = _FilesByFrame(sources)
    wanted = _wanted_frames(files, frames)
    if not one_output:
        check_clean_plate(sources, wanted)
    check_outputs(sources, wanted, files.movies, one_output, files.of_every_role())
    camera = camera or Camera()
    said = shot_numbers(sources, wanted)
    if not camera.solve:
        files.check_samples(said)
    all_frames = files.all_frames(said)
    return Shot(
        frames=wanted,
        options=options,
        overwrite=overwrite,
        title=sources.output,
        all_frames=all_frames,
        solve_file=solve_file_of(sources.output) if all_frames else None,
        camera=camera,
        movies=files.movies,
        deinterlace=sources.deinterlace,
    )


def _wanted_frames(files: _FilesByFrame, frames: str) -> tuple[ShotFrame, ...]:
    """The frames of a range, or all of them; raises ``MatteError`` where one has no file."""
    numbers = frame_numbers(frames) if frames else files.complete_range()
    wanted = tuple(files.frame(number) for number in numbers)
    files.check_shared_files()
    files.check_sequences(wanted)
    files.check_videos(numbers)
    return wanted


def solve_file_of(output: str) -> Path:
    """Where a shot's plate solve is kept: beside its output, named after it. That of matte.####.exr is
    matte.platesolve.json. Any other name keeps all that tells it from others in its folder, with as many # as the
    number has digits: m_####.platesolve.json of m_%04d.exr, m.exr.platesolve.json of m.exr."""
    name = Path(output).name
    pattern = named_pattern(name)
    before, after = around_number(name)
    number = "#" * pattern.padding if pattern.is_sequence else ""
    suffix = Path(name).suffix
    stem = before.removesuffix(".")
    is_usual = (before, number, after, suffix) == (f"{stem}.", _USUAL_NUMBER, "", _USUAL_SUFFIX)
    # That of matte.mov.####.exr is not that of matte.mov.
    if not is_usual or not stem or Path(stem).suffix.lower() in MATTE_SUFFIXES:
        stem = f"{before}{number}{after}{'' if number and suffix == _USUAL_SUFFIX else suffix}"
    return Path(output).with_name(f"{stem}.platesolve.json")


def looped_files(sources: ShotSources) -> set[Path]:
    """Every file of the sequences that are looped: where one begins and ends says which picture a frame has."""
    looped = [role for role in _INPUT_ROLES if getattr(sources, role) and sources.timing(role).end == "loop"]
    return {path for role in looped for path in _role_files(sources, role).files()}


def shot_numbers(sources: ShotSources, wanted: Sequence[ShotFrame]) -> tuple[int, ...]:
    """The numbers of the frames that the whole shot is said to have; none where nothing says so. Raises
    ``MatteError("bad_range", ...)``."""
    if not sources.shot_frames:
        return ()
    try:
        numbers = parse_frames(sources.shot_frames)
    except ValueError as error:
        raise MatteError("bad_range", f"--shot-frames: {error}") from None
    if lacking := {frame.frame for frame in wanted} - set(numbers):
        raise MatteError(
            "bad_range",
            f"--shot-frames lacks frames that are to be made: {format_frames(lacking)}.",
            "Name all frames of the shot with it, or leave it out.",
        )
    return numbers


def frame_numbers(text: str) -> tuple[int, ...]:
    """The frames of a range such as 1001-1100x2,1200; raises ``MatteError("bad_range", ...)``."""
    try:
        return parse_frames(text)
    except ValueError as error:
        raise MatteError("bad_range", str(error)) from None


def _how_named(pattern: str) -> str:
    """What may be wrong with a pattern that no file matches."""
    name = Path(pattern).name
    if name[:1] in _QUOTES and name[-1:] == name[:1]:
        return f"These quotes belong to the name: the shell did not take {name[0]} for one. Leave them out."
    if found := _RANGE_BESIDE.search(name):
        return f"A range is no part of the name: write --frames {found[1] or found[2]}."
    return "Check the folder and the number of # in the name."


def _role_files(sources: ShotSources, role: str) -> RoleFiles:
    timing = sources.timing(role)
    return RoleFiles(name=getattr(sources, role), offset=timing.offset, end=timing.end, only=timing.only)


def _instead_of_missing(role: str, files: RoleFiles) -> str:
    """What to do where a frame has no file in a role."""
    flag = "--clean" if role == "clean_plate" else f"--{role}"
    if role == "plate":
        there = f": they lie between {files.frames[0]} and {files.frames[-1]}" if files.frames else ""
        return f"Correct the name, or name frames that exist with --frames{there}."
    if files.only is not None:
        return f"Correct the name, or choose a picture that exists with {flag}-frame."
    if files.offset:
        return f"Choose another {flag}-offset, or say with {flag}-end what stands for missing pictures."
    return f"Render what is missing, or say with {flag}-end what stands for it."


def _too_short(role: str, files: RoleFiles, missing: Sequence[int]) -> MatteError:
    path, picture = files.file_of(missing[0])
    flag = {"plate": "--frames", "clean_plate": "--clean-end or --clean-frame"}.get(role, f"--{role}-end")
    return MatteError(
        "missing_frame",
        f"{path} has {counted(len(files.frames), 'picture')}, and frame {missing[0]} of the shot needs picture "
        f"{picture}; nothing was started.",
        f"Say with {flag} what to do.",
    )


class _FilesByFrame:
    """Which files each frame of a shot has."""

    def __init__(self, sources: ShotSources) -> None:
        self._roles = {role: _role_files(sources, role) for role in _INPUT_ROLES if getattr(sources, role)}
        output, comp = Path(sources.output), Path(sources.comp)
        self.movies = Movies(
            matte=output if is_video(output) else None,
            comp=comp if sources.comp and is_video(comp) else None,
        )
        # The float mattes stay beside a video made of them: they are the result, and a resumed run needs them.
        folder = output.with_name(output.name + ".frames")
        self._output = frame_pattern(str(folder / "matte.####.exr") if self.movies.matte else sources.output)
        self._comp = frame_pattern(sources.comp) if sources.comp and not self.movies.comp else None
        self._passes = {
            name: frame_pattern(pass_file(sources.output, name))
            for name in pass_names(sources.passes)
            if name != COMP
        }

    def all_frames(self, said: Sequence[int] = ()) -> tuple[ShotFrame, ...]:
        """Every frame of the plate that has a clean plate, or those that the shot is ``said`` to have; none where
        the plate is a single picture."""
        plate, clean = self._roles["plate"], self._roles["clean_plate"]
        numbers = said or tuple(number for number in plate.frames if clean.has(number))
        return tuple(map(self.frame, numbers)) if len(said or plate.frames) > 1 else ()

    def check_samples(self, said: Sequence[int]) -> None:
        """Raises ``MatteError("bad_range", ...)`` where most of those frames are not here by which the camera of
        a shot is judged that is ``said`` to have these. A few may be missing, as late renders are."""
        missing = [path for path in map(self._plate_file, evenly_spaced(said, SAMPLES)) if not path.is_file()]
        if 2 * len(missing) > min(SAMPLES, len(said)):
            raise MatteError(
                "bad_range",
                f"--shot-frames names {counted(len(said), 'frame')}, and most of those by which the camera is "
                f"judged are not here: {missing[0]} is the first.",
                "Name the frames that the shot has, or leave it out.",
            )

    def _plate_file(self, number: int) -> Path:
        return self._roles["plate"].file_of(number)[0]

    def of_every_role(self) -> Iterator[Path]:
        """Every file that the shot may be made from, those of frames that are not wanted among them."""
        for files in self._roles.values():
            yield from files.files()

    def check_shared_files(self) -> None:
        """Raises ``MatteError("missing_frame", ...)`` where a still or a video that all frames need is missing."""
        check_files(Path(files.pattern.text) for files in self._roles.values() if not files.pattern.is_sequence)

    def check_sequences(self, frames: Sequence[ShotFrame]) -> None:
        """Raises ``MatteError("missing_frame", ...)`` where a frame has no file in a role."""
        for role, files in self._roles.items():
            check_files((getattr(frame, role) for frame in frames), _instead_of_missing(role, files))

    def check_videos(self, numbers: Sequence[int]) -> None:
        """Raises ``MatteError("missing_frame", ...)`` where a video is shorter than the shot."""
        for role, files in self._roles.items():
            missing = [number for number in numbers if files.is_video and not files.has(number)]
            if missing:
                raise _too_short(role, files, missing)

    def complete_range(self) -> tuple[int, ...]:
        """The numbers of all frames of the plate; raises ``MatteError`` where there is none (no_frames), one is
        missing between the first and the last (missing_frame), or numbers have several widths (bad_range)."""
        plate = self._roles["plate"]
        for files in self._roles.values():
            check_numbers(files.pattern)
        if plate.is_still:
            return (number_of_still(plate.pattern.text),)
        numbers, text = plate.frames, plate.pattern.text
        if not numbers:
            raise MatteError("no_frames", f"No file matches {text}.", _how_named(text))
        missing = set(range(numbers[0], numbers[-1] + 1)) - set(numbers)
        if missing:
            raise MatteError(
                "missing_frame",
                f"{text} has no frame {format_frames(missing)} between {numbers[0]} and {numbers[-1]}; "
                "nothing was started.",
                "Render what is missing, or name the frames wanted with --frames.",
            )
        return numbers

    def frame(self, number: int) -> ShotFrame:
        """The files of one frame, whether they exist or not."""
        files = {role: source.file_of(number) for role, source in self._roles.items()}
        paths: dict[str, Any] = {role: path for role, (path, _) in files.items()}
        return ShotFrame(
            frame=number,
            output=self._output.path(number),
            comp=self._comp.path(number) if self._comp else None,
            passes={name: pattern.path(number) for name, pattern in self._passes.items()},
            video_frames={role: picture for role, (_, picture) in files.items() if picture},
            **paths,
        )
