"""What a run of learning depends on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from matte_link.options import MatteOptions

from matte_server.learning.settings import LearningSettings
from matte_server.shots.learn import LearnOrder, _begun
from matte_server.shots.plan import plan_shot
from matte_server.shots.shot import ShotSources

from .conftest import ShotFiles


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
    return _begun(order, lambda: None, print).inputs


def test_a_run_does_not_go_on_from_pictures_in_another_colourspace(make_shot: Callable[..., ShotFiles]) -> None:
    shot = make_shot(count=2)
    files = MatteOptions(align="none", match_exposure=False)
    stated = MatteOptions(align="none", match_exposure=False, colourspace="acescg", clean_colourspace="acescg")
    assert inputs_of(shot, files) == inputs_of(shot, files)
    assert inputs_of(shot, files) != inputs_of(shot, stated)
