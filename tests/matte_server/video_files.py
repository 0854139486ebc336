"""Videos made by rule, lossless and byte by byte where it matters, for tests of what is read from them."""

from __future__ import annotations

import ctypes
import struct
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from matte_server.io.video_writer import MovieFormat
from tests.matte_server.pictures import Array

PRORES_422_HQ = MovieFormat(
    encoder="prores_ks", pixel_format="yuv422p10le", options=(("profile", "3"), ("vendor", "apl0"))
)
H265_10 = MovieFormat(
    encoder="libx265",
    pixel_format="yuv420p10le",
    options=(("crf", "14"), ("preset", "fast"), ("x265-params", "log-level=none")),
)
DNXHR_HQX = MovieFormat(encoder="dnxhd", pixel_format="yuv422p10le", options=(("profile", "dnxhr_hqx"),))
"""Formats that Cleanplate reads and does not write."""


KR_KB = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}
_UNIT = 65536
_M_PERTURB = -6  # of glibc's malloc.h


@contextmanager
def zeroed_memory() -> Iterator[None]:
    """Every block that is allocated holds zeros. x265 writes a parameter set of which it never fills in a part:
    where that holds what was freed before, in some 7 of 300 videos, FFmpeg refuses to write them."""
    perturb = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if perturb is not None:
        perturb(_M_PERTURB, 0xFF)  # glibc sets blocks to the complement
    try:
        yield
    finally:
        if perturb is not None:
            perturb(_M_PERTURB, 0)


@dataclass(frozen=True)
class VideoTags:
    """H.273 codes: primaries, transfer, matrix; and whether codes have the full range."""

    primaries: int = 1
    transfer: int = 1
    matrix: int = 1
    is_full: bool = False


def planes_of(code: Array, tags: VideoTags, bits: int = 10) -> list[Any]:
    """R', G', B' as codes of Y', Cb, Cr: H.273, equations 38 to 40 and 20 to 31."""
    kr, kb = KR_KB[tags.matrix]
    luma = kr * code[..., 0] + (1 - kr - kb) * code[..., 1] + kb * code[..., 2]
    chroma = ((code[..., 2] - luma) / (2 * (1 - kb)), (code[..., 0] - luma) / (2 * (1 - kr)))
    top, unit = (1 << bits) - 1, 1 << (bits - 8)
    if tags.is_full:
        planes = [luma * top, *(plane * top + (1 << (bits - 1)) for plane in chroma)]
    else:
        planes = [unit * (219 * luma + 16), *(unit * (224 * plane + 128) for plane in chroma)]
    return [np.clip(np.rint(plane), 0, top).astype(np.uint16 if bits > 8 else np.uint8) for plane in planes]


def frame_of(planes: Sequence[Any], pixel_format: str, tags: VideoTags) -> Any:
    """PyAV's frame with these planes."""
    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, pixel_format)
    for plane, values in zip(frame.planes, planes, strict=True):
        stride = plane.line_size // values.dtype.itemsize
        padded = np.zeros((plane.height, stride), values.dtype)
        padded[:, : values.shape[1]] = values
        plane.update(padded.tobytes()[: plane.buffer_size])
    frame.color_primaries, frame.color_trc, frame.colorspace = tags.primaries, tags.transfer, tags.matrix
    frame.color_range = 2 if tags.is_full else 1
    return frame


@zeroed_memory()
def video(
    path: Path,
    pictures: Sequence[Array],
    tags: VideoTags | None = None,
    rate: Fraction | int = 24,
    codec: str = "ffv1",
    pixel_format: str = "yuv444p10le",
    options: dict[str, str] | None = None,
    alpha: Array | None = None,
) -> None:
    """A video of encoded pictures (R', G', B', 0 to 1), in 4:4:4 and lossless unless the codec says otherwise."""
    used = tags or VideoTags()
    bits = 10 if "10" in pixel_format else 8
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=rate, options=options or {})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pixel_format
        context = stream.codec_context
        context.color_primaries, context.color_trc, context.colorspace = used.primaries, used.transfer, used.matrix
        context.color_range = 2 if used.is_full else 1
        for picture in pictures:
            planes = planes_of(picture, used, bits)
            if alpha is not None:
                planes.append(np.rint(alpha * ((1 << bits) - 1)).astype(planes[0].dtype))
            container.mux(stream.encode(frame_of(planes, pixel_format, used)))
        container.mux(stream.encode(None))


def lossless_mp4(path: Path, pictures: Sequence[Array], tags: VideoTags | None = None) -> None:
    """H.264 without loss, in 8 bits and 4:4:4."""
    video(path, pictures, tags, codec="libx264", pixel_format="yuv444p", options={"qp": "0", "preset": "ultrafast"})


def interlaced(path: Path) -> None:
    """H.264 of three frames of 128 x 192 in fields, dark grey. In the first moment of frame 2 a bright bar of 60
    columns begins at column 20, in its second one at 100."""
    still = np.full((128, 192, 3), 0.2)
    picture = still.copy()
    picture[0::2, 20:80] = picture[1::2, 100:160] = 0.8
    options = {"qp": "0", "preset": "ultrafast", "x264-params": "tff=1"}
    video(path, [still, picture, still], codec="libx264", pixel_format="yuv444p", options=options)


def set_display_matrix(path: Path, matrix: tuple[float, float, float, float]) -> None:
    """Overwrites a, b, c, d of the display matrix of the first track (ISO 14496-12, 8.3.2), of units of 1."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 4 + 20 + 8 + 8
    a, b, c, d = (round(number * _UNIT) for number in matrix)
    struct.pack_into(">9i", data, at, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(bytes(data))


def numbered(count: int, height: int = 128, width: int = 192) -> list[Array]:
    """Noisy pictures that say their own number, up to 14, by a white square in a row of dark ones."""
    random = np.random.default_rng(3)
    pictures = []
    for number in range(count):
        picture = 0.45 + 0.1 * random.standard_normal((height, width, 3))
        picture[4:20] = 0.08
        picture[4:20, 8 + 12 * number : 18 + 12 * number] = 0.95
        pictures.append(np.clip(picture, 0.0, 1.0))
    return pictures


def number_of(pixels: Any) -> int:
    """Which picture of :func:`numbered` this is."""
    return int(np.argmax([pixels[8:16, 10 + 12 * place : 16 + 12 * place, :3].mean() for place in range(14)]))


def long_gop(path: Path, count: int = 14, rate: Fraction | int = 24, **more: str) -> None:
    """H.264 with B-frames, whose packets are not in the order shown. The same bytes each time: with macroblock-tree
    rate control x264 writes others from run to run, and whether a decoder notices damage depends on them."""
    options = {
        "preset": "fast",
        "bf": "3",
        "x264-params": "b-adapt=0:scenecut=0:mbtree=0",
        "g": "14",
        "crf": "12",
        **more,
    }
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=rate, options=options)
        pictures = numbered(count)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for picture in pictures:
            pixels = np.rint(picture * 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        container.mux(stream.encode(None))
