"""Pixel rectangles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matte_server.core.window import Window, enlarged

WINDOWS = st.builds(Window, st.integers(-50, 50), st.integers(-50, 50), st.integers(0, 40), st.integers(0, 40))


def test_edges_are_half_open() -> None:
    window = Window(-3, 5, 10, 20)
    assert (window.right, window.bottom, window.area) == (7, 25, 200)
    assert str(window) == "10x20-3+5"


def test_plane_matrices_bring_the_first_pixel_to_the_windows_corner_and_back() -> None:
    window = Window(-3, 5, 10, 20)
    assert (window.to_plane() @ [0, 0, 1]).tolist() == [-3, 5, 1]
    assert (window.to_plane() @ [2, 7, 1]).tolist() == [-1, 12, 1]
    assert np.array_equal(window.from_plane() @ window.to_plane(), np.eye(3))
    assert window.to_plane().dtype == window.from_plane().dtype == np.float64


@given(WINDOWS, WINDOWS)
def test_an_intersection_holds_what_both_hold(one: Window, other: Window) -> None:
    def pixels(window: Window) -> set[tuple[int, int]]:
        return {(x, y) for x in range(window.x, window.right) for y in range(window.y, window.bottom)}

    both = one.intersect(other)
    assert pixels(both) == pixels(one) & pixels(other)


@given(WINDOWS, WINDOWS)
def test_a_part_of_a_window_is_found_in_its_array(one: Window, other: Window) -> None:
    y, x = np.mgrid[one.y : one.bottom, one.x : one.right]
    both = one.intersect(other)
    rows, columns = both.within(one)
    assert y[rows, columns].tolist() == [[row] * both.width for row in range(both.y, both.bottom)]
    assert x[rows, columns].tolist() == [list(range(both.x, both.right))] * both.height


def test_windows_that_only_touch_share_nothing() -> None:
    window = Window(-3, 5, 10, 20)
    for other in (Window(7, 5, 4, 4), Window(-3, 25, 4, 4), Window(-9, 5, 6, 4), Window(0, 0, 2, 5)):
        assert window.intersect(other) == Window(-3, 5, 0, 0)


def test_negative_sizes_are_refused() -> None:
    for width, height in ((-1, 5), (5, -1)):
        with pytest.raises(ValueError, match=f"negative size: {width} x {height}"):
            Window(0, 0, width, height)


def test_a_reduced_picture_has_the_full_ones_edges() -> None:
    """Its outermost pixels' outer edges lie half a pixel before the first centre and behind the last."""
    up = enlarged(1920 / 480, 1080 / 216)
    assert (up @ [-0.5, -0.5, 1]).tolist() == [-0.5, -0.5, 1]
    assert (up @ [479.5, 215.5, 1]).tolist() == [1919.5, 1079.5, 1]
    assert np.array_equal(enlarged(1, 1), np.eye(3))
