"""Pixels of TIFFs: 0 or 1 as white, in every kind of number, order of bytes and layout, as tifffile writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import tifffile

from matte_server.errors import MatteError
from matte_server.io import exr
from tests.matte_server import picture_files as files

SIZE = (5, 19)
LARGEST = {"uint8": 255, "int8": 127, "uint16": 65535, "int16": 32767, "uint32": 4294967295}
"""The number that stands for 1; of floats it is 1."""


def written(path: Path, kind: str, channels: int, **more: Any) -> Any:
    """Writes random numbers from 0 to what stands for 1; returns them as 0 to 1, rows x columns x channels."""
    part = np.random.default_rng(5).random((*SIZE, channels))
    stored = (part * LARGEST.get(kind, 1)).astype(kind)
    separate = more.get("planarconfig") == "separate"
    tifffile.imwrite(path, np.moveaxis(stored, -1, 0) if separate else stored, **more)
    return stored.astype(np.float64) / LARGEST.get(kind, 1)


@pytest.mark.parametrize("layout", ["contig", "separate", "tiles", "separate tiles"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [*LARGEST, "float16", "float32", "float64"])
@pytest.mark.parametrize("photometric", ["miniswhite", "minisblack"])
def test_grey_with_alpha(
    tmp_path: Path, photometric: str, kind: str, order: Literal["<", ">"], layout: str
) -> None:
    path = tmp_path / "a.tif"
    more: dict[str, Any] = {"tile": (16, 16)} if "tiles" in layout else {}
    more["planarconfig"] = "separate" if "separate" in layout else "contig"
    stored = written(path, kind, 2, photometric=photometric, byteorder=order, extrasamples=["unassalpha"], **more)
    if kind == "float64" and layout == "tiles":
        # OpenImageIO returns whatever lay in memory.
        with pytest.raises(MatteError, match="a TIFF of 64 bit floats in tiles"):
            exr.read_image(path)
        return
    grey = 1.0 - stored[..., :1] if photometric == "miniswhite" else stored[..., :1]
    found = exr.read_image(path)
    assert found.channels == ("R", "G", "B", "A")
    # float32 holds no more of 32 bits than this.
    assert np.allclose(found.pixels, np.concatenate([grey, grey, grey, stored[..., 1:]], -1), atol=1e-6)


def test_other_channels_of_a_grey_picture_are_no_colour(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    for extra, alpha in (
        (("unspecified",), ()),
        (("unspecified", "unspecified"), ()),
        (("unassalpha", "unspecified"), (1,)),
    ):
        channels = 1 + len(extra)
        stored = written(
            path, "uint16", channels, photometric="minisblack", planarconfig="contig", extrasamples=extra
        )
        found = exr.read_image(path)
        assert np.allclose(found.pixels, stored[..., [0, 0, 0, *alpha]], atol=1e-6)


@pytest.mark.parametrize(("number", "name"), [(34925, "LZMA"), (50000, "ZSTD"), (34887, "LERC")])
def test_a_compression_that_is_not_read_is_named(tmp_path: Path, number: int, name: str) -> None:
    path = tmp_path / "a.tif"
    files.tiff(path, np.zeros((*SIZE, 3), np.uint8), {259: (3, number)})
    with pytest.raises(MatteError, match=f"cannot be read: {name} compression support is not configured") as error:
        exr.read_image(path)
    assert error.value.hint == "Convert it to EXR, TIFF, PNG or JPEG in a usual form."


def test_what_a_sensor_saw_is_no_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    for photometric, shape in (("cfa", SIZE), ("linear_raw", (*SIZE, 3))):
        tifffile.imwrite(path, np.ones(shape, np.uint16), photometric=photometric)
        with pytest.raises(MatteError, match="raw data of a camera's sensor"):
            exr.read_image(path)


def test_a_picture_below_a_smaller_copy_is_not_mistaken_for_it(tmp_path: Path) -> None:
    """OpenImageIO reaches only the pages beside each other; a small copy below the picture is no matter."""
    path, code = tmp_path / "a.tif", np.random.default_rng(6).integers(0, 65536, (12, 16, 3)).astype(np.uint16)
    with tifffile.TiffWriter(path) as writer:
        writer.write(code[::4, ::4], photometric="rgb", subfiletype=1, subifds=1)
        writer.write(code, photometric="rgb")
    with pytest.raises(MatteError, match="with its picture in a page below a smaller copy"):
        exr.read_image(path)
    with tifffile.TiffWriter(path) as writer:
        writer.write(code, photometric="rgb", subifds=1)
        writer.write(code[::4, ::4], photometric="rgb", subfiletype=1)
    assert np.allclose(exr.read_image(path).pixels, code / 65535, atol=1e-6)  # float32 of 16 bits
