"""Our own network finds in a dark or bright frame what it finds in one of middle light."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from matte_server.models.cleanplate import CleanplateModel
from matte_server.models.cleanplate_light import exposed, gain_to_middle
from matte_server.models.protocols import ModelSettings
from tests.matte_server.models.test_cleanplate import frame

# Of alpha and colour, in the mean over the frame. The dark ones are seen with 0.5 to 0.62 of its own light, which
# was measured to change 0.0014 and 0.0062 at most, the bright ones with 4.8 times, which changes 0.0026 and 0.0099.
# Seen as it is exposed, 0.3 times the light changes 0.0024 and 0.012, 0.001 times 0.12 and 2.4, 30 times 0.005 and
# 0.04.
DARKER, BRIGHTER = (0.0016, 0.0075), (0.003, 0.011)


@pytest.mark.parametrize(
    ("light", "alike"), [(0.3, DARKER), (0.03, DARKER), (0.001, DARKER), (30.0, BRIGHTER), (1000.0, BRIGHTER)]
)
def test_a_frame_has_the_same_matte_however_it_is_exposed(
    packaged_model: CleanplateModel, light: float, alike: tuple[float, float]
) -> None:
    given = frame(200, 300)
    middle, other = (
        packaged_model.predict(each, ModelSettings(), lambda: None) for each in (given, exposed(given, light))
    )
    assert float((middle.alpha - other.alpha).abs().mean()) < alike[0]
    assert middle.foreground is not None and other.foreground is not None
    apart = middle.foreground.values - other.foreground.values / light
    assert float(apart.abs().mean()) < alike[1]


def gain(wall: Tensor, covered: Tensor) -> float:
    """Of an empty frame."""
    return gain_to_middle(wall, wall, covered)


@pytest.mark.parametrize(
    ("wall", "subject", "wanted"),
    [
        (0.01, 0.3, 1.0),
        (0.01, 0.09, 2.0),
        (0.01, 0.005, 18.0),
        (5.0, 0.05, 1.0),
        (5.0, 2.0, 0.5),
        (5.0, 50.0, 0.2),
    ],
)
def test_a_lit_subject_before_a_dark_set_is_not_blown_out(wall: float, subject: float, wanted: float) -> None:
    """Nor does a dark one before a bright sky become black: what is brighter, or darker, decides."""
    set_alone = torch.full((1, 3, 40, 60), wall)
    plate = set_alone.clone()
    plate[..., 10:20, 10:20] = subject
    # The encoding is inverted in float32: a few units in the last of its seven places.
    assert gain_to_middle(plate, set_alone, torch.ones(1, 1, 40, 60)) == pytest.approx(wanted, rel=1e-5)


def test_grain_does_not_hide_a_small_subject() -> None:
    """A hundredth of the frame, in grain of a hundredth: it is seen at its own 0.3."""
    grain = torch.randn(1, 3, 200, 200, generator=torch.Generator().manual_seed(1))
    wall = torch.full((1, 3, 200, 200), 0.004)
    plate = wall + 0.004 * grain
    plate[..., :20, :20] = 0.3
    assert gain_to_middle(plate, wall, torch.ones(1, 1, 200, 200)) == 1.0


def test_a_frame_of_middle_light_is_seen_as_it_is() -> None:
    wall, covered = torch.full((1, 3, 40, 60), 0.09), torch.ones(1, 1, 40, 60)
    # The encoding is inverted in float32: a few units in the last of its seven places.
    assert gain(wall, covered) == pytest.approx(2.0, rel=1e-5)
    assert gain(2.001 * wall, covered) == gain(11.0 * wall, covered) == 1.0
    assert gain(100 * wall, covered) == pytest.approx(1.0 / 9.0, rel=1e-5)
    assert exposed(given := frame(20, 30), 1.0) is given


def test_only_what_is_covered_counts_and_lamps_count_for_little() -> None:
    wall, covered = torch.full((1, 3, 40, 60), 0.09), torch.ones(1, 1, 40, 60)
    wall[..., :5, :] = 0.9
    covered[..., :5, :] = 0.0
    assert gain(wall, covered) == pytest.approx(2.0, rel=1e-5)
    assert gain(wall, torch.zeros_like(covered)) == 1.0
    wall[..., 10, ::10] = 90.0
    # 6 of 2100 pixels shine a thousand times as bright: the mean of the light itself is 0.35, which would leave no
    # gain; 1.89 was measured.
    assert 1.85 < gain(wall, covered) < 2.0


def test_black_is_not_brightened_without_end() -> None:
    black, covered = torch.zeros(1, 3, 40, 60), torch.ones(1, 1, 40, 60)
    # Ten stops, as documented.
    assert gain(black, covered) == gain(black - 0.01, covered) == 1000.0
