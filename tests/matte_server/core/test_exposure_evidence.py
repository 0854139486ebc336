"""Where the plate follows the clean plate, and where something only is as bright."""

from __future__ import annotations

import numpy as np
import pytest

from matte_server.core.exposure_evidence import LightRatios, _densest
from matte_server.core.image import Float32
from tests.matte_server.pictures import room

SIZE = (180, 320)
FLOOR = (1e-3, 1e-3, 1e-3)
WHOLE = np.ones(SIZE, bool)


def ratios(plate: Float32, clean: Float32) -> LightRatios:
    return LightRatios(plate, clean, WHOLE, FLOOR)


def half_hidden(gain: float) -> tuple[Float32, Float32]:
    """A room in another light; a grey card hides its left half."""
    clean = room(*SIZE, seed=3)
    plate = clean * np.float32(gain)
    plate[:, :160] = 0.3
    return plate, clean


def test_the_set_is_followed_and_a_card_is_not() -> None:
    found = ratios(*half_hidden(1.4)).peaks()
    assert found[0].gain_log == pytest.approx(np.log([1.4] * 3), abs=1e-5)
    assert found[0].part == pytest.approx(0.5, abs=0.01) and found[0].is_supported and found[0].is_followed
    assert not any(peak.is_supported for peak in found[1:])


def test_a_card_before_a_wall_has_a_peak_of_its_own_that_a_shift_leaves() -> None:
    clean = np.full((*SIZE, 3), 0.5, np.float32)
    plate = clean.copy()
    plate[:, :200] = 0.25
    card, wall = ratios(plate, clean).peaks()
    assert card.gain_log == pytest.approx(np.log([0.5] * 3), abs=1e-5) and card.part == pytest.approx(200 / 320)
    assert wall.gain_log == pytest.approx(np.zeros(3), abs=1e-5) and wall.part == pytest.approx(120 / 320)
    assert not card.is_supported and not wall.is_supported and card.is_sharp


def test_a_line_that_fits_is_followed_and_agrees_with_its_peak() -> None:
    plate, clean = half_hidden(1.4)
    found = ratios(plate + np.float32(0.01), clean)
    fits, misses = ((1.4,) * 3, (0.01,) * 3), ((1.2,) * 3, (0.0,) * 3)
    assert found.support_of(*fits).is_followed and found.support_of(*fits).part == pytest.approx(0.5, abs=0.01)
    assert found.support_of(*misses).part < 0.2
    [best] = [peak for peak in found.peaks() if peak.is_supported][:1]
    assert found.agrees(best, *fits) and not found.agrees(best, *misses)


def test_the_pixels_of_a_peak_are_those_that_show_it() -> None:
    plate, clean = half_hidden(0.7)
    found = ratios(plate, clean)
    best = max(found.peaks(), key=lambda peak: peak.support)
    own = found.pixels_of(best)
    assert own.shape == SIZE and own[:, 162:].all() and own[:, :158].mean() < 0.05


@pytest.mark.parametrize(("shape", "enough"), [((1, 1), False), ((6, 6), False), ((7, 7), True), ((1, 500), True)])
def test_small_frames_are_judged_where_they_have_cells_enough(shape: tuple[int, int], enough: bool) -> None:
    picture = np.full((*shape, 3), 0.5, np.float32)
    found = LightRatios(picture, picture, np.ones(shape, bool), FLOOR)
    assert found.are_enough is enough
    assert found.support_of((1.0,) * 3, (0.0,) * 3).support == 0.0


def test_nan_infinity_black_and_what_may_not_be_used_count_nowhere() -> None:
    plate, clean = half_hidden(1.0)
    plate[:30], plate[30:60], clean[60:90] = np.nan, np.inf, 0.0
    used = WHOLE.copy()
    used[90:] = False
    assert not LightRatios(plate, clean, used, FLOOR).are_enough


def test_what_agrees_is_gathered_around_the_sharpest_channel() -> None:
    """Of 100 places 60 agree in red and are scattered in the others; the other 40 agree in green and lie closer in
    blue, so that what is gathered there first would lose the 60."""
    rng = np.random.default_rng(1)
    set_alone = np.stack([rng.normal(0.2, 0.005, 60), rng.uniform(-0.6, 0.1, 60), rng.uniform(-0.6, 0.1, 60)])
    subject = np.stack([rng.uniform(0.5, 1.2, 40), rng.normal(1.0, 0.005, 40), rng.uniform(0.5, 0.7, 40)])
    found = _densest(np.concatenate([set_alone, subject], 1).astype(np.float32))
    # Bins of 0.01, smoothed over eleven.
    assert found[0] == pytest.approx(0.2, abs=0.02) and found[1] < 0.15
