"""Where the matte's edge lies beside that of the pictures: a right matte, and wrong ones of the same frame."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from matte_server.core.image import Float32
from matte_server.review.edge_fit import EdgeFit, edge_fit

SIZE = (180, 320)


def clean_plate() -> Float32:
    coarse = np.random.default_rng(6).uniform(0.1, 0.8, (SIZE[0] // 5, SIZE[1] // 5, 3)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, SIZE[::-1], interpolation=cv2.INTER_CUBIC), np.float32)


def subject(x: float = 150.0, y: float = 100.0, turn: float = 20.0) -> Float32:
    """A soft-edged ellipse, height x width."""
    flat = np.zeros(SIZE, np.float32)
    cv2.ellipse(flat, ((x, y), (60.0, 130.0), turn), 1.0, -1, cv2.LINE_AA)
    return np.asarray(cv2.GaussianBlur(flat, (0, 0), 1.0), np.float32)


def fit(matte: Float32, scale: int = 1) -> EdgeFit:
    """Of a frame that shows a bright subject; the frame is enlarged ``scale`` times."""
    clean, true = clean_plate(), subject()[..., None]
    plate = true * np.float32(1.5) + (1 - true) * clean
    pictures = [np.repeat(np.repeat(each, scale, 0), scale, 1) for each in (plate, clean, matte[..., None])]
    found = edge_fit(*pictures)
    assert found is not None
    return found


@pytest.mark.parametrize(("right", "down"), [(4.0, 0.0), (0.0, -4.0), (3.0, 2.5), (-1.5, 6.0)])
def test_a_matte_that_was_moved_is_measured_in_pixels_and_direction(right: float, down: float) -> None:
    good, moved = fit(subject()), fit(subject(150.0 - right, 100.0 - down))
    # To half a pixel: OpenCV draws the ellipse to sixteenths, and the pictures' edge is blurred by three pixels.
    assert good.offset_px == pytest.approx((0.0, 0.0), abs=0.5)
    assert moved.offset_px == pytest.approx((right, down), abs=0.5)
    assert moved.misfit_px > good.misfit_px + 0.3


@pytest.mark.parametrize(
    "wrong",
    [
        lambda alpha: subject(turn=24.0),
        lambda alpha: cv2.erode(alpha, np.ones((5, 5), np.uint8)),
        lambda alpha: alpha * (np.arange(SIZE[0]) < 140)[:, None].astype(np.float32),
        lambda alpha: np.maximum(alpha, subject(170.0)),
    ],
    ids=["turned", "shrunk", "cut off", "grown to a side"],
)
def test_a_matte_that_fits_worse_has_a_wider_strip_that_contradicts(wrong: Callable[[Float32], Float32]) -> None:
    assert fit(wrong(subject())).misfit_px > fit(subject()).misfit_px + 0.3


def test_offsets_are_in_the_plates_pixels() -> None:
    """Enlarged to 1920, which is compared at 1280. To the half pixel of before, six times enlarged."""
    assert fit(subject(149.0, 101.0), scale=6).offset_px == pytest.approx((6.0, -6.0), abs=3.0)


def test_without_an_outline_there_is_no_fit() -> None:
    clean = clean_plate()
    assert edge_fit(clean, clean, np.zeros((*SIZE, 1), np.float32)) is None
    assert edge_fit(clean, clean, np.ones((*SIZE, 1), np.float32)) is None
