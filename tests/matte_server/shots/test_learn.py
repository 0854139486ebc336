"""What a run of learning depends on, and what may name its key mattes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from matte_link.options import MatteOptions

from matte_server.errors import MatteError
from matte_server.learning.settings import LearningSettings
from matte_server.shots.learn import KeyMatte, LearnOrder, _begun, key_mattes
from matte_server.shots.plan import plan_shot
from matte_server.shots.shot import ShotSources

from .conftest import ShotFiles


@pytest.mark.parametrize("named", [["mended.##.v##.exr"], ["--5=mended.exr"]])
def test_a_key_that_names_no_frame_is_refused_in_words(named: list[str]) -> None:
    with pytest.raises(MatteError):
        key_mattes(named, "", ())


def test_a_mask_with_two_frame_numbers_is_refused_in_words() -> None:
    with pytest.raises(MatteError, match="more than one frame number"):
        key_mattes([], "mask.##.v##.exr", ())


def test_key_mattes_of_portraits_and_their_masks_are_found_by_name(tmp_path: Path) -> None:
    for name in ("booth/anna.png", "booth/bert.png", "mended/bert.exr", "right/bert.tif", "other/carl.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "clean.png").touch()
    sources = ShotSources(
        plate=str(tmp_path / "booth"), clean_plate=str(tmp_path / "clean.png"), output=str(tmp_path / "out")
    )
    frames = plan_shot(sources, "", MatteOptions(), one_output=True).frames
    mended, right, other = (str(tmp_path / name) for name in ("mended", "right", "other"))
    wanted = {2: KeyMatte(matte=tmp_path / "mended/bert.exr", mask=tmp_path / "right/bert.tif")}
    assert key_mattes([mended], right, frames) == wanted
    assert key_mattes([f"2={mended}/bert.exr"], f"{right}/bert.tif", frames) == wanted
    with pytest.raises(MatteError, match=r"other/bert.png does not exist"):
        key_mattes([mended], other, frames)
    with pytest.raises(MatteError, match="belongs to a frame of the shot"):
        key_mattes([other], "", frames)
    with pytest.raises(MatteError, match="no key matte is named"):
        key_mattes([], right, frames)


def inputs_of(shot: ShotFiles, options: MatteOptions) -> str:
    output = shot.folder / "shot.learned"
    sources = ShotSources(plate=shot.plate, clean_plate=shot.clean, output=str(output.with_suffix(".exr")))
    order = LearnOrder(
        shot=plan_shot(sources, "", options, one_output=True),
        keys={},
        output=Path(output),
        settings=LearningSettings(steps=1),
        device="cpu",
    )
    return _begun(order, lambda: None).inputs


def test_a_run_does_not_go_on_from_pictures_in_another_colourspace(make_shot: Callable[..., ShotFiles]) -> None:
    shot = make_shot(count=2)
    files = MatteOptions(align="none", match_exposure=False)
    stated = MatteOptions(align="none", match_exposure=False, colourspace="acescg", clean_colourspace="acescg")
    assert inputs_of(shot, files) == inputs_of(shot, files)
    assert inputs_of(shot, files) != inputs_of(shot, stated)
