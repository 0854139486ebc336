"""Solid regions, the bands around them, and despeckling, on shapes whose answer is plain."""

from __future__ import annotations

import numpy as np
import pytest

from matte_server.core.despeckle import despeckle
from matte_server.core.image import Float32
from matte_server.core.region import Mask, solid_region
from matte_server.core.trimap import trimap_of
from tests.matte_server.pictures import room, soft_disc

SIZE = (180, 320)
STRONG, QUIET = 30.0, 1.0


def disc(x: float, y: float, radius: float) -> Mask:
    return soft_disc(*SIZE, (x, y), radius, 1.0) > 0.5


def evidence_of(subject: Mask, level: float = STRONG) -> Float32:
    """Distance in noise levels: ``level`` on the subject, noise elsewhere."""
    rng = np.random.default_rng(1)
    noise = np.sqrt(rng.chisquare(3, SIZE) / 3)
    return np.where(subject, level, QUIET * noise).astype(np.float32)


def overlap(one: Mask, other: Mask) -> float:
    return float((one & other).sum() / (one | other).sum())


def region(evidence: Float32, seen: Mask | None = None, core: Float32 | None = None) -> Mask:
    subject = evidence > 10
    guide = np.where(subject[..., None], 0.9, 0.2 * room(*SIZE)).astype(np.float32)
    return solid_region(evidence, guide, np.ones(SIZE, bool) if seen is None else seen, core)


def test_a_subject_is_found_whole_and_alone() -> None:
    subject = disc(160, 100, 50)
    found = region(evidence_of(subject))
    # Half a pixel around a circle of 50 px is 2 %, the smoothing a pixel more.
    assert overlap(found, subject) > 0.93


def test_nothing_is_found_where_nothing_differs() -> None:
    assert not region(evidence_of(np.zeros(SIZE, bool))).any()


def test_specks_go_but_a_second_person_stays() -> None:
    people = disc(90, 100, 40) | disc(240, 100, 30)
    speck = np.zeros(SIZE, bool)
    speck[10:13, 10:13] = True
    found = region(evidence_of(people | speck))
    assert overlap(found, people) > 0.93
    assert not found[5:18, 5:18].any()


def test_a_shirt_of_the_walls_colour_is_filled_and_a_crook_of_an_arm_is_not() -> None:
    body = disc(160, 90, 80)
    shirt, crook = disc(130, 90, 8), disc(190, 90, 25)
    found = region(evidence_of(body & ~shirt & ~crook))
    assert found[shirt].all()
    assert found[disc(190, 90, 18)].mean() < 0.1


def test_what_the_clean_plate_does_not_reach_is_no_evidence_and_a_core_matte_is() -> None:
    subject = disc(160, 100, 50)
    seen = np.ones(SIZE, bool)
    seen[:, :200] = False
    found = region(evidence_of(disc(60, 100, 40)), seen)
    assert not found[:, :180].any()
    drawn = region(evidence_of(np.zeros(SIZE, bool)), core=subject.astype(np.float32))
    assert overlap(drawn, subject) > 0.95


def test_the_trimaps_bands_nest_around_the_edge() -> None:
    subject = disc(160, 100, 60)
    distance = evidence_of(subject)
    found = trimap_of(subject, distance, distance, np.ones(SIZE, bool))
    assert found.inner.any() and not (found.inner & ~subject).any()
    assert not (found.inner & ~found.outer).any() and not (subject & ~found.outer).any()
    assert found.depth[100, 160] > 0 > found.depth[10, 10]
    # The edge itself is unknown on both sides.
    edge = subject & ~disc(160, 100, 59)
    assert not (edge & found.inner).any()
    assert found.unrest[20, 20] == pytest.approx(1.0, abs=0.1)


def test_loose_hair_widens_the_band_and_leaves_in_the_wind_raise_the_unrest() -> None:
    subject = disc(160, 120, 50)
    quiet = evidence_of(subject)
    hair = quiet.copy()
    hair[60:72, 158:163] = STRONG
    calm = trimap_of(subject, quiet, quiet, np.ones(SIZE, bool))
    loose = trimap_of(subject, hair, hair, np.ones(SIZE, bool))
    assert loose.outer[61:70, 160].all() and not calm.outer[61:64, 160].any()
    windy = quiet.copy()
    windy[:60, :100] = 5.0
    found = trimap_of(subject, windy, windy, np.ones(SIZE, bool))
    assert found.unrest[20, 40] > 2.5 > 1.3 > found.unrest[150, 300]


def test_a_subject_of_the_whole_frame_has_no_edge() -> None:
    full = np.ones(SIZE, bool)
    distance = np.full(SIZE, STRONG, np.float32)
    found = trimap_of(full, distance, distance, full)
    assert found.inner.all() and found.outer.all()


def test_despeckle_goes_by_area() -> None:
    alpha = soft_disc(*SIZE, (160, 90), 50, 4)
    alpha[5:8, 5:8] = 0.7
    alpha[20:30, 5:15] = 0.7
    alpha[90:93, 160:163] = 0.2
    cleaned = despeckle(alpha, 20)
    assert cleaned[5:8, 5:8].max() == 0.0
    assert cleaned[25, 10] == np.float32(0.7)
    assert cleaned[91, 161] == 1.0
    rest = np.ones(SIZE, bool)
    rest[5:8, 5:8] = rest[90:93, 160:163] = False
    assert np.array_equal(cleaned[rest], alpha[rest])


def test_despeckle_leaves_a_notch_at_the_frames_edge() -> None:
    alpha = np.ones((50, 50), np.float32)
    alpha[0:2, 20:24] = 0.0
    # The clean plate beyond the frame may go on there: only a hole wholly inside is a hole.
    assert np.array_equal(despeckle(alpha, 20), alpha)
