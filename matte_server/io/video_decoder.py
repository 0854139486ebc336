"""Decodes the pictures of a video by number, whatever its container says of their times.

Most containers state the time of every picture, and pictures are found by it. AVI states the order of decoding
instead: where the decoder's output shows that, pictures are numbered as they come out of the decoder.
"""

from __future__ import annotations

import bisect
import contextlib
import itertools
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from matte_link.sequence import counted

from ..errors import MatteError
from . import matroska
from .mp4_boxes import has_odd_edits, track_boxes
from .video_container import is_cut
from .video_damage import LONGEST_RUN, KnownDamage, is_anchor
from .video_packets import PacketTimes, packet_times

# Decoded to find out whether times are in order: more than any codec reorders (H.264 and H.265: 16).
_REORDERED = 20
_FRAMES_KEPT = 4
# A stream that ends earlier than its container says is truncated. Other tracks, rounding and codecs' padding may
# account for less: AAC pads by up to 2048 samples, 0.05 s.
_MISSING_S = Fraction(1, 5)
_MISSING_FRAMES = 4
_DEFAULT_RATE = 24
MILLISECOND = Fraction(1, 1000)
"""Containers round times by up to this, in seconds."""
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""FFmpeg's own decoders of VP8 and VP9 leave alpha out; these do not."""
_STRICT = {"mjpeg": "explode"}
"""Codecs of which FFmpeg refuses a damaged picture only with this value of its option err_detect."""
_UNMARKED_BY_THREADS = ("h264",)
"""Codecs of whose pictures FFmpeg marks no damage where several threads decode one."""
_SOUGHT_BY_DECODING_TIME = ("mpegts", "mpeg")
"""Formats in which FFmpeg seeks a packet of any kind by the time at which it is decoded, not a key frame."""
_OF_CODECS = ("mpegvideo", "m4v", "h264", "hevc", "dv")
"""Formats that hold nothing but a codec's data, of which FFmpeg says that they have 25 pictures a second, or in DV
60000."""
_PROGRESSIVE = 1
"""FFmpeg's order of fields that says that pictures have none."""
_LATEST = 1 << 62


class VideoDecoder:
    """The largest video track of an open file. ``pts`` holds the time stamp of every picture in the order shown, in
    units of ``time_base``; ``stated_rate`` how many are in a second, rounded or not; ``boxes`` those of the track
    in an MP4 or QuickTime file, else nothing; ``cropping`` what a Matroska file has players leave out of width and
    height. Raises ``MatteError`` with the codes unreadable, no_video."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open()
        self._kept: OrderedDict[int, Any] = OrderedDict()
        self._aspects: dict[int, Fraction] = {}
        self._is_counted = False
        self.boxes, self.cropping = b"", (0, 0)
        try:
            if "mp4" in self.container.format.name:
                self.boxes = track_boxes(path, self.stream.id)
                _refuse_odd_edits(self.boxes, path)
            if "matroska" in self.container.format.name:
                self.cropping = matroska.cropping(path)
            found = packet_times(path, self.container, self.stream)
            _check_complete(self.container, self.stream, path, found)
            # The packets were read to the end; the first picture is sought like any other.
            self.pts, self.stated_rate = found.pts, stated_rate(self.stream)
            self._keys = found.keys if self.container.format.name in _SOUGHT_BY_DECODING_TIME else ()
            if found.is_broken or (found.is_doubtful and self._is_out_of_order()):
                self._is_counted = True
                self.pts = self._counted()
            elif self._pairs_fields():
                shown = set(map(_at, self._frames()))
                self.pts = tuple(at for at in self.pts if at in shown)
                self.stated_rate = (len(self.pts) - 1) / ((self.pts[-1] - self.pts[0]) * self.time_base)
                self._restart()
            elif self.pts and self.pts[0] < found.first_key:
                self.pts = self._from_first_key(found.first_key)
            if not self.pts:
                raise MatteError(
                    "no_video", f"{path} shows no pictures: its edit list leaves them out.", "Export it again."
                )
            self._index = {at: index for index, at in enumerate(self.pts)}
            self._refused = self._indices(found.damaged)
            self.damage = self._known_damage(found)
            if self._has_palette:
                # FFmpeg hands it out once, with the first packet, which a seek would throw away.
                self._begin_again()
        except (av.FFmpegError, OSError) as error:
            self.close()
            raise damaged(path, error) from None

    @property
    def time_base(self) -> Fraction:
        """The unit of time stamps, in seconds."""
        return Fraction(self.stream.time_base)

    @property
    def has_equal_tracks(self) -> bool:
        """Whether another video track that can be decoded has pictures of the same size."""
        return [_pixels(track) for track in _tracks(self.container)].count(_pixels(self.stream)) > 1

    @property
    def _has_palette(self) -> bool:
        form = self.stream.codec_context.format
        return form is not None and bool(form.has_palette)

    def close(self) -> None:
        """Closes the file."""
        self.container.close()

    def frame(self, index: int) -> Any:
        """PyAV's frame with this number, counted from 0. Raises ``MatteError("unreadable", ...)`` and PyAV's
        errors."""
        if index not in self._kept:
            found = self._sought(index)
            if found is None or found.is_corrupt:
                # A seek may land behind the picture, or where its references are missing.
                found = self._from_start(index)
            if found is None or found.is_corrupt or index in self._refused:
                raise _undecodable(self.path, index)
            self._kept[index] = found
            while len(self._kept) > _FRAMES_KEPT:
                self._kept.popitem(last=False)
        return self._kept[index]

    def pixel_aspect(self, index: int) -> Fraction:
        """What the stream says of the pixels of a picture that was decoded, but for some that are decoded together
        where it changes."""
        return self._aspects[index]

    def _open(self) -> None:
        self.container = opened(self.path)
        self.stream = _video_stream(self.container, self.path)
        # Decoding several pictures at once, FFmpeg may hand one out before it knows that its data are damaged.
        one_thread = self.stream.codec_context.name in _UNMARKED_BY_THREADS
        self.stream.thread_type = "NONE" if one_thread else "SLICE"
        # Else FFmpeg leaves columns on the left that the stream has cut off.
        self.stream.codec_context.flags |= av.codec.context.Flags.unaligned
        if strictness := _STRICT.get(self.stream.codec_context.name):
            self.stream.codec_context.options = {"err_detect": strictness}
        self._decoded: Iterator[tuple[int, Any]] = iter(())
        self._next = -1

    def _restart(self) -> None:
        """Reopens the file at its start: not every format can seek there."""
        self.container.close()
        self._open()

    def _frames(self) -> Iterator[Any]:
        """The pictures from the place in the file that was reached, in the order shown."""
        # PyAV raises an error on a packet without data, which Theora has where the picture before is shown on. The
        # last one, without a time, has the decoder hand out what it still holds.
        packets = (each for each in self.container.demux(self.stream) if each.size or each.dts is None)
        name = _ALPHA_DECODERS.get(self.stream.codec_context.name)
        if name is None or self.stream.metadata.get("alpha_mode") != "1":
            return (frame for packet in packets for frame in packet.decode())
        decoder: Any = av.CodecContext.create(name, "r")
        decoder.thread_type = "AUTO"
        return (frame for packet in packets for frame in decoder.decode(packet))

    def _numbered(self, is_start: bool) -> Iterator[tuple[int, Any]]:
        """The same with their indices. A B-frame comes when the picture that is shown after it, and from which it
        is predicted, is decoded too: so what damages it is known."""
        ahead: list[tuple[int, Any]] = []
        expected = 0 if is_start else None
        try:
            for position, frame in enumerate(self._frames()):
                index = position if self._is_counted else self._index.get(_at(frame), -1)
                if index < 0:
                    continue
                expected = self._note(index, frame, expected)
                self._aspects[index] = Fraction(self.stream.codec_context.sample_aspect_ratio or 1)
                ahead.append((index, frame))
                if is_anchor(frame) or not self.stream.codec_context.has_b_frames or len(ahead) > LONGEST_RUN:
                    yield from ahead
                    ahead = []
        except av.FFmpegError:
            yield from ahead
            raise
        yield from ahead

    def _note(self, index: int, frame: Any, expected: int | None) -> int | None:
        """Records a picture and those left out before it; returns the index that comes next. Until the first key
        frame after a seek, pictures lack what they are predicted from, and are not recorded."""
        if expected is None and not frame.key_frame:
            return None
        for missing in range(index if expected is None else expected, index):
            self.damage.note_missing(missing)
        self.damage.note(index, frame)
        return index + 1

    def _sought(self, index: int) -> Any:
        """The frame after a seek to the key frame before it, or the next frame without one; None if it is
        missed."""
        if index == self._next:
            return self._advance(index)
        if self._is_counted:
            return None
        try:
            self.container.seek(self._place_of(index), stream=self.stream, backward=True)
            self._decoded = self._numbered(is_start=False)
            return self._advance(index)
        except av.FFmpegError:
            return None

    def _place_of(self, index: int) -> int:
        """The time stamp to seek, so that the decoder begins at the key frame before a picture, or at it."""
        before = bisect.bisect_right(self._keys, (self.pts[index], _LATEST))
        return self._keys[before - 1][1] if before else self.pts[index]

    def _begin_again(self) -> None:
        """Reopens the file, to decode the first picture next."""
        self._restart()
        self._decoded = self._numbered(is_start=True)
        self._next = 0

    def _from_start(self, index: int) -> Any:
        self._begin_again()
        try:
            return self._advance(index)
        except av.FFmpegError:
            return None

    def _advance(self, index: int) -> Any:
        """Decodes and drops frames up to ``index``; None if it does not come."""
        self._next = -1
        for position, frame in self._decoded:
            if position >= index:
                self._next = position + 1
                return frame if position == index else None
        return None

    def _indices(self, times: Iterable[int]) -> frozenset[int]:
        return frozenset(self._index[at] for at in times if at in self._index and not self._is_counted)

    def _known_damage(self, found: PacketTimes) -> KnownDamage:
        return KnownDamage(
            damaged=self._refused,
            suspect=self._indices(found.suspect),
            times=self.pts,
            held=found.held,
            rounding=max(Fraction(1), MILLISECOND / self.time_base),
        )

    def _is_out_of_order(self) -> bool:
        """Whether the decoder's output has times that do not rise, or that no packet has."""
        self._restart()
        known, last = set(self.pts), None
        for _, frame in zip(range(_REORDERED), self._frames(), strict=False):
            if frame.pts is None or frame.pts not in known or (last is not None and frame.pts <= last):
                return True
            last = frame.pts
        self._restart()
        return False

    def _pairs_fields(self) -> bool:
        """Whether packets hold one field each, of which the decoder makes a picture from two: H.264 of camcorders
        and broadcasts, where it was copied from a transport stream. The decoder is at the file's start then."""
        context = self.stream.codec_context
        if context.name != "h264" or int(context.field_order) == _PROGRESSIVE:
            return False
        self._restart()
        pictures = [frame for _, frame in zip(range(_REORDERED), self._frames(), strict=False)]
        self._restart()
        times = {_at(frame) for frame in pictures if not frame.is_corrupt}
        between = [
            at for at in self.pts if at not in times and min(times, default=at) < at < max(times, default=at)
        ]
        return 2 * len(between) >= len(times) > 1

    def _from_first_key(self, key: int) -> tuple[int, ...]:
        """The times of the pictures without those that are shown before the first key frame and lack what they are
        predicted from, as where a stream was cut."""
        self._restart()
        decoded: set[int] = set()
        with contextlib.suppress(av.FFmpegError):
            decoded.update(itertools.takewhile(lambda at: at < key, map(_at, self._frames())))
        self._restart()
        return tuple(at for at in self.pts if at >= key or at in decoded)

    def _counted(self) -> tuple[int, ...]:
        """Times of the pictures of a file whose own times are of no use: they follow from the frame rate."""
        self._restart()
        count = sum(1 for _ in self._frames())
        rate = stated_rate(self.stream)
        return tuple(round(number / rate / self.time_base) for number in range(count))


def opened(path: Path) -> Any:
    """Opens a media file and returns PyAV's container. Raises ``MatteError("unreadable", ...)``."""
    try:
        container = av.open(str(path), metadata_errors="replace")
    except (av.FFmpegError, OSError) as error:
        raise damaged(path, error) from None
    if container.format.name.endswith("_pipe"):
        container.close()
        raise MatteError(
            "unreadable", f"{path} is a still picture, not a video.", "Give it the suffix of one, such as .png."
        )
    return container


def stated_rate(stream: Any) -> Fraction:
    """Frames a second as the container states them, rounded or not; those that its data state, where it holds
    nothing else."""
    of_codec = stream.codec_context.framerate if stream.container.format.name in _OF_CODECS else None
    return Fraction(of_codec or stream.average_rate or stream.guessed_rate or _DEFAULT_RATE)


def _undecodable(path: Path, index: int) -> MatteError:
    return MatteError(
        "unreadable",
        f"Frame {index + 1} of {path} cannot be decoded: its data are damaged.",
        "Export the video again, or leave the frame out with --frames.",
    )


def damaged(path: Path, error: Exception) -> MatteError:
    """The error for a file that FFmpeg cannot read."""
    reason = str(getattr(error, "strerror", "") or error).rstrip(".")
    return MatteError(
        "unreadable",
        f"{path} cannot be read as a video: {reason}.",
        "It may be truncated, still being written, or of a codec that this build cannot decode.",
    )


def _video_stream(container: Any, path: Path) -> Any:
    """The video track with the most pixels, the first of equals."""
    tracks = _tracks(container)
    if tracks:
        return max(tracks, key=_pixels)
    if any(map(_is_film, container.streams.video)):
        raise MatteError(
            "unreadable",
            f"{path} cannot be read as a video: this build of FFmpeg does not know its codec.",
            "Export it as ProRes, DNxHR, H.264 or an EXR sequence.",
        )
    raise MatteError("no_video", f"{path} has no video track.", "Choose a file that has one.")


def _tracks(container: Any) -> list[Any]:
    """The video tracks that can be decoded and are no cover pictures. Of a codec that FFmpeg does not know, PyAV
    has no size either."""
    return [each for each in container.streams.video if _is_film(each) and each.codec_context is not None]


def _is_film(track: Any) -> bool:
    return not track.disposition & track.disposition.attached_pic


def _pixels(track: Any) -> int:
    return int((track.width or 0) * (track.height or 0))


def _at(frame: Any) -> int:
    return int(frame.pts) if frame.pts is not None else -_LATEST


def _refuse_odd_edits(boxes: bytes, path: Path) -> None:
    if has_odd_edits(boxes):
        raise MatteError(
            "unreadable",
            f"{path} has an edit list with a gap, a held picture or another speed, which is not followed.",
            "Export the video again.",
        )


def _check_complete(container: Any, stream: Any, path: Path, found: PacketTimes) -> None:
    """Raises ``MatteError`` if a file has no pictures, or ends before its container says."""
    if not found.count:
        raise MatteError("no_video", f"{path} has no pictures.", "It may be truncated; export it again.")
    rate = stated_rate(stream)
    start = Fraction(container.start_time or 0, av.time_base)
    # Containers count their duration from zero or from their start.
    missing = Fraction(container.duration or 0, av.time_base) - max(found.end - start, found.end)
    expected = found.count + round(missing * rate) if missing > max(_MISSING_S, _MISSING_FRAMES / rate) else 0
    if stream.frames > found.count and stream.duration:
        # Frames that an edit list leaves out are counted, but do not belong to the track's duration.
        begin = (stream.start_time or 0) * Fraction(stream.time_base)
        is_short = stream.duration * Fraction(stream.time_base) - (found.video_end - begin) > 1 / (2 * rate)
        expected = stream.frames if is_short else expected
    if is_cut(path, container.format.name):
        expected = max(stream.frames, found.count + max(round(missing * rate), 1))
    if expected > found.count:
        raise MatteError(
            "unreadable",
            f"{path} is truncated: it ends after {counted(found.count, 'picture')}.",
            "Copy or export it again.",
        )
