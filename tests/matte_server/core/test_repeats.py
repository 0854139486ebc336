"""Sets that repeat themselves: off by a tile, a clean plate fits as well as it does in its place."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from matte_server.core.align import Alignment, align
from matte_server.core.image import Float32
from matte_server.core.repeats import REPEATS
from tests.matte_server.pictures import image, moved, room, soft_disc

HEIGHT, WIDTH = 300, 480
ACROSS, DOWN = 48, 30
# Of a shift that hundreds of points or all of the picture agree on: see test_align.
ALLOWED_PX = 0.1


def tiles() -> Float32:
    """Twice as wide as the frame, so that a camera can pan over it."""
    y, x = np.mgrid[0:HEIGHT, 0 : 2 * WIDTH]
    wall = np.where((x % ACROSS < 4) | (y % DOWN < 4), np.float32(0.1), np.float32(0.5))
    return np.repeat(wall.astype(np.float32)[..., None], 3, axis=2)


def stained() -> Float32:
    """No tile is quite as bright as the next: by 4 %."""
    rng = np.random.default_rng(3)
    each = rng.normal(1, 0.04, (HEIGHT // DOWN, 2 * WIDTH // ACROSS)).astype(np.float32)
    return tiles() * np.kron(each, np.ones((DOWN, ACROSS), np.float32))[..., None]


def with_picture() -> Float32:
    """A picture, 2 % of the frame, that no pan takes out of it nor the subject hides."""
    wall = tiles()
    wall[20:72, 320:376] = 0.9
    return wall


def filmed(wall: Float32, pan: float, seed: int) -> Float32:
    """What a camera ``pan`` pixels to the right sees of a wall, with grain."""
    seen = moved(wall, np.array([[1, 0, -pan], [0, 1, 0], [0, 0, 1.0]]))[:, :WIDTH]
    return (seen * (1 + np.random.default_rng(seed).normal(0, 0.01, seen.shape))).astype(np.float32)


def panned(wall: Float32, pan: float) -> Alignment:
    """The alignment of a plate, a seventh of it subject, that is ``pan`` pixels to the right of the clean plate."""
    alpha = soft_disc(HEIGHT, WIDTH, (200, 220), 80, 3.0)[..., None]
    plate = alpha * room(HEIGHT, WIDTH, seed=9) + (1 - alpha) * filmed(wall, pan, 1)
    return align(image(plate), image(filmed(wall, 0.0, 2)), "auto")


@pytest.mark.parametrize("pan", [17.3, 3 * ACROSS + 17.3])
def test_where_several_places_fit_the_nearest_is_taken_and_said(pan: float) -> None:
    found = panned(tiles(), pan)
    assert found.warnings == (REPEATS,)
    assert np.abs(found.transform[:2, 2] - [-17.3, 0]).max() < ALLOWED_PX


@pytest.mark.parametrize("wall", [stained, with_picture])
@pytest.mark.parametrize("pan", [17.3, 2 * ACROSS - 9.6, 3 * ACROSS + 17.3])
def test_what_does_not_repeat_tells_the_place(wall: Callable[[], Float32], pan: float) -> None:
    found = panned(wall(), pan)
    assert found.warnings == ()
    assert np.abs(found.transform[:2, 2] - [-pan, 0]).max() < ALLOWED_PX


def test_a_camera_that_stood_still_is_not_doubted() -> None:
    found = panned(tiles(), 0.0)
    assert found.kind == "none" and found.warnings == ()
