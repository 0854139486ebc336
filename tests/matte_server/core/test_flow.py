"""Motion between two pictures whose movement is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from matte_server.core.flow import SIDE, motion_between, working_size
from matte_server.core.image import Grey
from tests.matte_server.pictures import room

HEIGHT, WIDTH = 180, 240
CALM = np.s_[30:-30, 30:-30]
"""Further from the edge than anything moves here."""


def grey(light: np.ndarray, noise_seed: int = 0) -> Grey:
    grain = np.random.default_rng(noise_seed).normal(0, 1.5, light.shape[:2])
    return np.asarray(np.clip(light.mean(-1) * 160 + grain, 0, 255).round(), np.uint8)


@pytest.mark.parametrize("move", [(0.0, 0.0), (0.4, -0.3), (7.0, 3.5), (-18.0, 6.0)])
def test_a_known_movement_is_found(move: tuple[float, float]) -> None:
    wall = room(HEIGHT, WIDTH)
    matrix = np.array([[1, 0, move[0]], [0, 1, move[1]]], np.float32)
    moved = cv2.warpAffine(wall, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    motion = motion_between(grey(wall, 1), grey(moved, 2))
    error = np.linalg.norm(motion.flow - np.array(move, np.float32), axis=-1)[CALM]
    # The method's own accuracy on texture with grain of half a per cent: about a tenth of a pixel.
    assert np.median(error) < 0.15
    assert motion.trust[CALM].mean() > 0.9
    assert motion.trust.min() >= 0.0 and motion.trust.max() <= 1.0


def test_what_is_hidden_in_the_other_picture_is_not_trusted() -> None:
    """A square before the wall that moves by 20 pixels: what it will cover has no way back."""
    wall, patch = room(HEIGHT, WIDTH), room(60, 60, seed=8) + 0.8
    first, second = wall.copy(), wall.copy()
    first[60:120, 60:120] = patch
    second[60:120, 80:140] = patch
    motion = motion_between(grey(first, 1), grey(second, 2))
    covered = motion.trust[68:112, 124:136]
    on_the_square = motion.trust[68:112, 68:112]
    # The flow's own window is 8 pixels wide and smooths over the square's edge.
    assert covered.mean() < 0.3 < 0.9 < on_the_square.mean()
    assert np.median(motion.flow[68:112, 68:112, 0]) == pytest.approx(20, abs=0.5)


def test_the_middle_of_what_is_covered_is_not_trusted_either() -> None:
    """A large square comes over the wall."""
    wall, patch = room(HEIGHT, WIDTH), room(100, 100, seed=8) + 0.8
    first, second = wall.copy(), wall.copy()
    first[40:140, 20:120] = patch
    second[40:140, 80:180] = patch
    trust = motion_between(grey(first, 1), grey(second, 2)).trust
    assert trust[60:120, 140:160].mean() < 0.1


def test_the_same_motion_with_any_number_of_threads() -> None:
    """A farm's machines differ in that."""
    wall = room(HEIGHT, WIDTH)
    moved = np.roll(wall, 5, axis=1)
    before = cv2.getNumThreads()
    found = []
    try:
        for threads in (1, 2, 7):
            cv2.setNumThreads(threads)
            found.append(motion_between(grey(wall), grey(moved)))
    finally:
        cv2.setNumThreads(before)
    for other in found[1:]:
        assert np.array_equal(other.flow, found[0].flow) and np.array_equal(other.trust, found[0].trust)


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (15, 15), (16, 16), (17, 40)])
def test_the_smallest_pictures(size: tuple[int, int]) -> None:
    picture = grey(room(*size))
    motion = motion_between(picture, picture)
    assert motion.flow.shape == (*size, 2) and motion.trust.shape == size
    assert np.isfinite(motion.flow).all()


def test_motion_is_measured_at_a_bounded_size() -> None:
    assert working_size(270, 480) == (270, 480)
    assert working_size(2160, 4096) == (round(2160 * SIDE / 4096), SIDE)
    assert working_size(1, 100_000) == (1, SIDE)


@pytest.mark.parametrize(("size", "working"), [((1, 1), (1, 1)), ((3, 5000), (1, SIDE)), ((5000, 3), (SIDE, 1))])
def test_a_narrow_picture_keeps_a_pixel(size: tuple[int, int], working: tuple[int, int]) -> None:
    assert working_size(*size) == working


def test_trust_falls_with_the_way_back_as_the_method_scatters(monkeypatch: pytest.MonkeyPatch) -> None:
    """By hand: 4 px there, so 0.5 + 0.05 * 4 = 0.7 px are allowed to be missed on the way back. Up to that trust is
    whole, at three times that it is gone, and in the middle (1.4 px) a half."""

    class Given:
        def __init__(self) -> None:
            self.calls = 0

        def calc(self, *_: object) -> np.ndarray:
            self.calls += 1
            flow = np.zeros((64, 256, 2), np.float32)
            flow[..., 0] = 4.0 if self.calls == 1 else np.repeat([-4.0, -4.7, -5.4, -6.1], 64)[None]
            return flow

    given = Given()
    monkeypatch.setattr(cv2.DISOpticalFlow, "create", lambda *_: given)
    trust = motion_between(np.zeros((64, 256), np.uint8), np.zeros((64, 256), np.uint8)).trust
    # In the middle of each quarter: the way back is looked up 4 px further, between two pixels.
    assert trust[32, 32::64] == pytest.approx([1.0, 1.0, 0.5, 0.0], abs=1e-6)
