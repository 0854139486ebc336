"""Video in and out: the only file that knows video.

A video is a sequence of pictures numbered from 1 in the order in which they are shown, each stored picture once,
whatever its duration; its times are kept beside it. Pictures come out as R, G, B (and A) in the video's own
encoding, float32, upright, uncropped and unclamped: 10 and 12 bit survive, and the conversion from Y'CbCr is
done here in float with the stream's matrix, range and chroma siting instead of in a scaler's 8-bit tables.
Audio is copied where the new container takes it, else made AAC.
"""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt

from .core.image import SCENE_LINEAR, Float32, Image
from .core.window import Window
from .errors import MatteError
from .exr import Attribute

VIDEO_SUFFIXES = (".mov", ".mp4", ".m4v", ".mkv", ".webm", ".avi", ".mxf")
Plane = npt.NDArray[np.uint16]

# ITU-T H.273: matrix coefficients -> Kr, Kb.
_MATRICES = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 7: (0.212, 0.087), 9: (0.2627, 0.0593)}
_RGB, _UNSAID, _FULL_RANGE = 0, 2, 2
# H.273: transfer characteristics that mean "as on a BT.1886 display", and the others that have a name here.
_DISPLAY_709 = (1, 2, 6, 14, 15)
_TRANSFERS = {4: "Gamma 2.2 Rec.709 - Texture", 8: SCENE_LINEAR, 13: "sRGB - Texture"}
_PRIMARIES_709 = (1, 2, 5, 6)
_P3_D65 = 12
_DEFAULT_RATE = Fraction(24)


def is_video(path: Path | str) -> bool:
    """Whether a file's name says that it is a video."""
    return Path(path).suffix.lower() in VIDEO_SUFFIXES


@dataclass(frozen=True)
class VideoFacts:
    """What a video says of itself. ``width`` and ``height`` are those of the upright picture; ``times`` is each
    picture's time in seconds from the first, exact; ``colourspace`` is empty where the tags name one that
    cannot be guessed (HDR); ``timecode`` is empty where there is none."""

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
        """How many pictures."""
        return len(self.times)

    @property
    def variable_rate(self) -> bool:
        """Whether any picture lasts another time than the others (beyond the container's own rounding)."""
        steps = [after - before for before, after in zip(self.times, self.times[1:], strict=False)]
        return bool(steps) and max(steps) - min(steps) > Fraction(1, 4) / self.rate


    def timecode_of(self, number: int) -> str:
        """The timecode of picture ``number``, counted from 1; empty where the video has none."""
        first = Timecode.parse(self.timecode, self.rate)
        return str(first.plus(number - 1)) if first else ""


class VideoReader:
    """One video file; any picture by its number, cheapest in order. May be used by several threads in turn.

    Raises ``MatteError`` with the codes missing_file, unreadable, no_video.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise MatteError("missing_file", f"{path} does not exist.")
        self.path = path
        self._lock = threading.Lock()
        self._container = _opened(path)
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
        """Lets go of the file."""
        with self._lock:
            self._container.close()

    def read(self, number: int) -> Image:
        """Picture ``number``, counted from 1, in the video's own encoding (``facts.colourspace``).

        Raises ``MatteError`` with missing_frame, unreadable.
        """
        if not 1 <= number <= len(self._pts):
            raise MatteError(
                "missing_frame",
                f"{self.path} has no frame {number}: it has frames 1 to {len(self._pts)}.",
                "Choose others with --frames.",
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
            # Backwards to the key frame before it; what lies between is decoded and dropped.
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


def _opened(path: Path) -> Any:
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
        raise MatteError("no_video", f"{path} has no picture track.", "Name a file with one.")
    return container.streams.video[0]


def _times_of_pictures(container: Any, stream: Any, path: Path) -> tuple[int, ...]:
    """Every picture's time stamp in the stream's time base, in the order shown, from the packets alone."""
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
    """Matroska writes its tags' names in capitals."""
    return next((str(value) for key, value in metadata.items() if key.lower() == name), "")


def _colourspace(frame: Any) -> str:
    primaries, transfer = int(frame.color_primaries), int(frame.color_trc)
    if primaries == _P3_D65 and transfer in (13, 1, 2):
        return "sRGB Encoded P3-D65 - Texture"
    if primaries not in _PRIMARIES_709:
        return ""
    return "Gamma 2.4 Rec.709 - Texture" if transfer in _DISPLAY_709 else _TRANSFERS.get(transfer, "")


def _picture(frame: Any, facts: VideoFacts, number: int) -> Image:
    pixels = _upright(_rgb(frame), facts.rotation)
    window = Window(0, 0, pixels.shape[1], pixels.shape[0])
    channels = ("R", "G", "B", "A") if pixels.shape[2] == 4 else ("R", "G", "B")
    return Image(
        np.ascontiguousarray(pixels, np.float32),
        channels,
        window,
        window,
        facts.pixel_aspect,
        facts.colourspace,
        False,
        _attributes(facts, number),
    )


def _upright(pixels: Float32, rotation: int) -> Float32:
    """The display matrix turns the stored picture counter-clockwise by ``rotation``."""
    return np.rot90(pixels, rotation // 90) if rotation % 90 == 0 else pixels


def _attributes(facts: VideoFacts, number: int) -> dict[str, object]:
    """What an EXR made of this picture passes on: rate and timecode."""
    found: dict[str, object] = {
        "FramesPerSecond": Attribute("rational", (facts.rate.numerator, facts.rate.denominator))
    }
    if facts.timecode:
        code = Timecode.parse(facts.timecode, facts.rate)
        if code:
            found["smpte:TimeCode"] = Attribute("timecode", (code.plus(number - 1).packed(), 0))
    return found


# -- timecode


@dataclass(frozen=True)
class Timecode:
    """A SMPTE 12M timecode as a count of frames; ``drop`` leaves out numbers so that it follows the clock."""

    frame: int
    base: int
    drop: bool = False

    @staticmethod
    def parse(text: str, rate: Fraction) -> Timecode | None:
        """``HH:MM:SS:FF``, with ``;`` or ``.`` before the frames for drop-frame; None where it is none."""
        match = re.fullmatch(r"(\d\d):(\d\d):(\d\d)([:;.])(\d\d)", text.strip())
        base = max(1, round(rate))
        if not match:
            return None
        hours, minutes, seconds, frames = (int(match.group(part)) for part in (1, 2, 3, 5))
        drop = match.group(4) != ":" and base % 30 == 0
        total = ((hours * 60 + minutes) * 60 + seconds) * base + frames
        if drop:
            whole = hours * 60 + minutes
            total -= base // 15 * (whole - whole // 10)
        return Timecode(total, base, drop)

    def plus(self, frames: int) -> Timecode:
        """Some frames later."""
        return replace(self, frame=self.frame + frames)

    def _parts(self) -> tuple[int, int, int, int]:
        count = self.frame
        if self.drop:
            left_out = self.base // 15
            ten_minutes, minute = 600 * self.base - 9 * left_out, 60 * self.base - left_out
            tens, rest = divmod(count, ten_minutes)
            beyond = max(0, rest - left_out) // minute if rest >= 60 * self.base else 0
            count += left_out * (9 * tens + beyond)
        seconds, frames = divmod(count, self.base)
        return seconds // 3600 % 24, seconds // 60 % 60, seconds % 60, frames

    def __str__(self) -> str:
        hours, minutes, seconds, frames = self._parts()
        return f"{hours:02}:{minutes:02}:{seconds:02}{';' if self.drop else ':'}{frames:02}"

    def packed(self) -> int:
        """As EXR holds it: binary coded decimals, the drop flag in bit 6."""
        hours, minutes, seconds, frames = self._parts()
        word = 0
        for shift, value in ((0, frames), (8, seconds), (16, minutes), (24, hours)):
            word |= (value // 10 << 4 | value % 10) << shift
        return word | (1 << 6 if self.drop else 0)


# -- Y'CbCr and R'G'B'


@dataclass(frozen=True)
class _Layout:
    """How a planar pixel format stores a picture: bits, and how much wider and higher luma is than chroma."""

    bits: int
    wide: int
    high: int
    rgb: bool
    alpha: bool
    grey: bool


def _layout(name: str) -> _Layout | None:
    match = re.fullmatch(r"(yuvj?|yuva|gbrp|gbrap|gray)(420p|422p|444p|440p|411p|410p)?(\d+)?(le|p)?", name)
    if not match or name.endswith("be"):
        return None
    kind, sampling = match.group(1), match.group(2) or ""
    if kind.startswith("yuv") != bool(sampling):
        return None
    wide, high = {"": (1, 1), "444p": (1, 1), "422p": (2, 1), "420p": (2, 2), "440p": (1, 2)}.get(sampling, (0, 0))
    if not wide:
        return None
    rgb, alpha = kind.startswith("gb"), kind in ("yuva", "gbrap")
    return _Layout(int(match.group(3) or 8), wide, high, rgb, alpha, kind == "gray")


def _rgb(frame: Any) -> Float32:
    """R', G', B' (and alpha), 0..1 nominal, height x width x 3 or 4."""
    layout = _layout(frame.format.name)
    if layout is None:
        alike = "gbrap16le" if any(component.is_alpha for component in frame.format.components) else "gbrp16le"
        if not frame.format.is_rgb:
            alike = "yuv444p16le"
        frame = frame.reformat(format=alike)
        layout = _layout(alike)
        assert layout is not None
    planes = [_plane(frame, index, layout.bits) for index in range(len(frame.planes))]
    if layout.rgb:
        top = float((1 << layout.bits) - 1)
        order = (2, 0, 1, 3)[: len(planes)]
        return np.stack([planes[index].astype(np.float32) / top for index in order], -1)
    full = int(frame.color_range) == _FULL_RANGE or frame.format.name.startswith("yuvj")
    luma = _from_code(planes[0], layout.bits, full, False)
    if layout.grey:
        return np.repeat(luma[..., None], 3, -1)
    chroma = [
        _upsampled(_from_code(plane, layout.bits, full, True), layout, (luma.shape[0], luma.shape[1]))
        for plane in planes[1:3]
    ]
    colour = _decoded(luma, chroma[0], chroma[1], _matrix(frame))
    if layout.alpha:
        alpha = planes[3].astype(np.float32) / float((1 << layout.bits) - 1)
        colour = np.concatenate([colour, alpha[..., None]], -1)
    return colour


def _plane(frame: Any, index: int, bits: int) -> Plane:
    plane = frame.planes[index]
    kind = np.uint16 if bits > 8 else np.uint8
    stride = plane.line_size // np.dtype(kind).itemsize
    data = np.frombuffer(plane, kind, count=stride * plane.height).reshape(plane.height, stride)
    cut: Plane = data[:, : plane.width].astype(np.uint16)
    return cut


def _matrix(frame: Any) -> tuple[float, float]:
    """Kr and Kb: the stream's word, else BT.601 for small pictures and BT.709 for others, as players do."""
    said = int(frame.colorspace)
    if said in _MATRICES:
        return _MATRICES[said]
    return _MATRICES[6] if frame.height < 720 else _MATRICES[1]


def _scales(bits: int, full: bool, chroma: bool) -> tuple[float, float]:
    """Offset and range of a code: H.273 equations for limited and full range."""
    if full:
        return (float(1 << (bits - 1)) if chroma else 0.0), float((1 << bits) - 1)
    unit = float(1 << (bits - 8))
    return (128.0 * unit, 224.0 * unit) if chroma else (16.0 * unit, 219.0 * unit)


def _from_code(plane: Plane, bits: int, full: bool, chroma: bool) -> Float32:
    offset, size = _scales(bits, full, chroma)
    return np.asarray((plane.astype(np.float32) - offset) / size, np.float32)


def _to_code(values: Float32, bits: int, full: bool, chroma: bool) -> Plane:
    offset, size = _scales(bits, full, chroma)
    lowest, highest = (0, (1 << bits) - 1) if full else (1 << (bits - 8), (1 << bits) - 1 - (1 << (bits - 8)))
    code: Plane = np.clip(np.rint(values * size + offset), lowest, highest).astype(np.uint16)
    return code


def _upsampled(chroma: Float32, layout: _Layout, size: tuple[int, int]) -> Float32:
    """Chroma at luma's size. Horizontally it sits on every other luma sample (left), vertically between two
    lines: where H.264, H.265, ProRes and DNxHR put it unless they say otherwise."""
    height, width = size
    if (layout.wide, layout.high) == (1, 1):
        return chroma
    x = np.arange(width, dtype=np.float32) / layout.wide
    y = (np.arange(height, dtype=np.float32) + 0.5) / layout.high - 0.5
    map_x, map_y = np.meshgrid(x, y)
    found = cv2.remap(chroma, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found, np.float32)


def _downsampled(chroma: Float32, layout: _Layout) -> Float32:
    """The inverse siting: a [1 2 1] filter on every other sample across, the mean of two lines down."""
    if layout.wide == 2:
        padded = np.pad(chroma, ((0, 0), (1, 1)), mode="edge")
        smooth = 0.25 * padded[:, :-2] + 0.5 * padded[:, 1:-1] + 0.25 * padded[:, 2:]
        chroma = smooth[:, ::2]
    if layout.high == 2:
        if chroma.shape[0] % 2:
            chroma = np.concatenate([chroma, chroma[-1:]], 0)
        chroma = 0.5 * (chroma[::2] + chroma[1::2])
    return np.ascontiguousarray(chroma, np.float32)


def _decoded(luma: Float32, cb: Float32, cr: Float32, matrix: tuple[float, float]) -> Float32:
    kr, kb = matrix
    red = luma + 2.0 * (1.0 - kr) * cr
    blue = luma + 2.0 * (1.0 - kb) * cb
    green = (luma - kr * red - kb * blue) / (1.0 - kr - kb)
    return np.stack([red, green, blue], -1).astype(np.float32)


def _encoded(colour: Float32, matrix: tuple[float, float]) -> tuple[Float32, Float32, Float32]:
    kr, kb = matrix
    red, green, blue = (colour[..., channel] for channel in range(3))
    luma = kr * red + (1.0 - kr - kb) * green + kb * blue
    return luma, (blue - luma) / (2.0 * (1.0 - kb)), (red - luma) / (2.0 * (1.0 - kr))


# -- writing


@dataclass(frozen=True)
class MovieFormat:
    """A codec as it is used: encoder, pixel format and its options."""

    encoder: str
    pixel_format: str
    options: tuple[tuple[str, str], ...] = ()


PRORES_4444 = MovieFormat("prores_ks", "yuva444p10le", (("profile", "4"), ("alpha_bits", "16"), ("vendor", "apl0")))
PRORES_422_HQ = MovieFormat("prores_ks", "yuv422p10le", (("profile", "3"), ("vendor", "apl0")))
H264 = MovieFormat("libx264", "yuv420p", (("crf", "16"), ("preset", "fast")))
H265_10 = MovieFormat(
    "libx265", "yuv420p10le", (("crf", "14"), ("preset", "fast"), ("x265-params", "log-level=none"))
)
DNXHR_HQX = MovieFormat("dnxhd", "yuv422p10le", (("profile", "dnxhr_hqx"),))


@dataclass(frozen=True)
class MovieSettings:
    """What a new video is to say of itself: size, rate, first timecode, a mark of what it was made from, and a
    file whose audio is carried over from ``audio_start`` seconds on."""

    width: int
    height: int
    rate: Fraction
    timecode: str = ""
    comment: str = ""
    audio: Path | None = None
    audio_start: Fraction = Fraction(0)
    pixel_aspect: float = 1.0


class VideoWriter:
    """Writes a video under a temporary name; only :meth:`close` without an error gives it its own.

    Use as a context manager: an exception inside leaves nothing behind. Raises ``MatteError`` with the codes
    cannot_write, no_encoder, bad_output.
    """

    def __init__(self, path: Path, settings: MovieSettings, form: MovieFormat | None = None) -> None:
        self.path = path
        self._settings = settings
        self._form = form or (PRORES_4444 if path.suffix.lower() == ".mov" else H264)
        layout = _layout(self._form.pixel_format)
        assert layout is not None
        self._layout = layout
        self._temporary = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}.tmp{path.suffix}")
        self._base = Fraction(1, 90000)
        self._written = 0
        self._container: Any = None
        self._open()

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()

    def _open(self) -> None:
        settings, form = self._settings, self._form
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            quicktime = self.path.suffix.lower() in (".mov", ".mp4", ".m4v")
            options = {"movflags": "+write_colr+use_metadata_tags"} if quicktime else {}
            self._container = av.open(str(self._temporary), "w", options=options)
        except (av.FFmpegError, OSError, ValueError) as error:
            raise self._cannot(error) from None
        try:
            stream = self._container.add_stream(form.encoder, rate=settings.rate, options=dict(form.options))
        except (av.FFmpegError, ValueError) as error:
            self.abandon()
            raise MatteError(
                "no_encoder", f"{self.path} cannot be written: there is no encoder {form.encoder} here ({error})."
            ) from None
        stream.width, stream.height, stream.pix_fmt = settings.width, settings.height, form.pixel_format
        context = stream.codec_context
        self._base = 1 / Fraction(settings.rate) / 100
        context.time_base = self._base
        context.color_range, context.colorspace = 1, 1
        context.color_primaries, context.color_trc = 1, 1
        if settings.pixel_aspect != 1.0:
            context.sample_aspect_ratio = Fraction(settings.pixel_aspect).limit_denominator(1000)
        if settings.timecode:
            stream.metadata["timecode"] = settings.timecode
            if self.path.suffix.lower() == ".mkv":
                self._container.metadata["timecode"] = settings.timecode
        if settings.comment:
            self._container.metadata["comment"] = settings.comment
        self._stream = stream
        self._audio = _AudioCopy(self._container, settings, self.path) if settings.audio else None

    def write(self, image: Image, time: Fraction | None = None) -> None:
        """The next picture: R, G, B(, A) as the screen shows them, 0..1, in Rec.709 primaries and the encoding
        that the video is tagged with (gamma 2.4). ``time`` in seconds from the first, for pictures that do not
        all last as long."""
        size = (image.pixels.shape[1], image.pixels.shape[0])
        if size != (self._settings.width, self._settings.height):
            raise MatteError(
                "bad_output",
                f"{self.path} is {self._settings.width} x {self._settings.height}, but a frame is "
                f"{size[0]} x {size[1]}; a video has one size.",
            )
        at = time if time is not None else self._written / self._settings.rate
        frame = self._frame(image)
        frame.pts, frame.time_base = round(at / self._base), self._base
        self._written += 1
        try:
            for packet in self._stream.encode(frame):
                self._container.mux(packet)
            if self._audio:
                self._audio.up_to(at)
        except (av.FFmpegError, OSError) as error:
            raise self._cannot(error) from None

    def _frame(self, image: Image) -> Any:
        frame = av.VideoFrame(image.pixels.shape[1], image.pixels.shape[0], self._form.pixel_format)
        luma, cb, cr = _encoded(image.rgb, _MATRICES[1])
        bits = self._layout.bits
        planes = [_to_code(luma, bits, False, False)]
        planes += [_to_code(_downsampled(chroma, self._layout), bits, False, True) for chroma in (cb, cr)]
        if self._layout.alpha:
            alpha = image.pixels[..., 3] if "A" in image.channels else np.ones_like(luma)
            planes.append(np.rint(np.clip(alpha, 0.0, 1.0) * ((1 << bits) - 1)).astype(np.uint16))
        for plane, values in zip(frame.planes, planes, strict=True):
            _fill_plane(plane, values, bits)
        frame.color_range, frame.colorspace = 1, 1
        frame.color_primaries, frame.color_trc = 1, 1
        return frame

    def close(self) -> None:
        """Finishes the file and gives it its name."""
        try:
            for packet in self._stream.encode(None):
                self._container.mux(packet)
            if self._audio:
                self._audio.finish(self._written / self._settings.rate)
            self._container.close()
            self._temporary.replace(self.path)
        except (av.FFmpegError, OSError) as error:
            self.abandon()
            raise self._cannot(error) from None

    def abandon(self) -> None:
        """Leaves nothing behind."""
        try:
            self._container.close()
        except (av.FFmpegError, OSError, ValueError):
            # A file that cannot be finished is not wanted any more.
            pass
        finally:
            self._temporary.unlink(missing_ok=True)

    def _cannot(self, error: Exception) -> MatteError:
        reason = str(getattr(error, "strerror", "") or error).rstrip(".")
        return MatteError("cannot_write", f"{self.path} cannot be written: {reason}.")


def _fill_plane(plane: Any, values: Plane, bits: int) -> None:
    kind = np.uint16 if bits > 8 else np.uint8
    stride = plane.line_size // np.dtype(kind).itemsize
    padded = np.zeros((plane.height, stride), kind)
    padded[:, : values.shape[1]] = values
    plane.update(padded.tobytes()[: plane.buffer_size])


class _AudioCopy:
    """Carries the audio of another file over, a little at a time, so that it lies beside its pictures."""

    def __init__(self, target: Any, settings: MovieSettings, path: Path) -> None:
        assert settings.audio is not None
        self._target = target
        self._source = _opened(settings.audio)
        self._start = settings.audio_start
        self._stream: Any = None
        self._waiting: Iterator[Any] = iter(())
        self._held: Any = None
        if self._source.streams.audio:
            track = self._source.streams.audio[0]
            self._copies = path.suffix.lower() in (".mov", ".mkv") or track.codec_context.name == "aac"
            self._stream = (
                target.add_stream_from_template(track)
                if self._copies
                else target.add_stream("aac", rate=track.codec_context.sample_rate)
            )
            self._waiting = iter(self._source.demux(track) if self._copies else self._source.decode(track))

    def up_to(self, at: Fraction) -> None:
        """Everything that is heard before ``at`` seconds of the new video."""
        while self._stream is not None:
            item = self._held if self._held is not None else next(self._waiting, None)
            self._held = None
            if item is None:
                return
            if item.pts is None:
                continue
            heard = item.pts * Fraction(item.time_base) - self._start
            if heard >= at:
                self._held = item
                return
            if heard >= 0:
                self._put(item, heard)

    def _put(self, item: Any, heard: Fraction) -> None:
        shift = round(heard / Fraction(item.time_base)) - item.pts
        item.pts += shift
        if not self._copies:
            for packet in self._stream.encode(item):
                self._target.mux(packet)
            return
        if item.dts is not None:
            item.dts += shift
        item.stream = self._stream
        self._target.mux(item)

    def finish(self, length: Fraction) -> None:
        """What is heard until the video ends, and the encoder's rest."""
        self.up_to(length)
        if self._stream is not None and not self._copies:
            for packet in self._stream.encode(None):
                self._target.mux(packet)
        self._source.close()


def comment_of(path: Path) -> str:
    """The mark that a video was given when it was written; empty where it has none or is no video."""
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            return _tag(container.metadata, "comment")
    except (av.FFmpegError, OSError):
        return ""
