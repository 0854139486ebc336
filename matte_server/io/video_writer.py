"""Writes videos, complete or not at all.

Audio is copied if the new container takes it; otherwise it is encoded as AAC."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import av
import numpy as np
from matte_link.files import put_in_place

from ..core.image import Float32, Image
from ..errors import MatteError
from .library_output import libraries_silenced
from .video_decoder import opened
from .video_planes import MATRICES, downsampled, encoded, fill_plane, layout_of, to_code


@dataclass(frozen=True)
class MovieFormat:
    """An encoder with its pixel format and options, by FFmpeg's names."""

    encoder: str
    pixel_format: str
    options: tuple[tuple[str, str], ...] = ()


PRORES_4444 = MovieFormat(
    encoder="prores_ks",
    pixel_format="yuva444p10le",
    options=(("profile", "4"), ("alpha_bits", "16"), ("vendor", "apl0")),
)
H264 = MovieFormat(encoder="libx264", pixel_format="yuv420p", options=(("crf", "16"), ("preset", "fast")))


@dataclass(frozen=True)
class MovieSettings:
    """The properties of a new video: size of its pictures in pixels (codecs with halved chroma add a row or column
    where it is odd), frame rate, timecode of the first picture, and a comment that names what it was made from.
    Audio is taken from the file ``audio``, beginning at ``audio_start`` seconds."""

    width: int
    height: int
    rate: Fraction
    timecode: str = ""
    comment: str = ""
    audio: Path | None = None
    audio_start: Fraction = Fraction(0)
    pixel_aspect: float = 1.0


class VideoWriter:
    """Writes a video under a temporary name, which :meth:`close` renames when the video is complete.

    Use it as a context manager: an exception inside removes the temporary file. Raises ``MatteError`` with the
    codes cannot_write, no_encoder, bad_output, and ``FileExistsError`` at its end where a file is there by then
    that it may not replace.
    """

    @libraries_silenced()
    def __init__(
        self, path: Path, settings: MovieSettings, form: MovieFormat | None = None, replaces: bool = True
    ) -> None:
        self.path = path
        self._replaces = replaces
        self._settings = settings
        self._form = form or (PRORES_4444 if path.suffix.lower() == ".mov" else H264)
        layout = layout_of(self._form.pixel_format)
        assert layout is not None
        self._layout = layout
        self._coded = (
            settings.width + settings.width % layout.wide,
            settings.height + settings.height % layout.high,
        )
        self._temporary = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}.tmp{path.suffix}")
        self._base = Fraction(1, 90000)
        self._written = 0
        self._container: Any = None
        self._file: IO[bytes] | None = None
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
        settings = self._settings
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            quicktime = self.path.suffix.lower() in (".mov", ".mp4", ".m4v")
            options = {"movflags": "+write_colr+use_metadata_tags"} if quicktime else {}
            self._container = av.open(str(self._temporary), "w", options=options)
        except (av.FFmpegError, OSError, ValueError) as error:
            raise self._cannot(error) from None
        self._stream = self._video_stream()
        if settings.timecode:
            self._stream.metadata["timecode"] = settings.timecode
            if self.path.suffix.lower() == ".mkv":
                self._container.metadata["timecode"] = settings.timecode
        if settings.comment:
            self._container.metadata["comment"] = settings.comment
        self._audio = _AudioCopy(self._container, settings, self.path) if settings.audio else None

    def _video_stream(self) -> Any:
        settings, form = self._settings, self._form
        try:
            stream = self._container.add_stream(form.encoder, rate=settings.rate, options=dict(form.options))
        except (av.FFmpegError, ValueError) as error:
            self.abandon()
            raise MatteError(
                "no_encoder",
                f"{self.path} cannot be written: this build of FFmpeg has no encoder {form.encoder} ({error}).",
            ) from None
        stream.width, stream.height = self._coded
        stream.pix_fmt = form.pixel_format
        context = stream.codec_context
        self._base = 1 / Fraction(settings.rate) / 100
        context.time_base = self._base
        context.color_range, context.colorspace = 1, 1
        context.color_primaries, context.color_trc = 1, 1
        if settings.pixel_aspect != 1.0:
            context.sample_aspect_ratio = Fraction(settings.pixel_aspect).limit_denominator(1000)
        return stream

    @libraries_silenced()
    def write(self, image: Image, time: Fraction | None = None) -> None:
        """Writes the next picture: R, G, B and optionally A, 0 to 1, in Rec.709 primaries with gamma 2.4, as the
        video is tagged. ``time`` is in seconds after the first picture; without it the frame rate decides."""
        size = (image.pixels.shape[1], image.pixels.shape[0])
        if size != (self._settings.width, self._settings.height):
            raise MatteError(
                "bad_output",
                f"{self.path} is {self._settings.width} x {self._settings.height}, but a frame is "
                f"{size[0]} x {size[1]}; all frames of a video must have the same size.",
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
            self._hold()
        except (av.FFmpegError, OSError) as error:
            raise self._cannot(error) from None

    def _frame(self, image: Image) -> Any:
        frame = av.VideoFrame(*self._coded, self._form.pixel_format)
        luma, cb, cr = encoded(self._padded(image.rgb), MATRICES[1])
        bits = self._layout.bits
        planes = [to_code(luma, bits, False, False)]
        planes += [to_code(downsampled(chroma, self._layout), bits, False, True) for chroma in (cb, cr)]
        if self._layout.alpha:
            alpha = self._padded(image.pixels[..., 3:4])[..., 0] if "A" in image.channels else np.ones_like(luma)
            planes.append(np.rint(np.clip(alpha, 0.0, 1.0) * ((1 << bits) - 1)).astype(np.uint16))
        for plane, values in zip(frame.planes, planes, strict=True):
            fill_plane(plane, values, bits)
        frame.color_range, frame.colorspace = 1, 1
        frame.color_primaries, frame.color_trc = 1, 1
        return frame

    def _padded(self, pixels: Float32) -> Float32:
        """Pixels of the coded size: where chroma is halved, an odd last row or column is repeated."""
        height, width = self._coded[1] - pixels.shape[0], self._coded[0] - pixels.shape[1]
        return np.pad(pixels, ((0, height), (0, width), (0, 0)), mode="edge") if height or width else pixels

    @libraries_silenced()
    def close(self) -> None:
        """Completes the file and renames it to its final name."""
        try:
            for packet in self._stream.encode(None):
                self._container.mux(packet)
            if self._audio:
                self._audio.finish(self._written / self._settings.rate)
            self._hold()
            self._container.close()
            self._settle()
            put_in_place(self._temporary, self.path, self._replaces)
        except (av.FFmpegError, OSError) as error:
            self.abandon()
            if isinstance(error, FileExistsError) and not self._replaces:
                raise
            raise self._cannot(error) from None

    def _hold(self) -> None:
        """Holds the temporary file open from its first bytes on, so that they can be found without its name."""
        if self._file is None and self._temporary.exists():
            self._file = self._temporary.open("rb+")

    def _settle(self) -> None:
        """Brings the whole file to the disk before it gets its name, so that a crash of the machine does not leave
        the name of an empty file. Raises ``OSError``."""
        with self._file or self._temporary.open("rb+") as file:
            os.fsync(file.fileno())
            if self._temporary.exists():
                return
            # Another run took it for that of a killed one, where this one was paused for long (Ctrl-Z).
            with self._temporary.open("xb") as copy:
                shutil.copyfileobj(file, copy)
                copy.flush()
                os.fsync(copy.fileno())

    def abandon(self) -> None:
        """Closes and removes the temporary file."""
        try:
            if self._file is not None:
                self._file.close()
            self._container.close()
        except (av.FFmpegError, OSError, ValueError):
            # The file is removed anyway.
            pass
        finally:
            self._temporary.unlink(missing_ok=True)

    def _cannot(self, error: Exception) -> MatteError:
        reason = str(getattr(error, "strerror", "") or error).rstrip(".")
        return MatteError("cannot_write", f"{self.path} cannot be written: {reason}.")


class _AudioCopy:
    """Copies the audio of another file step by step, so that it is interleaved with the pictures."""

    def __init__(self, target: Any, settings: MovieSettings, path: Path) -> None:
        assert settings.audio is not None
        self._target = target
        self._source = opened(settings.audio)
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
        """Copies the audio before ``at`` seconds of the new video."""
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
        """Copies the audio before ``length`` seconds and flushes the encoder."""
        self.up_to(length)
        if self._stream is not None and not self._copies:
            for packet in self._stream.encode(None):
                self._target.mux(packet)
        self._source.close()
