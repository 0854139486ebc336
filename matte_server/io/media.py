"""Reads videos.

The pictures of a video are numbered from 1 in the order in which they are shown. Each stored picture counts once,
whatever its duration; the time of each is in ``VideoFacts.times``. Pictures are R, G, B (and A) in the video's own
encoding, float32, upright, uncropped and unclamped, with all bits of 10 and 12 bit video (see ``video_planes.py``).
"""

from __future__ import annotations

import re
import struct
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy as np
from matte_link.plain_text import printable

from ..core.image import Image
from ..core.window import Window
from ..errors import MatteError
from .deinterlace import deinterlaced, field_order, is_one_field
from .display_matrix import display_matrix
from .exr_header import RawAttribute
from .file_colour import h273_space
from .library_output import libraries_silenced
from .mp4_boxes import clean_aperture, pixel_aspect
from .orientation import (
    FIRST_TURNED,
    orientation_of_matrix,
    oriented,
    stretch_of_matrix,
    turns_by_right_angles,
)
from .timecode import Timecode, usual_rates
from .video_decoder import MILLISECOND, VideoDecoder, damaged
from .video_planes import refuse_unfinished, rgb_of, unsupported_matrix

VIDEO_SUFFIXES = (
    ".mov",
    ".qt",
    ".mp4",
    ".m4v",
    ".f4v",
    ".mkv",
    ".webm",
    ".avi",
    ".mxf",
    ".mts",
    ".m2ts",
    ".m2t",
    ".ts",
    ".mpg",
    ".mpeg",
    ".mpe",
    ".m2v",
    ".vob",
    ".dvd",
    ".3gp",
    ".3g2",
    ".ogv",
    ".dv",
    ".wmv",
    ".asf",
    ".flv",
)
_RATE_IN_NANOSECONDS = Fraction(1, 1000000)
"""Part of a rate by which it is wrong where a Matroska file states a picture's duration, in nanoseconds."""
_FLOAT_ROUNDING = 1e-9
"""Seconds; float64 loses less in a video of weeks."""
_QUOTED = 80
"""Characters that are quoted of a file's text."""
_INTERLACED = "The video is interlaced: each frame shows two moments. Use --deinterlace."
_ONE_FIELD = (
    "The video holds fields as pictures of their own, each with every other line. Export it in whole frames."
)
_NO_TIMECODE = "The timecode {} was left out: an EXR holds those of SMPTE 12-1 with up to 60 frames a second."
_EQUAL_TRACKS = "The video has several tracks of one size, and the first one was read."
_OTHER_ANGLE = (
    "The video's display matrix turns pictures by other than right angles; they were turned by the nearest one."
)
_CLEAN_APERTURE = "Players show {:g} x {:g} of the video's pixels, its clean aperture; all {} x {} were read."
_LAYERS = "The video holds alpha or another view in a layer of its own, which was left out."
_HEVC_LAYERS = re.compile(rb"\x40\x01(..)", re.DOTALL)
"""The head of an H.265 stream's video parameter set, and what says how many layers there are (ISO 23008-2)."""
_CROPPED = "Players leave out {} pixels of the video's width and {} of its height; all {} x {} were read."
_OTHER_TAGS = (
    "The tags of the video's pictures change: those of the first one hold, also for what says {}. Cut the video "
    "there, so that each part has its own."
)
_OTHER_SIZE = (
    "The size of the video's pictures changes: here it is {} x {}, that of the first one is {} x {}. Cut the video "
    "there, so that each part has its own clean plate."
)
_OTHER_ASPECT = (
    "The pixel aspect of the video's pictures changes: {:.4g} is used for all. Cut the video there, so that each "
    "part has its own."
)
_NOT_INTERLACED = "The video does not say that it is interlaced, so --deinterlace changes nothing."


def is_video(path: Path | str) -> bool:
    """Whether the suffix of a file's name is that of a video."""
    return Path(path).suffix.lower() in VIDEO_SUFFIXES


@dataclass(frozen=True)
class VideoFacts:
    """The properties of a video. ``times`` holds each picture's time in seconds after the first picture; they are
    exact multiples of a frame if the rate is constant. ``start`` is the time of the first picture in the file's own
    clock, which its sound shares. ``colourspace`` is empty if the tags name one that is not supported;
    ``colour_tags`` are those tags. ``timecode`` is that of the first picture, or empty. ``stored_size`` is
    the first picture's width and height in pixels, before it is turned upright. ``notes``: a sentence for each
    thing that the video says of all pictures and that is not followed."""

    rate: Fraction
    times: tuple[Fraction, ...]
    start: Fraction
    codec: str
    has_audio: bool
    orientation: int
    colourspace: str
    colour_tags: str
    timecode: str
    pixel_aspect: float
    stored_size: tuple[int, int]
    notes: tuple[str, ...]

    @property
    def frames(self) -> int:
        """The number of pictures."""
        return len(self.times)

    def timecode_of(self, number: int) -> str:
        """The timecode of picture ``number``, counted from 1; empty if the video has no timecode."""
        first = Timecode.parse(self.timecode, self.rate)
        return str(first.plus(number - 1)) if first else ""


class VideoReader:
    """An open video that returns any picture by its number; reading them in order is fastest. Thread-safe.
    ``deinterlace`` makes whole frames of the two fields of each, with FFmpeg's filter bwdif.

    Raises ``MatteError`` with the codes missing_file, unreadable, no_video.
    """

    @libraries_silenced()
    def __init__(self, path: Path, deinterlace: bool = False) -> None:
        if not path.is_file():
            raise MatteError("missing_file", f"{path} does not exist.")
        self.path = path
        self._lock = threading.Lock()
        self._deinterlaces = deinterlace
        self._decoder = VideoDecoder(path)
        try:
            self.facts = _facts(self._decoder)
        except av.FFmpegError as error:
            self.close()
            raise damaged(path, error) from None

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._decoder.close()

    @libraries_silenced()
    def read(self, number: int) -> Image:
        """Picture ``number``, counted from 1, in the video's own encoding (``facts.colourspace``).

        Raises ``MatteError`` with the codes missing_frame, unreadable.
        """
        if not 1 <= number <= self.facts.frames:
            raise MatteError(
                "missing_frame",
                f"{self.path} has no frame {number}: its frames are 1 to {self.facts.frames}.",
                "Choose frames of this range with --frames.",
            )
        try:
            with self._lock:
                return self._picture(number)
        except av.FFmpegError as error:
            raise damaged(self.path, error) from None

    def _picture(self, number: int) -> Image:
        frame, index = self._decoder.frame(number - 1), number - 1
        context, changes = self._decoder.stream.codec_context, self._changes(frame, index)
        order = field_order(frame, context)
        if order and self._deinterlaces:
            frame = self._deinterlaced(frame, index, order)
        mends = {(True, False): [_INTERLACED], (False, True): [_NOT_INTERLACED]}
        warnings = (
            [_ONE_FIELD] if is_one_field(frame, context) else mends.get((bool(order), self._deinterlaces), [])
        )
        warnings += [*self._decoder.damage.doubts(index), *self.facts.notes, *changes]
        if unsupported := unsupported_matrix(frame):
            warnings.append(unsupported)
        image = _image(frame, self.facts, number)
        if self.facts.timecode and "timeCode" not in image.metadata:
            warnings.append(_NO_TIMECODE.format(printable(self.facts.timecode, _QUOTED)))
        return replace(image, warnings=tuple(warnings))

    def _deinterlaced(self, frame: Any, index: int, order: str) -> Any:
        """A picture without its second moment. Those beside it that have another size say nothing of it."""
        places = range(max(index - 1, 0), min(index + 2, self.facts.frames))
        around = {near: self._decoder.frame(near) for near in places}
        near = [at for at, each in around.items() if (each.width, each.height) == (frame.width, frame.height)]
        return deinterlaced([around[at] for at in near], near.index(index), order)

    def _changes(self, frame: Any, index: int) -> list[str]:
        """A sentence for each way in which a picture is not as the first one."""
        changes = []
        if (tags := _colour_tags(frame)) != self.facts.colour_tags:
            changes.append(_OTHER_TAGS.format(tags))
        if (size := (frame.width, frame.height)) != self.facts.stored_size:
            changes.append(_OTHER_SIZE.format(*size, *self.facts.stored_size))
        if self._decoder.pixel_aspect(index) != self._decoder.pixel_aspect(0):
            changes.append(_OTHER_ASPECT.format(self.facts.pixel_aspect))
        return changes


def _facts(decoder: VideoDecoder) -> VideoFacts:
    first = decoder.frame(0)  # which may open the file again
    refuse_unfinished(first, decoder.path)
    container, stream = decoder.container, decoder.stream
    matrix = display_matrix(first)
    orientation = orientation_of_matrix(matrix)
    is_turned = orientation >= FIRST_TURNED
    places = (stream.metadata, container.metadata, *(track.metadata for track in container.streams))
    stored = tuple((at - decoder.pts[0]) * decoder.time_base for at in decoder.pts)
    rate, is_constant = _rate(decoder, stored)
    return VideoFacts(
        rate=rate,
        times=tuple(number / rate for number in range(len(stored))) if is_constant else stored,
        start=decoder.pts[0] * decoder.time_base,
        codec=str(stream.codec_context.name),
        has_audio=bool(container.streams.audio),
        orientation=orientation,
        colourspace=h273_space(int(first.color_primaries), int(first.color_trc), int(first.colorspace)),
        colour_tags=_colour_tags(first),
        timecode=next((found for place in places if (found := _tag(place, "timecode"))), ""),
        pixel_aspect=_pixel_aspect(decoder, matrix, is_turned),
        stored_size=(first.width, first.height),
        notes=_notes(decoder, first, matrix),
    )


def _pixel_aspect(decoder: VideoDecoder, matrix: Sequence[float], is_turned: bool) -> float:
    """The aspect of an upright picture's pixels."""
    stated = float(decoder.stream.sample_aspect_ratio or 1) or 1.0
    stretch = stretch_of_matrix(matrix)
    if decoder.boxes and stretch != 1.0:
        # FFmpeg says one of the two alone, and the stretch as if the matrix did not turn.
        stated = pixel_aspect(decoder.boxes) or float(decoder.pixel_aspect(0))
    return stretch / stated if is_turned else stretch * stated


def _notes(decoder: VideoDecoder, first: Any, matrix: Sequence[float]) -> tuple[str, ...]:
    """A sentence for each thing that a video says of all of its pictures and that is not followed."""
    notes = [_EQUAL_TRACKS] if decoder.has_equal_tracks else []
    notes += [_LAYERS] if _has_layers(decoder.stream.codec_context) else []
    if not turns_by_right_angles(matrix):
        notes.append(_OTHER_ANGLE)
    size = (first.width, first.height)
    shown = clean_aperture(decoder.boxes)
    if shown is not None and tuple(map(round, shown)) != size:
        notes.append(_CLEAN_APERTURE.format(*shown, *size))
    if any(decoder.cropping):
        notes.append(_CROPPED.format(*decoder.cropping, *size))
    return tuple(notes)


def _has_layers(context: Any) -> bool:
    """Whether a decoder's stream is of H.265 and has more layers than the one that is decoded."""
    found = _HEVC_LAYERS.search(context.extradata or b"") if context.name == "hevc" else None
    return found is not None and bool(int.from_bytes(found[1], "big") & 0x03F0)


def _colour_tags(frame: Any) -> str:
    return f"primaries {int(frame.color_primaries)}, transfer {int(frame.color_trc)}"


def _rate(decoder: VideoDecoder, times: Sequence[Fraction]) -> tuple[Fraction, bool]:
    """The frame rate, and whether all times are its multiples, but for their rounding to the file's unit and, where
    they were in a Matroska file before, to milliseconds."""
    stated, tick = decoder.stated_rate, decoder.time_base
    # Times that are counted in frames, as an AVI's, are not rounded: a gap of one of them is no rounding.
    rounding = max(tick, MILLISECOND) if tick * stated < 1 else MILLISECOND
    # Of a short clip with rounded times, several usual rates may be near: unless the container names one, the one
    # that fits best is meant.
    usual = usual_rates(stated, rounding / times[-1] if times[-1] else Fraction(0))
    seconds = np.array([float(at) for at in times])
    late = {rate: float(np.abs(seconds - np.arange(len(times)) / float(rate)).max()) for rate in (*usual, stated)}
    named = [rate for rate in usual if abs(rate / stated - 1) < _RATE_IN_NANOSECONDS]
    best = min(named or usual, key=lambda rate: late[rate], default=stated)
    for rate in (best, stated):
        if late[rate] <= float(rounding) + _FLOAT_ROUNDING:
            return rate, True
    if not decoder.stream.average_rate:
        # FFmpeg guessed it, as of a transport stream: the shortest time between two pictures counts there.
        stated = next(iter(usual_rates(stated)), (Fraction(len(times) - 1) / times[-1]).limit_denominator(1001))
    return next(iter(usual_rates(stated)), stated), False


def _tag(metadata: Any, name: str) -> str:
    """A tag's value; empty if it is missing. Names are compared without case, because Matroska's are in
    capitals."""
    return next((str(value) for key, value in metadata.items() if key.lower() == name), "")


def _image(frame: Any, facts: VideoFacts, number: int) -> Image:
    pixels = oriented(rgb_of(frame, facts.codec), facts.orientation)
    window = Window(0, 0, pixels.shape[1], pixels.shape[0])
    return Image(
        pixels=pixels,
        channels=("R", "G", "B", "A") if pixels.shape[2] == 4 else ("R", "G", "B"),
        data_window=window,
        display_window=window,
        pixel_aspect=facts.pixel_aspect,
        colourspace=facts.colourspace,
        premultiplied=False,
        metadata=_attributes(facts, number),
    )


def _attributes(facts: VideoFacts, number: int) -> dict[str, object]:
    """The attributes of an EXR that is made of this picture: frame rate and timecode."""
    rate = struct.pack("<iI", facts.rate.numerator, facts.rate.denominator)
    found: dict[str, object] = {"framesPerSecond": RawAttribute(type="rational", data=rate)}
    if facts.timecode:
        code = Timecode.parse(facts.timecode, facts.rate)
        word = code.plus(number - 1).packed() if code else None
        if word is not None:
            words = struct.pack("<II", word, 0)
            found["timeCode"] = RawAttribute(type="timecode", data=words)
    return found


@libraries_silenced()
def comment_of(path: Path) -> str:
    """The comment of a video, where ``VideoWriter`` writes its stamp; empty if there is none, or no video."""
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            return _tag(container.metadata, "comment")
    except (av.FFmpegError, OSError):
        return ""
