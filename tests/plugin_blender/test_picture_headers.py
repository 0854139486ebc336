"""Pictures that the server turns, which Blender does not. Without Blender."""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from PIL.PngImagePlugin import PngInfo

from matte_server.io import exr
from plugin_blender.picture_headers import is_turned

# Each quarter is of its own, so that no turn looks like another.
_QUARTERS = np.array([[0, 85], [170, 255]], np.uint8)
_PIXELS = _QUARTERS.repeat(8, 0).repeat(12, 1)[..., None].repeat(3, 2)
_XMP = b'<x xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'


def exif(value: int, order: str = "<", kind: int = 3) -> bytes:
    """EXIF that holds the orientation alone, as a SHORT (3) or LONG (4)."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    number = struct.pack(order + ("I" if kind == 4 else "HH"), *([value] if kind == 4 else [value, 0]))
    return b"Exif\0\0" + mark + struct.pack(f"{order}IHHHI", 8, 1, 0x112, kind, 1) + number + bytes(4)


def saved(path: Path, **how: object) -> Path:
    PillowImage.fromarray(_PIXELS).save(path, **how)  # type: ignore[arg-type]
    return path


def with_text(path: Path, keyword: str, data: bytes, compressed: bool) -> Path:
    """A PNG with EXIF in a text chunk, as ImageMagick writes it."""
    info = PngInfo()
    digits = data.hex()
    lines = "\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
    info.add_text(keyword, f"\nexif\n{len(data):8d}\n{lines}\n", zip=compressed)
    return saved(path, pnginfo=info)


def behind_pixels(path: Path) -> Path:
    data = saved(path, exif=exif(6)).read_bytes()
    at = data.index(b"eXIf") - 4
    chunk = data[at : at + 12 + struct.unpack_from(">I", data, at)[0]]
    rest = data.replace(chunk, b"")
    end = rest.index(b"IEND") - 4
    path.write_bytes(rest[:end] + chunk + rest[end:])
    return path


def with_fill(path: Path) -> Path:
    data = saved(path, exif=exif(6)).read_bytes()
    path.write_bytes(data.replace(b"\xff\xe1", b"\xff\xff\xff\xe1", 1))
    return path


CASES: dict[str, tuple[bool, Callable[[Path], Path]]] = {
    **{
        f"{number}.{ending}": (number in range(2, 9), partial(saved, exif=exif(number)))
        for number in range(10)
        for ending in ("jpg", "png")
    },
    "none.jpg": (False, saved),
    "none.png": (False, saved),
    "big-endian.jpg": (True, lambda path: saved(path, exif=exif(6, ">"))),
    "long.jpg": (True, lambda path: saved(path, exif=exif(6, ">", 4))),
    "fill.jpg": (True, with_fill),
    "late.png": (True, behind_pixels),
    "text.png": (True, lambda path: with_text(path, "Raw profile type exif", exif(6), compressed=False)),
    "ztext.png": (True, lambda path: with_text(path, "Raw profile type exif", exif(8), compressed=True)),
    "comment.png": (False, lambda path: with_text(path, "Comment", exif(6), compressed=True)),
    "xmp.jpg": (False, lambda path: saved(path, xmp=_XMP)),
}


@pytest.mark.parametrize("name", CASES)
def test_what_the_server_turns(name: str, tmp_path: Path) -> None:
    turned, make = CASES[name]
    path = make(tmp_path / name)
    seen = exr.read_image(path).pixels[..., 0]
    upright = exr.read_image(saved(tmp_path / "upright.png")).pixels[..., 0]
    # JPEG's ringing at the edges of the quarters stays below 0.1; the quarters differ by a tenth at least.
    stays = seen.shape == upright.shape and float(np.abs(seen - upright)[2:6, 2:10].max()) < 0.05
    stays = stays and float(np.abs(seen - upright)[2:6, 14:22].max()) < 0.05
    assert stays != turned, "the test's own premise"
    assert is_turned(str(path)) == turned


@pytest.mark.parametrize(
    "data", [b"", b"\x89PNG\r\n\x1a\n\0\0\0\5zTXtRaw profile type exif\0\0no", b"\xff\xd8\xff\xe1\0"]
)
def test_what_cannot_be_read_is_not_turned(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "damaged").write_bytes(data)
    assert not is_turned(str(tmp_path / "damaged"))
