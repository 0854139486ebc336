"""What a video's container, packets and decoder say, against what is shown: each picture says its own number."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.filter
import numpy as np
import OpenEXR
import pytest
from PIL import Image as PillowImage
from pymediainfo import MediaInfo

from matte_server.core.image import Image
from matte_server.core.window import Window
from matte_server.errors import MatteError
from matte_server.io import exr, video_decoder, video_writer
from matte_server.io.media import VideoReader, is_video
from matte_server.io.timecode import Timecode
from matte_server.io.video_planes import rgb_of
from matte_server.io.video_writer import MovieSettings, VideoWriter
from tests.matte_server import colour_formulas as formulas
from tests.matte_server import picture_files as files
from tests.matte_server.picture_files import exr_header
from tests.matte_server.video_files import PRORES_422_HQ, VideoTags, long_gop, number_of, numbered, video

COUNT = 14


def numbers(path: Path, order: range | list[int]) -> list[int]:
    with VideoReader(path) as reader:
        return [number_of(reader.read(number).pixels) for number in order]


def remuxed(source: Path, target: Path, shift: Fraction = Fraction(0), **options: str) -> Path:
    """The packets of a video in another container, ``shift`` seconds later."""
    with av.open(str(source)) as given, av.open(str(target), "w", container_options=options) as made:
        tracks = {track.index: made.add_stream_from_template(track) for track in given.streams}
        for packet in given.demux():
            if packet.dts is None:
                continue
            moved = round(shift / packet.time_base)
            packet.pts, packet.dts = (packet.pts or 0) + moved, packet.dts + moved
            packet.stream = tracks[packet.stream.index]
            made.mux(packet)
    return target


@pytest.mark.parametrize("name", ["a.avi", "a.mp4", "a.mkv", "a.mov", "a.ts", "a.m2ts"])
def test_pictures_with_b_frames_are_numbered_as_shown(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    long_gop(path)
    assert is_video(path)
    with VideoReader(path) as reader:
        assert reader.facts.rate == 24
        assert reader.facts.times == tuple(Fraction(number, 24) for number in range(COUNT))
    assert numbers(path, range(1, COUNT + 1)) == list(range(COUNT))
    # Backwards, and back and forth.
    assert numbers(path, [14, 1, 7, 3, 13, 2]) == [13, 0, 6, 2, 12, 1]


SUBSAMPLED = {
    "x.avi": ("mpeg4", "yuv420p", {"bf": "2", "q:v": "2"}),
    "m.mxf": ("mpeg2video", "yuv422p", {"bf": "2", "g": "12", "q:v": "2"}),
    "w.wmv": ("wmv2", "yuv420p", {"q:v": "2"}),
    "v.webm": ("libvpx", "yuv420p", {"deadline": "realtime", "cpu-used": "8", "b": "3M"}),
}


def subsampled(path: Path, count: int, **changed: str) -> None:
    """Pictures that say their number, in the codec of the name."""
    codec, pixel_format, options = SUBSAMPLED[path.name]
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=25, options={**options, **changed})
        stream.width, stream.height, stream.pix_fmt = 192, 128, pixel_format
        for picture in numbered(count):
            whole = np.rint(picture * 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(whole, "rgb24")))
        container.mux(stream.encode(None))


@pytest.mark.parametrize("name", ["b.mp4", "b.mov", "b.mkv", "b.ts"])
def test_a_video_is_opened_once_and_its_pictures_are_sought(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a transport stream too, where FFmpeg would seek a packet that no picture can be decoded from."""
    opened, original = [], video_decoder.opened

    def counting(path: Path) -> Any:
        opened.append(path)
        return original(path)

    monkeypatch.setattr(video_decoder, "opened", counting)
    long_gop(tmp_path / name, g="4")
    with VideoReader(tmp_path / name) as reader:
        found = [number_of(reader.read(number).pixels) for number in (9, 3, 14, 1, 6, 5)]
    assert found == [8, 2, 13, 0, 5, 4]
    assert len(opened) == 1


@pytest.mark.parametrize("name", SUBSAMPLED)
def test_xvid_in_avi_mpeg_2_in_mxf_wmv_and_vp8(tmp_path: Path, name: str) -> None:
    subsampled(tmp_path / name, COUNT)
    assert numbers(tmp_path / name, range(1, COUNT + 1)) == list(range(COUNT))


def as_of_xvid(source: Path, target: Path, placeholders: tuple[int, ...]) -> None:
    """The packets of an MPEG-4 video as Xvid writes them to an AVI: those with these numbers hold no picture.
    FFmpeg accepts such packets from Xvid alone."""
    with av.open(str(source)) as given, av.open(str(target), "w") as made:
        track = made.add_stream_from_template(given.streams.video[0])
        track.codec_context.codec_tag = "XVID"
        pictures = [packet for packet in given.demux(video=0) if packet.dts is not None]
        for number in range(len(pictures) + len(placeholders)):
            picture = None if number in placeholders else pictures.pop(0)
            data = bytes(picture) if picture else b"\x7f"
            packet = av.Packet(re.sub(rb"Lavc[0-9.]+", lambda it: b"XviD0050".ljust(len(it[0]), b"\0"), data))
            packet.stream, packet.time_base = track, Fraction(1, 25)
            packet.pts = packet.dts = number
            packet.is_keyframe = picture is not None and picture.is_keyframe
            made.mux(packet)


@pytest.mark.parametrize("bf", ["0", "2"])
@pytest.mark.parametrize("placeholders", [(1, 2), (1, 2, 8, 9, 13)], ids=["at-start", "and-within"])
def test_packets_of_xvid_that_hold_no_picture(tmp_path: Path, placeholders: tuple[int, ...], bf: str) -> None:
    """The decoder leaves them out, and times count them: every picture behind them was called damaged, or had
    another's number. With B-frames, they are there while an AVI waits; else the picture before is shown on."""
    subsampled(tmp_path / "x.avi", COUNT, bf=bf)
    as_of_xvid(tmp_path / "x.avi", tmp_path / "xvid.avi", placeholders)
    held = placeholders if bf == "0" else ()
    with VideoReader(tmp_path / "xvid.avi") as reader:
        shown = [number for number in range(COUNT + len(held)) if number not in held]
        assert reader.facts.times == tuple(Fraction(number, 25) for number in shown)
    assert numbers(tmp_path / "xvid.avi", [14, 1, 2, 3, 9, 4, 13, 12]) == [13, 0, 1, 2, 8, 3, 12, 11]


NOT_CODED = bytes.fromhex("000001b6514f")
"""A header of MPEG-4 as Xvid writes it: marker, 5 bits of time, marker, vop_coded 0, filling."""


def remade(source: Path, target: Path, change: Callable[[list[bytes]], list[bytes]]) -> Path:
    """A video of 25 pictures a second with other packets."""
    with av.open(str(source)) as given, av.open(str(target), "w") as made:
        track = made.add_stream_from_template(given.streams.video[0])
        for number, data in enumerate(change([bytes(each) for each in given.demux(video=0) if each.size])):
            packet = av.Packet(data)
            packet.stream, packet.time_base = track, Fraction(1, 25)
            packet.pts = packet.dts = number
            packet.is_keyframe = True
            made.mux(packet)
    return target


@pytest.mark.parametrize("held", [(3,), (3, 4, 10)], ids=str)
@pytest.mark.parametrize(
    ("name", "empty"),
    [("n.avi", NOT_CODED), ("n.mp4", NOT_CODED), ("n.mkv", NOT_CODED), ("n.nut", NOT_CODED), ("n.nut", b"")],
)
def test_a_packet_that_codes_nothing_holds_the_picture_before(
    tmp_path: Path, name: str, empty: bytes, held: tuple[int, ...]
) -> None:
    """The times of the others stay, and none is doubted: all from there on were called damaged. Packets without
    data, as Theora's, are kept by few containers that FFmpeg writes."""
    subsampled(tmp_path / "x.avi", COUNT, bf="0", g="1")
    path = remade(
        tmp_path / "x.avi",
        tmp_path / name,
        lambda pictures: [empty if at in held else data for at, data in enumerate(pictures)],
    )
    shown = [number for number in range(COUNT) if number not in held]
    with VideoReader(path) as reader:
        assert reader.facts.times == tuple(Fraction(number, 25) for number in shown)
        found = [reader.read(number) for number in range(1, len(shown) + 1)]
    assert [number_of(image.pixels) for image in found] == shown
    assert {warning for image in found for warning in image.warnings} == set()


def test_pictures_of_a_few_bytes_are_pictures(tmp_path: Path) -> None:
    """Where nothing moves, FFmpeg writes some of no more than twelve."""
    path, still = tmp_path / "a.avi", av.VideoFrame.from_ndarray(np.full((32, 32, 3), 90, np.uint8), "rgb24")
    with av.open(str(path), "w") as made:
        stream: Any = made.add_stream("mpeg4", rate=25, options={"g": "100"})
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        packets = [packet for frame in (*[still] * COUNT, None) for packet in stream.encode(frame)]
        sizes = [packet.size for packet in packets]
        made.mux(packets)
    assert sizes[1:] == [12] * (COUNT - 1)
    with VideoReader(path) as reader:
        assert reader.facts.times == tuple(Fraction(number, 25) for number in range(COUNT))


@pytest.mark.parametrize("name", ["b.mp4", "b.mkv"])
def test_a_held_picture_beside_b_frames(tmp_path: Path, name: str) -> None:
    """Only an AVI is filled up with such packets; in others the times of all other pictures stay."""
    held = 5  # a B-frame before the picture that it is predicted from
    with av.open(str(tmp_path / name), "w") as made:
        stream: Any = made.add_stream("mpeg4", rate=25, options={"bf": "2", "q:v": "2"})
        stream.width, stream.height, stream.pix_fmt = 192, 128, "yuv420p"
        codes = (np.rint(picture * 255).astype(np.uint8) for picture in numbered(COUNT))
        for frame in (*(av.VideoFrame.from_ndarray(code, "rgb24") for code in codes), None):
            for packet in stream.encode(frame):
                sent = av.Packet(NOT_CODED if packet.pts == held else bytes(packet))
                sent.stream, sent.time_base, sent.is_keyframe = stream, packet.time_base, packet.is_keyframe
                sent.pts, sent.dts = packet.pts, packet.dts
                made.mux(sent)
    shown = [number for number in range(COUNT) if number != held]
    with VideoReader(tmp_path / name) as reader:
        assert reader.facts.times == tuple(Fraction(number, 25) for number in shown)
    assert numbers(tmp_path / name, range(1, COUNT)) == shown


def packed_bitstream(pictures: list[bytes]) -> list[bytes]:
    """As DivX and Xvid write B-frames to an AVI: the first in the packet of the picture that is shown behind it, a
    header alone in its place. FFmpeg takes such packets apart where they name DivX."""
    packets: list[bytes] = []
    is_packed = False
    for picture in pictures:
        data = re.sub(rb"Lavc[0-9.]+", b"DivX503b1393p", picture)
        is_b_frame = data[data.index(b"\0\0\1\xb6") + 4] >> 6 == 2
        if is_b_frame and not is_packed:
            packets[-1] += data
        elif is_b_frame or not is_packed:
            packets.append(data)
        else:
            packets += [NOT_CODED, data]
        is_packed = is_b_frame
    return packets


def test_a_packed_bitstream_has_its_pictures_in_order(tmp_path: Path) -> None:
    subsampled(tmp_path / "x.avi", COUNT, bf="2")
    path = remade(tmp_path / "x.avi", tmp_path / "packed.avi", packed_bitstream)
    with VideoReader(path) as reader:
        assert reader.facts.times == tuple(Fraction(number, 25) for number in range(COUNT))
    assert numbers(path, [*range(1, COUNT + 1), 3, 9]) == [*range(COUNT), 2, 8]


@pytest.mark.parametrize(
    ("name", "codec"), [("a.webm", "libvpx"), ("a.webm", "libvpx-vp9"), ("a.mkv", "libvpx-vp9")]
)
def test_alpha_of_vp8_and_vp9(tmp_path: Path, name: str, codec: str) -> None:
    """Which lies beside the pictures, and which FFmpeg's own decoders leave out."""
    path, alpha = tmp_path / name, np.linspace(0.0, 1.0, 192)[None].repeat(128, 0)
    with av.open(str(path), "w") as container:
        options = {"deadline": "realtime", "cpu-used": "8", "b": "3M", "auto-alt-ref": "0"}
        stream: Any = container.add_stream(codec, rate=24, options=options)
        stream.width, stream.height, stream.pix_fmt = 192, 128, "yuva420p"
        for picture in numbered(4):
            code = np.rint(255 * np.dstack([picture, alpha])).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(code, format="rgba")))
        container.mux(stream.encode(None))
    assert numbers(path, [1, 2, 4, 3, 1]) == [0, 1, 3, 2, 0]
    with VideoReader(path) as reader:
        assert reader.facts.frames == 4
        # Both codecs miss a smooth ramp by 3 of 255 codes at most.
        assert float(np.abs(reader.read(3).pixels[..., 3] - alpha).max()) < 4 / 255


def test_a_still_that_is_called_a_video(tmp_path: Path) -> None:
    files.png(tmp_path / "still.mp4", np.full((4, 4, 3), 0.5))
    with pytest.raises(MatteError, match="is a still picture, not a video"):
        VideoReader(tmp_path / "still.mp4")


@pytest.mark.parametrize("shift", [Fraction(-1, 10), Fraction(2)], ids=["negative", "late"])
def test_a_start_other_than_zero(tmp_path: Path, shift: Fraction) -> None:
    long_gop(tmp_path / "a.mp4")
    path = remuxed(tmp_path / "a.mp4", tmp_path / "b.mkv", shift, avoid_negative_ts="disabled")
    assert numbers(path, [1, 2, 14, 1, 8]) == [0, 1, 13, 0, 7]
    with VideoReader(path) as reader:
        assert (reader.facts.frames, reader.facts.times[0]) == (COUNT, Fraction(0))
        # Matroska counts milliseconds, and has none below zero.
        assert abs(reader.facts.start - max(shift, Fraction(0))) < Fraction(1, 500)


@pytest.mark.parametrize(("name", "part"), [("a.mkv", 0.7), ("a.mkv", 0.4), ("a.avi", 0.6), ("front.mp4", 0.7)])
def test_a_video_that_ends_early_is_refused(tmp_path: Path, name: str, part: float) -> None:
    path = tmp_path / name
    if name == "front.mp4":
        long_gop(tmp_path / "a.mp4")
        remuxed(tmp_path / "a.mp4", path, movflags="faststart")
    else:
        long_gop(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    with pytest.raises(MatteError) as refused:
        VideoReader(path)
    assert refused.value.code == "unreadable"
    assert "truncated" in str(refused.value) + refused.value.hint


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.mov", *SUBSAMPLED])
def test_no_cut_is_taken_for_the_end(tmp_path: Path, name: str) -> None:
    """Cut anywhere, a file is refused, unless all its pictures are there, as in an MXF without its index: with
    B-frames a later picture would stand in for one that is missing."""
    whole, path = tmp_path / name, tmp_path / f"cut-{name}"
    if name in SUBSAMPLED:
        subsampled(whole, 6)
    else:
        long_gop(tmp_path / "b.mp4", 6)
        remuxed(tmp_path / "b.mp4", whole, movflags="faststart")
    with VideoReader(whole) as reader:
        assert reader.facts.frames == 6
    data = whole.read_bytes()
    for length in (*range(len(data) // 4, len(data), len(data) // 9), len(data) - 1):
        path.write_bytes(data[:length])
        try:
            assert numbers(path, range(1, 7)) == list(range(6)) and name == "m.mxf"
        except MatteError as refused:
            assert refused.code in ("unreadable", "no_video")


@pytest.mark.parametrize("name", ["a.ts", "a.m2ts"])
def test_a_cut_transport_stream_has_no_half_picture(tmp_path: Path, name: str) -> None:
    """Cut inside a packet, it is refused; cut between packets, so are the pictures that lack data, every time:
    FFmpeg marks them late where it decodes several pictures at once."""
    path, size = tmp_path / name, 192 if name == "a.m2ts" else 188
    long_gop(path)
    with av.open(str(path)) as container:
        inside = [(packet.pos or 0) + packet.size // 2 for packet in container.demux(video=0) if packet.size][7]
    data = path.read_bytes()
    path.write_bytes(data[: inside // size * size + 60])
    with pytest.raises(MatteError, match="truncated"):
        VideoReader(path)
    path.write_bytes(data[: inside // size * size])
    found = [damaged_pictures(path) for _ in range(8)]
    assert len(found[0]) == 1 and found == 8 * found[:1]


def damaged_pictures(path: Path) -> list[int]:
    damaged = []
    with VideoReader(path) as reader:
        for number in range(1, reader.facts.frames + 1):
            try:
                reader.read(number)
            except MatteError:
                damaged.append(number)
    return damaged


@pytest.mark.parametrize("name", ["a.ts", "a.mkv"])
@pytest.mark.parametrize("count", [6, 30])
def test_a_file_made_of_two_has_the_pictures_of_both(tmp_path: Path, name: str, count: int) -> None:
    """Its times begin anew in the middle, as in streams that a camera splits and a user joins."""
    path, number = tmp_path / name, count // 6
    long_gop(path, count, g=str(count))
    path.write_bytes(2 * path.read_bytes())
    with VideoReader(path) as reader:
        assert reader.facts.frames == 2 * count
        found = [number_of(reader.read(at).pixels) for at in (number, count + number)]
    assert found == [number - 1] * 2


def test_a_clip_that_an_edit_list_cuts_is_whole(tmp_path: Path) -> None:
    """Phones trim without touching the pictures: the track still has the frames that are not shown."""
    long_gop(tmp_path / "a.mp4", g="1", bf="0")
    path = tmp_path / "b.mov"
    remuxed(tmp_path / "a.mp4", path)
    data = bytearray(path.read_bytes())
    at = data.index(b"elst")
    duration, start = struct.unpack_from(">Ii", data, at + 12)
    # The edit begins four frames in and lasts six.
    struct.pack_into(">Ii", data, at + 12, duration * 6 // COUNT, start + 4 * 512)
    path.write_bytes(bytes(data))
    with VideoReader(path) as reader:
        assert reader.facts.frames == 6
        assert number_of(reader.read(1).pixels) == 4


@pytest.mark.parametrize("codec", ["libx264", "prores_ks"])
def test_a_frame_that_the_decoder_marks_corrupt_fails(tmp_path: Path, codec: str) -> None:
    path = tmp_path / "a.mov"
    if codec == "libx264":
        long_gop(path)
    else:
        video(path, numbered(COUNT), codec=codec, pixel_format="yuv444p10le")
    with av.open(str(path)) as container:
        packets = [(packet.pts or 0, packet.pos or 0, packet.size) for packet in container.demux(video=0)]
    _, position, size = sorted(packet for packet in packets if packet[2])[6]
    data = bytearray(path.read_bytes())
    for at in range(position + size // 2, position + size // 2 + min(400, size // 2)):
        data[at] ^= 0x5A
    path.write_bytes(bytes(data))
    with VideoReader(path) as reader:
        assert number_of(reader.read(6).pixels) == 5
        with pytest.raises(MatteError, match=r"Frame 7 of .* cannot be decoded"):
            reader.read(7)


def of_stills(path: Path, codec: str, still: bytes, size: tuple[int, int]) -> None:
    """A video whose every picture is this file."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=24)
        stream.width, stream.height = size
        stream.pix_fmt = "rgb24" if codec == "png" else "yuvj420p"
        for number in range(2):
            packet = av.Packet(still)
            packet.stream, packet.is_keyframe = stream, True
            packet.pts = packet.dts = number
            packet.duration, packet.time_base = 1, Fraction(1, 24)
            container.mux(packet)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_of_a_camera_that_writes_exif_into_each(tmp_path: Path, orientation: int) -> None:
    """PyAV cannot list such a frame's side data."""
    picture = np.full((32, 48, 3), 60, np.uint8)
    picture[:8, :8] = 250
    exif = PillowImage.Exif()
    exif[274] = orientation
    stored, still = files.stored_as(picture, orientation), io.BytesIO()
    PillowImage.fromarray(stored).save(still, "JPEG", exif=exif, quality=95)
    of_stills(tmp_path / "a.mov", "mjpeg", still.getvalue(), (stored.shape[1], stored.shape[0]))
    with VideoReader(tmp_path / "a.mov") as reader:
        assert reader.facts.orientation == orientation
        assert reader.read(2).data_window == Window(0, 0, 48, 32)
        # JPEG's rounding and halved chroma.
        assert np.abs(reader.read(2).pixels[2:6, 2:6] - 250 / 255).max() < 0.03


@pytest.mark.parametrize("subsampling", ["4:2:0", "4:2:2"])
def test_chroma_of_motion_jpeg_lies_amid_its_luma_samples(tmp_path: Path, subsampling: str) -> None:
    """libjpeg interpolates it so, too."""
    y, x = np.mgrid[:32, :48]
    picture = np.dstack([128 + 100 * np.sin(x / 3), 128 + 0 * x, 128 + 100 * np.sin((x + 2 * y) / 4)])
    still = io.BytesIO()
    PillowImage.fromarray(np.rint(picture).astype(np.uint8)).save(
        still, "JPEG", quality=98, subsampling=subsampling
    )
    of_stills(tmp_path / "a.mov", "mjpeg", still.getvalue(), (48, 32))
    right = np.asarray(PillowImage.open(still), np.float32) / 255
    with VideoReader(tmp_path / "a.mov") as reader:
        # libjpeg rounds chroma, and R, G, B, to 8 bits.
        assert float(np.abs(reader.read(1).pixels.clip(0, 1) - right).max()) < 3 / 255


def test_a_video_of_pngs_with_icc_profiles(tmp_path: Path) -> None:
    """Listing the side data of one of its frames ends the process, sooner or later."""
    still = tmp_path / "a.png"
    profile = files.icc_profile(formulas.PRIMARIES["P3"], files.SRGB_CURVE)
    files.png(still, np.full((12, 20, 3), 0.5), 8, [files.icc_chunk(profile)])
    of_stills(tmp_path / "a.mov", "png", still.read_bytes(), (20, 12))
    for _ in range(40):
        with VideoReader(tmp_path / "a.mov") as reader:
            assert np.allclose(reader.read(2).pixels, 128 / 255, atol=1e-6)  # float32


@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize(
    ("packed", "planar"),
    [
        ("nv12", "yuv420p"),
        ("nv16", "yuv422p"),
        ("yuyv422", "yuv422p"),
        ("uyvy422", "yuv422p"),
        ("p010le", "yuv420p10le"),
        ("p210le", "yuv422p10le"),
        ("yuv422p10be", "yuv422p10le"),
        ("ayuv64le", "yuva444p16le"),
    ],
)
def test_packed_pictures_are_read_as_planar_ones(packed: str, planar: str, full: bool) -> None:
    """The same samples in another order are the same picture, alpha and range included."""
    random = np.random.default_rng(5)
    made = av.VideoFrame(16, 8, planar)
    for plane in made.planes:
        bits = 8 if plane.line_size < 2 * plane.width else max(part.bits for part in made.format.components)
        kind = np.uint8 if bits == 8 else np.uint16
        plane.update(random.integers(0, 1 << bits, plane.buffer_size // np.dtype(kind).itemsize, kind).tobytes())
    made.colorspace, made.color_range = 1, 2 if full else 1
    assert np.array_equal(rgb_of(made.reformat(format=packed, threads=1)), rgb_of(made))


def test_a_packed_picture_is_read_the_same_each_time() -> None:
    """The scaler with threads took a row from elsewhere once in 60 to 200 times."""
    made = av.VideoFrame(16, 8, "yuv422p10le")
    random = np.random.default_rng(5)
    for plane in made.planes:
        plane.update(random.integers(0, 1 << 10, plane.buffer_size // 2, np.uint16).tobytes())
    packed = made.reformat(format="p210le", threads=1)
    first = rgb_of(packed)
    assert all(np.array_equal(rgb_of(packed), first) for _ in range(2000))


@pytest.mark.parametrize("name", ["rgb24", "bgra", "0rgb", "abgr", "gray", "ya8", "gray10le", "gray16be", "pal8"])
def test_black_grey_and_white_of_rgb_and_grey_pictures(name: str) -> None:
    """255 of 255 is 1, whatever FFmpeg's scaler makes of it; grey without a tag has the full range."""
    ramp = np.repeat(np.linspace(0, 255, 16).round().astype(np.uint8)[None, :, None], 8, 0)
    frame = av.VideoFrame.from_ndarray(np.repeat(ramp, 3, -1), "rgb24")
    if name == "pal8":
        palette = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 4, 1)
        palette[:, 0] = 255
        paletted: Any = (np.ascontiguousarray(ramp[..., 0]), palette)
        frame = av.VideoFrame.from_ndarray(paletted, "pal8")
    elif name != "rgb24":
        frame = frame.reformat(format=name, threads=1)
    found = rgb_of(frame)
    assert found.shape[2] == (4 if name in ("bgra", "abgr", "ya8") else 3)
    # From 8 to 10 and 16 bits the scaler rounds.
    assert np.abs(found[..., :3] - ramp / 255).max() < (2e-3 if "10" in name or "16" in name else 1e-6)
    assert found.shape[2] == 3 or np.all(found[..., 3] == 1)


@pytest.mark.parametrize(
    "steps, warning",
    [((4, 1), ""), ((1, 1), "The video has several tracks of one size, and the first one was read.")],
)
def test_the_larger_of_two_tracks_is_read(tmp_path: Path, steps: tuple[int, int], warning: str) -> None:
    path = tmp_path / "two.mov"
    with av.open(str(path), "w") as container:
        tracks: list[Any] = [container.add_stream("mjpeg", rate=24) for _ in range(2)]
        for track, step in zip(tracks, steps, strict=True):
            track.width, track.height, track.pix_fmt = 192 // step, 128 // step, "yuvj420p"
        for picture in numbered(3):
            for track, step in zip(tracks, steps, strict=True):
                whole = np.rint(picture[::step, ::step] * 255).astype(np.uint8)
                container.mux(track.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(whole), "rgb24")))
        for track in tracks:
            container.mux(track.encode(None))
    with VideoReader(path) as reader:
        image = reader.read(2)
        assert image.pixels.shape[:2] == (128, 192) and number_of(image.pixels) == 1
        assert "".join(image.warnings) == warning


@pytest.mark.parametrize(
    "rate", [Fraction(30000, 1001), Fraction(24000, 1001), Fraction(25), Fraction(60000, 1001)]
)
@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".ts"])
def test_a_constant_rate_stays_exact(tmp_path: Path, rate: Fraction, suffix: str) -> None:
    """Matroska counts milliseconds, MPEG-TS 90 kHz: the result counts frames."""
    long_gop(tmp_path / f"a{suffix}", rate=rate)
    with VideoReader(tmp_path / f"a{suffix}") as reader:
        facts = reader.facts
    assert facts.rate == rate
    assert facts.times == tuple(number / rate for number in range(COUNT))


@pytest.mark.parametrize("count", [3, 9])
@pytest.mark.parametrize("rate", [Fraction(60000, 1001), Fraction(60), Fraction(24000, 1001), Fraction(24)])
def test_the_rate_that_a_short_matroska_file_names_is_believed(tmp_path: Path, rate: Fraction, count: int) -> None:
    """Its times, in milliseconds, fit the next rate as well."""
    long_gop(tmp_path / "a.mkv", count, rate=rate)
    with VideoReader(tmp_path / "a.mkv") as reader:
        assert reader.facts.rate == rate


@pytest.mark.parametrize(
    ("suffix", "rate"),
    [
        (".mp4", Fraction(30000, 1001)),
        (".mp4", Fraction(24)),
        (".mov", Fraction(24000, 1001)),
        (".ts", Fraction(60000, 1001)),
    ],
)
def test_times_that_were_rounded_in_matroska_are_of_a_constant_rate(
    tmp_path: Path, suffix: str, rate: Fraction
) -> None:
    """As screen recorders make them: MKV, then the same packets in another container, milliseconds and all."""
    long_gop(tmp_path / "a.mkv", rate=rate, bf="0")
    with VideoReader(remuxed(tmp_path / "a.mkv", tmp_path / f"a{suffix}")) as reader:
        assert reader.facts.rate == rate
        assert reader.facts.times == tuple(number / rate for number in range(COUNT))


def test_pictures_that_are_two_milliseconds_late_are_not(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream: Any = container.add_stream("libx264", rate=25, options={"bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 90000)
        for number in range(10):
            frame = av.VideoFrame(64, 48, "yuv420p")
            frame.pts, frame.time_base = 3600 * number + (180 if number == 5 else 0), Fraction(1, 90000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with VideoReader(tmp_path / "a.mp4") as reader:
        late = Fraction(180, 90000)
        assert reader.facts.times == tuple(Fraction(n, 25) + (late if n == 5 else 0) for n in range(10))


@pytest.mark.parametrize(
    ("element", "across", "down"), [("54cc", 6, 0), ("54dd", 6, 0), ("54bb", 0, 6), ("54aa", 0, 6)]
)
def test_what_matroska_has_players_leave_out_is_named(tmp_path: Path, element: str, across: int, down: int) -> None:
    """An element that is as long, of the unit of its shape, becomes one that crops 6 pixels off a side."""
    path = tmp_path / "a.mkv"
    long_gop(path)
    data, unit = path.read_bytes(), bytes.fromhex("54b28104")
    with VideoReader(path) as reader:
        assert reader.read(1).warnings == ()
    assert data.count(unit, 0, 2000) == 1
    path.write_bytes(data.replace(unit, bytes.fromhex(f"{element}8106"), 1))
    with VideoReader(path) as reader:
        found = [reader.read(number) for number in (1, 2, 9)]
    assert [number_of(image.pixels) for image in found] == [0, 1, 8]
    said = (
        f"Players leave out {across} pixels of the video's width and {down} of its height; all 192 x 128 were read."
    )
    assert {image.warnings for image in found} == {(said,)}


FIRST_BAR, SECOND_BAR = 20, 60
"""Columns where the bar begins in the field that is shown first, and in the other."""


@pytest.mark.parametrize("first", ["tff", "bff"])
def test_interlaced_video_is_said_and_made_whole_on_request(tmp_path: Path, first: str) -> None:
    """Combs in the frame, none after bwdif; the moment of the field that is shown first is kept, top or bottom."""
    path = tmp_path / "i.mkv"
    still = np.full((64, 96, 3), 0.2)
    picture = still.copy()
    earlier = 0 if first == "tff" else 1
    picture[earlier::2, FIRST_BAR : FIRST_BAR + 10] = 0.8
    picture[1 - earlier :: 2, SECOND_BAR : SECOND_BAR + 10] = 0.8
    interlaced(path, [still, picture, still], first)
    with VideoReader(path) as reader:
        image = reader.read(2)
        assert "interlaced" in " ".join(image.warnings)
    with VideoReader(path, deinterlace=True) as reader:
        whole = reader.read(2)
    assert whole.warnings == ()
    bars = [
        [float(found.pixels[8:-8, place + 3 : place + 7, 1].mean()) for place in (FIRST_BAR, SECOND_BAR)]
        for found in (image, whole)
    ]
    # Half of the lines, and then every line and none. Of 0.2 and 0.8; the codec and bwdif's filter take a little.
    assert np.allclose(bars, [[0.5, 0.5], [0.8, 0.2]], atol=0.05)


@pytest.mark.parametrize("order", ["tt", "bb"])
@pytest.mark.parametrize(("codec", "pixels"), [("qtrle", "rgb24"), ("png", "rgb24"), ("mjpeg", "yuvj444p")])
def test_fields_that_the_container_alone_states(tmp_path: Path, codec: str, pixels: str, order: str) -> None:
    """As After Effects writes QuickTime Animation in fields: the pictures of these codecs do not say it."""
    path, earlier = tmp_path / "i.mov", 0 if order == "tt" else 1
    still = np.full((64, 96, 3), 0.2)
    picture = still.copy()
    picture[earlier::2, FIRST_BAR : FIRST_BAR + 10] = 0.8
    picture[1 - earlier :: 2, SECOND_BAR : SECOND_BAR + 10] = 0.8
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=25, options={"field_order": order})
        stream.width, stream.height, stream.pix_fmt = 96, 64, pixels
        for each in (still, picture, still):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(files.whole(each), "rgb24")))
        container.mux(stream.encode(None))
    (track,) = (each for each in MediaInfo.parse(str(path)).tracks if each.track_type == "Video")
    assert track.scan_order == {"tt": "TFF", "bb": "BFF"}[order]
    with VideoReader(path) as reader:
        assert "interlaced" in " ".join(reader.read(2).warnings)
    with VideoReader(path, deinterlace=True) as reader:
        whole = reader.read(2)
    assert whole.warnings == ()
    bars = [float(whole.pixels[8:-8, place + 3 : place + 7, 1].mean()) for place in (FIRST_BAR, SECOND_BAR)]
    assert np.allclose(bars, [0.8, 0.2], atol=0.05)  # as above


def test_deinterlacing_leaves_a_video_that_is_not_marked(tmp_path: Path) -> None:
    long_gop(tmp_path / "a.mp4")
    with VideoReader(tmp_path / "a.mp4", deinterlace=True) as reader, VideoReader(tmp_path / "a.mp4") as plain:
        assert np.array_equal(reader.read(5).pixels, plain.read(5).pixels)
        assert "--deinterlace changes nothing" in reader.read(5).warnings[0]


def test_fields_that_are_pictures_of_their_own_are_said_and_left(tmp_path: Path) -> None:
    """Deinterlaced, each would lose half of its lines once more."""
    path = tmp_path / "a.mp4"
    options = {"x265-params": "log-level=none:interlace=tff:lossless=1", "preset": "ultrafast"}
    fields = list(np.random.default_rng(3).random((4, 32, 64, 3)))
    video(path, fields, codec="libx265", pixel_format="yuv444p", options=options)
    with VideoReader(path, deinterlace=True) as deinterlacing, VideoReader(path) as plain:
        for number in (1, 2, 4):
            asked, left = deinterlacing.read(number), plain.read(number)
            assert np.array_equal(asked.pixels, left.pixels)
            assert np.allclose(left.pixels, fields[number - 1], atol=0.02)  # 8 bits of Y'CbCr
            assert asked.warnings == left.warnings and len(left.warnings) == 1
            assert "holds fields as pictures of their own" in left.warnings[0]


def interlaced(path: Path, pictures: list[Any], order: str) -> None:
    """A video whose frames say ``order``, tff or bff; MediaInfo confirms that the file says so too."""
    height, width = pictures[0].shape[:2]
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("mpeg2video", rate=25, options={"flags": "+ildct+ilme", "q:v": "2"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv422p"
        graph = av.filter.Graph()
        source = graph.add_buffer(
            width=width, height=height, format=av.VideoFormat("rgb24"), time_base=Fraction(1, 25)
        )
        steps = [graph.add("format", "yuv422p"), graph.add("setfield", order), graph.add("buffersink")]
        graph.link_nodes(source, *steps).configure()
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.rint(picture * 255).astype(np.uint8), "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            graph.push(frame)
            container.mux(stream.encode(graph.pull()))
        container.mux(stream.encode(None))
    facts = next(track for track in MediaInfo.parse(str(path)).tracks if track.track_type == "Video").to_data()
    assert facts["scan_order"] == order.upper()


@pytest.mark.parametrize(
    ("rate", "text", "frame", "is_second"),
    [
        (Fraction(50), "01:00:00:45", 22, 1),
        (Fraction(50), "01:00:00:40", 20, 0),
        (Fraction(60000, 1001), "01:00:00;59", 29, 1),
        (Fraction(48), "00:00:00:41", 20, 1),
        (Fraction(25), "01:02:03:24", 24, 0),
    ],
)
def test_timecodes_above_30_frames_count_pairs(
    tmp_path: Path, rate: Fraction, text: str, frame: int, is_second: int
) -> None:
    """SMPTE 12-1; the OpenEXR module reads the word."""
    code = Timecode.parse(text, rate)
    assert code is not None and str(code) == text
    window = Window(0, 0, 2, 2)
    words = exr.RawAttribute(type="timecode", data=struct.pack("<II", code.packed() or 0, 0))
    image = Image(
        pixels=np.zeros((2, 2, 3), np.float32),
        channels=("R", "G", "B"),
        data_window=window,
        display_window=window,
        metadata={"timeCode": words},
    )
    exr.write_image(tmp_path / "a.exr", image)
    found = OpenEXR.File(str(tmp_path / "a.exr")).header()["timeCode"]
    assert f"{found.hours:02}:{found.minutes:02}:{found.seconds:02}" == text[:8]
    assert (found.frame, found.fieldPhase) == (frame, is_second)
    assert exr_header(tmp_path / "a.exr")["timeCode"] == ("timecode", words.data)
    assert exr.timecode_text(words, rate) == text


@pytest.mark.parametrize("word", [0x24000000, 0x00600000, 0x00006000, 0x00000025, 0xFFFFFFFF])
def test_an_impossible_timecode_of_an_exr_is_none(word: int) -> None:
    """Hours, minutes, seconds and frames of too many, and a word that was never set."""
    words = exr.RawAttribute(type="timecode", data=struct.pack("<II", word, 0))
    assert exr.timecode_text(words, Fraction(25)) == ""


def test_a_timecode_beyond_60_frames_is_left_out_with_a_warning(tmp_path: Path) -> None:
    code = Timecode.parse("00:00:00:100", Fraction(120))
    assert code is not None and str(code.plus(1)) == "00:00:00:101"
    assert code.packed() is None
    settings = MovieSettings(width=64, height=64, rate=Fraction(120), timecode="00:00:00:100")
    window = Window(0, 0, 64, 64)
    grey = Image(np.full((64, 64, 3), 0.5, np.float32), ("R", "G", "B"), window, window)
    with VideoWriter(tmp_path / "a.mov", settings, video_writer.H264) as movie:
        movie.write(grey)
    with VideoReader(tmp_path / "a.mov") as reader:
        assert reader.facts.timecode == "00:00:00:100"
        [warning] = reader.read(1).warnings
        assert warning.startswith("The timecode 00:00:00:100 was left out: an EXR holds those of SMPTE 12-1")


@pytest.mark.parametrize("size", [(65, 97), (64, 97), (65, 96)])
def test_odd_sizes_are_padded_where_chroma_is_halved(tmp_path: Path, size: tuple[int, int]) -> None:
    window = Window(0, 0, size[1], size[0])
    pixels = np.full((*size, 3), 0.5, np.float32)
    image = Image(pixels=pixels, channels=("R", "G", "B"), data_window=window, display_window=window)
    settings = MovieSettings(width=size[1], height=size[0], rate=Fraction(24))
    with VideoWriter(tmp_path / "a.mp4", settings, video_writer.H264) as movie:
        movie.write(image)
    with VideoReader(tmp_path / "a.mp4") as reader:
        rgb = reader.read(1).rgb
        assert rgb.shape == (size[0] + size[0] % 2, size[1] + size[1] % 2, 3)
        assert np.abs(rgb - 0.5).max() < 0.02  # four steps of 8 bits


def test_sound_and_picture_share_one_origin(tmp_path: Path) -> None:
    """A click at 1.0 s of a file whose first picture is shown at 0.5 s is heard 0.5 s after the first picture."""
    source = tmp_path / "a.mkv"
    with av.open(str(source), "w") as container:
        stream: Any = container.add_stream("ffv1", rate=24)
        sound: Any = container.add_stream("pcm_s16le", rate=48000, layout="mono")
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv420p"
        for number in range(24):
            frame = av.VideoFrame.from_ndarray(np.full((64, 96, 3), 90, np.uint8), "rgb24")
            frame.pts, frame.time_base = 12 + number, Fraction(1, 24)
            container.mux(stream.encode(frame))
        samples = np.zeros((1, 96000), np.int16)
        samples[0, 48000:48100] = 20000
        for start in range(0, 96000, 960):
            heard = av.AudioFrame.from_ndarray(samples[:, start : start + 960], format="s16", layout="mono")
            heard.sample_rate, heard.pts, heard.time_base = 48000, start, Fraction(1, 48000)
            container.mux(sound.encode(heard))
        for track in (stream, sound):
            container.mux(track.encode(None))
    with VideoReader(source) as reader:
        facts = reader.facts
    assert facts.start == Fraction(1, 2)
    settings = MovieSettings(width=96, height=64, rate=facts.rate, audio=source, audio_start=facts.start)
    window = Window(0, 0, 96, 64)
    pixels = np.full((64, 96, 3), 0.3, np.float32)
    image = Image(pixels=pixels, channels=("R", "G", "B"), data_window=window, display_window=window)
    with VideoWriter(tmp_path / "b.mov", settings, PRORES_422_HQ) as movie:
        for _ in range(24):
            movie.write(image)
    with av.open(str(tmp_path / "b.mov")) as made:
        blocks = [
            (float((frame.pts or 0) * (frame.time_base or 0)), frame.to_ndarray().ravel())
            for frame in made.decode(audio=0)
        ]
    click = next(
        at + int(np.argmax(np.abs(block) > 10000)) / 48000 for at, block in blocks if np.abs(block).max() > 10000
    )
    assert abs(click - 0.5) < 0.002  # Matroska's milliseconds


def test_tags_are_read_from_the_decoder(tmp_path: Path) -> None:
    video(tmp_path / "a.mkv", numbered(1), VideoTags(primaries=9, transfer=18, matrix=9))
    with VideoReader(tmp_path / "a.mkv") as reader:
        assert reader.facts.colourspace == "Rec.2100-HLG - Display"


def test_a_matrix_that_cannot_be_honoured_is_a_warning(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream: Any = container.add_stream("ffv1", rate=24)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "yuv420p"
        stream.codec_context.colorspace = 14
        container.mux(stream.encode(av.VideoFrame(16, 16, "yuv420p")))
        container.mux(stream.encode(None))
    with VideoReader(tmp_path / "a.mkv") as reader:
        assert "The tag matrix 14 of the video is not supported" in reader.read(1).warnings[0]
