"""What a shot leaves on disk: mattes and comps of every kind, whole or not at all, and the videos made of them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from matte_link.files import write_atomically
from matte_link.messages import Blob

from ..core.image import SCENE_LINEAR, Image
from ..errors import MatteError
from ..io import exr
from ..io.colour import from_scene_linear, to_scene_linear
from ..io.media import comment_of, is_video
from ..io.video_writer import MovieSettings, VideoWriter
from .comp import comp_over
from .inputs import ShotInputs
from .shot import Shot, ShotFrame

SCREEN = "Gamma 2.4 Rec.709 - Texture"
_DEFAULT_RATE = Fraction(24)


@dataclass(frozen=True)
class MovieReport:
    """How a video of a shot ended: ``status`` is done, skipped or failed."""

    path: str
    status: str
    code: str = ""
    message: str = ""


class Leftovers:
    """What interrupted runs left under temporary names. A folder is looked through once, when it is first asked
    for: looking again for each frame would cost a long shot more than a short one."""

    def __init__(self) -> None:
        self._found: dict[Path, tuple[Path, ...]] = {}

    def sweep(self, path: Path) -> None:
        """Removes what bears a temporary name of this very file."""
        folder = path.parent
        if folder not in self._found:
            self._found[folder] = tuple(folder.glob(".*.tmp*"))
        if not self._found[folder]:
            return
        mark = r"\.[0-9a-f]{8}\.tmp"
        ours = re.compile(
            rf"\.(?:{re.escape(path.name)}{mark}|{re.escape(path.stem)}{mark}{re.escape(path.suffix)})\Z"
        )
        for entry in self._found[folder]:
            if ours.match(entry.name):
                entry.unlink(missing_ok=True)


def write_matte(frame: ShotFrame, data: Blob, stamp: str, pictures: ShotInputs) -> None:
    """A result under its final name: an EXR as it came, another format made of it. Raises ``OSError``,
    ``MatteError``."""
    if frame.output.suffix.lower() == ".exr":
        write_atomically(str(frame.output), data)
        return
    image = pictures.for_screen(exr.read_image(bytes(data), name=frame.output.name))
    exr.write_image(frame.output, _marked(image, stamp))


def _marked(image: Image, stamp: str) -> Image:
    mark = exr.Attribute("string", stamp)
    return replace(image, metadata={**image.metadata, exr.STAMP: mark})


def read_matte_linear(frame: ShotFrame, space: str, pictures: ShotInputs) -> Image:
    """A finished matte as scene-linear Rec.709; ``space`` is what the server wrote it in, for EXRs."""
    image = exr.read_image(frame.output)
    if frame.output.suffix.lower() != ".exr":
        return to_scene_linear(image, image.colourspace, pictures.options.ocio_config)
    written_in = space or SCENE_LINEAR
    return exr.retagged(to_scene_linear(image, written_in, pictures.options.ocio_config), written_in)


def comp_stamp(frame: ShotFrame, stamp: str, pictures: ShotInputs) -> str:
    """What a comp was made from."""
    return _joint([stamp, pictures.digest(frame, "background")])


def _joint(stamps: Sequence[str]) -> str:
    return hashlib.blake2b("".join(stamps).encode(), digest_size=16).hexdigest()


def comp_of(frame: ShotFrame, space: str, pictures: ShotInputs) -> Image:
    """The subject over the frame's background, scene-linear."""
    assert frame.background is not None
    behind = pictures.background(frame.background, frame.video_frames.get("background", 0))
    return comp_over(read_matte_linear(frame, space, pictures), behind)


def write_comp(frame: ShotFrame, stamp: str, space: str, pictures: ShotInputs) -> None:
    """The comp, written as scene-linear EXR or as sRGB in any other format."""
    assert frame.comp is not None
    result = _marked(comp_of(frame, space, pictures), stamp)
    if frame.comp.suffix.lower() != ".exr":
        result = from_scene_linear(result, "srgb")
    exr.write_image(frame.comp, result)


# -- videos


def write_movies(shot: Shot, pictures: ShotInputs, said: Callable[[str], None]) -> list[MovieReport]:
    """The videos that the shot asks for, out of its finished frames; ``said`` hears which one is begun."""
    reports = []
    for kind, path in (("matte", shot.movies.matte), ("comp", shot.movies.comp)):
        if path is not None:
            said(f"writing {path.name}")
            reports.append(_write_movie(shot, kind, path, pictures))
    return reports


def _write_movie(shot: Shot, kind: str, path: Path, pictures: ShotInputs) -> MovieReport:
    try:
        Leftovers().sweep(path)
        mark = _movie_stamp(shot, kind, pictures)
        if path.exists() and not shot.overwrite:
            if comment_of(path) == mark:
                return MovieReport(str(path), "skipped")
            raise MatteError(
                "exists", f"{path} exists and was made from something else; use --overwrite to replace it."
            )
        _encode(shot, kind, path, mark, pictures)
    except MatteError as error:
        return MovieReport(str(path), "failed", error.code, str(error))
    except OSError as error:
        return MovieReport(str(path), "failed", "cannot_write", f"{path} cannot be written: {error.strerror}.")
    return MovieReport(str(path), "done")


def _movie_stamp(shot: Shot, kind: str, pictures: ShotInputs) -> str:
    stamps = [exr.read_stamp(frame.output) for frame in shot.frames]
    if kind == "comp":
        stamps = [comp_stamp(frame, stamp, pictures) for frame, stamp in zip(shot.frames, stamps, strict=True)]
    return f"cleanplate {kind} {_joint(stamps)}"


def _encode(shot: Shot, kind: str, path: Path, mark: str, pictures: ShotInputs) -> None:
    writer: VideoWriter | None = None
    start = _time(shot.frames[0], pictures)
    try:
        for frame in shot.frames:
            space = str(exr.read_diagnostics(frame.output).get("colourspace", ""))
            image = (
                read_matte_linear(frame, space, pictures) if kind == "matte" else comp_of(frame, space, pictures)
            )
            if writer is None:
                writer = VideoWriter(path, _settings(frame, image, mark, start, pictures))
            at = _time(frame, pictures)
            writer.write(from_scene_linear(image, SCREEN), None if at is None or start is None else at - start)
    except BaseException:
        if writer is not None:
            writer.abandon()
        raise
    if writer is not None:
        writer.close()


def _time(frame: ShotFrame, pictures: ShotInputs) -> Fraction | None:
    """When a video's picture is shown; None where the plate is no video."""
    if not is_video(frame.plate):
        return None
    return pictures.video(frame.plate).facts.times[frame.video_frames["plate"] - 1]


def _settings(
    frame: ShotFrame, image: Image, mark: str, start: Fraction | None, pictures: ShotInputs
) -> MovieSettings:
    """Rate, timecode and sound are the plate's."""
    rate = image.metadata.get("FramesPerSecond")
    found = _DEFAULT_RATE
    if isinstance(rate, exr.Attribute) and isinstance(rate.value, tuple) and rate.value[1]:
        found = Fraction(*rate.value)
    timecode, audio = "", None
    if is_video(frame.plate):
        facts = pictures.video(frame.plate).facts
        found = facts.rate
        timecode = facts.timecode_of(frame.video_frames["plate"])
        audio = frame.plate if facts.has_audio else None
    return MovieSettings(
        image.data_window.width,
        image.data_window.height,
        found,
        timecode,
        mark,
        audio,
        start or Fraction(0),
        image.pixel_aspect,
    )
