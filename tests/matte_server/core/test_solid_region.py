"""Solid regions, on shapes whose answer is plain."""

from __future__ import annotations

import numpy as np
import pytest

from matte_server.core.image import Float32, Mask
from matte_server.core.solid_region import solid_region
from tests.matte_server.core.test_trimap import SIZE, STRONG, disc, evidence_of
from tests.matte_server.pictures import room


def overlap(one: Mask, other: Mask) -> float:
    return float((one & other).sum() / (one | other).sum())


def region(evidence: Float32, seen: Mask | None = None, core: Float32 | None = None) -> Mask:
    subject = evidence > 10
    guide = np.where(subject[..., None], 0.9, 0.2 * room(*SIZE)).astype(np.float32)
    return solid_region(evidence, guide, np.ones(SIZE, bool) if seen is None else seen, core)


def drawn(core: Mask, evidence: Float32 | float) -> Mask:
    """The region of a core matte alone, whatever the evidence: nothing of the clean plate is seen."""
    level = np.full(SIZE, evidence, np.float32) if isinstance(evidence, float) else evidence
    return solid_region(level, np.full((*SIZE, 3), 0.5, np.float32), np.zeros(SIZE, bool), core.astype(np.float32))


def box(x: int, y: int, width: int, height: int) -> Mask:
    found = np.zeros(SIZE, bool)
    found[y : y + height, x : x + width] = True
    return found


def test_a_subject_is_found_whole_and_alone() -> None:
    subject = disc(160, 100, 50)
    found = region(evidence_of(subject))
    # Half a pixel around a circle of 50 px is 2 %, the smoothing a pixel more.
    assert overlap(found, subject) > 0.93


def test_nothing_is_found_where_nothing_differs() -> None:
    assert not region(evidence_of(np.zeros(SIZE, bool))).any()


@pytest.mark.parametrize(("level", "found"), [(3.35, False), (3.45, True)])
def test_evidence_counts_from_3_4_noise_levels_on(level: float, found: bool) -> None:
    """Certainty runs from 0 at 2 to 1 at 6 noise levels; above 0.35 it is subject: 2 + 0.35 * 4."""
    flat = solid_region(np.full(SIZE, level, np.float32), np.full((*SIZE, 3), 0.5, np.float32), np.ones(SIZE, bool))
    assert flat.all() if found else not flat.any()


@pytest.mark.parametrize(("level", "found"), [(5.96, False), (5.97, True)])
def test_certainty_is_smoothed_over_4_and_10_pixels(level: float, found: bool) -> None:
    """On a flat picture each smoothing is two means, over 9 or 21 pixels. Of a strip of 5 columns the middle one
    keeps 39 of 81 parts and 99 of 441, half of each together 0.353. Above 0.35 is subject: 0.99 * 0.353 is not."""
    flat = np.full((*SIZE, 3), 0.5, np.float32)
    strip = np.where(box(150, 0, 5, SIZE[0]), level, 0.0).astype(np.float32)
    middle = box(152, 0, 1, SIZE[0])
    assert np.array_equal(solid_region(strip, flat, np.ones(SIZE, bool)), middle & found)


def test_a_gap_of_two_pixels_is_closed_in_the_smallest_picture() -> None:
    """A sixtieth of 40 pixels is none, and one is the least."""
    core = np.ones((30, 40), np.float32)
    core[:, 20:22] = 0.0
    evidence, flat = np.full(core.shape, 2.6, np.float32), np.full((*core.shape, 3), 0.5, np.float32)
    assert solid_region(evidence, flat, np.ones(core.shape, bool), core).all()


def test_the_picture_goes_on_mirrored_beyond_its_edge() -> None:
    """A strip along the edge is found as half of one that is twice as wide and lies inside."""
    evidence = np.where(box(0, 0, 6, SIZE[0]), 50.0, 0.0).astype(np.float32)
    found, whole = (
        solid_region(each, np.full((*each.shape, 3), 0.5, np.float32), np.ones(each.shape, bool))
        for each in (evidence, np.hstack([evidence[:, ::-1], evidence]))
    )
    assert found.any() and np.array_equal(whole[:, SIZE[1] :], found)


def test_specks_go_but_a_second_person_stays() -> None:
    people = disc(90, 100, 40) | disc(240, 100, 30)
    speck = box(10, 10, 3, 3)
    found = region(evidence_of(people | speck))
    assert overlap(found, people) > 0.93
    assert not found[5:18, 5:18].any()


def test_a_small_part_needs_a_fiftieth_of_the_largest_or_overwhelming_evidence() -> None:
    """The largest part has 10 000 pixels: 200 stay, 199 do not, unless they differ by 18 noise levels."""
    largest = box(40, 40, 100, 100)
    part = box(220, 40, 20, 10)
    assert np.array_equal(drawn(largest | part, 0.0), largest | part)
    smaller = part.copy()
    smaller[40, 220] = False
    assert np.array_equal(drawn(largest | smaller, 0.0), largest)
    assert np.array_equal(drawn(largest | smaller, np.where(smaller, 17.9, 0).astype(np.float32)), largest)
    strong = np.where(smaller, 18.1, 0).astype(np.float32)
    assert np.array_equal(drawn(largest | smaller, strong), largest | smaller)


def test_specks_below_2e_4_of_the_frame_go_however_much_they_differ() -> None:
    """11.5 pixels of 57 600."""
    largest = box(40, 40, 100, 100)
    assert np.array_equal(drawn(largest | box(220, 40, 11, 1), 50.0), largest)
    assert np.array_equal(drawn(largest | box(220, 40, 12, 1), 50.0), largest | box(220, 40, 12, 1))
    assert not drawn(box(220, 40, 11, 1), 50.0).any()


def test_a_core_matte_counts_above_half() -> None:
    core = np.zeros(SIZE, np.float32)
    core[40:90, 40:90], core[40:90, 200:250] = 0.51, 0.5
    found = solid_region(np.zeros(SIZE, np.float32), np.zeros((*SIZE, 3), np.float32), np.ones(SIZE, bool), core)
    assert np.array_equal(found, box(40, 40, 50, 50))


def test_a_shirt_of_the_walls_colour_is_filled_and_a_crook_of_an_arm_is_not() -> None:
    body = disc(160, 90, 80)
    shirt, crook = disc(130, 90, 8), disc(190, 90, 25)
    found = region(evidence_of(body & ~shirt & ~crook))
    assert found[shirt].all()
    assert found[disc(190, 90, 18)].mean() < 0.1


def test_a_hole_stays_open_where_it_is_large_and_shows_the_clean_plate() -> None:
    """Large is 0.004 of 57 600 pixels, 230; clearly the clean plate is a median below 1.5 noise levels."""
    body, hole = box(40, 20, 120, 120), box(80, 60, 16, 16)
    assert np.array_equal(drawn(body & ~hole, 1.4), body & ~hole)
    assert np.array_equal(drawn(body & ~hole, 1.6), body)
    assert np.array_equal(drawn(body & ~box(80, 60, 15, 15), 0.0), body)


@pytest.mark.parametrize(
    "corner", [(0, 60), (310, 60), (120, 0), (120, 170)], ids=["left", "right", "top", "bottom"]
)
def test_a_gap_at_the_frames_edge_is_no_hole(corner: tuple[int, int]) -> None:
    gap = box(*corner, 10, 10)
    assert np.array_equal(drawn(~gap, 0.0), ~gap)


def test_what_the_clean_plate_does_not_reach_is_no_evidence_and_a_core_matte_is() -> None:
    subject = disc(160, 100, 50)
    seen = np.ones(SIZE, bool)
    seen[:, :200] = False
    found = region(evidence_of(disc(60, 100, 40)), seen)
    assert not found[:, :180].any()
    core_only = region(evidence_of(np.zeros(SIZE, bool)), core=subject.astype(np.float32))
    assert overlap(core_only, subject) > 0.95


def test_a_narrow_gap_with_weak_evidence_is_closed() -> None:
    """Within a sixtieth of the frame (5 px) of both sides, where certainty is above 0.12: 2.48 noise levels."""
    evidence = np.full(SIZE, STRONG, np.float32)
    core = ~box(150, 0, 8, 180)
    evidence[:, :] = 2.6
    flat = np.full((*SIZE, 3), 0.5, np.float32)
    seen = np.ones(SIZE, bool)
    assert solid_region(evidence, flat, seen, core.astype(np.float32)).all()
    evidence[:, :] = 2.4
    assert np.array_equal(solid_region(evidence, flat, seen, core.astype(np.float32)), core)
    wider = ~box(150, 0, 12, 180)
    evidence[:, :] = 2.6
    assert np.array_equal(solid_region(evidence, flat, seen, wider.astype(np.float32)), wider)
