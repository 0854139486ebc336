"""Colour tags of TIFFs in either byte order, with offsets of four and of eight bytes."""

from __future__ import annotations

import io
import struct
import tracemalloc
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import tifffile
from PIL import Image as PillowImage

from matte_server.errors import MatteError
from matte_server.io import exr
from matte_server.io.tiff_tags import chromaticities_of, stated_colour_tags

P3_D65 = (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.329)
CODES = np.random.default_rng(3).integers(0, 65536, (6, 8, 3)).astype(np.uint16)


def rationals(values: tuple[float, ...]) -> list[int]:
    return [number for value in values for number in (round(value * 10000), 10000)]


def write(path: Path, byteorder: Literal["<", ">"] = "<", bigtiff: bool = False, curve: bool = False) -> None:
    tags = [(319, 5, 6, rationals(P3_D65[:6]), True), (318, 5, 2, rationals(P3_D65[6:]), True)]
    tags += [(301, 3, 65536, list(range(65536)), True)] if curve else []
    tifffile.imwrite(path, CODES, photometric="rgb", byteorder=byteorder, bigtiff=bigtiff, extratags=tags)


@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_tags_are_the_same_in_every_layout(tmp_path: Path, byteorder: Literal["<", ">"], bigtiff: bool) -> None:
    path = tmp_path / "a.tif"
    write(path, byteorder, bigtiff)
    assert path.read_bytes()[:2] == (b"II" if byteorder == "<" else b"MM")
    assert chromaticities_of(path) == pytest.approx(P3_D65)
    assert stated_colour_tags(path) == {"PrimaryChromaticities", "WhitePoint"}
    found = exr.read_image(path)
    # What 16 bits hold, in float32.
    assert np.allclose(found.pixels, CODES / 65535, atol=1e-6)
    assert not found.colour_warnings and "0.68 0.32" in found.colourspace
    write(path, byteorder, bigtiff, curve=True)
    assert "TransferFunction" in stated_colour_tags(path)


def test_a_damaged_directory_states_nothing(tmp_path: Path) -> None:
    whole, path = tmp_path / "whole.tif", tmp_path / "a.tif"
    for bigtiff in (False, True):
        write(whole, ">", bigtiff)
        data = whole.read_bytes()
        rng = np.random.default_rng(11)
        for _ in range(200):
            damaged = bytearray(data[: rng.integers(len(data) + 1)])
            for place in rng.integers(0, 300, 4):
                damaged[place : place + 1] = bytes([rng.integers(256)])
            path.write_bytes(damaged)
            assert len(chromaticities_of(path)) in (0, 8)
            stated_colour_tags(path)


def test_primaries_of_another_count_are_none(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tags = [(319, 5, 5, rationals(P3_D65[:5]), True), (318, 5, 2, rationals(P3_D65[6:]), True)]
    tifffile.imwrite(path, CODES, photometric="rgb", extratags=tags)
    assert chromaticities_of(path) == ()


def test_a_white_point_that_is_divided_by_nothing_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    write(path)
    data = path.read_bytes()
    white = np.array(rationals(P3_D65[6:]), "<u4").tobytes()
    assert data.count(white) == 1
    path.write_bytes(data.replace(white, white[:4] + bytes(4) + white[8:]))
    assert chromaticities_of(path) == ()
    (warning,) = exr.read_image(path).colour_warnings
    assert warning == "The tag PrimaryChromaticities names impossible primaries and was ignored."


def grey_of_jpeg(coded: bytes, is_big: bool, is_tiled: bool) -> bytes:
    """A TIFF of 32 x 32 pixels, whose directory stands before its only strip or tile."""
    sizes = {322: 32, 323: 32, 324: 0, 325: len(coded)} if is_tiled else {273: 0, 278: 32, 279: len(coded)}
    tags = {256: 32, 257: 32, 258: 8, 259: 7, 262: 1, 277: 1, **sizes}
    kind, whole = (16, "Q") if is_big else (4, "I")
    head = b"II+\0\x08\0\0\0" + struct.pack("<Q", 16) if is_big else b"II*\0" + struct.pack("<I", 8)
    count = struct.pack("<Q" if is_big else "<H", len(tags))
    begin = len(head + count) + len(tags) * struct.calcsize(f"<HH2{whole}") + 8
    tags[324 if is_tiled else 273] = begin
    entries = (struct.pack(f"<HH2{whole}", tag, kind, 1, value) for tag, value in sorted(tags.items()))
    return (head + count + b"".join(entries)).ljust(begin, b"\0") + coded


@pytest.mark.parametrize("is_tiled", [False, True])
@pytest.mark.parametrize("is_big", [False, True])
def test_jpeg_data_that_are_cut_are_refused(tmp_path: Path, is_big: bool, is_tiled: bool) -> None:
    """Where the directory stands before them, the rest of the picture came grey."""
    path, coded = tmp_path / "a.tif", io.BytesIO()
    PillowImage.fromarray(np.full((32, 32), 200, np.uint8)).save(coded, "JPEG")
    data = grey_of_jpeg(coded.getvalue(), is_big, is_tiled)
    path.write_bytes(data)
    assert np.allclose(exr.read_image(path).pixels, 200 / 255, atol=1 / 255)  # JPEG's rounding
    path.write_bytes(data[:-4])
    with pytest.raises(MatteError, match="it is shorter than its tags say"):
        exr.read_image(path)


def test_a_tiff_that_states_strips_without_end_takes_no_memory(tmp_path: Path) -> None:
    path, coded = tmp_path / "a.tif", io.BytesIO()
    PillowImage.fromarray(np.full((32, 32), 200, np.uint8)).save(coded, "JPEG")
    data = bytearray(grey_of_jpeg(coded.getvalue(), is_big=False, is_tiled=False))
    for tag in (273, 279):
        struct.pack_into("<I", data, data.index(struct.pack("<HH", tag, 4)) + 4, 1 << 28)
    path.write_bytes(data)
    tracemalloc.start()
    try:
        with pytest.raises(MatteError):
            exr.read_image(path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 24
    finally:
        tracemalloc.stop()
