"""What a single frame says of its matte: the width of its edge, and where it contradicts the pictures."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from matte_server.core.image import Float32
from matte_server.review.frame_checks import contradictions, edge_softness, frame_difference, holes

SIZE = (200, 300)


def ramp(width: float) -> Float32:
    """A matte whose straight edge takes ``width`` pixels."""
    x = np.arange(SIZE[1], dtype=np.float32)
    row = np.clip((x - 150.5) / width + 0.5, 0.0, 1.0)
    return np.repeat(row[None], SIZE[0], 0)[..., None]


@pytest.mark.parametrize("width", [6.0, 15.0, 40.0])
def test_softness_grows_with_the_edge(width: float) -> None:
    # 4 a (1 - a) over a ramp from 0 to 1 is two thirds of its width.
    assert edge_softness(ramp(width)) == pytest.approx(width * 2 / 3, rel=0.05)


def test_a_matte_without_an_outline_has_no_softness() -> None:
    assert edge_softness(np.zeros((*SIZE, 1), np.float32)) is None
    dot = np.zeros((*SIZE, 1), np.float32)
    dot[10:20, 10:20] = 1.0
    assert edge_softness(dot) is None


def test_a_matte_contradicts_what_the_pictures_show() -> None:
    random = np.random.default_rng(2)
    clean = random.uniform(0.2, 0.6, (SIZE[0] // 4, SIZE[1] // 4, 3)).astype(np.float32)
    clean = np.asarray(cv2.resize(clean, SIZE[::-1]), np.float32)
    alpha = np.zeros((*SIZE, 1), np.float32)
    alpha[50:150, 50:150] = 1.0
    plate = clean * (1 - alpha) + alpha * np.float32(2.0)
    assert not contradictions(frame_difference(plate, clean), alpha).any()
    # Solid where the plate shows the clean plate.
    solid = alpha.copy()
    solid[60:100, 200:240] = 1.0
    wrong = contradictions(frame_difference(plate, clean), solid)
    # The blur of 5 px and the opening of 9 take the rim.
    assert wrong[65:95, 205:235].all() and wrong.sum() <= 40 * 40
    # Empty where it shows something else.
    empty = alpha.copy()
    empty[60:100, 60:100] = 0.0
    wrong = contradictions(frame_difference(plate, clean), empty)
    assert wrong[65:95, 65:95].all() and wrong.sum() <= 40 * 40


def test_a_hole_shows_the_subject_and_a_gap_the_clean_plate() -> None:
    clean = np.full((*SIZE, 3), 0.5, np.float32)
    alpha = np.zeros((*SIZE, 1), np.float32)
    alpha[20:180, 50:250] = 1.0
    # So little unlike the wall that it does not contradict the matte.
    plate = clean - 0.12 * alpha
    for top, is_gap in ((40, False), (100, True)):
        alpha[top : top + 30, 100:130] = 0.0
        if is_gap:
            plate[top : top + 30, 100:130] = 0.5
    found = holes(frame_difference(plate, clean), alpha)
    assert found[45:65, 105:125].all() and not found[90:].any()
    # What is open to the frame's border is no hole.
    alpha[:50, 100:130] = 0.0
    assert not holes(frame_difference(plate, clean), alpha).any()
