"""Stills of other formats than EXR: what their headers say of a place, and inks."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio
import pytest
import tifffile

from matte_server.core.window import Window
from matte_server.errors import MatteError
from matte_server.io import exr
from tests.matte_server import picture_files as files

CODE = np.random.default_rng(4).random((11, 13, 3))
_RATIONAL, _LONG = 5, 4


def cropped_png(path: Path) -> None:
    """As ImageMagick crops without +repage: an offset in pixels."""
    files.png(path, CODE, chunks=[(b"oFFs", struct.pack(">iiB", 5, -7, 0))])


def on_a_page(path: Path, more: Any = ()) -> None:
    """XPosition and YPosition in units of the resolution, as layout programs and scanners write them."""
    place: Any = [(286, _RATIONAL, 1, (5, 1), False), (287, _RATIONAL, 1, (3, 1), False)]
    code = files.whole(CODE, 16)
    tifffile.imwrite(path, code, photometric="rgb", extratags=[*place, *more], resolution=(1, 1), resolutionunit=1)


def of_a_larger_picture(path: Path) -> None:
    on_a_page(path, [(33300, _LONG, 1, 40, False), (33301, _LONG, 1, 30, False)])


def scanned(path: Path, original: tuple[int, int] = (40, 30)) -> None:
    """A DPX whose header still says where in a scan it once was."""
    files.dpx(path, CODE, transfer=2, bits=16)
    data = bytearray(path.read_bytes())
    struct.pack_into(">II", data, 1408, 4, 5)
    struct.pack_into(">II", data, 1424, *original)
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("suffix", "write"),
    [(".png", cropped_png), (".tif", on_a_page), (".tif", of_a_larger_picture), (".dpx", scanned)],
)
def test_a_place_that_a_header_states_is_no_data_window(
    tmp_path: Path, suffix: str, write: Callable[[Path], None]
) -> None:
    """Blender shows the pixels alone, so a clean plate that was cropped lies over its plate there."""
    path = tmp_path / f"a{suffix}"
    write(path)
    found = exr.read_image(path)
    assert found.data_window == found.display_window == Window(0, 0, 13, 11)
    assert float(np.abs(found.rgb - CODE).max()) < 1e-5  # half a step of 16 bits


def test_a_place_in_a_jpeg_2000_is_no_data_window(tmp_path: Path) -> None:
    """SIZ states where picture and tile lie on the reference grid; multiples of 32 leave the code as it is."""
    path = tmp_path / "a.j2k"
    writer: Any = oiio.ImageOutput.create(str(path))
    assert writer.open(str(path), oiio.ImageSpec(64, 64, 3, "uint8"))
    assert writer.write_image(np.full((64, 64, 3), 0.5, np.float32)) and writer.close()
    data = bytearray(path.read_bytes())
    struct.pack_into(">8I", data, data.index(b"\xff\x51") + 6, 128, 96, 64, 32, 64, 64, 64, 32)
    path.write_bytes(data)
    found = exr.read_image(path)
    assert found.data_window == found.display_window == Window(0, 0, 64, 64)
    assert float(np.abs(found.rgb - 0.5).max()) < 0.01  # two codes of 8 bits: the compression's


def test_the_transparency_of_a_psd_is_alpha_and_its_colour_comes_off_white(tmp_path: Path) -> None:
    """Photoshop stores the merged picture over white; a negative number of layers marks its first alpha as the
    transparency (Adobe's Photoshop file format)."""
    alpha = np.array([255, 128, 64, 0], np.uint8)
    cover = alpha[:, None] / 255
    stored = np.rint(np.array([200, 100, 30]) * cover + 255 * (1 - cover)).astype(np.uint8)
    layer = struct.pack(">hIIIIH", -1, 0, 0, 0, 0, 1) + struct.pack(">hI", 0, 2)
    layer += b"8BIMnorm" + bytes([255, 0, 0, 0]) + struct.pack(">III4s", 12, 0, 0, b"\x01a\0\0") + b"\0\0"
    info = struct.pack(">I", len(layer)) + layer + bytes(4)
    head = b"8BPS" + struct.pack(">H6xHIIHH", 1, 4, 1, 4, 8, 3) + bytes(8) + struct.pack(">I", len(info)) + info
    (tmp_path / "a.psd").write_bytes(head + bytes(2) + stored.T.tobytes() + alpha.tobytes())
    found = exr.read_image(tmp_path / "a.psd")
    assert found.channels == ("R", "G", "B", "A") and not found.premultiplied
    assert np.allclose(found.pixels[0, :, 3] * 255, alpha, atol=0.01)
    # Half a code of what is stored, and one of what is computed in 8 bits; below a quarter nothing is sure.
    assert np.allclose(found.rgb[0, :3] * 255, [200, 100, 30], atol=0.5 / 0.25 + 1)


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
def test_inks_beside_cmyk_are_refused_as_inks(tmp_path: Path, kind: str) -> None:
    values = np.zeros((4, 6, 5), kind)
    tifffile.imwrite(
        tmp_path / "a.tif", values, photometric="separated", planarconfig="contig", extrasamples=["unassalpha"]
    )
    with pytest.raises(MatteError, match="is stored in 5 inks, not as RGB") as refused:
        exr.read_image(tmp_path / "a.tif")
    assert refused.value.code == "no_colour" and "Convert it to RGB" in refused.value.hint


def test_a_kind_of_file_that_is_not_read_is_not_called_truncated(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif", np.zeros((4, 6, 4), np.float32), photometric="separated", planarconfig="contig"
    )
    with pytest.raises(MatteError) as refused:
        exr.read_image(tmp_path / "a.tif")
    assert refused.value.code == "unreadable" and refused.value.hint.startswith("Convert it")


@pytest.mark.parametrize("suffix", [".fits", ".iff", ".rla"])
def test_formats_that_openimageio_reads_wrong_are_refused(tmp_path: Path, suffix: str) -> None:
    """FITS without its scale, 16 bits of alpha in IFF, halves in RLA; by their bytes, whatever the name."""
    made = tmp_path / f"a{suffix}"
    writer = oiio.ImageOutput.create(str(made))
    assert writer is not None
    assert writer.open(str(made), oiio.ImageSpec(13, 11, 3, "uint16")) and writer.write_image(CODE)
    writer.close()
    other = tmp_path / "a.png"
    other.write_bytes(made.read_bytes())
    for path in (made, other):
        with pytest.raises(MatteError, match="is in no format that Cleanplate reads"):
            exr.read_image(path)


@pytest.mark.parametrize("suffix", [".tga", ".TGA", ".tpic", ".icb", ".vda", ".vst"])
def test_a_targa_is_known_by_its_name(tmp_path: Path, suffix: str) -> None:
    """Its bytes begin with no mark."""
    path = tmp_path / f"a{suffix}"
    files.tga(path, CODE, 0)
    # Half a step of 8 bits.
    assert np.abs(exr.read_image(path).pixels - CODE).max() < 0.51 / 255


def test_a_grey_sgi_with_alpha_is_grey(tmp_path: Path) -> None:
    """OpenImageIO calls its two channels R and G. The header is that of SGI's image file format 1.0; lines come
    from the bottom."""
    path, stored = tmp_path / "a.sgi", files.whole(CODE[..., :2])
    head = struct.pack(">HBBHHHHII4s80sI404s", 474, 0, 1, 3, 13, 11, 2, 0, 255, b"", b"", 0, b"")
    path.write_bytes(head + np.moveaxis(stored[::-1], -1, 0).tobytes())
    found = exr.read_image(path)
    assert found.channels == ("R", "G", "B", "A")
    assert np.allclose(found.pixels, stored[..., [0, 0, 0, 1]] / 255, atol=1e-6)  # float32's own rounding
