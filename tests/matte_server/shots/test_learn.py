"""What a run of learning depends on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matte_link.options import MatteOptions

from matte_server.errors import MatteError
from matte_server.learning.settings import LearningProgress, LearningSettings
from matte_server.shots.key_mattes import KeyMatte
from matte_server.shots.learn import LearnOrder, _begun, learn_shot
from matte_server.shots.plan import plan_shot
from matte_server.shots.shot import ShotSources

from ..video_files import interlaced
from .conftest import ShotFiles, disc, save


def order_of(shot: ShotFiles, options: MatteOptions, keys: Mapping[int, KeyMatte]) -> LearnOrder:
    output = shot.folder / "shot.learned"
    sources = ShotSources(plate=shot.plate, clean_plate=shot.clean, output=str(output.with_suffix(".exr")))
    return LearnOrder(
        shot=plan_shot(sources, "", options, one_output=True),
        keys=keys,
        output=Path(output),
        settings=LearningSettings(steps=1),
        device="cpu",
    )


def inputs_of(shot: ShotFiles, options: MatteOptions) -> str:
    return _begun(order_of(shot, options, {}), lambda: None, print).inputs


def test_a_run_does_not_go_on_from_pictures_in_another_colourspace(make_shot: Callable[..., ShotFiles]) -> None:
    shot = make_shot(count=2)
    files = MatteOptions(align="none", match_exposure=False)
    stated = MatteOptions(align="none", match_exposure=False, colourspace="acescg", clean_colourspace="acescg")
    assert inputs_of(shot, files) == inputs_of(shot, files)
    assert inputs_of(shot, files) != inputs_of(shot, stated)


@pytest.mark.parametrize("deinterlace", [False, True])
def test_interlaced_frames_are_said_or_learnt_whole(tmp_path: Path, deinterlace: bool) -> None:
    """--deinterlace was lost on the way: the shot was learnt from frames of two moments, in silence either way."""
    place = str(tmp_path / "take.mkv")
    interlaced(Path(place))
    sources = ShotSources(plate=place, clean_plate=place, output=str(tmp_path / "a.exr"), deinterlace=deinterlace)
    order = LearnOrder(
        shot=plan_shot(sources, "2", MatteOptions(align="none", match_exposure=False), one_output=True),
        keys={2: KeyMatte(matte=save(tmp_path / "mended.exr", disc(0, (128, 192)).repeat(3, 2)))},
        output=tmp_path / "a.learned",
        settings=LearningSettings(steps=1),
        device="cpu",
    )
    told: list[str] = []
    run = _begun(order, lambda: None, told.append)
    lines = run._examples[0].plate[0, :, 20:100, 30:70].float().mean((0, 2)).numpy()
    # 0.8 and 0.2 of sRGB in turn, or 0.8 in every line.
    assert np.ptp(lines) == pytest.approx(0.0 if deinterlace else 0.57, abs=0.02)
    interlace = "The video is interlaced: each frame shows two moments. Use --deinterlace (plate, clean plate)."
    assert (interlace in told) != deinterlace


def order_that_gains(shot: ShotFiles, monkeypatch: pytest.MonkeyPatch) -> LearnOrder:
    """One step on one frame whose matte was mended by half; whatever is gained is enough."""
    monkeypatch.setattr("matte_server.learning.learner._WORTH", 0.0)
    key = KeyMatte(matte=save(shot.folder / "mended.1001.exr", 0.5 * disc(0).repeat(3, 2)))
    return order_of(shot, MatteOptions(align="none", match_exposure=False), {1001: key})


def test_a_file_that_appears_while_a_shot_is_learnt_stays(
    make_shot: Callable[..., ShotFiles], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another run of the same name has ended meanwhile."""
    order = order_that_gains(make_shot(count=1), monkeypatch)

    def on_progress(progress: LearningProgress) -> None:
        order.output.write_bytes(b"another's")

    with pytest.raises(MatteError, match="was learned from something else"):
        learn_shot(order, lambda: None, on_progress)
    assert order.output.read_bytes() == b"another's" and order.checkpoint.is_file()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit to the size of a process's files")
def test_a_disk_that_fills_leaves_the_checkpoint_before(
    make_shot: Callable[..., ShotFiles], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run was said to begin anew. Of a step one is kept, however many pictures are measured after it."""
    import resource

    order = order_that_gains(make_shot(count=1), monkeypatch)
    order = replace(order, settings=LearningSettings(steps=3))
    said: list[str] = []
    kept: list[int] = []
    first: list[int] = []
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def on_progress(progress: LearningProgress) -> None:
        kept.append(order.checkpoint.stat().st_size)
        if progress.step == 1:
            first.append(order.checkpoint.stat().st_mtime_ns)
        if progress.step == 2:
            # Learned weights have 7 MB, a checkpoint 53.
            resource.setrlimit(resource.RLIMIT_FSIZE, (20 << 20, before[1]))

    try:
        learn_shot(order, lambda: None, on_progress, said.append)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert kept[-1] == kept[-2] > 0
    assert len(first) > 1 == len(set(first))
    assert [sentence for sentence in said if "File too large" in sentence] == [
        f"{order.checkpoint} cannot be written: File too large. "
        "If the run is interrupted now, it goes on from where it was last saved."
    ]
