"""Damage inside a video: each picture is right, or refused, or comes with a warning; and whole videos have none."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from matte_server.core.image import Image
from matte_server.errors import MatteError
from matte_server.io.ffv1 import checksums_are_right
from matte_server.io.media import VideoReader
from matte_server.io.video_container import is_cut
from matte_server.io.video_damage import KnownDamage
from tests.matte_server.video_files import numbered, zeroed_memory

COUNT = 9
CODECS = {
    "h264.mp4": ("libx264", "yuv420p", {"bf": "2", "g": "6", "preset": "ultrafast"}),
    "hevc.mkv": ("libx265", "yuv420p", {"x265-params": "log-level=none:keyint=6", "preset": "ultrafast"}),
    "hevc.ts": ("libx265", "yuv420p", {"x265-params": "log-level=none:keyint=6", "preset": "ultrafast"}),
    "vp9.mkv": ("libvpx-vp9", "yuv420p", {"deadline": "realtime", "cpu-used": "8", "g": "6"}),
    "mpeg2.mov": ("mpeg2video", "yuv420p", {"bf": "2", "g": "6", "q:v": "3"}),
    "mpeg4.mp4": ("mpeg4", "yuv420p", {"bf": "2", "g": "6", "q:v": "3"}),
    "mjpeg.mov": ("mjpeg", "yuvj420p", {"q:v": "3"}),
    "prores.mov": ("prores_ks", "yuv422p10le", {}),
    "ffv1.avi": ("ffv1", "yuv420p", {"level": "3", "slicecrc": "1", "g": "6"}),
    "ffv1-twice.mkv": ("ffv1", "yuv420p", {"level": "3", "slicecrc": "2", "strict": "experimental", "g": "6"}),
    "no-checksum.avi": ("ffv1", "yuv420p", {"level": "3", "slicecrc": "0"}),
}


def encoded(path: Path) -> Path:
    """A video that its name describes."""
    codec, pixel_format, options = CODECS[path.name]
    return encoded_with(path, codec, pixel_format, options)


@zeroed_memory()
def encoded_with(
    path: Path, codec: str, pixel_format: str, options: Mapping[str, str] = {}, container: Mapping[str, str] = {}
) -> Path:
    """A video of all numbered pictures. ``options``: the codec's; ``container``: the file's."""
    with av.open(str(path), "w", options=dict(container)) as file:
        stream: Any = file.add_stream(codec, rate=25, options=dict(options))
        stream.width, stream.height, stream.pix_fmt = 96, 64, pixel_format
        for picture in numbered(COUNT, 64, 96):
            pixels = np.rint(picture * 255).astype(np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        file.mux(stream.encode(None))
    return path


@dataclass(frozen=True)
class StoredPacket:
    """A packet of a video track: when its picture is shown, and its bytes."""

    pts: int
    data: bytes
    is_key: bool


def packets(path: Path) -> list[StoredPacket]:
    with av.open(str(path)) as container:
        return [
            StoredPacket(pts=packet.pts or 0, data=bytes(packet), is_key=packet.is_keyframe)
            for packet in container.demux(video=0)
            if packet.size
        ]


def overwritten(path: Path, number: int, damage: Callable[[bytes], bytes]) -> None:
    """Damages a packet, counted from 0 as they are stored, where it lies in the file."""
    packet, data = packets(path)[number].data, bytearray(path.read_bytes())
    at = data.index(packet)
    data[at : at + len(packet)] = damage(packet)
    path.write_bytes(data)


def without(path: Path, numbers: set[int]) -> Path:
    """The video in a file of its own that lacks packets, counted from 0 as they are stored."""
    made = path.with_stem(f"{path.stem}-less")
    with av.open(str(path)) as given, av.open(str(made), "w") as container:
        stream = container.add_stream_from_template(given.streams.video[0], opaque=True)
        for number, packet in enumerate(given.demux(video=0)):
            if packet.size and number not in numbers:
                packet.stream = stream
                container.mux(packet)
    return made


def pictures(path: Path) -> dict[Fraction, Image | MatteError]:
    """By their time."""
    found: dict[Fraction, Image | MatteError] = {}
    with VideoReader(path) as reader:
        for number, at in enumerate(reader.facts.times, 1):
            try:
                found[at] = reader.read(number)
            except MatteError as refused:
                found[at] = refused
    return found


def differs(one: Image, other: Image) -> bool:
    return not np.array_equal(one.pixels, other.pixels)


def half_zero(data: bytes) -> bytes:
    return data[: len(data) // 2] + bytes(len(data) - len(data) // 2)


def half_turned(data: bytes) -> bytes:
    return data[: len(data) // 2] + bytes(byte ^ 0x5A for byte in data[len(data) // 2 :])


@pytest.mark.parametrize("damage", [half_zero, half_turned])
@pytest.mark.parametrize(
    "name", [name for name in CODECS if name not in ("hevc.ts", "no-checksum.avi", "ffv1-twice.mkv")]
)
def test_no_wrong_picture_comes_in_silence(tmp_path: Path, name: str, damage: Callable[[bytes], bytes]) -> None:
    right = pictures(encoded(tmp_path / name))
    assert all(isinstance(picture, Image) and not picture.warnings for picture in right.values())
    # The second picture that is stored: others are predicted from it.
    overwritten(tmp_path / name, 1, damage)
    told = False
    for at, found in pictures(tmp_path / name).items():
        told = told or isinstance(found, MatteError) or bool(found.warnings)
        truth = right[at]
        assert isinstance(truth, Image)
        assert isinstance(found, MatteError) or found.warnings or not differs(found, truth), at
    assert told


def test_only_pictures_that_are_predicted_from_the_damaged_one_are_doubted(tmp_path: Path) -> None:
    """They are stored as I0 P3 B1 B2 I6 B4 B5 ..., by the order in which they are shown."""
    path = encoded(tmp_path / "mpeg2.mov")
    order = sorted(packet.pts for packet in packets(path))
    assert [order.index(packet.pts) for packet in packets(path)][:7] == [0, 3, 1, 2, 6, 4, 5]
    overwritten(path, 1, half_zero)
    found = pictures(path).values()
    kinds = ["refused" if isinstance(each, MatteError) else "told" if each.warnings else "right" for each in found]
    assert kinds == ["right", "told", "told", "refused", "told", "told", "right", "right", "right"]
    # The same in any order, for the file is read from another key frame then.
    with VideoReader(path) as reader:
        doubted = []
        for number in (8, 2, 7, 5, 1, 3):
            picture = reader.read(number)
            doubted += [number] if picture.warnings else []
        assert doubted == [2, 5, 3]


def test_a_transport_stream_that_lost_a_packet_says_so(tmp_path: Path) -> None:
    """H.265, whose decoder takes what is left for a picture."""
    path = encoded(tmp_path / "hevc.ts")
    data, middle = path.read_bytes(), path.stat().st_size // 188 // 2 * 188
    path.write_bytes(data[:middle] + data[middle + 188 :])
    found = pictures(path).values()
    told = [each for each in found if isinstance(each, MatteError) or each.warnings]
    assert any(
        "part of the video's file is damaged" in each.warnings[0] for each in told if isinstance(each, Image)
    )


@pytest.mark.parametrize("name", ["vp9.mkv", "prores.mov"])
def test_a_picture_that_is_missing_by_its_time_is_named(tmp_path: Path, name: str) -> None:
    path = without(encoded(tmp_path / name), {3})
    warnings = [each.warnings for each in pictures(path).values() if isinstance(each, Image)]
    assert warnings[:3] == [(), (), ()]
    assert warnings[3][-1] == "The video has no picture for 1 of its times, first after frame 3."
    # Those of VP9 up to the next key frame, the seventh of the whole video, are predicted from it.
    predicted = [index for index, each in enumerate(warnings) if any("missing one" in text for text in each)]
    assert predicted == ([3, 4] if name == "vp9.mkv" else [])


def test_a_video_that_leaves_many_pictures_out_means_it(tmp_path: Path) -> None:
    """As screen recorders do where nothing changes."""
    path = without(encoded(tmp_path / "prores.mov"), {2, 3, 6})
    assert [each.warnings for each in pictures(path).values() if isinstance(each, Image)] == [()] * (COUNT - 3)


@pytest.mark.parametrize("name", ["ffv1.avi", "ffv1-twice.mkv", "no-checksum.avi"])
def test_checksums_of_ffv1(tmp_path: Path, name: str) -> None:
    has_checksums = name != "no-checksum.avi"
    for packet in packets(encoded(tmp_path / name)):
        assert checksums_are_right(packet.data) == (True if has_checksums else None)
        assert checksums_are_right(packet.data[:-9]) is None  # no slices any more
        changed = bytearray(packet.data)
        changed[len(changed) // 2] ^= 1
        assert checksums_are_right(bytes(changed)) == (False if has_checksums else None)


def test_a_matroska_file_of_unknown_length_is_whole(tmp_path: Path) -> None:
    """As it is written to a pipe: neither its segment nor its clusters say where they end (RFC 8794, 6.2)."""
    path = encoded_with(tmp_path / "live.mkv", "ffv1", "yuv444p", container={"live": "1"})
    assert bytes.fromhex("1853806701ffffffffffffff") in path.read_bytes()
    found = pictures(path)
    assert len(found) == COUNT and all(isinstance(each, Image) and each.warnings == () for each in found.values())


def test_a_video_without_checksums_is_read(tmp_path: Path) -> None:
    found = pictures(encoded(tmp_path / "no-checksum.avi"))
    assert len(found) == COUNT and all(isinstance(each, Image) and each.warnings == () for each in found.values())


def holes(times: Sequence[int], rounding: int) -> list[int]:
    """The pictures of which it is said that a time before them has none."""
    damage = KnownDamage(damaged=(), suspect=(), times=times, rounding=Fraction(rounding))
    return [at for at in range(len(times)) if any("has no picture for" in text for text in damage.doubts(at))]


@pytest.mark.parametrize(
    ("count", "missing", "is_said"),
    [
        (300, (40, 70, 100), True),
        (299, (40, 70, 100), False),  # 3 of 296 are more than 1 %
        (50, (20,), True),
        (50, (20, 30), False),
    ],
)
def test_few_holes_are_named_and_many_are_meant(count: int, missing: tuple[int, ...], is_said: bool) -> None:
    times = [10 * at for at in range(count + len(missing)) if at not in missing]
    behind = [at - number for number, at in enumerate(missing)]
    assert holes(times, 1) == (behind if is_said else [])


@pytest.mark.parametrize(("step", "is_said"), [(3, False), (4, False), (5, True)])
def test_rounded_times_say_nothing_of_holes(step: int, is_said: bool) -> None:
    """A step of four units, each wrong by up to one, may be one of two or of six."""
    times = [step * at for at in range(60) if at != 30]
    assert holes(times, 1) == ([30] if is_said else [])


@pytest.mark.parametrize("beyond", [-1, 0, 1])
def test_an_mxf_that_is_cut_where_its_footer_begins(tmp_path: Path, beyond: int) -> None:
    path = encoded_with(tmp_path / "a.mxf", "mpeg2video", "yuv420p")
    data = path.read_bytes()
    assert not is_cut(path, "mxf")
    # The key of a closed and complete footer (SMPTE ST 377-1, 7.4).
    footer = data.rindex(bytes.fromhex("060e2b34020501010d01020101040400"))
    path.write_bytes(data[: footer + beyond])
    assert is_cut(path, "mxf") is (beyond <= 0)


@pytest.mark.parametrize("is_broadcast", [False, True])
def test_an_asf_that_is_cut(tmp_path: Path, is_broadcast: bool) -> None:
    """The size that a broadcast states counts for nothing (Advanced Systems Format, 3.2)."""
    path = encoded_with(tmp_path / "a.wmv", "wmv2", "yuv420p")
    data = bytearray(path.read_bytes())
    properties = data.index(bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365"))
    # Behind the identifier: sizes of the object, the file's identifier, eight numbers; then the flags.
    data[properties + 88] = data[properties + 88] & ~1 | is_broadcast
    path.write_bytes(data)
    assert not is_cut(path, "asf")
    path.write_bytes(data[:-1])
    assert is_cut(path, "asf") is not is_broadcast


def test_an_flv_that_is_cut(tmp_path: Path) -> None:
    """Its last picture was missing, and nothing said so. The length that is stated behind a picture says nothing:
    FFmpeg knows writers that leave it out, or count too little."""
    path = encoded_with(tmp_path / "a.flv", "flv", "yuv420p", {"q:v": "3"})
    data, last = path.read_bytes(), len(packets(path)[-1].data)
    for stated in (data[-4:], bytes(4), struct.pack(">I", last)):
        path.write_bytes(data[:-4] + stated)
        assert not is_cut(path, "flv") and len(pictures(path)) == COUNT
    for cut in (1, 4, 40, last, last + 10):
        path.write_bytes(data[:-cut])
        with pytest.raises(MatteError, match="is truncated"):
            VideoReader(path)


def test_an_ogg_that_is_cut(tmp_path: Path) -> None:
    """Of seven pictures one was left, and nothing said so; many lie in one page."""
    path = encoded_with(tmp_path / "a.ogv", "libvpx", "yuv420p", {"deadline": "realtime"})
    data = path.read_bytes()
    assert not is_cut(path, "ogg") and len(pictures(path)) == COUNT
    for cut in (1, 300, len(data) - data.rindex(b"OggS") - 20):
        path.write_bytes(data[:-cut])
        with pytest.raises(MatteError, match="is truncated"):
            VideoReader(path)
    path.write_bytes(data + b"behind its last page, as some programs write")
    assert not is_cut(path, "ogg")


@pytest.mark.parametrize(("lines", "rate", "layout"), [(576, 25, "yuv420p"), (480, 30000 / 1001, "yuv411p")])
def test_a_raw_dv_that_is_cut(tmp_path: Path, lines: int, rate: float, layout: str) -> None:
    """What its last picture lacked was filled up from the one before, in silence."""
    path = tmp_path / "a.dv"
    with av.open(str(path), "w", format="dv") as made:
        stream: Any = made.add_stream("dvvideo", rate=Fraction(rate).limit_denominator(1001))
        stream.width, stream.height, stream.pix_fmt = 720, lines, layout
        for level in (50, 100, 150):
            code = np.full((lines, 720, 3), level, np.uint8)
            made.mux(stream.encode(av.VideoFrame.from_ndarray(code, "rgb24").reformat(format=layout)))
    data = path.read_bytes()
    for begin in (0, 80):  # a capture that began within a picture
        path.write_bytes(data[begin:])
        with VideoReader(path) as reader:
            assert len(reader.facts.times) == (2 if begin else 3)
        for cut in (1, 1000):
            path.write_bytes(data[begin:-cut])
            with pytest.raises(MatteError, match="is truncated"):
                VideoReader(path)


def test_pictures_before_the_first_key_frame_are_none(tmp_path: Path) -> None:
    """As in a recording that began in the middle of a broadcast; they could not be decoded."""
    path = encoded(tmp_path / "hevc.ts")
    keys = [number for number, packet in enumerate(packets(path)) if packet.is_key]
    assert keys[0] == 0 and len(keys) > 1
    found = pictures(without(path, {0}))
    assert len(found) == COUNT - keys[1]
    assert all(isinstance(each, Image) and each.warnings == () for each in found.values())


@pytest.mark.parametrize("is_open", [False, True])
@pytest.mark.parametrize("name", ["c.mkv", "c.ts"])
def test_pictures_before_the_first_key_frame_that_can_be_decoded(tmp_path: Path, name: str, is_open: bool) -> None:
    """H.265 has both kinds (ITU-T H.265, 3.1: RADL and RASL pictures): those of an open group are predicted from
    the group before, which was cut off. H.266 begins a video with the former, as encoders write it."""
    gop = "open-gop=1" if is_open else "open-gop=0:radl=2"
    options = f"log-level=none:keyint=5:min-keyint=5:scenecut=0:bframes=3:b-adapt=0:{gop}"
    path = encoded_with(tmp_path / name, "libx265", "yuv420p", {"x265-params": options, "preset": "ultrafast"})
    stored = packets(path)
    second = [number for number, packet in enumerate(stored) if packet.is_key][1]
    assert min(packet.pts for packet in stored[second:]) < stored[second].pts
    found = list(pictures(without(path, set(range(second)))).values())
    expected = list(pictures(path).values())[5 if is_open else 3 :]
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert isinstance(one, Image) and isinstance(other, Image)
        assert one.warnings == () and not differs(one, other)
