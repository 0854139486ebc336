"""Which shifts leave a picture as it was: tiles and bricks against a room."""

from __future__ import annotations

import numpy as np

from matte_server.core.alignment_features import AlignmentFeatures
from matte_server.core.autocorrelation import repeats_of
from tests.matte_server.pictures import image, room


def test_tiles_repeat_by_their_size() -> None:
    """48 x 30 pixels, on a picture that is looked at in a copy of three fifths of its size."""
    y, x = np.mgrid[0:360, 0:640]
    found = repeats_of(np.where((x % 48 < 4) | (y % 30 < 4), 40, 180).astype(np.uint8))
    # The nearest are one row, then one column away. A pixel of the copy is 1.7 of the picture's.
    assert np.abs(np.abs(found[:4]) - [[0, 30], [0, 30], [48, 0], [48, 0]]).max() <= 1.7
    assert np.abs(found / [48, 30] - np.round(found / [48, 30])).max() < 0.06


def test_bricks_repeat_by_whole_bricks_alone() -> None:
    """Every second row is half a brick aside: the row below is like this one in its joints only."""
    y, x = np.mgrid[0:360, 0:640]
    aside = x + 24 * (y // 20 % 2)
    found = repeats_of(np.where((aside % 48 < 4) | (y % 20 < 4), 180, 60).astype(np.uint8))
    assert np.abs(np.abs(found[:4]) - [24, 20]).max() <= 1.7


def test_a_room_does_not_repeat_nor_does_a_letterbox() -> None:
    """A bar's edge is like itself wherever it is moved along."""
    seen = room(360, 640)
    assert len(AlignmentFeatures(image(seen)).repeats) == 0
    seen[:45] = seen[-45:] = 0
    assert len(AlignmentFeatures(image(seen)).repeats) == 0


def test_pictures_with_nothing_on_them_do_not_repeat() -> None:
    for size in ((1, 1), (2, 400), (90, 160)):
        assert len(repeats_of(np.full(size, 90, np.uint8))) == 0
