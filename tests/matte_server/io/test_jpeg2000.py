"""JPEG 2000: which of its channels is alpha, whether colour was multiplied by it, and in which order they come."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from matte_server.io import exr
from matte_server.io.boxes import boxes

ALPHA = np.tile(np.array([51, 255, 0, 128, 17], np.uint8), (6, 1))
PRODUCT = (np.random.default_rng(2).random((6, 5, 3)) * ALPHA[..., None]).astype(np.uint8)
RED, GREEN, BLUE, ALL = (1, 2, 3, 0)
COLOUR, OPACITY, PREMULTIPLIED, UNSPECIFIED = 0, 1, 2, 65535
Definitions = list[tuple[int, int, int]]
RGB: Definitions = [(0, COLOUR, RED), (1, COLOUR, GREEN), (2, COLOUR, BLUE)]
BGR: Definitions = [(0, COLOUR, BLUE), (1, COLOUR, GREEN), (2, COLOUR, RED)]


def jp2(path: Path, definitions: Definitions, behind: bytes = b"") -> None:
    """A JPEG 2000 without loss, with these definitions of its channels (ISO 15444-1, I.5.3.6): number, type, and
    what it belongs to; and with what lies behind them."""
    PillowImage.fromarray(np.dstack([PRODUCT, ALPHA])).save(path)
    data = path.read_bytes()
    begin, end = next((start, stop) for kind, start, stop in boxes(data) if kind == b"jp2h")
    header = data[begin:end]
    kept = [header[start - 8 : stop] for kind, start, stop in boxes(header) if kind != b"cdef"]
    content = struct.pack(">H", len(definitions)) + b"".join(struct.pack(">3H", *each) for each in definitions)
    content += behind
    kept.append(struct.pack(">I4s", 8 + len(content), b"cdef") + content)
    changed = b"".join(kept)
    path.write_bytes(data[: begin - 8] + struct.pack(">I4s", 8 + len(changed), b"jp2h") + changed + data[end:])


@pytest.mark.parametrize(
    ("definitions", "is_product", "is_exchanged"),
    [
        ([*RGB, (3, OPACITY, ALL)], False, False),
        ([*RGB, (3, PREMULTIPLIED, ALL)], True, False),
        ([(3, PREMULTIPLIED, ALL), *RGB], True, False),
        ([*BGR, (3, OPACITY, ALL)], False, True),
        ([*BGR, (3, PREMULTIPLIED, ALL)], True, True),
        ([*RGB, (3, UNSPECIFIED, UNSPECIFIED)], False, False),
    ],
)
def test_colour_that_was_multiplied_by_alpha(
    tmp_path: Path, definitions: Definitions, is_product: bool, is_exchanged: bool
) -> None:
    """Like TIFF's and JPEG XL's it is divided by it as it is stored; where alpha is 0, nothing can be told."""
    path = tmp_path / "a.jp2"
    jp2(path, definitions)
    found = exr.read_image(path)
    colour = PRODUCT[..., ::-1] if is_exchanged else PRODUCT
    divisor = ALPHA if is_product else np.full_like(ALPHA, 255)
    known = divisor > 0
    assert found.channels == ("R", "G", "B", "A") and not found.premultiplied
    want = colour[known] / divisor[known][:, None].astype(float)
    # float32: the quotient of two rounded numbers.
    assert np.allclose(found.pixels[known][:, :3], want, atol=1e-6)
    assert np.allclose(found.pixels[..., 3], ALPHA / 255, atol=1e-6)


def test_bytes_behind_the_definitions_say_nothing(tmp_path: Path) -> None:
    jp2(tmp_path / "a.jp2", [*RGB, (3, PREMULTIPLIED, ALL)], behind=b"\0")
    jp2(tmp_path / "b.jp2", [*RGB, (3, PREMULTIPLIED, ALL)])
    one, other = (exr.read_image(tmp_path / name).pixels for name in ("a.jp2", "b.jp2"))
    assert np.array_equal(one, other, equal_nan=True)


def test_ycc_is_read_as_rgb(tmp_path: Path) -> None:
    """The colourspace 18 (ISO 15444-1, I.5.3.3): Y, Cb and Cr of the whole range, by the numbers of BT.601."""
    path = tmp_path / "a.jp2"
    ycc = np.random.default_rng(5).integers(90, 166, (6, 5, 3)).astype(np.uint8)
    PillowImage.fromarray(ycc).save(path)
    data = bytearray(path.read_bytes())
    assert data[data.index(b"colr") + 10] == 16  # sRGB
    data[data.index(b"colr") + 10] = 18
    path.write_bytes(data)
    luma, cb, cr = (ycc[..., at] - offset for at, offset in enumerate((0.0, 128.0, 128.0)))
    want = np.stack([luma + 1.402 * cr, luma - 0.344136 * cb - 0.714136 * cr, luma + 1.772 * cb], -1)
    # OpenJPEG rounds down: once, and green twice.
    assert np.abs(exr.read_image(path).pixels * 255 - want).max() < 2.0
