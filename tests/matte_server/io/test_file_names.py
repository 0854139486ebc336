"""Folders whose names are not UTF-8, as a disk from an older system has them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from matte_server.errors import MatteError
from matte_server.io import exr
from matte_server.io.colour import to_scene_linear
from matte_server.io.image_check import is_whole
from matte_server.io.image_facts import layers_of, read_stamp
from tests.matte_server.io.test_image_check import picture_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems' disks hold no such names")


def latin(tmp_path: Path) -> Path:
    """A folder called "übrig" in Latin 1."""
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xfcbrig"))
    folder.mkdir()
    return folder


@pytest.mark.parametrize("suffix", [".exr", ".png", ".tif", ".jpg", ".dpx"])
def test_pictures_in_any_folder_are_read(tmp_path: Path, suffix: str) -> None:
    """OpenEXR's module ended the process, OpenImageIO's raised a TypeError."""
    plain, odd = tmp_path / f"a{suffix}", latin(tmp_path) / f"a{suffix}"
    exr.write_image(plain, picture_for(suffix))
    exr.write_image(odd, picture_for(suffix))
    assert odd.read_bytes() == plain.read_bytes()
    assert np.array_equal(exr.read_image(odd).pixels, exr.read_image(plain).pixels)
    assert is_whole(odd) and layers_of(odd) == layers_of(plain) and read_stamp(odd) == read_stamp(plain)
    odd.write_bytes(plain.read_bytes()[:-40])
    assert not is_whole(odd)


def test_a_config_in_such_a_folder_is_refused_in_a_sentence(tmp_path: Path) -> None:
    config = latin(tmp_path) / "config.ocio"
    config.write_text("ocio_profile_version: 2\n")
    with pytest.raises(MatteError, match="is not UTF-8, and OpenColorIO opens no other") as caught:
        to_scene_linear(picture_for(".exr"), "ACEScg", str(config))
    assert caught.value.code == "bad_ocio_config"
