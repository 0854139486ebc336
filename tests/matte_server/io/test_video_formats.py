"""Videos of rarer kinds: palettes, floating-point numbers, unknown codecs, tags that say half or that change."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.bitstream import BitStreamFilterContext

from matte_server.core.image import SCENE_LINEAR
from matte_server.errors import MatteError
from matte_server.io.media import VideoReader
from matte_server.io.video_planes import refuse_unfinished, rgb_of
from tests.matte_server.video_files import VideoTags, lossless_mp4, number_of, numbered, planes_of, video

GREYS = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 4, 1)


def paletted(path: Path, codec: str, pixel_format: str, count: int = 6) -> list[Any]:
    """A video of grey pictures that are stored as indices of a palette; returns its codes, 0 to 255."""
    pictures = [np.rint(picture[..., 1] * 255).astype(np.uint8) for picture in numbered(count)]
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=24, options={"g": "1"})
        stream.height, stream.width = pictures[0].shape
        stream.pix_fmt = pixel_format
        for picture in pictures:
            frame: Any = av.VideoFrame.from_ndarray(picture, "gray")
            if pixel_format == "pal8":
                palette = GREYS.copy()
                palette[:, 0] = 255
                stored: Any = (picture, palette)
                frame = av.VideoFrame.from_ndarray(stored, "pal8")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return pictures


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format"),
    [
        ("raw.avi", "rawvideo", "pal8"),
        ("raw.mov", "rawvideo", "pal8"),
        ("grey.mov", "rawvideo", "gray"),
        ("animation.mov", "qtrle", "gray"),
        ("graphics.mov", "smc", "pal8"),
        ("rle.avi", "msrle", "pal8"),
    ],
)
def test_a_palette_that_the_container_holds_reaches_every_picture(
    tmp_path: Path, name: str, codec: str, pixel_format: str
) -> None:
    """FFmpeg hands it out once; pictures were black."""
    pictures = paletted(tmp_path / name, codec, pixel_format)
    with VideoReader(tmp_path / name) as reader:
        assert reader.facts.frames == len(pictures)
        for number in (5, 2, 6, 1, 3):
            found = reader.read(number).pixels
            assert np.array_equal(np.rint(found[..., 0] * 255), pictures[number - 1]), number


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_a_codec_that_nobody_knows_is_one_sentence(tmp_path: Path, suffix: str) -> None:
    """PyAV has no codec context for it; there was a traceback."""
    path = tmp_path / f"a{suffix}"
    is_h264 = suffix != ".avi"
    video(path, numbered(2), codec="libx264" if is_h264 else "ffv1", pixel_format="yuv444p")
    data = path.read_bytes()
    for word in (b"avc1", b"V_MPEG4/ISO/AVC", b"FFV1"):
        data = data.replace(word, word[:-2] + b"zz")
    path.write_bytes(data)
    with pytest.raises(MatteError, match="this build of FFmpeg does not know its codec") as refused:
        VideoReader(path)
    assert refused.value.code == "unreadable"


def test_a_track_of_a_codec_that_nobody_knows_does_not_hide_the_others(tmp_path: Path) -> None:
    path = tmp_path / "a.mov"
    with av.open(str(path), "w") as container:
        tracks: list[Any] = [container.add_stream(codec, rate=24) for codec in ("png", "mjpeg")]
        for track, pixel_format in zip(tracks, ("rgb24", "yuvj444p"), strict=True):
            track.height, track.width, track.pix_fmt = 128, 192, pixel_format
        for picture in numbered(3):
            frame = av.VideoFrame.from_ndarray(np.rint(picture * 255).astype(np.uint8), "rgb24")
            for track in tracks:
                container.mux(track.encode(frame))
        for track in tracks:
            container.mux(track.encode(None))
    path.write_bytes(path.read_bytes().replace(b"png ", b"pn9 "))
    with VideoReader(path) as reader:
        assert [number_of(reader.read(number).pixels) for number in (1, 2, 3)] == [0, 1, 2]


@pytest.mark.parametrize(
    ("name", "channels"),
    [(f"{kind}f{bits}le", count) for kind, count in (("gbrp", 3), ("gbrap", 4), ("gray", 1)) for bits in (16, 32)]
    + [("rgbf32le", 3), ("rgbaf16le", 4), ("rgbf16le", 3), ("yaf32le", 2), ("yaf16le", 2)],
)
def test_floating_point_numbers_are_read_as_they_are(name: str, channels: int) -> None:
    """They were cut off at 0 and 1 and rounded to 16 bits."""
    random = np.random.default_rng(8)
    # Exact in half floats, too.
    values = (random.integers(-800, 3200, (6, 10, channels)) / 256).astype("f2" if "f16" in name else "f4")
    frame: Any = av.VideoFrame(10, 6, name)
    is_packed = len(frame.planes) == 1
    for index, plane in enumerate(frame.planes):
        across = channels if is_packed else 1
        padded = np.zeros((6, plane.line_size // values.itemsize), values.dtype)
        padded[:, : 10 * across] = (values if is_packed else values[..., [index]]).reshape(6, -1)
        plane.update(padded.tobytes())
    order = {"gbrp": [2, 0, 1], "gbra": [2, 0, 1, 3], "gray": [0, 0, 0], "yaf3": [0, 0, 0, 1], "yaf1": [0, 0, 0, 1]}
    assert np.array_equal(rgb_of(frame), values[..., order.get(name[:4], list(range(channels)))].astype(np.float32))


def test_light_beyond_1_in_a_video_of_exrs_stays(tmp_path: Path) -> None:
    path, values = tmp_path / "a.mov", np.full((64, 64), 0.25, np.float32)
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("exr", rate=24, options={"format": "float"})
        stream.height, stream.width, stream.pix_fmt = 64, 64, "gbrpf32le"
        frame: Any = av.VideoFrame(64, 64, "gbrpf32le")
        for plane, factor in zip(frame.planes, (1, -1, 50), strict=True):
            plane.update((values * factor).tobytes())
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with VideoReader(path) as reader:
        image = reader.read(1)
    assert image.colourspace == SCENE_LINEAR
    assert np.array_equal(image.pixels, np.broadcast_to(np.array([12.5, 0.25, -0.25], np.float32), (64, 64, 3)))


@pytest.mark.parametrize(
    ("pixel_format", "said"),
    [("xyz12le", "X'Y'Z', as digital cinema packages do"), ("bayer_rggb16le", "the raw data of a camera's sensor")],
)
def test_what_has_no_colour_yet_is_refused(pixel_format: str, said: str) -> None:
    """Digital cinema was read as if it were Y'CbCr, ProRes RAW as if it were video."""
    with pytest.raises(MatteError, match=rf"reel\.mxf holds {said}, which Cleanplate does not read"):
        refuse_unfinished(av.VideoFrame(32, 16, pixel_format), Path("reel.mxf"))
    refuse_unfinished(av.VideoFrame(32, 16, "yuv444p12le"), Path("reel.mxf"))


@pytest.mark.parametrize(
    ("transfer", "matrix", "space"),
    [
        (16, 9, "Rec.2100-PQ - Display"),
        (16, 2, "Rec.2100-PQ - Display"),
        (18, 9, "Rec.2100-HLG - Display"),
        (18, 2, "Rec.2100-HLG - Display"),
        (2, 9, "Rec.1886 Rec.2020 - Display"),
        (1, 1, "Gamma 2.4 Rec.709 - Texture"),
    ],
)
def test_primaries_that_are_not_stated(tmp_path: Path, transfer: int, matrix: int, space: str) -> None:
    """BT.2100 and the matrices of BT.2020 have BT.2020's: PQ was read with those of Rec.709, HLG not at all."""
    path = tmp_path / "a.mp4"
    tags = VideoTags(primaries=2, transfer=transfer, matrix=matrix)
    frames = numbered(2)
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=24, options={"qp": "0"})
        stream.height, stream.width, stream.pix_fmt = 128, 192, "yuv444p"
        context = stream.codec_context
        context.color_primaries, context.color_trc, context.colorspace = 2, transfer, matrix
        for picture in frames:
            frame: Any = av.VideoFrame(192, 128, "yuv444p")
            frame.color_primaries, frame.color_trc, frame.colorspace = 2, transfer, matrix
            for plane, values in zip(frame.planes, planes_of(picture, VideoTags(), 8), strict=True):
                plane.update(values.tobytes())
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with VideoReader(path) as reader:
        assert reader.facts.colourspace == space
        assert reader.facts.colour_tags == f"primaries {tags.primaries}, transfer {tags.transfer}"


def test_tags_that_change_within_a_video_are_a_warning(tmp_path: Path) -> None:
    """As in a file that was joined from an SDR and an HDR clip; the second was read as the first in silence."""
    whole = tmp_path / "whole.ts"
    whole.touch()
    for tags in (VideoTags(), VideoTags(primaries=9, transfer=16, matrix=9)):
        part = tmp_path / "part.ts"
        video(part, numbered(3), tags, codec="libx264", pixel_format="yuv444p", options={"qp": "0"})
        whole.write_bytes(whole.read_bytes() + part.read_bytes())
    with VideoReader(whole) as reader:
        warnings = [reader.read(number).warnings for number in range(1, reader.facts.frames + 1)]
    assert [bool(each) for each in warnings] == [False] * 3 + [True] * 3
    assert "also for what says primaries 9, transfer 16." in warnings[3][0]


def joined(path: Path, kinds: Sequence[tuple[int, int, Fraction]], options: dict[str, str]) -> None:
    """A stream of three pictures of each kind: height, width, pixel aspect."""
    path.touch()
    for height, width, aspect in kinds:
        part = path.with_name("part.ts")
        with av.open(str(part), "w") as container:
            stream: Any = container.add_stream("libx264", rate=24, options=options)
            stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
            stream.codec_context.sample_aspect_ratio = aspect
            for picture in numbered(3, height, width):
                code = np.rint(picture.clip(0, 1) * 255).astype(np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(code, "rgb24")))
            container.mux(stream.encode(None))
        path.write_bytes(path.read_bytes() + part.read_bytes())


@pytest.mark.parametrize(
    ("second", "sentence"),
    [
        ((64, 96, Fraction(1)), "here it is 96 x 64, that of the first one is 192 x 128"),
        ((128, 192, Fraction(4, 3)), "pixel aspect of the video's pictures changes: 1.333 is used for all"),
    ],
    ids=["size", "aspect"],
)
@pytest.mark.parametrize("interlaced", [False, True])
def test_a_shape_that_changes_within_a_video_is_a_warning(
    tmp_path: Path, second: tuple[int, int, Fraction], sentence: str, interlaced: bool
) -> None:
    """It was read in silence; with --deinterlace the pictures beside a change of size could not be read at all."""
    path, first = tmp_path / "whole.ts", (128, 192, Fraction(1))
    joined(path, [first, second], {"qp": "0", "bf": "0", **({"x264-params": "tff=1"} if interlaced else {})})
    with VideoReader(path, deinterlace=interlaced) as reader:
        assert reader.facts.frames == 6
        for number in (5, 1, 6, 3, 4, 2):
            image = reader.read(number)
            assert image.pixels.shape[:2] == (first if number <= 3 else second)[:2]
            assert [sentence in each for each in image.warnings] == [True] * (number > 3), number


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_a_layer_of_hevc_that_is_left_out_is_named(tmp_path: Path, layers: int) -> None:
    """Alpha, as Apple writes it, or the right eye of a spatial video: the decoder hands out the first layer."""
    path = tmp_path / "a.mp4"
    options = {"x265-params": "log-level=none", "preset": "ultrafast"}
    video(path, numbered(2), codec="libx265", pixel_format="yuv444p", options=options)
    parameters, data = b"\x40\x01\x0c", path.read_bytes()
    assert data.count(parameters + b"\x01") == 1
    path.write_bytes(data.replace(parameters + b"\x01", parameters + bytes([16 * (layers - 1) + 1])))
    with VideoReader(path) as reader:
        named = any("alpha or another view in a layer of its own" in warning for warning in reader.read(1).warnings)
    assert named == (layers > 1)


@pytest.mark.parametrize("sides", [(6, 0, 0, 0), (2, 4, 6, 8), (0, 4, 0, 0)])
def test_what_the_stream_cuts_off_is_not_read(tmp_path: Path, sides: tuple[int, int, int, int]) -> None:
    """The cropping of H.264; on the left FFmpeg leaves columns that would lie badly in memory."""
    left, top, right, bottom = sides
    lossless_mp4(tmp_path / "whole.mp4", numbered(2))
    cut = f"h264_metadata=crop_left={left}:crop_top={top}:crop_right={right}:crop_bottom={bottom}"
    with av.open(str(tmp_path / "whole.mp4")) as source, av.open(str(tmp_path / "cut.mp4"), "w") as container:
        stream: Any = container.add_stream_from_template(source.streams.video[0])
        cropped = BitStreamFilterContext(cut, source.streams.video[0], stream)
        for packet in source.demux(video=0):
            for each in cropped.filter(packet if packet.size else None):
                each.stream = stream
                container.mux(each)
    with VideoReader(tmp_path / "whole.mp4") as whole, VideoReader(tmp_path / "cut.mp4") as reader:
        expected = whole.read(2).pixels
        found = reader.read(2).pixels
    height, width, _ = expected.shape
    assert np.array_equal(found, expected[top : height - bottom, left : width - right])
