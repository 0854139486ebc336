"""The bands around a region, on shapes whose answer is plain."""

from __future__ import annotations

import numpy as np
import pytest

from matte_server.core.image import Float32, Mask
from matte_server.core.trimap import Trimap, guides_of, trimap_of
from tests.matte_server.pictures import soft_disc

SIZE = (180, 320)
STRONG, QUIET = 30.0, 1.0
EVERYWHERE = np.ones(SIZE, bool)


def disc(x: float, y: float, radius: float) -> Mask:
    return soft_disc(*SIZE, (x, y), radius, 1.0) > 0.5


def evidence_of(subject: Mask, level: float = STRONG) -> Float32:
    """Distance in noise levels: ``level`` on the subject, noise elsewhere."""
    rng = np.random.default_rng(1)
    noise = np.sqrt(rng.chisquare(3, SIZE) / 3)
    return np.where(subject, level, QUIET * noise).astype(np.float32)


def columns(first: int, last: int) -> Mask:
    """A region of whole columns."""
    found = np.zeros(SIZE, bool)
    found[:, first:last] = True
    return found


def row_of(found: Mask) -> list[int]:
    """The columns of a mask that is the same in every row."""
    assert (found == found[0]).all()
    return [int(x) for x in np.flatnonzero(found[0])]


def quiet(region: Mask, busy: Float32 | None = None) -> Trimap:
    still = np.ones(SIZE, np.float32)
    return trimap_of(region, still, still if busy is None else busy, EVERYWHERE)


def test_a_drawn_trimap_is_sure_near_white_and_near_black() -> None:
    subject, not_subject = guides_of(np.array([[0.0, 0.049, 0.051, 0.5, 0.949, 0.951, 1.0]], np.float32))
    assert subject[0].tolist() == [False] * 5 + [True] * 2
    assert not_subject[0].tolist() == [True] * 2 + [False] * 5


def test_the_bands_of_a_straight_edge() -> None:
    """The frame's longer side is 320 px: certain from 320 / 48 = 6.67 px inside on, unknown up to 2 px outside,
    widened by one."""
    found = quiet(columns(160, 320))
    assert row_of(found.inner) == list(range(166, 320))
    assert row_of(found.outer) == list(range(158, 320))
    # Column 160 is 1 px from the nearest pixel outside, column 159 1 px from the nearest inside.
    assert found.depth[90, [100, 159, 160, 200]] * 320 == pytest.approx([-60, -1, 1, 41], abs=1e-3)


@pytest.mark.parametrize(("width", "outside"), [(160, 2), (320, 2), (800, 5), (1600, 10)])
def test_the_edge_may_lie_a_hundred_and_sixtieth_outside_and_two_pixels_at_least(width: int, outside: int) -> None:
    region = np.zeros((30, width), bool)
    region[:, width // 2 :] = True
    still = np.ones(region.shape, np.float32)
    found = trimap_of(region, still, still, np.ones(region.shape, bool)).outer
    # Nearer than ``outside``, and a pixel more.
    assert row_of(found)[0] == width // 2 - (outside - 1) - 1


def test_thin_parts_keep_what_lies_deeper_than_three_fifths_of_their_half_width() -> None:
    """Five columns are at most 3 px deep: deeper than 1.8 px are the middle three."""
    assert row_of(quiet(columns(100, 105)).inner) == [101, 102, 103]


def test_changed_pixels_beside_the_edge_are_hair_and_others_are_not() -> None:
    """Reached from column 159 in 16 steps of a pixel (320 / 20), and one more."""
    busy = np.ones(SIZE, np.float32)
    busy[90, 100:160] = 1.65
    busy[90, 20:40] = 30.0
    found = quiet(columns(160, 320), busy).outer
    assert np.flatnonzero(found[90]).tolist() == list(range(142, 320))
    weaker = np.ones(SIZE, np.float32)
    weaker[90, 100:160] = 1.55  # more than noise by less than 1.6
    assert row_of(quiet(columns(160, 320), weaker).outer) == list(range(158, 320))


@pytest.mark.parametrize(("level", "unrest"), [(0.5, 1.0), (2.0, 2.0), (3.0, 3.0), (9.0, 4.0)])
def test_unrest_is_how_much_more_than_noise_the_surroundings_differ(level: float, unrest: float) -> None:
    """The root mean square around, from 1 to 4; a prior of 2 % takes less than 1e-3 of it."""
    distance = np.full(SIZE, level, np.float32)
    found = trimap_of(columns(300, 320), distance, distance, EVERYWHERE).unrest
    assert found[90, 100] == pytest.approx(unrest, rel=2e-3)
    # Under the subject and where the clean plate does not reach, the surroundings' own goes on.
    assert found[90, 310] == pytest.approx(unrest, rel=0.05)
    unseen = trimap_of(columns(300, 320), distance, distance, columns(0, 200)).unrest
    assert unseen[90, 220] == pytest.approx(unrest, rel=0.05)


def test_unrest_is_measured_a_sixty_fourth_around() -> None:
    """Five pixels each way of 320: a pixel six away from what is restless has hardly any of it."""
    for axis in (0, 1):
        distance = np.ones((320, 320), np.float32)
        np.moveaxis(distance, axis, 0)[:100] = 4.0
        none = np.zeros(distance.shape, bool)
        found = trimap_of(none, distance, distance, ~none).unrest
        line = np.moveaxis(found, axis, 0)[:, 160]
        # One of eleven rows of 16 among those of 1; beyond them the prior of 2 % alone, of a level below 16.
        assert line[104] > 1.4 and line[105] < 1.15


def test_restless_surroundings_are_no_hair() -> None:
    busy = np.full(SIZE, 3.0, np.float32)
    found = trimap_of(columns(160, 320), busy, busy, EVERYWHERE)
    assert row_of(found.outer) == list(range(158, 320))


def test_the_bands_nest_around_the_edge() -> None:
    subject = disc(160, 100, 60)
    distance = evidence_of(subject)
    found = trimap_of(subject, distance, distance, EVERYWHERE)
    assert found.inner.any() and not (found.inner & ~subject).any()
    assert not (found.inner & ~found.outer).any() and not (subject & ~found.outer).any()
    assert found.depth[100, 160] > 0 > found.depth[10, 10]
    # The edge itself is unknown on both sides.
    edge = subject & ~disc(160, 100, 59)
    assert not (edge & found.inner).any()
    assert found.unrest[20, 20] == pytest.approx(1.0, abs=0.1)


def test_loose_hair_widens_the_band_and_leaves_in_the_wind_raise_the_unrest() -> None:
    subject = disc(160, 120, 50)
    still = evidence_of(subject)
    hair = still.copy()
    hair[60:72, 158:163] = STRONG
    calm = trimap_of(subject, still, still, EVERYWHERE)
    loose = trimap_of(subject, hair, hair, EVERYWHERE)
    assert loose.outer[61:70, 160].all() and not calm.outer[61:64, 160].any()
    windy = still.copy()
    windy[:60, :100] = 5.0
    found = trimap_of(subject, windy, windy, EVERYWHERE)
    assert found.unrest[20, 40] > 2.5 > 1.3 > found.unrest[150, 300]


def test_a_subject_of_the_whole_frame_has_no_edge() -> None:
    distance = np.full(SIZE, STRONG, np.float32)
    found = trimap_of(EVERYWHERE, distance, distance, EVERYWHERE)
    assert found.inner.all() and found.outer.all()
