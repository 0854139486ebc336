"""Pixel rectangles and the picture type."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matte_server.core.image import Image
from matte_server.core.window import Window

WINDOWS = st.builds(Window, st.integers(-50, 50), st.integers(-50, 50), st.integers(0, 40), st.integers(0, 40))


def test_edges_are_half_open() -> None:
    window = Window(-3, 5, 10, 20)
    assert (window.right, window.bottom, window.area) == (7, 25, 200)
    assert str(window) == "10x20-3+5"
    with pytest.raises(ValueError, match="negative size"):
        Window(0, 0, -1, 5)


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
    assert one.contains(other) == (pixels(other) <= pixels(one))


@pytest.mark.parametrize(
    ("pixels", "channels", "sentence"),
    [
        (np.zeros((4, 5, 3), np.float32), ("R", "G", "B", "A"), "windows and channels say"),
        (np.zeros((5, 4, 3), np.float32), ("R", "G", "B"), "windows and channels say"),
        (np.zeros((4, 5, 3), np.float64), ("R", "G", "B"), "not float32"),
    ],
)
def test_a_picture_whose_parts_disagree_is_not_born(
    pixels: np.ndarray[tuple[int, ...], np.dtype[np.floating]], channels: tuple[str, ...], sentence: str
) -> None:
    window = Window(0, 0, 5, 4)
    with pytest.raises(ValueError, match=sentence):
        Image(pixels, channels, window, window)


def test_rgb_is_found_in_any_order_and_is_a_view_where_it_can_be() -> None:
    window = Window(0, 0, 2, 1)
    pixels = np.arange(8, dtype=np.float32).reshape(1, 2, 4)
    usual = Image(pixels, ("R", "G", "B", "A"), window, window)
    assert np.shares_memory(usual.rgb, pixels)
    turned = Image(pixels, ("A", "B", "G", "R"), window, window)
    assert turned.rgb[0, 0].tolist() == [3, 2, 1]
