"""BMPs and Targas of 32 bits a pixel: the fourth byte is alpha where the header says so, or where it is not 0."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matte_server.io import exr
from tests.matte_server import picture_files as files

CODE = np.random.default_rng(4).random((9, 13, 3))
NOTHING, SOFT = np.zeros((9, 13)), np.linspace(0.0, 1.0, 117).reshape(9, 13)


@pytest.mark.parametrize(
    ("suffix", "write", "stated", "unstated"),
    [(".bmp", files.bmp, 0xFF000000, 0), (".bmp", files.bmp, 0xFF000000, None), (".tga", files.tga_32, 8, 0)],
)
def test_a_fourth_byte_of_zeros_is_no_alpha_unless_it_is_stated(
    tmp_path: Path, suffix: str, write: Callable[..., None], stated: int, unstated: int | None
) -> None:
    """As a guide, such a picture was an empty matte."""
    path, colour = tmp_path / f"a{suffix}", files.whole(CODE) / 255.0

    def read(alpha: Any, says: int | None) -> Any:
        write(path, CODE, alpha, says)
        return exr.read_image(path)

    plain = read(NOTHING, unstated)
    assert plain.channels == ("R", "G", "B")
    assert np.allclose(plain.pixels, colour, atol=1e-6)  # float32
    for alpha, says in ((NOTHING, stated), (SOFT, stated), (SOFT, unstated)):
        found = read(alpha, says)
        assert found.channels == ("R", "G", "B", "A")
        assert np.allclose(found.pixels, np.dstack([colour, files.whole(alpha) / 255.0]), atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "bits", "descriptor", "is_told"),
    [(2, 16, 0x21, True), (2, 16, 0x20, False), (2, 15, 0x21, False), (3, 8, 0x21, False), (3, 16, 0x28, False)],
)
def test_the_alpha_of_a_targa_of_16_bits_is_left_out_aloud(
    tmp_path: Path, kind: int, bits: int, descriptor: int, is_told: bool
) -> None:
    """Colour in five bits each, and alpha in the highest: OpenImageIO reads the former."""
    path, size = tmp_path / "a.tga", -(-bits // 8)
    head = struct.pack("<BBBHHBHHHHBB", 0, 0, kind, 0, 0, 0, 0, 0, 13, 9, bits, descriptor)
    path.write_bytes(head + bytes(range(9 * 13 * size)) if size == 1 else head + bytes(range(234)))
    found = exr.read_image(path)
    # A grey one with alpha has eight bits of each.
    assert found.channels == (("R", "G", "B", "A") if (kind, bits) == (3, 16) else ("R", "G", "B"))
    assert found.warnings == (("The picture's alpha, of one bit, was left out.",) if is_told else ())
