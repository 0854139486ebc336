"""A clean plate that fits most of a frame and not the rest: what one transform cannot follow is said."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from matte_server.core.align import align
from matte_server.core.image import Float32
from matte_server.core.local_misfit import FEATURES_OF_SIDE, LOCAL_MISFIT, TRACKED_OF_SIDE, lies_beside
from matte_server.core.window import Window
from tests.matte_server.pictures import homography_within, image, moved, room

SIZE = (540, 960)
WINDOW = Window(-20, 30, 960, 540)


def remapped(pixels: Float32, x: Float32, y: Float32) -> Float32:
    return np.asarray(cv2.remap(pixels, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT), np.float32)


def places() -> tuple[Float32, Float32]:
    y, x = np.mgrid[0 : SIZE[0], 0 : SIZE[1]].astype(np.float32)
    return x, y


def barrel(pixels: Float32) -> Float32:
    """A wide lens: 8 % of the distance from the middle are missing in the corners."""
    x, y = places()
    away = np.stack([x - 479.5, y - 269.5])
    grown = 1 + 0.08 * (away**2).sum(0) / 550**2
    return remapped(pixels, 479.5 + away[0] * grown, 269.5 + away[1] * grown)


def cylinder(pixels: Float32) -> Float32:
    """A stitched pan of 70 degrees shows the same as this straight picture."""
    x, y = places()
    angle = (x - 479.5) / 960 * np.float32(np.radians(70))
    focal = np.float32(479.5 / np.tan(np.radians(35)))
    across = focal * np.tan(angle)
    down = np.asarray((y - 269.5) / np.cos(angle), np.float32)
    return remapped(pixels, np.asarray(479.5 + across, np.float32), 269.5 + down)


def pushed(pixels: Float32) -> Float32:
    """Somebody moved a cupboard by 5 pixels."""
    changed = pixels.copy()
    changed[80:400, 600:800] = pixels[80:400, 605:805]
    return changed


@pytest.mark.parametrize("changed", [barrel, cylinder, pushed])
def test_what_one_transform_cannot_follow_is_said(changed: Callable[[Float32], Float32]) -> None:
    clean = room(*SIZE)
    assert align(image(changed(clean)), image(clean), "auto").warnings == (LOCAL_MISFIT,)


def test_features_alone_are_less_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """5 pixels are 5 thousandths of this frame's side: less than the 8 from which features count as beside."""
    monkeypatch.setattr("matte_server.core.align._refined", lambda *given: "no point could be tracked.")
    clean = room(*SIZE)
    found = align(image(pushed(clean)), image(clean), "auto")
    assert found.points > 0 and found.warnings == ()


def test_a_camera_that_moves_is_followed() -> None:
    clean = room(*SIZE)
    corners = {"tl": (19.0, -11.0), "tr": (-15.0, 12.0), "br": (20.0, 9.0), "bl": (-6.0, -20.0)}
    assert align(image(moved(clean, homography_within(corners, *SIZE))), image(clean), "auto").warnings == ()


def tracked(seed: int = 1) -> tuple[Float32, Float32]:
    """500 places of the window, found again to a tenth of a pixel."""
    rng = np.random.default_rng(seed)
    source = rng.uniform((-20, 30), (940, 570), (500, 2)).astype(np.float32)
    return source, source + rng.normal(0, 0.1, source.shape).astype(np.float32)


def test_leaves_that_move_each_otherwise_say_nothing() -> None:
    source, target = tracked()
    high = target[:, 1] < 300
    target[high] += np.random.default_rng(2).normal(0, 4, target[high].shape).astype(np.float32)
    assert not lies_beside(np.eye(3), source, target, WINDOW, TRACKED_OF_SIDE)


def test_letters_that_were_taken_for_others_say_nothing() -> None:
    """A third of the details of a printed page were matched to places all over it. Those in a corner all lie
    further in, to within half of the way."""
    source, target = tracked()
    wrong = np.arange(500) % 3 == 0
    source[wrong] = np.random.default_rng(1).uniform((300, 150), (940, 570), (int(wrong.sum()), 2))
    assert not lies_beside(np.eye(3), source, target, WINDOW, FEATURES_OF_SIDE)


@pytest.mark.parametrize(("away", "said"), [(0.6, False), (1.2, True)])
def test_an_offset_counts_from_about_a_pixel_on(away: float, said: bool) -> None:
    """In the window's top left part, 240 x 135, four of five details belong to a post before the set."""
    source, target = tracked()
    corner = (target[:, 0] < 220) & (target[:, 1] < 165)
    near = corner & (np.arange(500) % 5 != 0)
    target[near, 0] += away
    assert near.sum() >= 12
    assert lies_beside(np.eye(3), source, target, WINDOW, TRACKED_OF_SIDE) is said


def test_each_part_is_looked_at_by_itself_wherever_the_window_lies() -> None:
    """A zoom that was not followed: the left half lies 3 pixels to the left, the right half as far to the right."""
    source, target = tracked()
    target[:, 0] += np.where(target[:, 0] < 460, -3.0, 3.0)
    away = np.array([-3000.0, 2000.0], np.float32)
    window = Window(-3020, 2030, WINDOW.width, WINDOW.height)
    assert lies_beside(np.eye(3), source + away, target + away, window, TRACKED_OF_SIDE)
