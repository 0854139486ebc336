"""Our own network finds in a dark frame what it finds in a bright one."""

from __future__ import annotations

import pytest
import torch

from matte_server.models.cleanplate import CleanplateModel
from matte_server.models.cleanplate_light import brightened, brightening
from matte_server.models.protocols import ModelSettings
from tests.matte_server.models.test_cleanplate import frame

# Of alpha, in the mean over the frame: it is seen at middle grey instead of its own 0.25, which was measured to
# change 0.0006 to 0.0007. Seen as dark as it is, a frame of 0.3 times the light changes by 0.0024, one of 0.001
# times by 0.12.
ALIKE = 0.001


@pytest.mark.parametrize("light", [0.3, 0.03, 0.001])
def test_a_dark_frame_has_the_matte_of_a_bright_one(packaged_model: CleanplateModel, light: float) -> None:
    given = frame(200, 300)
    bright, dark = (
        packaged_model.predict(each, ModelSettings(), lambda: None) for each in (given, brightened(given, light))
    )
    assert float((bright.alpha - dark.alpha).abs().mean()) < ALIKE
    assert bright.foreground is not None and dark.foreground is not None
    # The colour's change by the same measure: 0.003 of the wall's 0.25.
    apart = bright.foreground.values - dark.foreground.values / light
    assert float(apart.abs().mean()) < 0.004


def test_a_frame_at_middle_grey_is_seen_as_it_is() -> None:
    wall, covered = torch.full((1, 3, 40, 60), 0.09), torch.ones(1, 1, 40, 60)
    # The encoding is inverted in float32: a few units in the last of its seven places.
    assert brightening(wall, covered) == pytest.approx(2.0, rel=1e-5)
    assert brightening(2.001 * wall, covered) == brightening(50 * wall, covered) == 1.0
    assert brightened(given := frame(20, 30), 1.0) is given


def test_only_what_is_covered_counts_and_lamps_count_for_little() -> None:
    wall, covered = torch.full((1, 3, 40, 60), 0.09), torch.ones(1, 1, 40, 60)
    wall[..., :5, :] = 0.9
    covered[..., :5, :] = 0.0
    assert brightening(wall, covered) == pytest.approx(2.0, rel=1e-5)
    assert brightening(wall, torch.zeros_like(covered)) == 1.0
    wall[..., 10, ::10] = 90.0
    # 6 of 2100 pixels shine a thousand times as bright: the mean of the light itself is 0.35, which would leave no
    # gain; 1.89 was measured.
    assert 1.85 < brightening(wall, covered) < 2.0


def test_black_is_not_brightened_without_end() -> None:
    black, covered = torch.zeros(1, 3, 40, 60), torch.ones(1, 1, 40, 60)
    # Ten stops, as documented.
    assert brightening(black, covered) == brightening(black - 0.01, covered) == 1000.0
