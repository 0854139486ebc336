"""Video in and out: known frames through every codec, with rate, timecode, rotation, uneven times and sound."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from matte_server.core.image import Image
from matte_server.core.window import Window
from matte_server.errors import MatteError
from matte_server.io import exr, media, video_writer
from matte_server.io.media import VideoReader
from matte_server.io.timecode import Timecode
from matte_server.io.video_writer import MovieFormat, MovieSettings, VideoWriter
from tests.matte_server.video_files import DNXHR_HQX, H265_10, PRORES_422_HQ

# DNxHR has no smaller pictures than 256 x 120; the odd half macroblock is on purpose.
SIZE = (130, 258)
RATE = Fraction(24000, 1001)

# Mean absolute error per codec against what was put in, 0..1. ProRes and DNxHR: quantisation of 10 and 12 bits
# (0.0003) and their own, measured 0.0004 to 0.0007, and 1.5 times that. H.264 at 8 bits has steps of 0.0046 in
# luma alone, and both long-GOP codecs drop what is hard to see: measured 0.0040 and 0.0022, likewise.
CODECS = [
    ("prores_4444.mov", video_writer.PRORES_4444, 0.0007, 12),
    ("prores_422.mov", PRORES_422_HQ, 0.001, 10),
    ("dnxhr.mov", DNXHR_HQX, 0.0011, 10),
    ("h264.mp4", video_writer.H264, 0.006, 8),
    ("h264.mkv", video_writer.H264, 0.006, 8),
    ("h265.mp4", H265_10, 0.0035, 10),
]


def picture(number: int, size: tuple[int, int] = SIZE) -> Image:
    """Smooth colour that moves, and a ramp as alpha: R, G, B, A, 0..1."""
    y, x = np.mgrid[0 : size[0], 0 : size[1]]
    channels = [
        0.5 + 0.4 * np.sin((x + 3 * number) / 20),
        0.5 + 0.3 * np.cos(y / 15),
        0.4 + 0.3 * np.sin((x + y) / 30),
        x / size[1],
    ]
    window = Window(0, 0, size[1], size[0])
    return Image(np.stack(channels, -1).astype(np.float32), ("R", "G", "B", "A"), window, window)


def written(path: Path, form: MovieFormat, count: int = 13, pixel_aspect: float = 1.0) -> Path:
    settings = MovieSettings(
        width=SIZE[1],
        height=SIZE[0],
        rate=RATE,
        timecode="01:00:59:20",
        comment="mark",
        pixel_aspect=pixel_aspect,
    )
    with VideoWriter(path, settings, form) as video:
        for number in range(count):
            video.write(picture(number))
    return path


@pytest.mark.parametrize(("name", "form", "tolerance", "bits"), CODECS, ids=[case[0] for case in CODECS])
def test_known_frames_through_each_codec(
    tmp_path: Path, name: str, form: MovieFormat, tolerance: float, bits: int
) -> None:
    path = written(tmp_path / name, form)
    with av.open(str(path)) as container:
        assert {part.bits for part in container.streams.video[0].format.components} == {bits}
    with VideoReader(path) as video:
        facts = video.facts
        assert (facts.rate, facts.times) == (RATE, tuple(number / RATE for number in range(13)))
        assert video.read(1).data_window == Window(0, 0, SIZE[1], SIZE[0])
        assert facts.colourspace == "Gamma 2.4 Rec.709 - Texture"
        # In order, then backwards and forwards: each number is always the same picture.
        for number in (1, 2, 3, 13, 5, 6, 1):
            found = video.read(number)
            error = np.abs(found.rgb - picture(number - 1).rgb)
            assert error.mean() < tolerance, number
        if form.pixel_format.startswith("yuva"):
            alpha = video.read(4).pixels[..., 3]
            # Alpha is lossless in ProRes 4444: half a step of the 10 bits it is given, and rounding.
            assert np.abs(alpha - picture(3).pixels[..., 3]).max() < 0.00075
    assert media.comment_of(path) == "mark"
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["a.mov", "a.mp4", "a.mkv"])
def test_timecode_is_exact_and_reaches_exr(tmp_path: Path, name: str) -> None:
    path = written(tmp_path / name, video_writer.H264)
    with VideoReader(path) as video:
        assert video.facts.timecode == "01:00:59:20"
        assert video.facts.timecode_of(6) == "01:01:00:01"
        exr.write_image(tmp_path / "frame.exr", video.read(6))
    image = exr.read_image(tmp_path / "frame.exr")
    assert image.metadata["timeCode"] == exr.RawAttribute(type="timecode", data=struct.pack("<II", 0x01010001, 0))
    assert exr.frame_rate(image.metadata["framesPerSecond"]) == RATE


@pytest.mark.parametrize(
    ("start", "rate", "frames", "end"),
    [
        ("00:00:59:29", Fraction(30), 1, "00:01:00:00"),
        # SMPTE 12M drop-frame: numbers 0 and 1 of each minute are left out, but not of every tenth.
        ("00:00:59;29", Fraction(30000, 1001), 1, "00:01:00;02"),
        ("00:09:59;29", Fraction(30000, 1001), 1, "00:10:00;00"),
        ("00:00:00;00", Fraction(30000, 1001), 107892, "01:00:00;00"),
        ("23:59:59:23", Fraction(24), 1, "00:00:00:00"),
    ],
)
def test_timecode_counts(start: str, rate: Fraction, frames: int, end: str) -> None:
    code = Timecode.parse(start, rate)
    assert code is not None
    assert str(code) == start
    assert str(code.plus(frames)) == end


@pytest.mark.parametrize("angle", [90, 180, 270])
def test_a_turned_phone_is_upright(tmp_path: Path, angle: int) -> None:
    """The display matrix turns counter-clockwise; half the picture is white so that its place tells."""
    path = tmp_path / "phone.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 128, 64, "yuv420p"
        stream.set_display_rotation(angle)
        pixels = np.zeros((64, 128, 3), np.uint8)
        pixels[:, :64] = 255  # white on the left as stored
        for packet in [*stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")), *stream.encode(None)]:
            container.mux(packet)
    with VideoReader(path) as video:
        image = video.read(1)
    turned = np.rot90(pixels, angle // 90)
    assert image.pixels.shape == turned.shape
    assert image.data_window == Window(0, 0, turned.shape[1], turned.shape[0])
    # 8-bit H.264 of flat areas, away from the seam by more than its filters reach.
    assert np.abs(image.pixels - turned / 255.0).mean() < 0.02


def test_uneven_times_are_kept(tmp_path: Path) -> None:
    times = [Fraction(at, 100) for at in (0, 4, 8, 20, 24, 60)]
    path = tmp_path / "vfr.mp4"
    with VideoWriter(
        path, MovieSettings(width=SIZE[1], height=SIZE[0], rate=Fraction(25)), video_writer.H264
    ) as video:
        for number, at in enumerate(times):
            video.write(picture(number), at)
    with VideoReader(path) as read:
        assert read.facts.times == tuple(times)
        assert np.abs(read.read(4).rgb - picture(3).rgb).mean() < 0.006


@pytest.mark.parametrize(
    ("ticks", "rate"),
    [
        # A screen's pictures come as they change; 90,000 a second were read.
        ((0, 1500, 9000, 12000, 60000, 63000, 64000, 70000), Fraction(7 * 90000, 70000)),
        # A phone's come at 29.97, late or not at all.
        ((0, 3003, 6003, 9010, 18010, 24033, 27030, 30035), Fraction(30000, 1001)),
    ],
)
def test_uneven_times_of_a_container_without_a_rate(tmp_path: Path, ticks: tuple[int, ...], rate: Fraction) -> None:
    path, clock = tmp_path / "a.ts", Fraction(1, 90000)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24, options={"bf": "0"})
        stream.height, stream.width, stream.pix_fmt = *SIZE, "yuv420p"
        stream.codec_context.time_base = clock
        for number, at in enumerate(ticks):
            frame = av.VideoFrame.from_ndarray(
                np.rint(picture(number).pixels[..., :3] * 255).astype(np.uint8), "rgb24"
            )
            frame.pts, frame.time_base = at, clock
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with VideoReader(path) as read:
        assert read.facts.times == tuple(at * clock for at in ticks) and read.facts.rate == rate


@pytest.mark.parametrize("rate", [Fraction(24), Fraction(30000, 1001), Fraction(50)])
@pytest.mark.parametrize("codec", ["mpeg2video", "libx264"])
@pytest.mark.parametrize("between", ["0", "2"])
def test_a_codecs_data_without_a_container_state_the_rate(
    tmp_path: Path, codec: str, rate: Fraction, between: str
) -> None:
    """FFmpeg takes 25 pictures a second for granted, and so the matte of such a video was of 25."""
    path = tmp_path / "a.m2v"
    form = {"mpeg2video": "mpeg2video", "libx264": "h264"}[codec]
    with av.open(str(path), "w", format=form) as container:
        stream: Any = container.add_stream(codec, rate=rate, options={"bf": between})
        stream.height, stream.width, stream.pix_fmt = *SIZE, "yuv420p"
        for number in range(9):
            codes = np.rint(picture(number).pixels[..., :3] * 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(codes, "rgb24")))
        container.mux(stream.encode(None))
    with VideoReader(path) as read:
        assert read.facts.rate == rate and read.facts.times == tuple(number / rate for number in range(9))
        for number in (9, 2, 5):
            # Two codecs at their usual quality: the pictures differ by more than that.
            distances = [np.abs(read.read(number).rgb - picture(each).rgb).mean() for each in range(9)]
            assert int(np.argmin(distances)) == number - 1


def test_untagged_and_full_range_pictures(tmp_path: Path) -> None:
    """Without tags HD counts as BT.709; a full-range stream is not stretched again."""
    for range_, name in ((1, "limited.mkv"), (2, "full.mkv")):
        with av.open(str(tmp_path / name), "w") as container:
            stream = container.add_stream("ffv1", rate=24)
            stream.width, stream.height, stream.pix_fmt = 64, 720, "yuv444p10le"
            stream.codec_context.color_range = range_
            frame = av.VideoFrame(64, 720, "yuv444p10le")
            for plane, code in zip(frame.planes, (64 if range_ == 1 else 0, 512, 512), strict=True):
                plane.update(np.full((720, plane.line_size // 2), code, np.uint16).tobytes())
            frame.color_range = range_
            for packet in [*stream.encode(frame), *stream.encode(None)]:
                container.mux(packet)
        with VideoReader(tmp_path / name) as video:
            # The lowest code of either range is exactly black.
            assert np.abs(video.read(1).pixels).max() < 1e-6


def with_sound(path: Path, seconds: int = 2) -> Path:
    """A ProRes video whose audio is a tone."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("prores_ks", rate=24)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv422p10le"
        sound = container.add_stream("pcm_s16le", rate=48000, layout="mono")
        for number in range(24 * seconds):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 5 * number, np.uint8), "rgb24")
            for packet in stream.encode(frame):
                container.mux(packet)
        tone = (8000 * np.sin(np.arange(48000 * seconds) * 0.05)).astype(np.int16)
        heard = av.AudioFrame.from_ndarray(tone[None], "s16", "mono")
        heard.sample_rate, heard.pts = 48000, 0
        for packet in [*stream.encode(None), *sound.encode(heard), *sound.encode(None)]:
            container.mux(packet)
    return path


@pytest.mark.parametrize(("name", "codec"), [("copy.mov", "pcm_s16le"), ("preview.mp4", "aac")])
def test_sound_is_carried_over(tmp_path: Path, name: str, codec: str) -> None:
    source = with_sound(tmp_path / "take.mov")
    settings = MovieSettings(
        width=SIZE[1], height=SIZE[0], rate=Fraction(24), audio=source, audio_start=Fraction(1, 2)
    )
    with VideoWriter(tmp_path / name, settings) as video:
        for number in range(24):
            video.write(picture(number))
    with av.open(str(tmp_path / name)) as made:
        track = made.streams.audio[0]
        assert track.codec_context.name == codec
        samples = sum(frame.samples for frame in made.decode(track))
        # One second of picture; a codec's blocks (1024 samples of AAC and its priming) may hang over either end.
        assert abs(samples - 48000) < 4 * 1024


def test_an_error_leaves_nothing_behind(tmp_path: Path) -> None:
    with (
        pytest.raises(MatteError, match="same size"),
        VideoWriter(tmp_path / "a.mov", MovieSettings(width=SIZE[1], height=SIZE[0], rate=RATE)) as video,
    ):
        video.write(picture(0))
        video.write(picture(1, (64, 64)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "code"), [(b"no video at all", "unreadable"), (b"", "unreadable"), (None, "missing_file")]
)
def test_what_is_no_video_is_one_sentence(tmp_path: Path, content: bytes | None, code: str) -> None:
    path = tmp_path / "take.mov"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(MatteError, match=r"take\.mov") as raised:
        VideoReader(path)
    assert raised.value.code == code


def test_a_truncated_video_says_so(tmp_path: Path) -> None:
    path = written(tmp_path / "take.mkv", video_writer.H264)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(MatteError, match=r"truncated: it ends after \d pictures") as raised:
        VideoReader(path)
    assert raised.value.code == "unreadable"


@pytest.mark.parametrize(
    ("name", "container", "codec"),
    [
        ("a.qt", "mov", "mpeg4"),
        ("a.f4v", "f4v", "libx264"),
        ("a.flv", "flv", "flv"),
        ("a.3g2", "3g2", "mpeg4"),
        ("a.asf", "asf", "wmv2"),
        ("a.m2t", "mpegts", "mpeg2video"),
        ("a.m2v", "mpeg2video", "mpeg2video"),
        ("a.vob", "vob", "mpeg2video"),
        ("a.dvd", "dvd", "mpeg2video"),
        ("a.mpe", "mpeg", "mpeg1video"),
        ("a.ogv", "ogg", "libvpx"),
        ("a.dv", "dv", "dvvideo"),
    ],
)
def test_other_suffixes_of_the_same_containers(tmp_path: Path, name: str, container: str, codec: str) -> None:
    """They were taken for stills."""
    levels = [0.2, 0.7, 0.3, 0.8, 0.4]
    # A few kilobytes are what FFmpeg needs to know a transport stream.
    width, height = (720, 576) if codec == "dvvideo" else (64, 48)
    texture = np.random.default_rng(1).uniform(-0.1, 0.1, (height, width, 1)).repeat(3, -1)
    with av.open(str(tmp_path / name), "w", format=container) as file:
        stream: Any = file.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = width, height, "yuv420p", 3000000
        for number, level in enumerate(levels):
            code = (255 * (level + texture)).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(code, "rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    assert media.is_video(tmp_path / name)
    with VideoReader(tmp_path / name) as video:
        assert (video.facts.frames, video.facts.rate) == (5, Fraction(25))
        found = [float(video.read(number).rgb.mean()) for number in range(1, 6)]
    # Means of pictures: what is left is 8 bits and quantisation, 0.003 in the worst of these codecs.
    assert np.allclose(found, levels, atol=0.005)
