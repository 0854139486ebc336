"""What people see: light on a screen, and the contact sheet."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from matte_server.core.image import Float32, Image
from matte_server.core.window import Window
from matte_server.review.contact_sheet import (
    Cell,
    as_display,
    contact_sheet,
    foreground_and_alpha,
    matte_cells,
    rolled_off,
)


def flat(value: float, height: int = 6, width: int = 8) -> Float32:
    return np.full((height, width, 3), value, np.float32)


def codes(colour: Float32) -> float:
    return float(as_display(colour)[0, 0, 0])


@pytest.mark.parametrize(("light", "shown"), [(0.0, 0.0), (0.18, 0.4614), (0.5, 0.7354), (0.8, 0.9063)])
def test_light_below_the_shoulder_is_srgb(light: float, shown: float) -> None:
    # IEC 61966-2-1 to four digits; OpenColorIO's own tables leave less than 1e-4.
    assert codes(flat(light)) == pytest.approx(shown, abs=1.5e-4)


def test_bright_light_is_rolled_off_in_order_and_never_clipped() -> None:
    shown = [codes(flat(light)) for light in (0.8, 0.9, 1.0, 2.0, 10.0, 100.0)]
    assert all(before < after < 1.0 for before, after in pairwise(shown))


def test_light_below_zero_is_black() -> None:
    assert codes(flat(-3.0)) == 0.0


def test_roll_off_leaves_the_input_alone() -> None:
    bright = flat(5.0)
    rolled_off(bright)
    assert bright.max() == 5.0


def matte(premultiplied: bool) -> Image:
    window = Window(0, 0, 3, 1)
    pixels = np.array([[[0.5, 0.5, 0.5, 0.5], [2.0, 1.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0]]], np.float32)
    return Image(pixels, ("R", "G", "B", "A"), window, window, premultiplied=premultiplied)


def test_the_foreground_is_unpremultiplied_where_it_was_multiplied() -> None:
    straight, alpha = foreground_and_alpha(matte(False))
    assert straight[0, 0].tolist() == [0.5, 0.5, 0.5] and alpha.shape == (1, 3, 1)
    divided, _ = foreground_and_alpha(matte(True))
    assert divided[0].tolist() == [[1.0, 1.0, 1.0], [2.0, 1.0, 0.0], [0.0, 0.0, 0.0]]


def test_alpha_is_shown_at_its_own_level() -> None:
    """Half alpha is half of the screen's codes, not half of its light."""
    levels = np.linspace(0, 1, 11, dtype=np.float32).reshape(1, 11, 1)
    cells = matte_cells(flat(0.1, 1, 11), flat(0.1, 1, 11), flat(0.1, 1, 11), levels, flat(0.1, 1, 11), 1.0)
    shown = as_display(cells[2].colour)[0, :, 0]
    # 1 maps to light of 1e4 rolled off to 0.99998; the codes of a sheet are 1/255 apart.
    np.testing.assert_allclose(shown, levels[0, :, 0], atol=1e-3)


def test_a_row_reads_plate_clean_plate_alpha_foreground_comp() -> None:
    cells = matte_cells(flat(0.1), flat(0.2), flat(0.3), np.zeros((6, 8, 1), np.float32), flat(0.4), 1.0)
    captions = [cell.caption for cell in cells]
    assert captions == ["plate", "clean plate", "alpha", "foreground over grey", "comp"]
    assert [round(float(cell.colour[0, 0, 0]), 3) for cell in cells] == [0.1, 0.2, 0.0, 0.18, 0.4]


def test_every_cell_of_the_sheet_shows_its_picture() -> None:
    rows = [[Cell(flat(0.05 * (1 + column + 3 * row), 90, 160), "c") for column in range(3)] for row in range(2)]
    sheet = contact_sheet(rows, ["first", "second"], "Heading", cell_width=160)
    assert sheet.pixels.shape[1] == 2 * 18 + 3 * 160 + 2 * 10
    seen = {tuple(colour) for colour in np.round(sheet.pixels.reshape(-1, 3) * 255).astype(int)}
    for row in rows:
        for cell in row:
            level = round(codes(cell.colour) * 255)
            assert (level, level, level) in seen


def test_pictures_keep_their_shapes_on_a_sheet() -> None:
    """A folder of portraits, wide and tall, and a plate with pixels of twice their height: all were stretched to
    the shape of the tallest."""
    wide, tall = Cell(flat(0.1, 40, 80), "wide"), Cell(flat(0.2, 80, 40), "tall")
    squeezed = Cell(flat(0.3, 40, 40), "squeezed", pixel_aspect=2.0)
    sheet = contact_sheet([[wide, tall], [squeezed]], ["a", "b"], "Three", cell_width=160)
    assert sheet.pixels.min() >= 0.0 and sheet.pixels.max() <= 1.0
    for cell, height in ((wide, 80), (squeezed, 80), (tall, 320)):
        place = np.argwhere(np.abs(sheet.pixels - codes(cell.colour)).max(-1) < 0.5 / 255)
        assert (np.ptp(place, axis=0) + 1).tolist() == [height, 160], cell.caption


def test_a_squeezed_frames_cells_know_it() -> None:
    grey = flat(0.1, 4, 8)
    cells = matte_cells(grey, grey, grey, np.ones((4, 8, 1), np.float32), grey, pixel_aspect=2.0)
    assert [cell.height(160) for cell in cells] == [40] * 5
