"""The plan for a folder of portraits: every picture of the folder is a shot of one frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matte_link.options import MatteOptions

from ..errors import MatteError
from .passes import COMP, pass_names
from .plan_checks import COMP_SUFFIXES, check_clean_plate, check_inputs, check_outputs
from .shot import Movies, Shot, ShotFrame, ShotSources, frame_inputs, frame_outputs

PICTURE_SUFFIXES = (".exr", ".png", ".tif", ".tiff", ".jpg", ".jpeg", ".dpx", ".cin")


def plan_portraits(sources: ShotSources, frames: str, options: MatteOptions, overwrite: bool) -> Shot:
    """Every picture of the folder ``sources.plate``, in order of name and numbered from 1. Raises ``MatteError``
    with the codes bad_range, no_frames, missing_frame, bad_output, output_is_input."""
    _check_sources(sources, frames)
    plates = portraits_in(sources)
    if not plates:
        raise MatteError("no_frames", f"There is no picture in {sources.plate}.", "Name a folder of pictures.")
    planned = _planned(sources, plates)
    check_inputs(planned)
    check_clean_plate(sources, planned)
    check_outputs(sources, planned, Movies())
    return Shot(frames=planned, options=options, overwrite=overwrite, title=sources.output)


def plan_arrived(
    sources: ShotSources, frames: str, plates: Sequence[Path], options: MatteOptions, overwrite: bool
) -> tuple[Shot, dict[Path, MatteError]]:
    """The plan for those ``plates`` of a watched folder that have all their pictures, and why each of the others
    has none. Raises ``MatteError`` where no picture could ever be planned: bad_range, bad_output."""
    _check_sources(sources, frames)
    planner = _Planner(sources)
    planned: list[ShotFrame] = []
    makers: dict[Path, ShotFrame] = {}
    waiting: dict[Path, MatteError] = {}
    for number, plate in enumerate(plates, 1):
        try:
            frame = planner.frame(number, plate)
            _check_arrived(frame, makers)
            check_outputs(sources, [frame], Movies())
        except MatteError as error:
            waiting[plate] = error
            continue
        planned.append(frame)
        makers |= dict.fromkeys(frame_outputs(frame), frame)
    return Shot(frames=tuple(planned), options=options, overwrite=overwrite, title=sources.output), waiting


def _check_arrived(frame: ShotFrame, makers: Mapping[Path, ShotFrame]) -> None:
    """``makers``: which frame each output belongs to, of the frames planned so far."""
    missing = next((path for path in frame_inputs(frame) if not path.is_file()), None)
    if missing is not None:
        raise MatteError("missing_frame", f"{missing} is not there yet.")
    taken = next((path for path in frame_outputs(frame) if path in makers), None)
    if taken is not None:
        raise MatteError(
            "bad_output",
            f"{taken} would be a result of {makers[taken].plate} and of {frame.plate}.",
            "Rename one of them.",
        )


def portraits_in(sources: ShotSources) -> list[Path]:
    """The pictures of the folder ``sources.plate`` that are portraits: none that has another role in the shot, such
    as a clean plate that lies among them. Raises ``OSError``."""
    roles = (sources.clean_plate, sources.core, sources.holdout, sources.trimap, sources.background)
    others = {Path(name).resolve() for name in roles if name}
    return [path for path in pictures_in(Path(sources.plate)) if path.resolve() not in others]


def _check_sources(sources: ShotSources, frames: str) -> None:
    by_pattern = f"frames of a shot are named by a pattern, such as {Path(sources.plate, 'plate.####.exr')}."
    if frames:
        raise MatteError(
            "bad_range",
            f"{sources.plate} is a folder of single pictures; --frames does not apply.",
            f"Leave it out; the {by_pattern}",
        )
    for folder in (Path(name) for name in (sources.output, sources.comp) if name):
        if folder.is_file() or folder.suffix.lower() in COMP_SUFFIXES:
            raise MatteError(
                "bad_output",
                f"{folder} is a file, but a folder of portraits is written to a folder.",
                f"Name a folder for the results; the {by_pattern}",
            )
        if folder.resolve() == Path(sources.plate).resolve():
            raise MatteError(
                "bad_output",
                f"{folder} is the folder of the portraits: the next run would take the results for portraits.",
                "Name another folder for the results, such as one inside it.",
            )


def _planned(sources: ShotSources, plates: Sequence[Path]) -> tuple[ShotFrame, ...]:
    planner = _Planner(sources)
    return tuple(planner.frame(number, plate) for number, plate in enumerate(plates, 1))


class _Planner:
    """Finds the files of one portrait after the other."""

    def __init__(self, sources: ShotSources) -> None:
        self._output = Path(sources.output)
        self._comp = Path(sources.comp) if sources.comp else None
        self._background = Path(sources.background) if sources.background else None
        self._passes = pass_names(sources.passes)
        self._roles = {
            role: _MatchingPictures(name)
            for role in ("clean_plate", "core", "holdout", "trimap")
            if (name := getattr(sources, role))
        }

    def frame(self, number: int, plate: Path) -> ShotFrame:
        """The plan of one portrait; raises ``MatteError("missing_frame", ...)``."""
        return ShotFrame(
            frame=number,
            name=plate.name,
            plate=plate,
            output=self._output / f"{plate.stem}.exr",
            background=self._background,
            comp=self._comp_of(plate),
            passes={name: self._output / f"{plate.stem}.{name}.exr" for name in self._passes if name != COMP},
            video_frames={},
            **{role: pictures.of(plate) for role, pictures in self._roles.items()},
        )

    def _comp_of(self, plate: Path) -> Path | None:
        if self._comp is not None:
            return self._comp / f"{plate.stem}.png"
        return self._output / f"{plate.stem}.{COMP}.png" if COMP in self._passes else None


class _MatchingPictures:
    """One role's pictures: the same for all portraits, or one for each portrait, found by its name."""

    def __init__(self, name: str) -> None:
        self._path = Path(name)
        self._by_stem = {path.stem: path for path in pictures_in(self._path)} if self._path.is_dir() else None

    def of(self, plate: Path) -> Path:
        """The picture for a portrait; raises ``MatteError("missing_frame", ...)``."""
        if self._by_stem is None:
            return self._path
        found = self._by_stem.get(plate.stem)
        if found is None:
            raise MatteError(
                "missing_frame",
                f"{self._path} has no picture named {plate.stem} for {plate}.",
                "Add it, or name one picture for all.",
            )
        return found


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder, in order of name, without hidden files: macOS keeps facts of a.jpg in ._a.jpg, and
    files that are being copied are often hidden. Raises ``OSError``."""
    return sorted(path for path in folder.iterdir() if _is_picture(path.name) and path.is_file())


def _is_picture(name: str) -> bool:
    return not name.startswith(".") and Path(name).suffix.lower() in PICTURE_SUFFIXES
