"""What V1 does with a person mask, against scipy and on rectangles whose squares are plain."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from matte_server.core.image import Float32
from matte_server.core.person import Square, one_subject, prepare_mask, subject_square

CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], bool)  # OpenCV's ellipse of 3 x 3
ELLIPSE = np.array([[0, 0, 1, 0, 0], [1] * 5, [1] * 5, [1] * 5, [0, 0, 1, 0, 0]], bool)  # ... and of 5 x 5


def filtered(mask: Float32) -> Float32:
    """Eroded ten times, dilated five times and blurred as OpenCV does over 31 pixels (a deviation of 5)."""
    for _ in range(10):
        mask = ndimage.grey_erosion(mask, footprint=CROSS, mode="constant", cval=1.0)
    for _ in range(5):
        mask = ndimage.grey_dilation(mask, footprint=ELLIPSE, mode="constant", cval=0.0)
    soft = ndimage.gaussian_filter(mask, 5.0, mode="mirror", truncate=3.0)
    return np.asarray(np.floor(255 * soft) * 2 / 255 - 1, np.float32)


def test_a_mask_is_made_solid_eroded_grown_and_blurred() -> None:
    mask = np.zeros((200, 160), np.float32)
    mask[60:140, 50:110] = 0.21  # above 0.2 is a person
    mask[20:50, 120:150] = 0.19
    found = prepare_mask(mask)
    # Weak values stay what they are, as V1 has it.
    expected = filtered(np.where(mask == np.float32(0.21), 1.0, mask))
    # One step of its eight bits, where the two blurs round differently.
    assert np.abs(found - expected).max() <= 2 / 255 + 1e-6
    assert np.abs(found - expected).mean() < 1e-3
    assert found.min() == -1.0 and found[100, 80] == pytest.approx(1.0, abs=2 / 255 + 1e-6)


def test_a_subject_cut_by_the_lower_edge_stays_whole_there() -> None:
    mask = np.zeros((200, 160), np.float32)
    mask[100:, 40:120] = 1.0
    longer = np.zeros((260, 160), np.float32)
    longer[100:, 40:120] = 1.0
    # 25 rows are appended: the lowest row looks down on as much subject as the blur of 15 and ten erosions need.
    assert np.abs(prepare_mask(mask) - filtered(longer)[:200]).max() <= 2 / 255 + 1e-6


def test_empty_rows_below_row_250_are_dropped() -> None:
    mask = np.zeros((300, 120), np.float32)
    mask[200:280, 20:100] = 1.0
    longer = np.zeros((360, 120), np.float32)
    longer[200:, 20:100] = 1.0
    assert np.abs(prepare_mask(mask) - filtered(longer)[:300]).max() <= 2 / 255 + 1e-6
    # A subject that ends above stays as it is.
    mask = np.zeros((251, 120), np.float32)
    mask[100:180, 20:100] = 1.0
    assert np.abs(prepare_mask(mask) - filtered(mask)).max() <= 2 / 255 + 1e-6


@pytest.mark.parametrize(
    ("rows", "columns", "square"),
    [
        # 50 x 20 pixels with a tenth of 50 on every side: 60, centred on (210, 125).
        ((100, 150), (200, 220), Square(180, 95, 60)),
        ((100, 120), (200, 250), Square(195, 80, 60)),
        # Moved into the frame of 300 x 400 where it fits.
        ((0, 50), (0, 50), Square(0, 0, 60)),
        ((250, 300), (350, 400), Square(340, 240, 60)),
        # A square of 360 fits across, where it is moved to column 0, and reaches beyond the frame's 300 rows.
        ((0, 300), (100, 200), Square(0, -30, 360)),
        ((7, 8), (9, 10), Square(9, 7, 1)),
    ],
)
def test_the_square_is_centred_on_the_subject(
    rows: tuple[int, int], columns: tuple[int, int], square: Square
) -> None:
    mask = np.zeros((300, 400), np.float32)
    mask[slice(*rows), slice(*columns)] = 0.21
    mask[mask == 0] = 0.19
    assert subject_square(mask) == square


def test_there_is_no_square_without_a_subject() -> None:
    assert subject_square(np.full((30, 40), 0.2, np.float32)) is None


def test_the_largest_area_is_kept_whole() -> None:
    alpha = np.full((20, 30), 0.04, np.float32)
    alpha[2:6, 2:6], alpha[10:15, 10:15], alpha[15, 15] = 0.9, 0.06, 0.5
    found = one_subject(alpha)
    expected = np.zeros_like(alpha)
    # Its corner touches a pixel more, which belongs to it.
    expected[10:15, 10:15], expected[15, 15] = 0.06, 0.5
    assert np.array_equal(found, expected)
    assert np.array_equal(one_subject(expected), expected)
    assert not one_subject(np.full((4, 4), 0.04, np.float32)).any()
