"""One part of an EXR as a file of its own."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest

from matte_server.io.exr_header import read_parts
from matte_server.io.exr_single_part import single_part

COMPRESSIONS = ("NO", "RLE", "ZIPS", "ZIP", "PIZ", "PXR24", "HTJ2K32")
"""Those that keep half floats exactly."""


def planes(seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {name: rng.random((37, 53)).astype(np.float16) for name in "RGB"}


def part(seed: int, kind: Any, compression: str, **more: Any) -> Any:
    header = {"type": kind, "compression": getattr(OpenEXR, f"{compression}_COMPRESSION"), **more}
    return OpenEXR.Part(header, planes(seed), f"part{seed}")


@pytest.mark.parametrize("order", ["INCREASING_Y", "DECREASING_Y"])
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_each_part_alone_has_its_own_pixels(tmp_path: Path, compression: str, order: str) -> None:
    path, alone = tmp_path / "a.exr", tmp_path / "alone.exr"
    tiles = {"tiles": OpenEXR.TileDescription()}
    corners = (np.array([5, -7], np.int32), np.array([57, 29], np.int32))
    lines = {"lineOrder": getattr(OpenEXR, order), "dataWindow": corners}
    parts = [part(0, OpenEXR.scanlineimage, compression), part(1, OpenEXR.tiledimage, compression, **tiles)]
    OpenEXR.File([*parts, part(2, OpenEXR.scanlineimage, "ZIP", **lines)]).write(str(path))
    for index in range(3):
        data = single_part(io.BytesIO(path.read_bytes()), index)
        assert data is not None
        alone.write_bytes(data)
        (found,) = OpenEXR.File(str(alone), separate_channels=True).parts
        assert tuple(found.header["dataWindow"][0]) == ((5, -7) if index == 2 else (0, 0))
        for name, pixels in planes(index).items():
            assert np.array_equal(found.channels[name].pixels, pixels)


def test_a_table_that_names_wrong_chunks_is_refused(tmp_path: Path) -> None:
    """One large chunk for every line filled the memory."""
    path, height = tmp_path / "a.exr", 37
    lines = np.zeros((height, 53), np.float16)
    lines[0] = np.random.default_rng(0).random(53)
    header = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.ZIPS_COMPRESSION}
    parts = [OpenEXR.Part(dict(header), {name: lines.copy() for name in "RGB"}, side) for side in ("left", "right")]
    OpenEXR.File(parts).write(str(path))
    data = bytearray(path.read_bytes())
    assert single_part(io.BytesIO(data), 1) is not None
    file = io.BytesIO(data)
    read_parts(file)
    other, table = file.tell(), file.tell() + 8 * height
    # That chunk for every line; the other part's chunks; places that no file has.
    for places in (bytes(data[table : table + 8]) * height, bytes(data[other:table]), 8 * height * b"\xff"):
        data[table : table + 8 * height] = places
        assert single_part(io.BytesIO(data), 1) is None


def test_of_what_is_damaged_or_has_one_part_none_is_taken_out(tmp_path: Path) -> None:
    path = tmp_path / "a.exr"
    OpenEXR.File({"type": OpenEXR.scanlineimage}, planes(0)).write(str(path))
    assert single_part(io.BytesIO(path.read_bytes()), 0) is None
    OpenEXR.File([part(number, OpenEXR.scanlineimage, "ZIP") for number in (0, 1)]).write(str(path))
    data = path.read_bytes()
    assert single_part(io.BytesIO(data), 1) is not None
    assert single_part(io.BytesIO(data), 2) is None
    assert single_part(io.BytesIO(data[:-1]), 1) is None
    rng = np.random.default_rng(7)
    for _ in range(300):
        damaged = bytearray(data[: rng.integers(len(data) + 1)])
        for place in rng.integers(0, 900, 4):
            damaged[place : place + 1] = bytes([rng.integers(256)])
        single_part(io.BytesIO(bytes(damaged)), 1)
