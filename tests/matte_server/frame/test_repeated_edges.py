"""Clean plates whose borders a transform filled with their outermost pixels, and pictures that only look so."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from matte_server.core.align import Alignment
from matte_server.core.image import Float32, Guides, PlatePair
from matte_server.frame.repeated_edges import repeated_sides, without_repeated_edges
from matte_server.frame.warper import FrameWarper
from tests.matte_server.pictures import image

HEIGHT, WIDTH = 120, 200


def textured(seed: int = 1) -> Float32:
    random = np.random.default_rng(seed).uniform(0.1, 0.9, (HEIGHT // 4, WIDTH // 4, 3))
    return cv2.resize(random, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC).astype(np.float32)


def known(picture: Float32) -> Float32 | None:
    return without_repeated_edges(picture, repeated_sides(picture))


def moved(picture: Float32, matrix: list[list[float]]) -> Float32:
    size = (picture.shape[1], picture.shape[0])
    found = cv2.warpAffine(picture, np.array(matrix, np.float64), size, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found, np.float32)


@pytest.mark.parametrize("turn", range(4), ids=["right", "top", "left", "bottom"])
def test_each_border_is_found_with_its_depth_and_through_a_changing_exposure(turn: int) -> None:
    picture = moved(textured(), [[1, 0, -12], [0, 1, 0]]) * np.linspace(1, 1.05, WIDTH, dtype=np.float32)[:, None]
    found = known(np.rot90(picture, turn))
    assert found is not None
    straight = np.rot90(found, -turn)[..., 0]
    # One column on either side: the last true one equals the first that repeats it.
    assert not straight[:, WIDTH - 12 :].any() and straight[:, : WIDTH - 14].all()


def test_a_slanted_border_is_found_where_it_is() -> None:
    picture = moved(textured(), [[1, -0.1, -6], [0, 1, 0]])
    found = known(picture)
    assert found is not None
    for row in (10, 60, 110):
        depth = WIDTH - float(found[row].sum())
        # The slant of 0.1 over the seven rows that are compared, and a pixel that is interpolated.
        assert abs(depth - (6 + 0.1 * row)) <= 2, row


def stripes() -> Float32:
    lines = np.random.default_rng(2).uniform(0.1, 0.9, (HEIGHT, 1, 3)).astype(np.float32)
    return np.repeat(lines, WIDTH, axis=1)


@pytest.mark.parametrize(
    "picture",
    [
        textured(),
        stripes(),
        np.full((HEIGHT, WIDTH, 3), 0.18, np.float32),
        np.pad(textured()[:, 12:-12], ((0, 0), (12, 12), (0, 0))),
        moved(textured(), [[1, 0, -2], [0, 1, 0]]),
        cv2.GaussianBlur(textured(), (0, 0), 8),
        textured()[:3, :3],
        textured()[:1, :1],
    ],
    ids=["texture", "stripes", "plain", "black bars", "two columns", "out of focus", "tiny", "one pixel"],
)
def test_pictures_that_go_up_to_their_edge_are_known_everywhere(picture: Float32) -> None:
    assert known(picture) is None


def test_a_clean_plate_covers_nothing_where_its_edge_is_repeated() -> None:
    plate, clean = textured(), moved(textured(), [[1, 0, -12], [0, 1, 0]])
    pair = PlatePair(plate=image(plate), clean_plate=image(clean))
    found = FrameWarper(torch.device("cpu")).tensors(pair, Guides(), Alignment(transform=np.eye(3)))
    assert not found.coverage[..., WIDTH - 12 :].any() and found.coverage[..., : WIDTH - 14].all()


def test_a_set_whose_edge_looks_repeated_in_the_plate_too_is_covered() -> None:
    clean = image(moved(textured(), [[1, 0, -12], [0, 1, 0]]))
    like_it = clean.rgb.copy()
    like_it[40:80, 60:120] = 0.9
    warper = FrameWarper(torch.device("cpu"))
    # One clean plate object: what is kept of it for one plate may not serve the next.
    for plate, is_known in ((like_it, True), (textured(), False), (like_it, True)):
        pair = PlatePair(plate=image(plate), clean_plate=clean)
        found = warper.tensors(pair, Guides(), Alignment(transform=np.eye(3)))
        assert bool(found.coverage.all()) == is_known
