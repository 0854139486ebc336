"""What a run of learning depends on, and what may name its key mattes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from matte_link.options import MatteOptions

from matte_server.errors import MatteError
from matte_server.learning.settings import LearningSettings
from matte_server.shots.learn import LearnOrder, _begun, key_mattes
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
