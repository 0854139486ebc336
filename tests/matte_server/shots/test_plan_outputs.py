"""Outputs of a plan: what cannot hold a matte, what would be one file twice, and the numbers of single files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matte_link.options import MatteOptions

from matte_server.errors import MatteError
from matte_server.shots.passes import LAYERS
from matte_server.shots.plan import plan_shot
from matte_server.shots.plan_checks import check_apart, check_writable
from matte_server.shots.shot import Shot, ShotSources

from .conftest import save


def planned(folder: Path, plate: str, output: str, comp: str = "", wanted: str = "") -> Shot:
    sources = ShotSources(
        plate=str(folder / plate),
        clean_plate=str(folder / "c.exr"),
        output=str(folder / output),
        background=str(folder / "c.exr") if comp else "",
        comp=str(folder / comp) if comp else "",
    )
    return plan_shot(sources, wanted, MatteOptions())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "Reel #3, 50%d off"
    for name in ("c.exr", "still.exr", "p.1001.exr", "p.1002.exr"):
        save(place / name, np.zeros((4, 4, 3)))
    return place


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm", ".avi", ".m4v", ".mxf", ".mts", ".jpg", ".dpx", ""])
def test_an_output_that_cannot_hold_a_matte_is_refused(folder: Path, suffix: str) -> None:
    with pytest.raises(MatteError, match=r"matte cannot be written") as refused:
        planned(folder, "p.####.exr", f"m.####{suffix}" if suffix in (".jpg", ".dpx", "") else f"m{suffix}")
    assert refused.value.code == "bad_output"
    assert ".mov" in refused.value.hint and ".exr" in refused.value.hint


@pytest.mark.parametrize("suffix", [".exr", ".png", ".tif"])
def test_folders_may_have_any_name(folder: Path, suffix: str) -> None:
    shot = planned(folder, "p.####.exr", f"m.####{suffix}")
    assert [frame.output.name for frame in shot.frames] == [f"m.1001{suffix}", f"m.1002{suffix}"]
    assert all(frame.output.parent == folder for frame in shot.frames)


def test_a_single_frame_keeps_its_number(folder: Path) -> None:
    assert planned(folder, "p.1002.exr", "m.####.exr").frames[0].output.name == "m.1002.exr"
    assert planned(folder, "still.exr", "m.####.exr").frames[0].output.name == "m.0001.exr"


def test_two_shots_of_a_job_that_would_write_one_file(folder: Path) -> None:
    first = planned(folder, "p.####.exr", "a/m.####.exr", "a/comp.mov")
    check_apart([first, planned(folder, "p.####.exr", "b/m.####.exr", "b/comp.mov")])
    # Two parts of one sequence may have one name: their files are apart.
    check_apart([planned(folder, "p.####.exr", "a/m.####.exr", wanted=part) for part in ("1001", "1002")])
    for output, comp in (("b/../a/M.####.exr", ""), ("b/m.####.exr", "b/../a/comp.mov")):
        with pytest.raises(MatteError, match="Two shots of the job write") as refused:
            check_apart([first, planned(folder, "p.####.exr", output, comp)])
        assert refused.value.code == "bad_output"


@pytest.mark.parametrize(
    ("output", "comp"), [("p.1002.exr", ""), ("m.exr", "p.1002.exr"), ("m.exr", "P/../p.1002.exr")]
)
def test_a_frame_of_the_sequence_that_is_not_wanted_is_no_output(folder: Path, output: str, comp: str) -> None:
    (folder / "P").mkdir()
    with pytest.raises(MatteError, match=r"p.1002.exr is both input and output; nothing was started") as refused:
        planned(folder, "p.####.exr", output, comp, wanted="1001")
    assert refused.value.code == "output_is_input"


def test_no_shot_of_a_job_writes_what_an_earlier_one_is_made_from(folder: Path) -> None:
    first = planned(folder, "p.####.exr", "a/m.####.exr")
    later = planned(folder, "still.exr", "p.1002.exr")
    with pytest.raises(MatteError, match=r"p.1002.exr is an input of one shot of the job and an output") as refused:
        check_apart([first, later])
    assert refused.value.code == "output_is_input"
    # A chain: the one that writes it goes first.
    check_apart([later, first])


@pytest.mark.parametrize("suffix", [".png", ".tif", ".TIFF"])
def test_a_layer_needs_an_exr(folder: Path, suffix: str) -> None:
    names = {"plate": "p.####.exr", "clean_plate": "c.exr"}
    paths: dict[str, Any] = {role: str(folder / name) for role, name in names.items()}
    for layer in LAYERS:
        chosen: dict[str, Any] = {f"layer_{layer}": True}
        options = MatteOptions(**chosen)
        with pytest.raises(MatteError, match=f"--layer-{layer} is a layer of an EXR") as refused:
            plan_shot(ShotSources(**paths, output=str(folder / f"m.####{suffix}")), "", options)
        assert refused.value.code == "bad_option"
        # The EXRs beside a video have it.
        for output in ("m.####.exr", "m.mov"):
            assert plan_shot(ShotSources(**paths, output=str(folder / output)), "", options).options == options


@pytest.mark.parametrize(("timing", "flag"), [({"clean_offset": 2}, "offset"), ({"clean_end": "hold"}, "end")])
def test_one_clean_plate_for_all_frames_has_no_timing(folder: Path, timing: dict[str, Any], flag: str) -> None:
    names = {"plate": "p.####.exr", "clean_plate": "p.####.exr", "output": "m.####.exr"}
    paths: dict[str, Any] = {role: str(folder / name) for role, name in names.items()}
    sources = ShotSources(**paths, clean_frame=1001, **timing)
    with pytest.raises(MatteError, match=f"so --clean-{flag} says nothing") as refused:
        plan_shot(sources, "", MatteOptions())
    assert refused.value.code == "bad_option"


@pytest.mark.parametrize("name", ["take ##.exr", "p.%04d.exr", "#.##.exr", "take #3.exr", "50%done.exr", "%d.exr"])
def test_a_file_that_is_there_is_taken_by_its_name(folder: Path, name: str) -> None:
    save(folder / "other" / name, np.zeros((4, 4, 3)))
    shot = planned(folder, f"other/{name}", "m.exr")
    assert [frame.plate for frame in shot.frames] == [folder / "other" / name]
    assert shot.frames[0].output == folder / "m.exr"


def test_numbered_files_come_before_one_that_is_called_as_their_pattern(folder: Path) -> None:
    save(folder / "p.####.exr", np.zeros((4, 4, 3)))
    assert [frame.frame for frame in planned(folder, "p.####.exr", "m.####.exr").frames] == [1001, 1002]


def test_a_number_of_a_reel_is_part_of_the_name(folder: Path) -> None:
    for name in ("Reel #2 p.0001.exr", "Reel #2 p.0002.exr"):
        save(folder / name, np.zeros((4, 4, 3)))
    shot = planned(folder, "Reel #2 p.####.exr", "Reel #2 m.####.exr")
    assert [frame.output.name for frame in shot.frames] == ["Reel #2 m.0001.exr", "Reel #2 m.0002.exr"]
    assert shot.solve_file == folder / "Reel #2 m.platesolve.json"
    assert planned(folder, "still.exr", "still #3.exr").frames[0].output.name == "still #3.exr"


def test_portraits_whose_results_would_be_one_file(folder: Path) -> None:
    for names in (("a.exr", "A.exr"), ("b.exr", "b.png")):
        place = folder / names[1]
        for name in names:
            save(place / name, np.zeros((4, 4, 3)))
        if len(list(place.iterdir())) < 2:
            continue  # a file system that ignores case cannot hold both
        with pytest.raises(MatteError, match="would be one file") as refused:
            planned(folder, names[1], "out")
        assert refused.value.code == "bad_output"


def test_matte_and_comp_that_differ_in_case_alone(folder: Path) -> None:
    with pytest.raises(MatteError, match="same name"):
        planned(folder, "p.####.exr", "m.####.png", comp="M.####.png")


def test_a_folder_that_is_a_link_to_nowhere_is_refused_before_the_first_frame(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    with pytest.raises(MatteError, match=r"m.exr cannot be written \(No such file or directory\);") as refused:
        check_writable(tmp_path / "link/new/m.exr", "Name another -o.")
    assert refused.value.code == "cannot_write"
    check_writable(tmp_path / "new/m.exr", "Name another -o.")


@pytest.mark.parametrize("name", ["{}.####.exr", "{}/m.exr", "a/{}/b/m.exr"])
def test_a_name_that_is_too_long_is_refused_before_its_folder_exists(tmp_path: Path, name: str) -> None:
    """It was found out after the frames were made."""
    with pytest.raises(MatteError) as refused:
        check_writable(tmp_path / "new" / name.format(300 * "x"), "Name another -o.")
    assert refused.value.code == "name_too_long"
    check_writable(tmp_path / "new" / name.format(30 * "x"), "")
