"""Small copies of a picture against averages that NumPy makes of all of it."""

from __future__ import annotations

import numpy as np
import pytest

from matte_server.core import small_copies
from matte_server.core.image import Float32
from matte_server.core.small_copies import SmallCopies, reduced, same_part
from tests.matte_server.pictures import Array, image, room


def averaged(plane: Float32, side: int) -> Array:
    """The average of ``side`` x ``side`` pixels around each; an even number has one more above and to the left. The
    picture goes on mirrored beyond its border."""
    before, after = side // 2, side - 1 - side // 2
    wide = np.pad(plane.astype(np.float64), ((before, after), (before, after)), mode="reflect")
    return np.asarray(np.lib.stride_tricks.sliding_window_view(wide, (side, side)).mean((2, 3)))


def seen(plane: Array, matrix: Array, size: tuple[int, int]) -> Array:
    """A picture between whose pixels lies a straight line, and around which it is black."""
    black = np.pad(plane, (1, 2))
    y = np.clip(matrix[1, 1] * np.arange(size[1]) + matrix[1, 2] + 1, 0, black.shape[0] - 2)[:, None]
    x = np.clip(matrix[0, 0] * np.arange(size[0]) + matrix[0, 2] + 1, 0, black.shape[1] - 2)[None, :]
    top, left = y.astype(int), x.astype(int)
    upper = (1 - (x - left)) * black[top, left] + (x - left) * black[top, left + 1]
    lower = (1 - (x - left)) * black[top + 1, left] + (x - left) * black[top + 1, left + 1]
    return np.asarray((1 - (y - top)) * upper + (y - top) * lower)


def upright(across: float, right: float, down: float, below: float) -> Array:
    return np.array([[across, 0, right], [0, down, below], [0, 0, 1.0]])


@pytest.mark.parametrize("side", [3, 6, 8, 9, 16])
@pytest.mark.parametrize(
    "matrix",
    [
        upright(8, 3.5, 8, 3.5),
        upright(8.25, 3.625, 7.75, 3.375),
        upright(8, -20, 8, -37),
        upright(8, 40, 8, 61.5),
        upright(8, 0, 8, -4000),
        upright(8, 3.5, 8, -0.5),
        upright(8, 3.5, 8, 7.5),
    ],
    ids=["UHD", "between pixels", "above", "below", "nowhere", "half above", "half below"],
)
def test_a_small_copy_shows_the_average_of_the_pixels_around(side: int, matrix: Array) -> None:
    plane = np.random.default_rng(side).lognormal(-1.0, 1.0, (96, 120)).astype(np.float32)
    found = reduced([plane, 2 * plane], matrix, (15, 12), (side, side))
    expected = seen(averaged(plane, side), matrix, (15, 12))
    # Single precision: sums of 16 numbers, and places in a picture of 120 pixels.
    np.testing.assert_allclose(found[..., 0], expected, rtol=2e-5, atol=1e-6)
    np.testing.assert_allclose(found[..., 1], 2 * expected, rtol=2e-5, atol=2e-6)
    assert (found.max() > 0) == (matrix[1, 2] > -4000)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("shape", [(1, 120), (2, 120), (7, 120), (120, 1), (120, 3)])
def test_a_strip_narrower_than_what_is_averaged_goes_on_mirrored(shape: tuple[int, int]) -> None:
    plane = np.random.default_rng(4).lognormal(-1.0, 1.0, shape).astype(np.float32)
    size = (max(1, shape[1] // 8), max(1, shape[0] // 8))
    matrix = upright(shape[1] / size[0], 0, shape[0] / size[1], 0)
    expected = seen(averaged(plane, 8), matrix, size)
    np.testing.assert_allclose(reduced([plane], matrix, size, (8, 8))[..., 0], expected, rtol=2e-5, atol=1e-6)


def both_ways(plane: Float32, matrix: Array, side: int, monkeypatch: pytest.MonkeyPatch) -> tuple[Float32, Float32]:
    by_rows = reduced([plane], matrix, (30, 20), (side, side))
    monkeypatch.setattr(small_copies, "_FEW", side)
    return by_rows, reduced([plane], matrix, (30, 20), (side, side))


def test_rows_alone_are_averaged_to_the_last_digit_as_the_whole_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """In UHD a small pixel lies in the middle of four."""
    plane = room(160, 240)[..., 0].astype(np.float16).astype(np.float32)
    by_rows, whole = both_ways(plane, upright(8, 3.5, 8, 3.5), 8, monkeypatch)
    # Sixteen sums of single precision, each half of 1.2e-7 off at most.
    np.testing.assert_allclose(by_rows, whole, rtol=1e-6)


def test_a_turned_picture_is_not_taken_row_by_row(monkeypatch: pytest.MonkeyPatch) -> None:
    turned = upright(8, 3.5, 8, 3.5) + np.array([[0, 0, 0], [1.0, 0, 0], [0, 0, 0]])
    by_rows, whole = both_ways(room(160, 240)[..., 0], turned, 8, monkeypatch)
    assert np.array_equal(by_rows, whole)


def test_pictures_of_one_size_are_averaged_alike() -> None:
    """A clean plate that is 3 % larger in the plate than at home, as focus makes it, is no proxy."""
    plate, clean = upright(4, 1.5, 4, 1.5), upright(3.88, 7.25, 3.88, -2.5)
    averaged_px, to_plate, to_clean = same_part((4, 4), plate, clean, (480, 270))
    assert averaged_px == (4, 4) and to_plate is plate and to_clean is clean


def test_the_middle_of_a_view_says_how_many_pixels_are_averaged() -> None:
    """A clean plate that is seen from the side: its detail shrinks from left to right, across more than down."""
    side = np.array([[6, 0, 0], [0, 6, 0], [1 / 480, 0, 1]])
    middle, beside, below = (
        (side @ [x, y, 1])[:2] / (side @ [x, y, 1])[2] for x, y in ((20, 10), (21, 10), (20, 11))
    )
    across, down = np.linalg.norm(beside - middle), np.linalg.norm(below - middle)
    averaged_px, to_plate, to_clean = same_part((40, 39), upright(4, 1.5, 4, 1.5), side, (41, 21))
    assert averaged_px == (round(10 * across), round(39 * down / 4)) == (55, 56)
    # The middle of 40 pixels lies between two, those of 39, 55 and 56 on one, on one and between two.
    np.testing.assert_allclose(to_plate @ [0, 0, 1], [2.0, 1.5, 1])
    np.testing.assert_allclose(to_clean @ [0, 0, 1], [0.0, 0.5, 1])


def test_the_small_copy_of_a_clean_plate_is_kept_for_one_place() -> None:
    picture = image(room(60, 90))
    copies, here, there = SmallCopies(picture), np.eye(3), np.diag([2.0, 2.0, 1.0])
    kept = copies.seen_through(here, (30, 20), (3, 3))
    assert copies.seen_through(here, (30, 20), (3, 3)) is kept
    for other in (
        copies.seen_through(there, (30, 20), (3, 3)),
        copies.seen_through(here, (30, 20), (1, 3)),
        copies.seen_through(here, (20, 20), (3, 3)),
    ):
        assert other.pixels.shape != kept.pixels.shape or not np.array_equal(other.pixels, kept.pixels)
