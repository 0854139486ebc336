"""What the header of a Radiance picture says of its pixels' shape."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from matte_server.io import exr
from tests.matte_server import picture_files


@pytest.mark.parametrize(
    ("header", "aspect"),
    [
        ("", 1.0),
        ("PIXASPECT=0.5\n", 2.0),  # height by width
        ("PIXASPECT=0.5\nVIEW= -vtv\nPIXASPECT= 4\n", 0.5),
        ("PIXASPECT=0\n", 1.0),
        ("PIXASPECT=wide\n", 1.0),
    ],
)
def test_the_aspect_of_pixels(tmp_path: Path, header: str, aspect: float) -> None:
    picture_files.hdr(tmp_path / "a.hdr", np.full((4, 6, 3), 0.5), header)
    assert exr.read_image(tmp_path / "a.hdr").pixel_aspect == aspect
