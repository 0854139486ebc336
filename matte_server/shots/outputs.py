"""What a shot leaves on disk: mattes and comps in every format, and videos made of them; complete files or none."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path

from matte_link.files import write_atomically
from matte_link.messages import Blob
from matte_link.options import MatteOptions

from ..core.image import (
    SCENE_LINEAR,
    Float32,
    Image,
    divided_by_alpha,
    moved_into,
    multiplied_by_alpha,
    with_roles,
)
from ..errors import MatteError
from ..io import exr
from ..io.colour import from_scene_linear, to_scene_linear
from ..io.media import is_video
from ..io.video_writer import MovieSettings, VideoWriter
from .comp import comp_over
from .inputs import ShotInputs, screen_space
from .kept_files import make_unless_kept
from .passes import pass_of
from .reports import MovieReport, ResultStatus
from .shot import Shot, ShotFrame

SCREEN = "Gamma 2.4 Rec.709 - Texture"
_DEFAULT_RATE = Fraction(24)


def write_matte(frame: ShotFrame, data: Blob, stamp: str, pictures: ShotInputs, replaces: bool = True) -> None:
    """Writes a result under its final name: an EXR as the server sent it, another format converted from it. Raises
    ``OSError`` and ``MatteError``."""
    if frame.output.suffix.lower() == ".exr":
        write_atomically(str(frame.output), data, replaces)
        return
    stored = exr.read_image(bytes(data), name=frame.output.name)
    image = pictures.for_screen(stored)
    if stored.premultiplied and frame.output.suffix.lower() != ".png":
        image = multiplied_by_alpha(image)
    exr.write_image(frame.output, _stamped(image, stamp), replaces=replaces)


def _stamped(image: Image, stamp: str) -> Image:
    attribute = exr.Attribute(type="string", value=stamp)
    return replace(image, metadata={**image.metadata, exr.STAMP: attribute})


def read_matte_linear(frame: ShotFrame, space: str, pictures: ShotInputs) -> Image:
    """A finished matte as scene-linear Rec.709; ``space`` is the colourspace that the server wrote an EXR in."""
    image = exr.read_image(frame.output)
    if frame.output.suffix.lower() != ".exr":
        return pictures.from_screen(image)
    written_in = space or SCENE_LINEAR
    return exr.retag_colour(to_scene_linear(image, written_in, pictures.options.ocio_config), written_in)


def read_shadow(frame: ShotFrame, options: MatteOptions) -> Float32 | None:
    """What the subject's shadow leaves of the light behind it, on the result's pixels: height x width x 3; None
    where the result has no such layer."""
    has_shadow = options.layer_shadow and frame.output.suffix.lower() == ".exr"
    return exr.read_image(frame.output, layer="shadow").rgb if has_shadow else None


def comp_stamp(frame: ShotFrame, stamp: str, pictures: ShotInputs) -> str:
    """Names what a comp is made from."""
    return _combined([stamp, pictures.digest(frame, "background")])


def _combined(stamps: Sequence[str]) -> str:
    return hashlib.blake2b("".join(stamps).encode(), digest_size=16).hexdigest()


def comp_of(frame: ShotFrame, space: str, pictures: ShotInputs) -> Image:
    """The subject over the frame's background, scene-linear, with the subject's shadow where the result has it. Its
    warnings are those on the background."""
    assert frame.background is not None
    background = pictures.background(frame.background, frame.video_frames.get("background", 0))
    shadow = read_shadow(frame, pictures.options)
    matte = read_matte_linear(frame, space, pictures)
    if frame.comp is None or frame.comp.suffix.lower() != ".exr":
        if shadow is not None:
            shadow = moved_into(matte.display_window, shadow, matte.data_window, 1.0)
        matte = exr.in_display_window(matte)
    comp = comp_over(matte, background, shadow)
    return replace(comp, warnings=with_roles([("background", background.file_warnings())]))


def write_comp(frame: ShotFrame, stamp: str, space: str, pictures: ShotInputs, replaces: bool) -> tuple[str, ...]:
    """Writes the comp: a scene-linear EXR, or sRGB in any other format. Returns the warnings on its background."""
    assert frame.comp is not None
    result = _stamped(comp_of(frame, space, pictures), stamp)
    if frame.comp.suffix.lower() != ".exr":
        result = from_scene_linear(result, "srgb")
    exr.write_image(frame.comp, result, replaces=replaces)
    return result.warnings


def pass_stamp(stamp: str, name: str) -> str:
    """Names what a pass is made from."""
    return _combined([stamp, name])


def write_pass(frame: ShotFrame, name: str, stamp: str, options: MatteOptions, replaces: bool = True) -> None:
    """Writes one pass of a finished result, stored as that is."""
    image = pass_of(frame.output, name)
    if frame.output.suffix.lower() != ".exr":
        # Not every colourspace has a tag in these formats.
        image = replace(image, colourspace=screen_space(options))
    form = exr.ExrFormat(bit_depth=options.bit_depth, compression=options.compression)
    exr.write_image(frame.passes[name], _stamped(image, stamp), form, replaces=replaces)


# -- videos


def write_movies(shot: Shot, pictures: ShotInputs, on_movie: Callable[[str], None]) -> list[MovieReport]:
    """Writes the shot's videos from its finished frames; ``on_movie`` is called as each one starts."""
    reports = []
    for kind, path in (("matte", shot.movies.matte), ("comp", shot.movies.comp)):
        if path is not None:
            on_movie(f"writing {path.name}")
            reports.append(_write_movie(shot, kind, path, pictures))
    return reports


def _write_movie(shot: Shot, kind: str, path: Path, pictures: ShotInputs) -> MovieReport:
    try:
        stamp = _movie_stamp(shot, kind, pictures)
        encode = partial(_encode, shot, kind, path, stamp, pictures)
        warnings = make_unless_kept(path, stamp, shot.overwrite, encode)
    except MatteError as error:
        return _failed(path, error.code, str(error))
    except OSError as error:
        return _failed(path, "cannot_write", f"{path} cannot be written: {error.strerror}.")
    if warnings is None:
        return MovieReport(path=str(path), status=ResultStatus.SKIPPED)
    return MovieReport(path=str(path), status=ResultStatus.DONE, message=" ".join(warnings))


def _failed(path: Path, code: str, message: str) -> MovieReport:
    return MovieReport(path=str(path), status=ResultStatus.FAILED, code=code, message=message)


def _movie_stamp(shot: Shot, kind: str, pictures: ShotInputs) -> str:
    stamps = [exr.read_stamp(frame.output) for frame in shot.frames]
    if kind == "comp":
        stamps = [comp_stamp(frame, stamp, pictures) for frame, stamp in zip(shot.frames, stamps, strict=True)]
    return f"cleanplate {kind} {_combined(stamps)}"


def _encode(shot: Shot, kind: str, path: Path, stamp: str, pictures: ShotInputs, replaces: bool) -> Iterable[str]:
    """Writes a video. Returns the warnings on its backgrounds, each once."""
    warnings: dict[str, None] = {}
    writer: VideoWriter | None = None
    start = _shown_at(shot.frames[0], pictures)
    # The first picture says how large the video is, so the writer is opened inside.
    with ExitStack() as stack:
        for frame in shot.frames:
            space = str(exr.read_diagnostics(frame.output).get("colourspace", ""))
            if kind == "matte":
                image = exr.in_display_window(read_matte_linear(frame, space, pictures))
            else:
                image = comp_of(frame, space, pictures)
            warnings.update(dict.fromkeys(image.warnings if kind == "comp" else ()))
            if writer is None:
                settings = _settings(frame, image, stamp, start, pictures)
                writer = stack.enter_context(VideoWriter(path, settings, replaces=replaces))
            at = _shown_at(frame, pictures)
            writer.write(on_screen(image), None if at is None or start is None else at - start)
    return warnings


def on_screen(image: Image) -> Image:
    """Light as a video has it. The colour of a premultiplied picture is multiplied once it is encoded, for a reader
    divides it by alpha before it decodes it."""
    if not image.premultiplied:
        return from_scene_linear(image, SCREEN)
    return multiplied_by_alpha(from_scene_linear(divided_by_alpha(image), SCREEN))


def _shown_at(frame: ShotFrame, pictures: ShotInputs) -> Fraction | None:
    """The time in seconds after its first picture at which a video shows the frame's plate; None where the plate is
    not a video."""
    if not is_video(frame.plate):
        return None
    return pictures.video(frame.plate).facts.times[frame.video_frames["plate"] - 1]


def frame_rate_of(image: Image) -> Fraction:
    """Frames per second as the picture's file states them; 24 where it does not."""
    return exr.frame_rate(image.metadata.get("framesPerSecond")) or _DEFAULT_RATE


def _settings(
    frame: ShotFrame, image: Image, stamp: str, start: Fraction | None, pictures: ShotInputs
) -> MovieSettings:
    """Frame rate, timecode and sound come from the plate."""
    rate, audio, audio_start = frame_rate_of(image), None, Fraction(0)
    timecode = exr.timecode_text(image.metadata.get("timeCode"), rate)
    if is_video(frame.plate):
        facts = pictures.video(frame.plate).facts
        rate = facts.rate
        timecode = facts.timecode_of(frame.video_frames["plate"])
        audio = frame.plate if facts.has_audio else None
        audio_start = facts.start + (start or Fraction(0))
    return MovieSettings(
        width=image.data_window.width,
        height=image.data_window.height,
        rate=rate,
        timecode=timecode,
        comment=stamp,
        audio=audio,
        audio_start=audio_start,
        pixel_aspect=image.pixel_aspect,
    )
