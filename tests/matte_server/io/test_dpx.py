"""DPX and Cineon files that OpenImageIO reads wrong, against what FFmpeg's decoder reads."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from matte_server.errors import MatteError
from matte_server.io import exr
from tests.matte_server import picture_files as files
from tests.matte_server.pictures import Array

HEIGHT = 32


def scene(width: int) -> Array:
    picture: Array = np.random.default_rng(5).random((HEIGHT, width, 3))
    picture[0, 0], picture[0, 1] = 0.0, 1.0
    return picture


def by_ffmpeg(path: Path) -> Array:
    """R', G', B' of 0 to 1."""
    with av.open(str(path)) as container:
        frame: Any = next(container.decode(video=0))
        bits = frame.format.components[0].bits
        if frame.format.name.startswith(("gbrp", "gray1")):
            planes = [
                np.frombuffer(plane, np.uint16).reshape(HEIGHT, -1)[:, : frame.width] for plane in frame.planes
            ]
            values = np.stack([planes[index] for index in ((2, 0, 1) if len(planes) > 1 else (0, 0, 0))], -1)
        else:
            wanted = frame.format.name.replace("be", "le")
            values = frame.to_ndarray(format=wanted)
            values = values if values.ndim == 3 else np.repeat(values[..., None], 3, -1)
    code: Array = values[..., :3] / ((1 << bits) - 1)
    return code


def of_ffmpeg(path: Path, width: int, pixel_format: str) -> None:
    """FFmpeg fills each line up to a word, and does not state it."""
    with av.open(str(path), "w", format="image2", options={"update": "1"}) as container:
        stream: Any = container.add_stream("dpx", rate=24)
        stream.width, stream.height, stream.pix_fmt = width, HEIGHT, pixel_format
        code = np.ascontiguousarray(files.whole(scene(width), 16))
        frame = av.VideoFrame.from_ndarray(code, "rgb48le").reformat(format=pixel_format)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize("width", [13, 14, 15, 16])
@pytest.mark.parametrize("pixel_format", ["rgb24", "rgba", "gray", "rgb48be", "rgb48le", "gbrp10le", "gbrp12le"])
def test_lines_of_any_length(tmp_path: Path, width: int, pixel_format: str) -> None:
    of_ffmpeg(tmp_path / "a.dpx", width, pixel_format)
    found = exr.read_image(tmp_path / "a.dpx")
    assert found.data_window.width == width
    # OpenImageIO makes 16 bits of 10, and rounds.
    assert float(np.abs(found.rgb - by_ffmpeg(tmp_path / "a.dpx")).max()) < 2e-5


def test_lines_that_are_not_filled_up_are_read_as_they_are(tmp_path: Path) -> None:
    """As other writers store them."""
    code = scene(13)
    files.dpx(tmp_path / "a.dpx", code, transfer=6, bits=16)
    assert float(np.abs(exr.read_image(tmp_path / "a.dpx").rgb - code).max()) < 1e-5  # half a step of 16 bits


@pytest.mark.parametrize("big", [True, False], ids=["big", "little"])
@pytest.mark.parametrize("bits", [10, 16])
@pytest.mark.parametrize("begin", [0, 0xFFFFFFFF], ids=["zero", "undefined"])
def test_an_element_that_does_not_say_where_it_begins(tmp_path: Path, begin: int, bits: int, big: bool) -> None:
    """It begins where all pixels do. OpenImageIO took the header for pixels where this is 0."""
    path, code = tmp_path / "a.dpx", scene(13)
    files.dpx(path, code, transfer=6, bits=bits, big=big)
    data = bytearray(path.read_bytes())
    struct.pack_into(">I" if big else "<I", data, 808, begin)
    path.write_bytes(data)
    found = exr.read_image(path).rgb
    assert float(np.abs(found - code).max()) < (6e-4 if bits == 10 else 1e-5)  # half a step
    struct.pack_into(">I" if big else "<I", data, 4, begin)
    path.write_bytes(data)
    with pytest.raises(MatteError, match="cannot be read") as refused:
        exr.read_image(path)
    assert refused.value.code == "unreadable"


@pytest.mark.parametrize("big", [True, False], ids=["big", "little"])
@pytest.mark.parametrize(("packing", "shift"), [(1, 2), (2, 0)])
@pytest.mark.parametrize("width", [13, 14, 15])
def test_grey_of_10_bits(tmp_path: Path, width: int, packing: int, shift: int, big: bool) -> None:
    """Three samples to a word, the first in the lowest bits."""
    path, order = tmp_path / "a.dpx", ">" if big else "<"
    files.dpx(path, scene(width), transfer=6, bits=10, big=big)
    head = bytearray(path.read_bytes()[:2048])
    head[800] = 6
    struct.pack_into(f"{order}H", head, 804, packing)
    values = files.whole(scene(width), 16)[..., 0].astype(np.uint32) >> 6
    thirds = np.pad(values, ((0, 0), (0, -width % 3))).reshape(HEIGHT, -1, 3)
    words = thirds[..., 0] << shift | thirds[..., 1] << (10 + shift) | thirds[..., 2] << (20 + shift)
    path.write_bytes(bytes(head) + words.astype(f"{order}u4").tobytes())
    found = exr.read_image(path).rgb
    assert float(np.abs(found - values[..., None] / 1023).max()) < 2e-5
    assert float(np.abs(found - by_ffmpeg(path)).max()) < 2e-5


def stored_dpx(
    path: Path, samples: Any, descriptor: int, width: int, *, big: bool = True, shift: int = 2, transfer: int = 6
) -> None:
    """A DPX of 10 bits, three samples to a word, the first in the highest bits. ``samples``: lines x samples."""
    order = ">" if big else "<"
    files.dpx(path, np.zeros((len(samples), width, 3)), transfer=transfer, bits=10, big=big)
    head = bytearray(path.read_bytes()[:2048])
    head[800] = descriptor
    struct.pack_into(f"{order}H", head, 804, 1 if shift else 2)
    lines = np.asarray(samples, np.uint32)
    thirds = np.pad(lines, ((0, 0), (0, -lines.shape[1] % 3))).reshape(len(lines), -1, 3)
    words = thirds[..., 2] << shift | thirds[..., 1] << (10 + shift) | thirds[..., 0] << (20 + shift)
    path.write_bytes(bytes(head) + words.astype(f"{order}u4").tobytes())


@pytest.mark.parametrize("big", [True, False], ids=["big", "little"])
@pytest.mark.parametrize("shift", [2, 0])
@pytest.mark.parametrize("descriptor", [51, 52], ids=["RGBA", "ABGR"])
@pytest.mark.parametrize("width", [13, 14, 15])
def test_four_samples_of_10_bits(tmp_path: Path, width: int, descriptor: int, shift: int, big: bool) -> None:
    """Lines that end within a word: of 13 pixels one sample lies in the last, of 14 two."""
    code = np.random.default_rng(7).integers(0, 1024, (HEIGHT, width, 4))
    stored = code if descriptor == 51 else code[..., ::-1]
    stored_dpx(tmp_path / "a.dpx", stored.reshape(HEIGHT, -1), descriptor, width, shift=shift, big=big)
    found = exr.read_image(tmp_path / "a.dpx")
    assert found.channels == ("R", "G", "B", "A")
    assert float(np.abs(found.pixels - code / 1023).max()) < 2e-5  # OpenImageIO makes 16 bits of 10


@pytest.mark.parametrize(("transfer", "matrix"), [(6, 1), (5, 1), (7, 6), (10, 6), (1, 6)])
@pytest.mark.parametrize("descriptor", [100, 101, 102, 103], ids=["422", "422+A", "444", "444+A"])
@pytest.mark.parametrize("width", [14, 15])
def test_colour_differences(tmp_path: Path, width: int, descriptor: int, transfer: int, matrix: int) -> None:
    """Y'CbCr by the equations of H.273, in codes of video range; without a matrix, 32 lines are those of BT.601.
    Colour changes from line to line alone where chroma is subsampled, so that nothing is interpolated."""
    is_subsampled, has_alpha = descriptor in (100, 101), descriptor in (101, 103)
    code = scene(width)
    if is_subsampled:
        code = np.repeat(code[:, :1], width, 1)
    kr, kb = {1: (0.2126, 0.0722), 6: (0.299, 0.114)}[matrix]
    luma = kr * code[..., 0] + (1 - kr - kb) * code[..., 1] + kb * code[..., 2]
    cb, cr = ((code[..., at] - luma) / (2 * (1 - k)) for at, k in ((2, kb), (0, kr)))
    differences = [np.rint(4 * (224 * plane + 128)) for plane in (cb, cr)]
    samples = [differences[0], np.rint(4 * (219 * luma + 16)), differences[1]]
    if is_subsampled:
        samples = [np.where(np.arange(width) % 2, differences[1], differences[0]), samples[1]]
    alpha = np.broadcast_to(np.arange(width) * 50.0, (HEIGHT, width))
    stored = np.stack([*samples, *([alpha] if has_alpha else [])], -1).reshape(HEIGHT, -1)
    stored_dpx(tmp_path / "a.dpx", stored, descriptor, width, transfer=transfer)
    found = exr.read_image(tmp_path / "a.dpx")
    # Half a code of luma, and half a one of chroma times 1.856, of 876 and 896.
    assert float(np.abs(found.rgb - code).max()) < 0.0017
    assert found.channels == (("R", "G", "B", "A") if has_alpha else ("R", "G", "B"))
    if has_alpha:
        assert float(np.abs(found.pixels[..., 3] - alpha / 1023).max()) < 2e-5


@pytest.mark.parametrize(
    ("stated", "lines", "kr"),
    [
        *((stated, 720, 0.299) for stated in (7, 8, 9, 10)),  # 601-5 of 625 and 525 lines, NTSC, PAL
        (4, 720, 0.2126),  # video, of no kind in particular
        (4, 719, 0.299),
    ],
)
def test_the_matrix_is_the_stated_one_else_that_of_its_lines(
    tmp_path: Path, stated: int, lines: int, kr: float
) -> None:
    """Cb, Y and Cr of a red: R' is Y' and 2 (1 - Kr) Cr, by H.273."""
    stored_dpx(tmp_path / "a.dpx", np.tile([512, 502, 736] * 3, (lines, 1)), 102, 3, transfer=stated)
    red = exr.read_image(tmp_path / "a.dpx").rgb[..., 0]
    assert np.allclose(red, (502 / 4 - 16) / 219 + 2 * (1 - kr) * (736 - 512) / 896, atol=1e-4)  # matrices: 0.044


def test_subsampled_colour_lies_on_the_left_pixel_of_two(tmp_path: Path) -> None:
    cb = np.tile(np.repeat([512, 812, 212, 512, 612, 512, 512], 2), (HEIGHT, 1))
    samples = np.stack([np.where(np.arange(14) % 2, 512, cb), np.full((HEIGHT, 14), 502)], -1)
    stored_dpx(tmp_path / "a.dpx", samples.reshape(HEIGHT, -1), 100, 14)
    blue = exr.read_image(tmp_path / "a.dpx").rgb[0, :, 2] - (502 / 4 - 16) / 219
    expected = np.interp(np.arange(14), np.arange(0, 14, 2), cb[0, ::2]) / 4 - 128
    assert np.allclose(blue, 1.8556 * expected / 224, atol=1e-4)  # what the scaler's 1/32 steps and float32 leave


@pytest.mark.parametrize("descriptor", [1, 2, 3])
def test_one_colour_alone_is_a_grey_picture(tmp_path: Path, descriptor: int) -> None:
    path, code = tmp_path / "a.dpx", scene(16)
    files.dpx(path, code, transfer=6, bits=16)
    data = bytearray(path.read_bytes())
    data[800] = descriptor
    path.write_bytes(bytes(data[:2048]) + files.whole(code[..., 0], 16).astype(">u2").tobytes())
    found = exr.read_image(path)
    assert float(np.abs(found.rgb - code[..., :1]).max()) < 1e-5
    # A second element makes it a colour of three, which is not read in its place.
    data[770:772] = b"\0\2"
    data[852 : 852 + 72] = data[780:852]
    path.write_bytes(bytes(data[:2048]) + files.whole(code[..., 0], 16).astype(">u2").tobytes())
    with pytest.raises(MatteError, match="stores its channels in image elements of their own") as refused:
        exr.read_image(path)
    assert refused.value.code == "no_colour"


@pytest.mark.parametrize(("transfer", "writer"), [(2, b"Lavc59.37.100"), (2, b"Nuke"), (6, b"Lavc63.1.102")])
def test_linear_of_ffmpeg_is_doubted(tmp_path: Path, transfer: int, writer: bytes) -> None:
    """Version 5 tags the codes of video as linear too, version 9 does not."""
    path = tmp_path / "a.dpx"
    files.dpx(path, scene(5), transfer=transfer)
    data = bytearray(path.read_bytes())
    data[160 : 160 + len(writer)] = writer
    path.write_bytes(data)
    warnings = exr.read_image(path).colour_warnings
    is_doubted = transfer == 2 and writer.startswith(b"Lavc")
    assert [warning for warning in warnings if "stores codes as they are" in warning] == list(warnings)
    assert bool(warnings) == is_doubted


def cineon(path: Path, code: Array) -> None:
    """Kodak's Cineon image file format 4.5: 10 bits, three samples to a word."""
    height, width, _ = code.shape
    head = bytearray(b"\xff" * 2048)
    struct.pack_into(">6I", head, 0, 0x802A5FD7, 2048, 1024, 1024, 0, 2048 + 4 * height * width)
    head[24:156] = b"V4.5".ljust(132, b"\0")
    head[192:194] = bytes([0, 3])
    for channel in range(3):
        struct.pack_into(">4B2I4f", head, 196 + 28 * channel, 0, channel + 1, 10, 0, width, height, 0, 0, 1023, 2)
    head[680:684] = bytes([0, 5, 0, 0])
    values = np.rint(code * 1023).astype(np.uint32)
    words = values[..., 0] << 22 | values[..., 1] << 12 | values[..., 2] << 2
    path.write_bytes(bytes(head) + words.astype(">u4").tobytes())


def test_a_cineon_file_that_is_cut(tmp_path: Path) -> None:
    path, code = tmp_path / "a.cin", scene(16)
    cineon(path, code)
    assert float(np.abs(exr.read_image(path).rgb - code).max()) < 0.0006  # half a step of 10 bits, rounded to 16
    data = path.read_bytes()
    for size in (len(data) - 1, 2048 + len(data[2048:]) // 2, 2048, 1500):
        path.write_bytes(data[:size])
        with pytest.raises(MatteError) as refused:
            exr.read_image(path)
        assert refused.value.code == "unreadable"
    # Many writers leave the file's size out.
    path.write_bytes(data[:20] + b"\xff" * 4 + data[24 : len(data) // 2])
    with pytest.raises(MatteError, match="shorter than its header says"):
        exr.read_image(path)


@pytest.mark.parametrize(("stated", "is_read"), [(0, True), (0xFFFFFFFF, True), (1024, True), (0x10000000, False)])
def test_user_data_that_a_cineon_file_lacks(tmp_path: Path, stated: int, is_read: bool) -> None:
    """Memory was taken for them: 9 GB where a damaged header stated 1.6."""
    path = tmp_path / "a.cin"
    cineon(path, scene(14))
    data = bytearray(path.read_bytes())
    struct.pack_into(">I", data, 16, stated)
    path.write_bytes(data)
    if is_read:
        assert exr.read_image(path).pixels.shape == scene(14).shape
        return
    with pytest.raises(MatteError, match="shorter than its header says"):
        exr.read_image(path)


@pytest.mark.parametrize("names", [(0, 0, 0), (0, 1, 2)], ids=["ImageMagick", "Blender"])
def test_a_cineon_file_whose_channels_have_other_numbers(tmp_path: Path, names: tuple[int, ...]) -> None:
    """ImageMagick calls all of them black and white, and states 6 KB more than there are; Blender counts from 0."""
    path, code = tmp_path / "a.cin", scene(16)
    cineon(path, code)
    data = bytearray(path.read_bytes())
    struct.pack_into(">I", data, 20, len(data) + 6144)
    for channel, name in enumerate(names):
        data[197 + 28 * channel] = name
    path.write_bytes(data)
    assert float(np.abs(exr.read_image(path).rgb - code).max()) < 0.0006  # half a step of 10 bits, rounded to 16


def test_a_cineon_file_in_columns_is_refused_and_one_of_luminance_is_grey(tmp_path: Path) -> None:
    path, code = tmp_path / "a.cin", scene(15)
    cineon(path, code)
    data = bytearray(path.read_bytes())
    for orientation in (4, 7):
        data[192] = orientation
        path.write_bytes(data)
        with pytest.raises(MatteError, match="stores its pixels in columns"):
            exr.read_image(path)
    data[192:194], data[197] = bytes([0, 1]), 0
    values = np.rint(code[..., 0] * 1023).astype(np.uint32).reshape(HEIGHT, -1, 3)
    # Cineon has the first sample in the highest bits, of grey pictures too.
    words = values[..., 0] << 22 | values[..., 1] << 12 | values[..., 2] << 2
    path.write_bytes(bytes(data[:2048]) + words.astype(">u4").tobytes())
    grey = path.read_bytes()
    path.write_bytes(grey[:20] + struct.pack(">I", len(grey)) + grey[24:])
    assert float(np.abs(exr.read_image(path).rgb - code[..., :1]).max()) < 0.0006  # half a step of 10 bits
