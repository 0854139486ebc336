"""PNGs that end early, and PNGs with other data behind them."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from matte_server.core.image import SCENE_LINEAR
from matte_server.errors import MatteError
from matte_server.io import exr
from tests.matte_server import picture_files as files

CODE = np.random.default_rng(1).random((12, 20, 3))


@pytest.mark.parametrize("cut", [1, 4, 12, 13, 60, 300, 700])
def test_a_png_that_was_cut_is_refused_without_a_line_of_libpng(
    tmp_path: Path, cut: int, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.png"
    files.png(path, CODE)
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(MatteError, match="ends before its last chunk") as refused:
        exr.read_image(path)
    assert refused.value.code == "unreadable"
    assert capfd.readouterr() == ("", "")


def test_other_data_may_follow_a_png(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    files.png(path, CODE)
    plain = exr.read_image(path)
    path.write_bytes(path.read_bytes() + b"a phone's short video")
    assert np.array_equal(exr.read_image(path).pixels, plain.pixels)


@pytest.mark.parametrize(("stored", "is_linear"), [(100000, True), (99950, True), (100080, True), (99000, False)])
def test_a_gamma_of_nearly_one_is_linear_light(tmp_path: Path, stored: int, is_linear: bool) -> None:
    """It is written in five digits, by programs that divide."""
    files.png(tmp_path / "a.png", CODE, chunks=[(b"gAMA", struct.pack(">I", stored))])
    assert (exr.read_image(tmp_path / "a.png").colourspace == SCENE_LINEAR) is is_linear
