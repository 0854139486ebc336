"""What stills that are no EXRs say beside their pixels is in the result, under EXR's names, in UTF-8."""

from __future__ import annotations

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest
from PIL import Image as PillowImage

from matte_server.core.image import Image
from matte_server.core.window import Window
from matte_server.io import exr
from tests.matte_server import picture_files as files

AUTHOR = "Jürgen Müller €"
STORED = AUTHOR.encode("cp1252")
CODE = np.full((4, 5, 3), 0.5)


def result_of(path: Path) -> dict[str, object]:
    """The header, by the OpenEXR module, of an EXR that is made of the file."""
    target = path.with_suffix(".result.exr")
    exr.write_image(target, exr.read_image(path))
    return dict(OpenEXR.File(str(target)).header())


def with_exif(path: Path) -> None:
    """EXIF in Windows-1252, which Pillow would write as UTF-8."""
    exif = PillowImage.Exif()
    exif[315] = exif[33432] = "X" * len(STORED)
    options = {"lossless": True} if path.suffix == ".webp" else {"quality": 95}
    PillowImage.fromarray(files.whole(CODE)).save(path, exif=exif, **options)
    path.write_bytes(path.read_bytes().replace(b"X" * len(STORED), STORED))


def as_tiff(path: Path) -> None:
    files.tiff(path, files.whole(CODE, 16), dict.fromkeys((315, 33432), (2, STORED + b"\x00")))


def as_png(path: Path) -> None:
    files.png(path, CODE, 8, [(b"tEXt", key + b"\0" + STORED) for key in (b"Author", b"Copyright", b"Sz\xe4ne")])


def as_dpx(path: Path) -> None:
    files.dpx(path, CODE, 6)
    data = bytearray(path.read_bytes())
    data[460 : 460 + len(STORED)] = STORED  # copyright
    data[1732 : 1732 + 8] = b"frame 12"
    data[1764 : 1764 + 4] = b"sc 4"  # slate
    struct.pack_into(">f", data, 1724, 23.976)
    struct.pack_into(">I", data, 1920, 0x01020304)
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    ("name", "write"), [("a.jpg", with_exif), ("a.webp", with_exif), ("a.tif", as_tiff), ("a.png", as_png)]
)
def test_texts_that_are_not_utf_8(tmp_path: Path, name: str, write: Callable[[Path], None]) -> None:
    write(tmp_path / name)
    header = result_of(tmp_path / name)
    assert (header["Artist"], header["owner"]) == (AUTHOR, AUTHOR)


def test_what_a_dpx_says_of_its_shot(tmp_path: Path) -> None:
    as_dpx(tmp_path / "a.dpx")
    header = result_of(tmp_path / "a.dpx")
    assert header["owner"] == AUTHOR
    assert (header["dpx:FrameId"], header["dpx:SlateInfo"]) == ("frame 12", "sc 4")
    code: Any = header["timeCode"]
    assert (code.hours, code.minutes, code.seconds, code.frame) == (1, 2, 3, 4)
    assert header["framesPerSecond"] == Fraction(24000, 1001)
    assert not [name for name in header if name.startswith("dpx:") and "High" in name]


@pytest.mark.parametrize(
    ("kind", "value", "found"),
    [
        ("uint8", 7, 7),
        ("uint16", 65535, 65535),
        ("int16", -7, -7),
        ("double", 1 / 3, 1 / 3),
        ("half", 0.5, 0.5),
        ("uint16[4]", (1, 2, 3, 4), "1 2 3 4"),
        ("double[3]", (0.1, 0.2, 1e-9), "0.1 0.2 1e-09"),
        ("rational[3]", (1, 2, 3, 4, 5, 6), "1 2 3 4 5 6"),
        ("int[5]", (1, 2, 3, 4, 5), "1 2 3 4 5"),
        ("int64", 1 << 40, str(1 << 40)),
    ],
)
def test_no_type_is_dropped(tmp_path: Path, kind: str, value: object, found: object) -> None:
    """OpenImageIO's EXR writer leaves out the types that EXR does not have."""
    window = Window(0, 0, 1, 1)
    image = Image(
        pixels=np.zeros((1, 1, 3), np.float32),
        channels=("R", "G", "B"),
        data_window=window,
        display_window=window,
        metadata={"Exif:Something": exr.Attribute(type=kind, value=value)},
    )
    exr.write_image(tmp_path / "a.exr", image)
    assert OpenEXR.File(str(tmp_path / "a.exr")).header()["Exif:Something"] == found
