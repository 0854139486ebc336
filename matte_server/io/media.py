"""Reads videos.

The pictures of a video are numbered from 1 in the order in which they are shown. Each stored picture counts once,
whatever its duration; the time of each is in ``VideoFacts.times``. Pictures are R, G, B (and A) in the video's own
encoding, float32, upright, uncropped and unclamped, with all bits of 10 and 12 bit video (see ``video_planes.py``).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy as np

from ..core.image import SCENE_LINEAR, Float32, Image
from ..core.window import Window
from ..errors import MatteError
from .image_file import Attribute
from .timecode import Timecode
from .video_planes import rgb_of

VIDEO_SUFFIXES = (".mov", ".mp4", ".m4v", ".mkv", ".webm", ".avi", ".mxf")

# H.273 transfer characteristics: those that are watched on a BT.1886 display, and the others that are supported.
_DISPLAY_709 = (1, 2, 6, 14, 15)
_TRANSFERS = {4: "Gamma 2.2 Rec.709 - Texture", 8: SCENE_LINEAR, 13: "sRGB - Texture"}
_PRIMARIES_709 = (1, 2, 5, 6)
_P3_D65 = 12
_DEFAULT_RATE = Fraction(24)


def is_video(path: Path | str) -> bool:
    """Whether the suffix of a file's name is that of a video."""
    return Path(path).suffix.lower() in VIDEO_SUFFIXES


@dataclass(frozen=True)
class VideoFacts:
    """The properties of a video. ``width`` and ``height`` are those of the upright picture; ``times`` holds each
    picture's time in seconds after the first picture, exactly; ``colourspace`` is empty if the tags name one that
    is not supported (HDR); ``timecode`` is that of the first picture, or empty."""

    width: int
    height: int
    rate: Fraction
    times: tuple[Fraction, ...]
    codec: str
    bit_depth: int
    has_alpha: bool
    has_audio: bool
    rotation: int
    colourspace: str
    timecode: str
    pixel_aspect: float

    @property
    def frames(self) -> int:
        """The number of pictures."""
        return len(self.times)

    @property
    def variable_rate(self) -> bool:
        """Whether the durations of the pictures differ by more than the container's rounding of times."""
        steps = [after - before for before, after in zip(self.times, self.times[1:], strict=False)]
        return bool(steps) and max(steps) - min(steps) > Fraction(1, 4) / self.rate

    def timecode_of(self, number: int) -> str:
        """The timecode of picture ``number``, counted from 1; empty if the video has no timecode."""
        first = Timecode.parse(self.timecode, self.rate)
        return str(first.plus(number - 1)) if first else ""


class VideoReader:
    """An open video that returns any picture by its number; reading them in order is fastest. Thread-safe.

    Raises ``MatteError`` with the codes missing_file, unreadable, no_video.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise MatteError("missing_file", f"{path} does not exist.")
        self.path = path
        self._lock = threading.Lock()
        self._container = opened(path)
        try:
            self._stream = _video_stream(self._container, path)
            self._stream.thread_type = "AUTO"
            self._pts = _times_of_pictures(self._container, self._stream, path)
            self._decoded: Iterator[Any] = iter(())
            self._next = -1
            first = self._frame(0)
            self.facts = _facts(self._container, self._stream, first, self._pts)
        except av.FFmpegError as error:
            raise _unreadable(path, error) from None

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._container.close()

    def read(self, number: int) -> Image:
        """Picture ``number``, counted from 1, in the video's own encoding (``facts.colourspace``).

        Raises ``MatteError`` with the codes missing_frame, unreadable.
        """
        if not 1 <= number <= len(self._pts):
            raise MatteError(
                "missing_frame",
                f"{self.path} has no frame {number}: its frames are 1 to {len(self._pts)}.",
                "Choose frames of this range with --frames.",
            )
        try:
            with self._lock:
                frame = self._frame(number - 1)
                return _picture(frame, self.facts, number)
        except av.FFmpegError as error:
            raise _unreadable(self.path, error) from None

    def _frame(self, index: int) -> Any:
        wanted = self._pts[index]
        if index != self._next:
            # Seeks to the key frame before it; the pictures between are decoded and dropped.
            self._container.seek(wanted, stream=self._stream, backward=True)
            self._decoded = self._container.decode(self._stream)
        for frame in self._decoded:
            if frame.pts is not None and frame.pts >= wanted:
                self._next = index + 1
                if frame.pts == wanted:
                    return frame
                break
        self._next = -1
        raise MatteError(
            "unreadable",
            f"Frame {index + 1} of {self.path} cannot be decoded.",
            "The file may be truncated or damaged; export it again.",
        )


def opened(path: Path) -> Any:
    """Opens a media file and returns PyAV's container. Raises ``MatteError("unreadable", ...)``."""
    try:
        return av.open(str(path), metadata_errors="replace")
    except (av.FFmpegError, OSError) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> MatteError:
    reason = str(getattr(error, "strerror", "") or error).rstrip(".")
    return MatteError(
        "unreadable",
        f"{path} cannot be read as a video: {reason}.",
        "It may be truncated, still being written, or of a codec that this build cannot decode.",
    )


def _video_stream(container: Any, path: Path) -> Any:
    if not container.streams.video:
        raise MatteError("no_video", f"{path} has no video track.", "Choose a file that has one.")
    return container.streams.video[0]


def _times_of_pictures(container: Any, stream: Any, path: Path) -> tuple[int, ...]:
    """The time stamp of every picture in the stream's time base, in the order shown, read from the packets without
    decoding."""
    shown = [
        packet.pts
        for packet in container.demux(stream)
        if packet.size and packet.pts is not None and not packet.is_discard
    ]
    if not shown:
        raise MatteError("no_video", f"{path} has no pictures.", "It may be truncated; export it again.")
    container.seek(min(shown), stream=stream, backward=True)
    return tuple(sorted(set(shown)))


def _facts(container: Any, stream: Any, first: Any, pts: tuple[int, ...]) -> VideoFacts:
    rotation = round(getattr(first, "rotation", 0) or 0) % 360
    turned = rotation in (90, 270)
    aspect = float(stream.sample_aspect_ratio or 1) or 1.0
    places = (stream.metadata, container.metadata, *(track.metadata for track in container.streams))
    timecode = next((found for place in places if (found := _tag(place, "timecode"))), "")
    form = first.format
    return VideoFacts(
        width=first.height if turned else first.width,
        height=first.width if turned else first.height,
        rate=Fraction(stream.average_rate or stream.guessed_rate or _DEFAULT_RATE),
        times=tuple((at - pts[0]) * Fraction(stream.time_base) for at in pts),
        codec=str(stream.codec_context.name),
        bit_depth=max(component.bits for component in form.components),
        has_alpha=any(component.is_alpha for component in form.components),
        has_audio=bool(container.streams.audio),
        rotation=rotation,
        colourspace=_colourspace(first),
        timecode=timecode,
        pixel_aspect=1.0 / aspect if turned else aspect,
    )


def _tag(metadata: Any, name: str) -> str:
    """A tag's value; empty if it is missing. Names are compared without case, because Matroska's are in
    capitals."""
    return next((str(value) for key, value in metadata.items() if key.lower() == name), "")


def _colourspace(frame: Any) -> str:
    primaries, transfer = int(frame.color_primaries), int(frame.color_trc)
    if primaries == _P3_D65 and transfer in (13, 1, 2):
        return "sRGB Encoded P3-D65 - Texture"
    if primaries not in _PRIMARIES_709:
        return ""
    return "Gamma 2.4 Rec.709 - Texture" if transfer in _DISPLAY_709 else _TRANSFERS.get(transfer, "")


def _picture(frame: Any, facts: VideoFacts, number: int) -> Image:
    pixels = _upright(rgb_of(frame), facts.rotation)
    window = Window(0, 0, pixels.shape[1], pixels.shape[0])
    channels = ("R", "G", "B", "A") if pixels.shape[2] == 4 else ("R", "G", "B")
    return Image(
        pixels=np.ascontiguousarray(pixels, np.float32),
        channels=channels,
        data_window=window,
        display_window=window,
        pixel_aspect=facts.pixel_aspect,
        colourspace=facts.colourspace,
        premultiplied=False,
        metadata=_attributes(facts, number),
    )


def _upright(pixels: Float32, rotation: int) -> Float32:
    """The stored picture turned counter-clockwise by ``rotation`` degrees, as its display matrix says."""
    return np.rot90(pixels, rotation // 90) if rotation % 90 == 0 else pixels


def _attributes(facts: VideoFacts, number: int) -> dict[str, object]:
    """The attributes of an EXR that is made of this picture: frame rate and timecode."""
    rate = Attribute(type="rational", value=(facts.rate.numerator, facts.rate.denominator))
    found: dict[str, object] = {"FramesPerSecond": rate}
    if facts.timecode:
        code = Timecode.parse(facts.timecode, facts.rate)
        if code:
            found["smpte:TimeCode"] = Attribute(type="timecode", value=(code.plus(number - 1).packed(), 0))
    return found


def comment_of(path: Path) -> str:
    """The comment of a video, where ``VideoWriter`` writes its stamp; empty if there is none, or no video."""
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            return _tag(container.metadata, "comment")
    except (av.FFmpegError, OSError):
        return ""
