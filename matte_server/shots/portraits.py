"""The plan for a folder of portraits: every picture of the folder is a shot of one frame."""

from __future__ import annotations

from pathlib import Path

from matte_link.options import MatteOptions

from ..errors import MatteError
from .passes import COMP, pass_names
from .plan_checks import COMP_SUFFIXES, check_inputs, check_outputs
from .shot import Movies, Shot, ShotFrame, ShotSources

PICTURE_SUFFIXES = (".exr", ".png", ".tif", ".tiff", ".jpg", ".jpeg", ".dpx", ".cin")


def plan_portraits(sources: ShotSources, frames: str, options: MatteOptions, overwrite: bool) -> Shot:
    """Every picture of the folder ``sources.plate``, in order of name and numbered from 1. Raises ``MatteError``
    with the codes bad_range, no_frames, missing_frame, bad_output, output_is_input."""
    if frames:
        raise MatteError("bad_range", f"{sources.plate} is a folder of single pictures; --frames does not apply.")
    plates = pictures_in(Path(sources.plate))
    if not plates:
        raise MatteError("no_frames", f"There is no picture in {sources.plate}.", "Name a folder of pictures.")
    _check_folders(sources)
    planned = _planned(sources, plates)
    check_inputs(planned)
    check_outputs(sources, planned, Movies())
    return Shot(frames=planned, options=options, overwrite=overwrite, title=sources.output)


def _check_folders(sources: ShotSources) -> None:
    for folder in (Path(name) for name in (sources.output, sources.comp) if name):
        if folder.is_file() or folder.suffix.lower() in COMP_SUFFIXES:
            raise MatteError(
                "bad_output",
                f"{folder} is a file, but a folder of portraits is written to a folder.",
                "Name a folder for the results.",
            )


def _planned(sources: ShotSources, plates: list[Path]) -> tuple[ShotFrame, ...]:
    output, comp = Path(sources.output), Path(sources.comp) if sources.comp else None
    roles = {
        role: _MatchingPictures(name)
        for role in ("clean_plate", "core", "holdout", "trimap")
        if (name := getattr(sources, role))
    }

    names = pass_names(sources.passes)

    def comp_of(plate: Path) -> Path | None:
        if comp is not None:
            return comp / f"{plate.stem}.png"
        return output / f"{plate.stem}.{COMP}.png" if COMP in names else None

    def planned(number: int, plate: Path) -> ShotFrame:
        return ShotFrame(
            frame=number,
            name=plate.name,
            plate=plate,
            output=output / f"{plate.stem}.exr",
            background=Path(sources.background) if sources.background else None,
            comp=comp_of(plate),
            passes={name: output / f"{plate.stem}.{name}.exr" for name in names if name != COMP},
            video_frames={},
            **{role: pictures.of(plate) for role, pictures in roles.items()},
        )

    return tuple(planned(number, plate) for number, plate in enumerate(plates, 1))


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
                f"{self._path} has no picture named {plate.stem} for {plate}; nothing was started.",
                "Add it, or name one picture for all.",
            )
        return found


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder, in order of name."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file())
