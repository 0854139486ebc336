"""What the header of a Radiance picture says of its pixels: their shape, their order, what they hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from matte_server.errors import MatteError
from matte_server.io import exr
from tests.matte_server import picture_files
from tests.matte_server.pictures import Array


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


@pytest.mark.parametrize(
    ("axes", "turn"),
    [
        # The words of Radiance's file formats: how the stored lines come from the upright picture.
        ("-Y {1} +X {0}", lambda picture: picture),
        ("-Y {1} -X {0}", lambda picture: picture[:, ::-1]),
        ("+Y {1} -X {0}", lambda picture: np.rot90(picture, 2)),
        ("+Y {1} +X {0}", lambda picture: picture[::-1]),
        ("+X {0} +Y {1}", lambda picture: np.rot90(picture, -1)),  # rotated 90 degrees clockwise
        ("-X {0} -Y {1}", lambda picture: np.rot90(picture, 1)),
        ("+X {0} -Y {1}", lambda picture: picture.swapaxes(0, 1)),
        ("-X {0} +Y {1}", lambda picture: np.rot90(picture, 2).swapaxes(0, 1)),
    ],
)
def test_lines_and_columns_of_every_direction(tmp_path: Path, axes: str, turn: Callable[[Array], Array]) -> None:
    light = np.random.default_rng(3).uniform(0.5, 1.0, (4, 6, 3))
    path = tmp_path / "a.hdr"
    picture_files.hdr(path, turn(light))
    head, _, rest = path.read_bytes().partition(b"\n\n")
    pixels = rest.split(b"\n", 1)[1]
    path.write_bytes(head + b"\n\n" + axes.format(6, 4).encode() + b"\n" + pixels)
    found = exr.read_image(path)
    assert found.pixels.shape == (4, 6, 3)
    assert float(np.abs(found.rgb - light).max()) < 1 / 256  # 8 bits below the exponent


def test_xyz_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a.hdr"
    picture_files.hdr(path, np.full((4, 6, 3), 0.5))
    path.write_bytes(path.read_bytes().replace(b"rgbe", b"xyze"))
    with pytest.raises(MatteError, match="holds XYZ") as refused:
        exr.read_image(path)
    assert refused.value.code == "unreadable" and "ra_xyze" in refused.value.hint
