"""Gain maps of JPEGs, as OpenImageIO and phones write them, and inks whose meaning is not said."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio
import pytest
from PIL import Image as PillowImage

from matte_server.errors import MatteError
from matte_server.io import exr
from matte_server.io.jpeg import first_picture
from tests.matte_server import picture_files as files

SIZE = (48, 64)


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def with_gain_map(path: Path) -> None:
    """Light of 0 to 5, by OpenImageIO's own writer."""
    rows, columns = np.mgrid[0 : SIZE[0], 0 : SIZE[1]] / 50.0
    light = np.stack([4.0 * columns, 4.0 * rows, columns + rows], -1).astype(np.float32)
    spec = oiio.ImageSpec(SIZE[1], SIZE[0], 3, "half")
    spec.attribute("jpeg:ultrahdr", 1)
    spec.attribute("oiio:ColorSpace", "lin_rec709_scene")
    writer: Any = oiio.ImageOutput.create(str(path))
    assert writer.open(str(path), spec) and writer.write_image(light) and writer.close()
    reader: Any = oiio.ImageInput.open(str(path))
    assert reader.spec().format == oiio.TypeDesc("half"), "OpenImageIO applies none"


def test_the_picture_without_its_gain_map_is_read(tmp_path: Path) -> None:
    """As Pillow, Blender's and other readers show it; with it, its light would be decoded as if it were sRGB."""
    path = tmp_path / "phone.jpg"
    with_gain_map(path)
    found, base = exr.read_image(path), np.asarray(PillowImage.open(path)) / 255.0
    assert found.channels == ("R", "G", "B") and not found.premultiplied
    assert np.allclose(found.pixels, base, atol=1e-6)  # float32 of whole 255ths
    assert found.warnings == (
        "The file holds a gain map, which makes an HDR picture of its SDR one; the SDR picture was read.",
    )


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize(
    "mark",
    [
        segment(0xE1, b'http://ns.adobe.com/xap/1.0/\0<x hdrgm:Version="1.0"/>'),
        segment(0xE2, b"urn:iso:std:iso:ts:21496:-1\0\0\0\0\0"),
    ],
)
def test_where_the_first_picture_ends(tmp_path: Path, mark: bytes, progressive: bool) -> None:
    """Behind all of its scans, whose data hold stuffed and restart markers; each of both marks is one."""
    path = tmp_path / "a.jpg"
    code = np.random.default_rng(2).random((*SIZE, 3))
    files.pillow(path, code, quality=100, progressive=progressive, restart_marker_blocks=3)
    alone = path.read_bytes()
    assert b"\xff\x00" in alone and b"\xff\xd1" in alone
    assert first_picture(alone) is None
    marked = alone[:2] + b"\xff" + mark + alone[2:]  # 255 may fill the gap before a marker
    assert first_picture(marked + alone) == marked
    assert first_picture(marked[:-2]) == marked[:-2]  # without its end


@pytest.mark.parametrize(("unit", "aspect"), [(0, 2.0), (1, 0.5), (2, 0.5)])
def test_the_aspect_of_pixels(tmp_path: Path, unit: int, aspect: float) -> None:
    """Twice as many pixels to an inch or centimetre across as down: pixels are half as wide as high. Without a
    length the two numbers are the aspect itself (JFIF 1.02), as FFmpeg and OpenImageIO write it."""
    path = tmp_path / "a.jpg"
    files.pillow(path, np.full((*SIZE, 3), 0.5), dpi=(144, 72))
    data = bytearray(path.read_bytes())
    assert data[6:11] == b"JFIF\0" and data[13] == 1
    data[13] = unit
    path.write_bytes(data)
    assert exr.read_image(path).pixel_aspect == pytest.approx(aspect)
    for suffix in (".tif", ".png", ".bmp"):
        files.pillow(path.with_suffix(suffix), np.full((*SIZE, 3), 0.5), dpi=(144, 72))
        # A BMP's, rounded to whole pixels to a metre, are 5669 and 2835.
        assert exr.read_image(path.with_suffix(suffix)).pixel_aspect == pytest.approx(0.5, abs=1e-4)


@pytest.mark.parametrize("behind", [b"", bytes(600), b"a trailer of a camera"])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_that_is_cut_is_refused(tmp_path: Path, progressive: bool, behind: bytes) -> None:
    """Of a progressive one the scans that were left came as a picture, coarse, up to its last byte but two."""
    path = tmp_path / "a.jpg"
    code = np.random.default_rng(2).random((*SIZE, 3))
    files.pillow(path, code, quality=90, subsampling=2, progressive=progressive)
    small = path.read_bytes()
    files.pillow(path, code, quality=90, progressive=progressive, restart_marker_blocks=3)
    data = path.read_bytes()
    # A small copy in its EXIF has an end of its own.
    data = data[:2] + segment(0xE1, b"Exif\0\0" + small) + data[2:]
    path.write_bytes(data + behind)
    assert exr.read_image(path).pixels.shape == (*SIZE, 3)
    for left in (len(small) + 300, len(data) // 2 + 1000, len(data) - 40, len(data) - 4, len(data) - 2):
        path.write_bytes(data[:left] + behind[:20])
        with pytest.raises(MatteError) as refused:
            exr.read_image(path)
        assert refused.value.code == "unreadable"


@pytest.mark.parametrize("order", ["<", ">"])
def test_pictures_behind_the_first_are_named_unless_they_are_small_copies(tmp_path: Path, order: str) -> None:
    """Pillow writes two of no stated class; the kinds below are those of CIPA DC-007: copies, stereo, angles."""
    path, code = tmp_path / "a.jpg", np.random.default_rng(3).random((*SIZE, 3))
    first, second = (PillowImage.fromarray(files.whole(each)) for each in (code, 1.0 - code))
    first.save(path, "MPO", save_all=True, append_images=[second], quality=100, subsampling=0)
    alone = np.asarray(PillowImage.open(path)) / 255.0
    found = exr.read_image(path)
    assert found.warnings == ("The file holds several pictures, and the first one was read.",)
    assert np.allclose(found.pixels, alone, atol=1e-6)  # float32 of whole 255ths
    files.pillow(path, code)
    plain = path.read_bytes()
    for kind, is_said in {0x010001: False, 0x010002: False, 0x020002: True, 0x020003: True}.items():
        entries = struct.pack(f"{order}8I", 0x030000, 1000, 0, 0, kind, 1000, 1000, 0)
        head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
        head += struct.pack(f"{order}HHHII", 1, 0xB002, 7, len(entries), 26) + bytes(4)
        path.write_bytes(plain[:2] + segment(0xE2, b"MPF\0" + head + entries) + plain[2:])
        assert bool(exr.read_image(path).warnings) == is_said
    path.write_bytes(plain[:2] + segment(0xE2, b"MPF\0" + head[:20]) + plain[2:])
    assert not exr.read_image(path).warnings


@pytest.mark.parametrize("progressive", [False, True])
def test_cmyk_without_adobes_segment_is_refused(tmp_path: Path, progressive: bool) -> None:
    """Adobe's inks are stored inverted, others are not; Pillow writes that segment, and inverts."""
    path = tmp_path / "a.jpg"
    code = np.full((*SIZE, 3), (0.75, 0.5, 0.25))
    PillowImage.fromarray(files.whole(code)).convert("CMYK").save(path, quality=100, progressive=progressive)
    assert np.allclose(
        exr.read_image(path).pixels, code, atol=0.02
    )  # two rounded products, and JPEG's own rounding
    data = path.read_bytes()
    at = data.index(b"\xff\xee")
    path.write_bytes(data[:at] + data[at + 16 :])
    with pytest.raises(MatteError, match="does not say whether 0 means no ink"):
        exr.read_image(path)


def test_an_icc_profile_of_which_a_segment_is_missing_is_named(tmp_path: Path) -> None:
    """OpenImageIO passes on nothing of it."""
    path = tmp_path / "edited.jpg"
    files.pillow(path, np.full((*SIZE, 3), 0.5))
    data, first_of_two = path.read_bytes(), segment(0xE2, b"ICC_PROFILE\0\x01\x02" + bytes(128))
    assert exr.read_image(path).colour_warnings == ()
    path.write_bytes(data[:2] + first_of_two + data[2:])
    assert exr.read_image(path).colour_warnings == (
        "The ICC profile was ignored: a part of it is missing. The picture was read as sRGB - Texture.",
    )
