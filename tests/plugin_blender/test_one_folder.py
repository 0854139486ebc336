"""Results of several files in one folder, in real Blender: no file shows the mattes of another's plate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from matte_server.io import exr

from .conftest import NOWHERE, Blender, write

pytestmark = pytest.mark.timeout(900)
_SUBJECTS = {"a": 2.0, "b": 3.0, "c": 4.0}
_MEMBERS = (
    "versions",
    "subfolder",
    "clean_plates",
    "two_nodes",
    "copied_node",
    "linked",
    "before",
    "behind",
    "clips",
    "textured",
)
_DEPTHS = {"comp/shot": "a", "shot": "b", "comp/in/shot": "c", "comp": "a", "comp/comp": "b"}


def make_pictures(place: Path) -> None:
    """Plates of three shots whose paths end alike, the clean plate, and one in which the subject stands."""
    y, x = np.mgrid[0:32, 0:32]
    wall = np.stack([0.3 + 0.2 * np.sin(x / 3), 0.4 + 0.1 * np.sin(x / 7 + y / 4), 0.2 + 0.15 * np.cos(x / 9)], -1)
    disc = ((x - 16) ** 2 + (y - 16) ** 2 < 64)[..., None]
    plates = {letter: np.where(disc, (red, 0.1, 0.05), wall) for letter, red in _SUBJECTS.items()}
    folders = {f"{member}/{letter}/shot": letter for member in _MEMBERS for letter in plates}
    folders |= {f"depths/{folder}": letter for folder, letter in _DEPTHS.items()}
    for folder, letter in folders.items():
        (place / folder).mkdir(parents=True, exist_ok=True)
        for frame in (1, 2):
            file = place / folder / f"plate.{frame:04d}.exr"
            write(file, plates[letter])
            # Uncompressed: pictures of one size are files of one size.
            exr.write_image(file, exr.read_image(file), exr.ExrFormat("float", "none"))
    for member in (*_MEMBERS, "depths", "clean_plates/x/clean"):
        (place / member).mkdir(parents=True, exist_ok=True)
        write(place / member / "clean.exr", wall)
    (place / "clean_plates/y/clean").mkdir(parents=True)
    write(place / "clean_plates/y/clean/clean.exr", plates["a"])


def test_each_file_shows_the_mattes_of_its_own_plate(blender: Blender, tmp_path: Path) -> None:
    make_pictures(tmp_path)
    wanted = blender.case("one_folder", tmp_path, "make").facts["wanted"]
    assert len(wanted) == 28
    for way in ("without", "with", "without"):
        for turn in blender.case("one_folder", tmp_path, way, CLEANPLATE_SERVER=NOWHERE).facts["shown"]:
            assert dict(zip(wanted, turn, strict=True)) == wanted, way


def test_results_are_found_where_their_pictures_seem_to_lie_elsewhere(blender: Blender, tmp_path: Path) -> None:
    make_pictures(tmp_path)
    blender.case("other_places", tmp_path)
