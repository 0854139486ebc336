"""The picture type: its parts agree, and its channels are found in any order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from matte_server.core.image import Image, divided_by_alpha, joined, moved_into, multiplied_by_alpha, with_roles
from matte_server.core.window import Window


@pytest.mark.parametrize(
    ("pixels", "channels", "sentence"),
    [
        (np.zeros((4, 5, 3), np.float32), ("R", "G", "B", "A"), "windows and channels say"),
        (np.zeros((5, 4, 3), np.float32), ("R", "G", "B"), "windows and channels say"),
        (np.zeros((4, 5, 3), np.float64), ("R", "G", "B"), "not float32"),
    ],
)
def test_a_picture_whose_parts_disagree_is_refused(
    pixels: np.ndarray[tuple[int, ...], np.dtype[np.floating]], channels: tuple[str, ...], sentence: str
) -> None:
    window = Window(0, 0, 5, 4)
    with pytest.raises(ValueError, match=sentence):
        Image(pixels, channels, window, window)


def test_rgb_is_found_in_any_order_and_is_a_view_where_it_can_be() -> None:
    window = Window(0, 0, 2, 1)
    pixels = np.arange(8, dtype=np.float32).reshape(1, 2, 4)
    usual = Image(pixels, ("R", "G", "B", "A"), window, window)
    assert np.shares_memory(usual.rgb, pixels) and usual.rgb[0, 1].tolist() == [4, 5, 6]
    turned = Image(pixels, ("A", "B", "G", "R"), window, window)
    assert turned.rgb[0, 0].tolist() == [3, 2, 1]


def test_planes_are_red_green_and_blue() -> None:
    window = Window(0, 0, 2, 1)
    pixels = np.arange(8, dtype=np.float32).reshape(1, 2, 4)
    planes = Image(pixels, ("A", "B", "G", "R"), window, window).planes
    assert [plane.tolist() for plane in planes] == [[[3, 7]], [[2, 6]], [[1, 5]]]
    assert all(plane.flags.c_contiguous for plane in planes)


def test_joined_pictures_lie_plane_after_plane() -> None:
    colour = np.moveaxis(np.arange(12, dtype=np.float32).reshape(3, 2, 2), 0, -1)
    alpha = np.full((2, 2, 1), 9, np.float32)
    both = joined(colour, alpha)
    assert np.array_equal(both[..., :3], colour) and (both[..., 3] == 9).all()
    # Each channel by itself is contiguous, which is what makes its planes views.
    assert all(both[..., channel].flags.c_contiguous for channel in range(4))


def test_pixels_are_moved_from_one_window_into_another() -> None:
    pixels = np.arange(1, 7, dtype=np.float32).reshape(2, 3, 1)
    moved = moved_into(Window(-1, 1, 3, 3), pixels, Window(0, 0, 3, 2), 9.0)
    assert moved[..., 0].tolist() == [[9, 4, 5], [9, 9, 9], [9, 9, 9]]
    assert (moved_into(Window(50, 50, 2, 2), pixels, Window(0, 0, 3, 2), 1.0) == 1.0).all()


def test_premultiplied_pictures_are_divided_by_alpha_and_back() -> None:
    """Where alpha is nothing, colour stays, as that of a glow over nothing does."""
    window = Window(0, 0, 3, 1)
    pixels = np.array([[[0.2, 0.4, 0.6, 0.5], [0.1, 0.0, 3.0, 0.0], [0.3, 0.2, 0.1, 1.0]]], np.float32)
    given = Image(pixels.copy(), ("R", "G", "B", "A"), window, window, premultiplied=True)
    divided = divided_by_alpha(given)
    assert np.allclose(divided.pixels[0], [[0.4, 0.8, 1.2, 0.5], [0.1, 0.0, 3.0, 0.0], [0.3, 0.2, 0.1, 1.0]])
    assert not divided.premultiplied and np.array_equal(given.pixels, pixels)
    again = multiplied_by_alpha(divided)
    assert again.premultiplied and np.allclose(again.pixels[0], [pixels[0, 0], [0, 0, 0, 0], pixels[0, 2]])


def test_a_sentence_on_several_files_of_a_frame_is_said_once_with_what_they_are() -> None:
    window = Window(0, 0, 1, 1)
    plate = Image(np.zeros((1, 1, 3), np.float32), ("R", "G", "B"), window, window, warnings=("It is cut.",))
    core = replace(plate, colour_warnings=("A tag.",))
    assert core.file_warnings() == ("It is cut.", "A tag.") and core.file_warnings(is_data=True) == ("It is cut.",)
    found = with_roles([("plate", plate.file_warnings()), ("core", core.file_warnings())])
    assert found == ("It is cut (plate, core).", "A tag (core).")
