"""Files that are written whole or not at all, and how a part of one is told from a whole one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from matte_server.core.image import Image
from matte_server.core.window import Window
from matte_server.io import exr
from matte_server.io.image_check import ends_unwritten
from tests.small_disk import python_beside_a_small_disk

FORMATS = (".exr", ".png", ".tif", ".tiff", ".jpg", ".jpeg", ".dpx", ".tga")
PAGE = 4096


def picture(channels: str = "RGBA", size: tuple[int, int] = (200, 300)) -> Image:
    """Noise, so that no format makes it much smaller."""
    window = Window(0, 0, size[1], size[0])
    pixels = np.random.default_rng(0).random((*size, len(channels)), np.float32)
    return Image(pixels=pixels, channels=tuple(channels), data_window=window, display_window=window)


def picture_for(suffix: str) -> Image:
    return picture("RGB" if suffix in (".jpg", ".jpeg") else "RGBA")


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_whole_file_is_whole_and_any_part_of_it_is_not(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    exr.write_image(path, picture_for(suffix))
    assert exr.is_whole(path)
    data = path.read_bytes()
    # A targa ends with a footer and an area for developers, which decoders do without.
    unneeded = 600 if suffix == ".tga" else 0
    for length in (0, 1, 8, 100, len(data) // 2, len(data) - PAGE, len(data) - 1 - unneeded):
        path.write_bytes(data[:length])
        assert not exr.is_whole(path), f"{length} of {len(data)} bytes"


@pytest.mark.parametrize("suffix", [".exr", ".png", ".tif", ".jpg"])
def test_a_file_whose_last_bytes_were_never_written_is_not_whole(tmp_path: Path, suffix: str) -> None:
    """As a crash of the machine leaves it: the right length, and zeros at the end."""
    path = tmp_path / f"a{suffix}"
    exr.write_image(path, picture_for(suffix))
    data = path.read_bytes()
    path.write_bytes(data[:-PAGE] + bytes(PAGE))
    assert not exr.is_whole(path)


@pytest.mark.parametrize("compression", ["none", "zip", "zips", "piz", "dwaa", "rle", "pxr24", "b44"])
@pytest.mark.parametrize("bit_depth", ["half", "float"])
def test_every_exr_of_ours_is_whole(tmp_path: Path, compression: str, bit_depth: str) -> None:
    path = tmp_path / "a.exr"
    clean = replace(picture("RGB"), pixels=picture("RGB").pixels * 100)
    try:
        exr.write_image(
            path, picture(), exr.ExrFormat(bit_depth=bit_depth, compression=compression), {"clean": clean}
        )
    except ValueError:
        pytest.skip("not a compression of this library")
    assert exr.is_whole(path)
    path.write_bytes(path.read_bytes()[:-1])
    assert not exr.is_whole(path)


def test_what_is_no_picture_or_not_there_is_not_whole(tmp_path: Path) -> None:
    for name in ("a.exr", "a.png", "a.tif"):
        (tmp_path / name).write_text("not a picture")
        assert not exr.is_whole(tmp_path / name)
        assert not exr.is_whole(tmp_path / "none" / name)
    (tmp_path / "folder.exr").mkdir()
    assert not exr.is_whole(tmp_path / "folder.exr")


_FILL = """
import json, os, sys
from pathlib import Path
from matte_server.errors import MatteError
from matte_server.io import exr
from tests.matte_server.io.test_image_check import PAGE, picture_for

def attempt(folder, suffix, size, missing):
    filler, path = folder / "filler", folder / f"a{suffix}"
    free = os.statvfs(folder).f_bavail - -(-size // PAGE) + missing
    filler.write_bytes(bytes(free * PAGE))
    try:
        exr.write_image(path, picture_for(suffix))
        answer = "written"
    except MatteError as error:
        answer = f"{error.code}: {error.message}"
    left = sorted(each.name for each in folder.iterdir() if each != filler)
    for each in folder.iterdir():
        each.unlink()
    return [answer, left]

sizes = json.loads(sys.argv[2])
print(json.dumps({s: [attempt(Path(sys.argv[1]), s, size, missing) for missing in (0, 1, 2, 20)]
                  for s, size in sizes.items()}))
"""


def test_on_a_disk_that_lacks_a_page_there_is_no_file_and_one_sentence(tmp_path: Path) -> None:
    sizes = {}
    for suffix in FORMATS:
        whole = tmp_path / f"whole{suffix}"
        exr.write_image(whole, picture_for(suffix))
        sizes[suffix] = whole.stat().st_size
    small = tmp_path / "small"
    found = json.loads(python_beside_a_small_disk(_FILL, small, "2m", json.dumps(sizes)))
    for suffix in FORMATS:
        refusal = f"cannot_write: {small}/a{suffix} cannot be written: No space left on device."
        assert found[suffix] == [["written", [f"a{suffix}"]], *[[refusal, []]] * 3], suffix


@pytest.mark.parametrize(("zeros", "is_unwritten"), [(63, False), (64, True), (1 << 16, True)])
def test_zeros_at_the_end_of_a_compressed_still(tmp_path: Path, zeros: int, is_unwritten: bool) -> None:
    """A page of the disk that was never written is longer; few zeros may be a program's padding."""
    path, head = tmp_path / "a.jp2", b"\xff\x4f\xff\x51"
    path.write_bytes(head + b"data" + bytes(zeros))
    assert ends_unwritten(path, head) is is_unwritten
    path.write_bytes(b"BM" + bytes(zeros))
    assert not ends_unwritten(path, b"BM")
