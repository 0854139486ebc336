"""A shot as the artist names it, and its plan: which frames there are and which files each one is made from.

The rules: a plan that cannot work is refused before anything is started; every input was seen to exist; no
output is an input, and no two outputs are one file.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise, takewhile
from pathlib import Path

from matte_link.messages import NEIGHBOURS
from matte_link.options import MatteOptions
from matte_link.sequence import FramePattern, format_frames, parse_frames

from ..errors import MatteError
from ..io.media import VideoReader, is_video

CAMERAS = ("auto", "locked", "moving")
ENDS = ("loop", "hold")
PICTURE_SUFFIXES = (".exr", ".png", ".tif", ".tiff", ".jpg", ".jpeg", ".dpx", ".cin")
MATTE_SUFFIXES = (".exr", ".png", ".tif", ".tiff", ".mov")
COMP_SUFFIXES = (".exr", ".png", ".tif", ".tiff", ".jpg", ".jpeg", ".mov", ".mp4", ".mkv")


@dataclass(frozen=True)
class Sources:
    """The pictures of a shot as the artist names them: files, patterns or videos; empty means not given.

    ``plate`` may be a folder of portraits; then ``clean_plate`` is a folder with a picture of the same name for
    each, or one for all, and ``output`` a folder. Frame n of the plate is seen with frame n + ``clean_offset``
    of a clean plate sequence, and with n + ``background_offset`` of a background; a background that is too short
    is looped or held (``background_end``). ``trimap`` (white subject, black not, grey to be solved) stands for
    both ``core`` and ``holdout``.
    """

    plate: str
    clean_plate: str
    output: str
    core: str = ""
    holdout: str = ""
    trimap: str = ""
    background: str = ""
    comp: str = ""
    clean_offset: int = 0
    background_offset: int = 0
    background_end: str = "loop"


@dataclass(frozen=True)
class Camera:
    """How the plate solve goes about it: 'auto' finds out whether the camera is locked; ``solve`` is a file of an
    earlier solve to be used as it is."""

    kind: str = "auto"
    solve: str = ""


@dataclass(frozen=True)
class ShotFrame:
    """One frame's files. ``inside`` says, by role, which picture of a video is meant."""

    frame: int
    plate: Path
    clean_plate: Path
    output: Path
    core: Path | None = None
    holdout: Path | None = None
    trimap: Path | None = None
    background: Path | None = None
    comp: Path | None = None
    inside: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Movies:
    """The videos that are made of the finished frames; None where none was asked for."""

    matte: Path | None = None
    comp: Path | None = None


@dataclass(frozen=True)
class Shot:
    """A plan: every file was seen to exist, and no output is an input.

    ``neighbours`` are all frames that the shot has, also those that are not wanted now: the plate solve looks
    at them, so that a part of a shot is solved like the whole. ``solve_file`` is where the solve is kept, None
    where each picture stands alone.
    """

    frames: tuple[ShotFrame, ...]
    options: MatteOptions = field(default_factory=MatteOptions)
    overwrite: bool = False
    name: str = field(default_factory=lambda: uuid.uuid4().hex)
    title: str = ""
    neighbours: tuple[ShotFrame, ...] = ()
    solve_file: Path | None = None
    camera: Camera = field(default_factory=Camera)
    movies: Movies = field(default_factory=Movies)


def plan_shot(
    sources: Sources,
    frames: str,
    options: MatteOptions,
    overwrite: bool = False,
    camera: Camera | None = None,
    one_output: bool = False,
) -> Shot:
    """The frames of a shot with all their files. ``one_output``: all frames together make one file.

    Raises ``MatteError`` with the codes bad_range, no_frames, missing_frame, bad_output, output_is_input,
    bad_option.
    """
    if bool(sources.background) != bool(sources.comp):
        raise MatteError(
            "bad_option", "A background and a comp go together: one names the picture, the other the file to write."
        )
    if sources.trimap and (sources.core or sources.holdout):
        raise MatteError("bad_option", "A trimap says what core and holdout are.", "Leave them out, or the trimap.")
    if Path(sources.plate).is_dir():
        return _portraits(sources, frames, options, overwrite)
    plan = _Plan(sources)
    numbers = _wanted(frames) or plan.complete_range()
    planned = tuple(plan.frame(number) for number in numbers)
    _check_inputs(planned)
    _check_outputs(sources, planned, plan.movies, one_output)
    everything = tuple(plan.frame(number) for number in plan.all_frames())
    complete = tuple(frame for frame in everything if frame.clean_plate.is_file()) if len(everything) > 1 else ()
    return Shot(
        planned,
        options,
        overwrite,
        title=sources.output,
        neighbours=complete,
        solve_file=solve_file_of(sources.output) if complete else None,
        camera=camera or Camera(),
        movies=plan.movies,
    )


def solve_file_of(output: str) -> Path:
    """Where a shot's plate solve is kept: beside its output, named after it."""
    name = Path(output).name
    token = _pattern(name)
    stem = Path(name).stem
    if token.is_sequence:
        # What stands before the number: there a frame's name parts from the pattern.
        pairs = zip(name, str(token.path(0)), strict=False)
        stem = "".join(letter for letter, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    return Path(output).with_name((stem.rstrip("._-") or "shot") + ".platesolve.json")


def _wanted(frames: str) -> tuple[int, ...]:
    try:
        return parse_frames(frames) if frames else ()
    except ValueError as error:
        raise MatteError("bad_range", str(error)) from None


def _pattern(text: str) -> FramePattern:
    try:
        return FramePattern(text)
    except ValueError as error:
        raise MatteError("bad_range", str(error)) from None


@lru_cache(maxsize=64)
def _video_length(path: Path, changed: int) -> int:
    with VideoReader(path) as video:
        return video.facts.frames


class _Source:
    """One role's files: a still, a numbered sequence, or a video whose pictures are numbered from 1."""

    def __init__(self, text: str, offset: int = 0, end: str = "") -> None:
        self.pattern = _pattern(text)
        self._offset = offset
        self._end = end
        self.is_video = is_video(text) and not self.pattern.is_sequence

    def frames(self) -> tuple[int, ...]:
        """What there is; empty for a still."""
        if self.is_video:
            path = Path(self.pattern.text)
            if not path.is_file():
                raise MatteError(
                    "missing_frame", f"{path} does not exist; nothing was started.", "Correct the name."
                )
            return tuple(range(1, _video_length(path, path.stat().st_mtime_ns) + 1))
        return self.pattern.frames_on_disk()

    def at(self, number: int) -> tuple[Path, int]:
        """The file of a frame, and which picture of it where it is a video (else 0)."""
        if not self.is_video and not self.pattern.is_sequence:
            return Path(self.pattern.text), 0
        number += self._offset
        there = self._there if self._end else ()
        if there and number not in there:
            number = _brought_inside(number, there, self._end)
        if self.is_video:
            return Path(self.pattern.text), number
        return self.pattern.path(number), 0

    @property
    def _there(self) -> tuple[int, ...]:
        if not hasattr(self, "_found"):
            self._found = self.frames()
        return self._found


def _brought_inside(number: int, there: Sequence[int], end: str) -> int:
    """A frame that a background does not have: the first or last one is held, or it starts again."""
    first, last = there[0], there[-1]
    if end == "hold":
        return min(max(number, first), last)
    turned = (number - first) % (last - first + 1) + first
    return max(frame for frame in there if frame <= turned)


class _Plan:
    """The sources as patterns, and a frame's files out of them."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        offsets = {"clean_plate": sources.clean_offset, "background": sources.background_offset}
        ends = {"background": sources.background_end}
        self._roles = {
            role: _Source(text, offsets.get(role, 0), ends.get(role, ""))
            for role in ("plate", "clean_plate", "core", "holdout", "trimap", "background")
            if (text := getattr(sources, role))
        }
        output, comp = Path(sources.output), Path(sources.comp)
        self.movies = Movies(
            output if is_video(output) else None, comp if sources.comp and is_video(comp) else None
        )
        # The float mattes that a video is made of lie beside it: they are the result, and what resuming needs.
        folder = output.with_name(output.name + ".frames")
        self._output = _pattern(str(folder / "matte.####.exr") if self.movies.matte else sources.output)
        self._comp = _pattern(sources.comp) if sources.comp and not self.movies.comp else None

    def all_frames(self) -> tuple[int, ...]:
        """Every frame of the plate that is there; none for a still."""
        return self._roles["plate"].frames()

    def complete_range(self) -> tuple[int, ...]:
        """All frames, where none is missing in between."""
        plate = self._roles["plate"]
        if not plate.is_video and not plate.pattern.is_sequence:
            return (1,)
        found = plate.frames()
        text = plate.pattern.text
        if not found:
            raise MatteError(
                "no_frames", f"No file matches {text}.", "Check the folder and the number of # in the name."
            )
        missing = set(range(found[0], found[-1] + 1)) - set(found)
        if missing:
            raise MatteError(
                "missing_frame",
                f"{text} has no frame {format_frames(missing)} between {found[0]} and {found[-1]}; "
                "nothing was started.",
                "Render what is missing, or name the frames wanted with --frames.",
            )
        return found

    def frame(self, number: int) -> ShotFrame:
        """One frame's files."""
        files = {role: source.at(number) for role, source in self._roles.items()}
        return ShotFrame(
            frame=number,
            plate=files["plate"][0],
            clean_plate=files["clean_plate"][0],
            output=self._output.path(number),
            core=files["core"][0] if "core" in files else None,
            holdout=files["holdout"][0] if "holdout" in files else None,
            trimap=files["trimap"][0] if "trimap" in files else None,
            background=files["background"][0] if "background" in files else None,
            comp=self._comp.path(number) if self._comp else None,
            inside={role: picture for role, (_, picture) in files.items() if picture},
        )


def _portraits(sources: Sources, frames: str, options: MatteOptions, overwrite: bool) -> Shot:
    """Every picture of a folder on its own, in order of name."""
    if frames:
        raise MatteError("bad_range", f"{sources.plate} is a folder of single pictures; --frames does not apply.")
    plates = _pictures_in(Path(sources.plate))
    if not plates:
        raise MatteError("no_frames", f"There is no picture in {sources.plate}.", "Name a folder of pictures.")
    output, comp = Path(sources.output), Path(sources.comp) if sources.comp else None
    for folder in (output, comp):
        if folder is not None and (folder.is_file() or folder.suffix.lower() in COMP_SUFFIXES):
            raise MatteError("bad_output", f"{folder} is a file; a folder of portraits is written to a folder.")
    clean = _by_name(Path(sources.clean_plate))
    guides = {
        role: (_by_name(Path(text)), text)
        for role in ("core", "holdout", "trimap")
        if (text := getattr(sources, role))
    }

    def guide(role: str, plate: Path) -> Path | None:
        return _namesake(guides[role][0], plate, guides[role][1]) if role in guides else None

    background = Path(sources.background) if sources.background else None
    planned = tuple(
        ShotFrame(
            frame=number,
            plate=plate,
            clean_plate=_namesake(clean, plate, sources.clean_plate),
            output=output / f"{plate.stem}.exr",
            core=guide("core", plate),
            holdout=guide("holdout", plate),
            trimap=guide("trimap", plate),
            background=background,
            comp=comp / f"{plate.stem}.png" if comp else None,
        )
        for number, plate in enumerate(plates, 1)
    )
    _check_inputs(planned)
    _check_outputs(sources, planned, Movies())
    return Shot(planned, options, overwrite, title=sources.output)


def _pictures_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file())


def _by_name(source: Path) -> Path | Mapping[str, Path]:
    """One picture for all portraits, or one for each by name."""
    return {path.stem: path for path in _pictures_in(source)} if source.is_dir() else source


def _namesake(source: Path | Mapping[str, Path], plate: Path, where: str) -> Path:
    if isinstance(source, Path):
        return source
    found = source.get(plate.stem)
    if found is None:
        raise MatteError(
            "missing_frame",
            f"{where} has no picture named {plate.stem} for {plate}; nothing was started.",
            "Add it, or name one picture for all.",
        )
    return found


def inputs_of(frame: ShotFrame) -> list[Path]:
    """Every file that a frame is made from."""
    named = (frame.plate, frame.clean_plate, frame.core, frame.holdout, frame.trimap, frame.background)
    return [path for path in named if path is not None]


def places_beside(shot: Shot) -> dict[str, int]:
    """How far the numbers of the frames before and after a frame are from its own: 2 where every other frame was
    shot or rendered. The shot's closest frames say so, whichever of it are wanted."""
    numbers = sorted(frame.frame for frame in shot.neighbours)
    rhythm = min((after - before for before, after in pairwise(numbers)), default=1)
    return {side: step * rhythm for side, step in NEIGHBOURS.items()}


def read_by(shot: Shot) -> set[Path]:
    """Every file that the wanted frames are made from, those of the frames beside them too where these are looked
    at (``options.temporal``)."""
    files = {path for frame in shot.frames for path in inputs_of(frame)}
    if shot.options.temporal:
        beside = {frame.frame + step for frame in shot.frames for step in places_beside(shot).values()}
        others = [frame for frame in shot.neighbours if frame.frame in beside]
        files |= {path for frame in others for path in inputs_of(frame) if path.is_file()}
    return files


def _check_inputs(planned: Sequence[ShotFrame]) -> None:
    absent = sorted({path for frame in planned for path in inputs_of(frame) if not path.is_file()})
    if absent:
        more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
        raise MatteError(
            "missing_frame",
            f"{absent[0]}{more} does not exist; nothing was started.",
            "Correct the name, or leave the frame out with --frames.",
        )


def _check_outputs(
    sources: Sources, planned: Sequence[ShotFrame], movies: Movies, one_output: bool = False
) -> None:
    _check_suffix(sources.output, planned[0].output, MATTE_SUFFIXES, "a matte")
    if sources.comp and planned[0].comp:
        _check_suffix(sources.comp, planned[0].comp, COMP_SUFFIXES, "a comp")
    inputs = {path.resolve() for frame in planned for path in inputs_of(frame)}
    per_frame = [path.resolve() for frame in planned for path in (frame.output, frame.comp) if path]
    outputs = per_frame + [path.resolve() for path in (movies.matte, movies.comp) if path]
    clash = next((path for path in outputs if path in inputs), None)
    if clash is not None:
        raise MatteError(
            "output_is_input",
            f"{clash} is both input and output; nothing was started.",
            "Choose another output.",
        )
    if one_output:
        return
    for role, first in (("output", planned[0].output), ("comp", planned[0].comp)):
        if first and len(planned) > 1 and first in {getattr(frame, role) for frame in planned[1:]}:
            raise MatteError(
                "bad_output",
                f"{getattr(sources, role)} is one file for {len(planned)} frames.",
                "Put a frame number into its name, such as matte.####.exr.",
            )
    if len(set(outputs)) < len(outputs):
        raise MatteError("bad_output", "The matte and the comp have the same name.", "Choose two names.")


def _check_suffix(named: str, path: Path, allowed: Sequence[str], what: str) -> None:
    if path.suffix.lower() not in allowed:
        raise MatteError(
            "bad_output",
            f"{named} is no file that {what} can be written to.",
            f"It should end in {', '.join(allowed)}.",
        )
