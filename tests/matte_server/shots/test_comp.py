"""A subject over something else: the equation, and where the new background lies."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from matte_server.core.image import Float32, Image
from matte_server.core.window import Window
from matte_server.shots.comp import comp_over, fill, over


def picture(
    pixels: npt.NDArray[np.floating], channels: str = "RGB", window: Window | None = None, **more: object
) -> Image:
    data = window or Window(0, 0, pixels.shape[1], pixels.shape[0])
    display = more.pop("display", data)
    assert isinstance(display, Window)
    return Image(pixels.astype(np.float32), tuple(channels), data, display, **more)  # type: ignore[arg-type]


def ramp(height: int, width: int) -> Float32:
    """Light that rises by 1 a pixel to the right and by 100 a pixel down: a place reads as its number."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return np.repeat((x + 100 * y)[..., None], 3, -1)


def test_over_is_the_compositing_equation_and_clamps_nothing() -> None:
    foreground = np.full((1, 3, 3), -2.0, np.float32)
    background = np.full((1, 3, 3), 30.0, np.float32)
    alpha = np.array([[[0.0], [0.25], [1.0]]], np.float32)
    assert over(foreground, alpha, background)[0, :, 0].tolist() == [30.0, 22.0, -2.0]


def test_a_premultiplied_result_comps_to_the_same_picture() -> None:
    chance = np.random.default_rng(3)
    colour, alpha = chance.random((6, 8, 3)) * 4, chance.random((6, 8, 1))
    background = picture(chance.random((6, 8, 3)))
    straight = picture(np.concatenate([colour, alpha], -1), "RGBA")
    multiplied = picture(np.concatenate([colour * alpha, alpha], -1), "RGBA", premultiplied=True)
    # float32 products of numbers up to 4 in another order: a few units in the last place.
    np.testing.assert_allclose(comp_over(straight, background).pixels, comp_over(multiplied, background).pixels,
                               atol=2e-6)  # fmt: skip


def filling(background: Image, display: Window, data: Window | None = None, pixel_aspect: float = 1.0) -> Float32:
    """The background as it fills a matte with these windows."""
    window = data or display
    empty = np.zeros((window.height, window.width, 4))
    return fill(background, picture(empty, "RGBA", window, display=display, pixel_aspect=pixel_aspect))


def test_a_background_of_the_same_size_lies_pixel_on_pixel() -> None:
    assert np.array_equal(filling(picture(ramp(6, 8)), Window(0, 0, 8, 6)), ramp(6, 8))


def test_a_background_of_the_same_size_lies_pixel_on_pixel_whatever_its_pixel_aspect() -> None:
    """A PNG says of no pixel aspect, and a squeezed one has the squeezed plate's size."""
    assert np.array_equal(filling(picture(ramp(6, 8)), Window(0, 0, 8, 6), pixel_aspect=2.0), ramp(6, 8))


def test_a_background_fills_the_display_window_not_the_data_window() -> None:
    """Overscan: the plate's data window starts left of and above its display window."""
    filled = filling(picture(1 + ramp(6, 8)), Window(0, 0, 8, 6), Window(-2, -1, 12, 8))
    assert filled.shape == (8, 12, 3)
    assert np.array_equal(filled[1:7, 2:10], 1 + ramp(6, 8))
    filled[1:7, 2:10] = 0.0
    assert not filled.any()


def test_a_background_elsewhere_on_its_plane_still_fills_the_picture() -> None:
    there = picture(ramp(6, 8), window=Window(500, -40, 8, 6))
    assert np.array_equal(filling(there, Window(0, 0, 8, 6)), ramp(6, 8))


def test_a_backgrounds_overscan_fills_that_of_the_plate() -> None:
    rendered = picture(1 + ramp(8, 12), window=Window(-2, -1, 12, 8), display=Window(0, 0, 8, 6))
    assert np.array_equal(filling(rendered, Window(0, 0, 8, 6), Window(-2, -1, 12, 8)), 1 + ramp(8, 12))
    assert np.array_equal(filling(rendered, Window(0, 0, 8, 6)), 1 + ramp(8, 12)[1:7, 2:10])


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_background_of_which_a_part_is_stored_lies_where_it_belongs(times: int) -> None:
    """A render whose data window is what it shows: two of eight columns, one of six rows."""
    rendered = picture(np.full((1, 2, 3), 5.0), window=Window(3, 4, 2, 1), display=Window(0, 0, 8, 6))
    expected = np.zeros((6 * times, 8 * times, 3), np.float32)
    expected[4 * times : 5 * times, 3 * times : 5 * times] = 5.0
    assert np.array_equal(filling(rendered, Window(0, 0, 8 * times, 6 * times)), expected)


@pytest.mark.parametrize("size", [(24, 32), (12, 32), (24, 16), (3, 4)])
def test_a_background_of_another_size_keeps_its_middle_in_the_middle(size: tuple[int, int]) -> None:
    """Scaled to fill, the longer side cut evenly: the pixel grid's centre shows the background's centre."""
    filled = filling(picture(1 + ramp(*size)), Window(0, 0, 9, 7))
    assert (filled > 0).all(), "it fills all of it"
    height, width = size
    middle = 1 + (width - 1) / 2 + 100 * (height - 1) / 2
    # A ramp survives bilinear sampling and averaging exactly in its middle; 0.5 % for float32 of some thousand.
    assert filled[3, 4, 0] == pytest.approx(middle, abs=0.005 * middle + 0.01)


@pytest.mark.parametrize("size", [(1, 1), (3, 4), (6, 8), (7, 9), (10, 18), (17, 24), (30, 9), (9, 31), (97, 131)])
def test_an_even_background_of_any_size_is_even_up_to_the_frames_edge(size: tuple[int, int]) -> None:
    """A picture that is enlarged has no frame of its last pixels and black."""
    filled = filling(picture(np.full((*size, 3), 3.0)), Window(0, 0, 18, 10))
    # Weights of 1/32 sum to 1 exactly; averaging rounds in float32.
    np.testing.assert_allclose(filled, 3.0, rtol=1e-6)


def test_a_background_is_seen_with_its_pixel_aspect_and_the_plates() -> None:
    """A plate squeezed to half its width, before square pixels: a circle of the background stays one on the
    screen, and nothing of its width is cut."""
    squeezed = filling(picture(1 + ramp(6, 16)), Window(0, 0, 8, 6), pixel_aspect=2.0)
    # Each pixel shows two, so their mean.
    assert np.array_equal(squeezed, 1 + (ramp(6, 16)[:, ::2] + ramp(6, 16)[:, 1::2]) / 2)
    widened = filling(picture(np.repeat(ramp(6, 8)[:, :1], 8, 1), pixel_aspect=2.0), Window(0, 0, 16, 6))
    assert np.array_equal(widened, np.repeat(ramp(6, 8)[:, :1], 16, 1))


def test_a_background_much_larger_is_averaged_not_skipped() -> None:
    """Lines of one pixel would alias to all black if pixels were skipped, also where two were mixed."""
    lines = np.zeros((64, 64, 3), np.float32)
    lines[:, ::4] = 1.0
    np.testing.assert_allclose(filling(picture(lines), Window(0, 0, 16, 16)), 0.25, atol=1e-6)


def test_a_background_that_is_averaged_lies_where_it_belongs() -> None:
    """31 columns in 9.3 pixels are averaged to 9, each a little wider than a pixel."""
    columns = picture(np.broadcast_to(np.arange(31.0)[None, :, None], (30, 31, 3)))
    filled = filling(columns, Window(0, 0, 9, 9))
    # A pixel's centre is 30/9 columns from the next. An average of a part of a column and whole ones is off by less
    # than a twentieth, and the outermost ones repeat themselves.
    expected = 15 + (np.arange(9) - 4) * 30 / 9
    np.testing.assert_allclose(filled[4, 1:-1, 0], expected[1:-1], atol=0.2)


def test_the_comp_has_the_results_windows_and_no_alpha() -> None:
    data, display = Window(2, 1, 4, 3), Window(0, 0, 8, 6)
    matte = picture(np.ones((3, 4, 4)), "RGBA", data, display=display, pixel_aspect=2.0)
    comp = comp_over(matte, picture(ramp(6, 8)))
    assert (comp.data_window, comp.display_window, comp.pixel_aspect) == (data, display, 2.0)
    assert comp.channels == ("R", "G", "B") and not comp.premultiplied
