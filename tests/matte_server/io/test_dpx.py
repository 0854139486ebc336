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
