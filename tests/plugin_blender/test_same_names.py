"""Which pictures of one name are told apart by where they lie."""

from __future__ import annotations

import os
from itertools import combinations
from pathlib import Path

import pytest
from matte_link.result_key import digest

from plugin_blender.plan import SolvePlan
from plugin_blender.same_names import places_beyond_names
from plugin_blender.sources import FileSource, GraphSource

RESULTS = "/show/comp/cleanplate/matte-1"


@pytest.mark.parametrize(
    ("file", "place"),
    [
        ("/show/comp/plate.0001.exr", ""),
        ("/show/comp/plates/plate.0001.exr", ""),
        # "comp/plate.0001.exr" is the name of the first one, too.
        ("/show/comp/comp/plate.0001.exr", "../../comp/plate.0001.exr"),
        ("/show/comp/a/plates/plate.0001.exr", "../../a/plates/plate.0001.exr"),
        ("/show/plates/plate.0001.exr", "../../../plates/plate.0001.exr"),
        ("/show/plate.0001.exr", "../../../plate.0001.exr"),
        ("/mnt/plates/plate.0001.exr", "../../../../mnt/plates/plate.0001.exr"),
        ("/plate.0001.exr", "../../../../plate.0001.exr"),
        ("/show/comp/cleanplate/plate.0001.exr", "../plate.0001.exr"),
        # What another node shows, and other files in folders of results.
        ("/show/comp/cleanplate/matte-2/0123/matte.0000.exr", "../matte-2/0123/matte.0000.exr"),
        ("/show/comp/cleanplate/in/plate.0001.exr", "../in/plate.0001.exr"),
        ("/show/comp", "../.."),
    ],
)
def test_a_place_is_told_where_the_name_does_not_tell_it(file: str, place: str) -> None:
    assert places_beyond_names([file], RESULTS) == ([place] if place else [])


def test_a_drive_of_its_own_has_no_way_from_the_results(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_way(*_: object) -> str:
        raise ValueError("path is on mount 'P:', start on mount 'C:'")

    monkeypatch.setattr(os.path, "relpath", no_way)
    assert places_beyond_names(["/p/plates/plate.0001.exr"], RESULTS) == ["/p/plates/plate.0001.exr"]


def test_no_two_pictures_have_one_key() -> None:
    """Every path of up to four folders of two names, as a still plate: results of two of them share no folder."""
    folders = [Path("/", *parts) for parts in _all_parts()]
    plans = [_plan(str(folder / "plate.exr")) for folder in folders]
    keys = [plan.key for plan in plans]
    assert len(keys) == 31 and len(set(keys)) == 31
    same = [pair for pair in combinations(plans, 2) if pair[0].settings_key == pair[1].settings_key]
    assert len(same) > 100, "names tell them apart already"


def _all_parts() -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = [()]
    for parts in found:
        found += [(*parts, name) for name in ("comp", "show") if len(parts) < 4]
    return found


def _plan(plate: str, clean: str = "/show/comp/clean.exr", results: str = RESULTS) -> SolvePlan:
    sources = [FileSource(file=file, colourspace="linear") for file in (plate, clean)]
    return SolvePlan(node_id="matte-1", folder=results, plate=sources[0], clean_plate=sources[1])


def test_the_key_of_plates_beside_the_file_is_that_of_older_versions() -> None:
    """The stamp is, wherever they lie: their results are found again."""
    beside, below = _plan("/show/comp/plates/plate.exr"), _plan("/show/comp/a/plates/plate.exr")
    names = [["plates/plate.exr", "linear", "None"], ["comp/clean.exr", "linear", "None"]]
    older = digest([1, beside.option_facts, *names])[:12]
    assert beside.key == below.settings_key == older
    assert below.key.startswith(f"{older}-") and len(below.key) == 21
    assert beside.stamp(1) == below.stamp(1) == digest([older, [], []])


def test_a_project_may_move_and_the_plate_and_the_clean_plate_do_not_change_places() -> None:
    first = _plan("/show/a/plates/x.exr", "/show/b/plates/x.exr")
    moved = _plan("/new/show/a/plates/x.exr", "/new/show/b/plates/x.exr", f"/new{RESULTS}")
    swapped = _plan("/show/b/plates/x.exr", "/show/a/plates/x.exr")
    other_clean = _plan("/show/a/plates/x.exr", "/show/c/plates/x.exr")
    assert first.key == moved.key and len({first.key, swapped.key, other_clean.key}) == 3
    assert first.settings_key == swapped.settings_key and first.makes_the_same != swapped.makes_the_same
    assert (
        _plan("/show/plates/x.exr").makes_the_same == _plan("/show/plates/x.exr", results="/tmp/m").makes_the_same
    )


def test_all_that_nodes_read_counts() -> None:
    """Pictures, files and folders, in their order."""

    def key(pictures: tuple[str, ...] = (), files: tuple[str, ...] = (), folders: tuple[str, ...] = ()) -> str:
        sources = [tuple(FileSource(file=file, colourspace="") for file in each) for each in (pictures, files)]
        plate = GraphSource(digest="same", pictures=sources[0], files=sources[1], folders=folders)
        clean = FileSource(file="/show/comp/clean.exr", colourspace="")
        return SolvePlan(node_id="matte-1", folder=RESULTS, plate=plate, clean_plate=clean).key

    a, b, beside = "/show/a/tex/x.exr", "/show/b/tex/x.exr", "/show/comp/tex/x.exr"
    assert key((beside,), (beside,), ("/show/comp/tex",)) == key()
    found = [key(*each) for each in (((a,),), ((b,),), ((), (a,)), ((), (b,)), ((), (), (a,)), ((), (), (b,)))]
    # Whether a file is a picture or a texture the digest tells already.
    assert len(set(found)) == 2 and key() not in found
    assert len({key((a, b)), key((b, a)), key((a, beside)), key((beside, a))}) == 4
