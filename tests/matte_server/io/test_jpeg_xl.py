"""JPEG XL: what alpha means by the file's own bit, and animations, which libjxl 0.11 wrote."""

from __future__ import annotations

import base64
import struct
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio
import pytest

from matte_server.errors import MatteError
from matte_server.io import exr
from matte_server.io.jpeg_xl import JpegXlHead, jpeg_xl_head

TWO_PICTURES = {
    "codestream": "/wpBBE0AICYIBAEAOABLGIsVgNXqfwAMJ1pNSAgEBQA8AEsYixWAXdT/ABiSrppAAg==",
    "container": "AAAADEpYTCANCocKAAAAFGZ0eXBqeGwgAAAAAGp4bCAAAAAoanhscAAAAAD/CkEETQAgJggEAQA4AEsYixWA1ep/AAwnWk1I"
    "AAAAIWp4bHCAAAABCAQFADwASxiLFYBd1P8AGJKumkAC",
}
"""8 x 8 pixels of 50 and then of 200 of 255."""
ALL_51 = "/wraEAVBcSMIAgEANAAAAEAABEAABEAABEAABEAABEAABABLKCTGRUHCDBQtE+YAExMTExMTExMTExMT"
"""A codestream of 960 x 540 grey pixels of 51 of 255."""
BOXED = b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14ftypjxl \0\0\0\0jxl "
# Bits before that of an associated alpha, of a square of 8: size 9, two flags; a depth of 7, a flag, 1 further
# channel 2; a flag, its kind 2, depth 7, shift 2, length of its name 2. A depth of 16 bits takes 9.
BEFORE = {"float": 9 + 2 + 7 + 1 + 2 + 1 + 2 + 7 + 2 + 2, "uint16": 9 + 2 + 9 + 1 + 2 + 1 + 2 + 9 + 2 + 2}


def write(path: Path, kind: str, pixels: Any) -> None:
    height, width, channels = pixels.shape
    spec = oiio.ImageSpec(width, height, channels, kind)
    spec.attribute("Compression", "jpegxl:100")
    writer: Any = oiio.ImageOutput.create(str(path))
    assert writer.open(str(path), spec) and writer.write_image(pixels) and writer.close()


@pytest.mark.parametrize("kind", ["float", "uint16"])
def test_alpha_is_associated_where_the_file_says_so(tmp_path: Path, kind: str) -> None:
    """Which a float without that bit was taken for; by the bit alone the same numbers mean another picture."""
    path = tmp_path / "a.jxl"
    stored = np.random.default_rng(8).uniform(0.25, 1.0, (8, 8, 4)).astype(np.float32)
    stored[..., :3] *= stored[..., 3:]
    write(path, kind, stored)
    plain = exr.read_image(path)
    assert plain.channels == ("R", "G", "B", "A") and not plain.premultiplied
    assert np.allclose(plain.pixels, stored, atol=1e-5)  # half a step of 16 bits
    data = bytearray(path.read_bytes())
    bit = 8 * (data.index(b"\xff\x0a") + 2) + BEFORE[kind]
    assert not data[bit >> 3] >> (bit & 7) & 1
    data[bit >> 3] |= 1 << (bit & 7)
    path.write_bytes(data)
    found = exr.read_image(path)
    divided = np.concatenate([stored[..., :3] / stored[..., 3:], stored[..., 3:]], -1)
    assert not found.premultiplied
    assert np.allclose(found.pixels, divided, atol=1e-4)  # the same, over alpha of 0.25 and more


@pytest.mark.parametrize("kind", TWO_PICTURES)
def test_an_animation_is_refused(tmp_path: Path, kind: str) -> None:
    """OpenImageIO reads its last picture."""
    path = tmp_path / "a.jxl"
    path.write_bytes(base64.b64decode(TWO_PICTURES[kind]))
    with pytest.raises(MatteError, match="is an animated JPEG XL") as refused:
        exr.read_image(path)
    assert refused.value.code == "unreadable"


@pytest.mark.parametrize("is_boxed", [False, True])
def test_a_file_of_a_few_bytes_is_read_and_refused_where_it_is_cut(tmp_path: Path, is_boxed: bool) -> None:
    """A matte of one value has no more in any size; OpenImageIO opens none of fewer than 128 bytes."""
    path, data = tmp_path / "a.jxl", base64.b64decode(ALL_51)
    data = BOXED + struct.pack(">I4s", 8 + len(data), b"jxlc") + data if is_boxed else data
    path.write_bytes(data)
    found = exr.read_image(path)
    assert found.pixels.shape == (540, 960, 3)
    assert np.allclose(found.pixels, 51 / 255, atol=1e-6)  # float32's own rounding
    for end in range(1, len(data)):
        path.write_bytes(data[:end])
        with pytest.raises(MatteError) as refused:
            exr.read_image(path)
        assert refused.value.code == "unreadable"


def test_heads_of_any_bytes_are_read(tmp_path: Path) -> None:
    path, random = tmp_path / "a.jxl", np.random.default_rng(9)
    whole = base64.b64decode(TWO_PICTURES["container"])
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        assert jpeg_xl_head(path) in (JpegXlHead(), JpegXlHead(is_animation=True))
    for _ in range(300):
        path.write_bytes(b"\xff\x0a" + random.bytes(int(random.integers(40))))
        jpeg_xl_head(path)
