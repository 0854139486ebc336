"""Resampling: exact on whole pixels, as sharp as an independent resampler, honest about what it did not reach."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from matte_server.core.image import Float32
from matte_server.pixels.warp import warp
from tests.matte_server.pictures import Array, homography_within, room
from tests.matte_server.tensors import tensor

SIZE = (90, 140)


@pytest.fixture(scope="module")
def picture() -> Float32:
    return room(*SIZE, seed=4)


def pixels(result: Tensor) -> Float32:
    return np.ascontiguousarray(result[0].permute(1, 2, 0).numpy())


def matrix(values: object) -> Tensor:
    return torch.tensor(np.asarray(values), dtype=torch.float64)


def test_nothing_to_do_changes_no_bit(picture: Float32) -> None:
    warped, coverage = warp(tensor(picture), matrix(np.eye(3)), *SIZE)
    assert np.array_equal(pixels(warped), picture)
    assert bool((coverage == 1).all())


@pytest.mark.parametrize(("dx", "dy"), [(3, -2), (-40, 25), (139, 0), (500, 500)])
def test_whole_pixels_move_exactly(picture: Float32, dx: int, dy: int) -> None:
    warped, coverage = warp(tensor(picture), matrix([[1, 0, dx], [0, 1, dy], [0, 0, 1]]), *SIZE)
    y, x = np.mgrid[0 : SIZE[0], 0 : SIZE[1]]
    inside = (x + dx >= 0) & (x + dx < SIZE[1]) & (y + dy >= 0) & (y + dy < SIZE[0])
    assert np.array_equal(coverage[0, 0].numpy() > 0, inside)
    assert np.array_equal(pixels(warped)[inside], picture[(y + dy)[inside], (x + dx)[inside]])


def test_a_window_of_another_size_is_cut_out(picture: Float32) -> None:
    warped, coverage = warp(tensor(picture), matrix([[1, 0, -5], [0, 1, -7], [0, 0, 1]]), 110, 160)
    assert np.array_equal(pixels(warped)[7:97, 5:145], picture)
    assert int(coverage.sum()) == SIZE[0] * SIZE[1]


def test_as_close_to_the_truth_as_another_cubic_resampler() -> None:
    """A smooth picture is known between its pixels too: there both resamplers are measured."""
    move = homography_within({"tl": (3, 2), "tr": (-4, 1), "br": (2, -3), "bl": (-1, -2)}, *SIZE)

    def scene(x: Array, y: Array) -> Float32:
        waves = [0.5 + 0.4 * np.sin(x / 2.5), 0.5 + 0.3 * np.cos(y / 3), 0.2 + 0.1 * np.sin((x + y) / 4)]
        return np.stack(waves, -1).astype(np.float32)

    y, x = np.mgrid[0 : SIZE[0], 0 : SIZE[1]].astype(np.float64)
    source = scene(x, y)
    ours, coverage = warp(tensor(source), matrix(move), *SIZE)
    places = cv2.perspectiveTransform(np.stack([x, y], -1).reshape(1, -1, 2), move)[0]
    truth = scene(places[:, 0], places[:, 1]).reshape(*SIZE, 3)
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    theirs = cv2.warpPerspective(source, move, (SIZE[1], SIZE[0]), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    inner = cv2.erode(coverage[0, 0].numpy(), np.ones((9, 9), np.uint8), borderValue=0) > 0
    our_error, their_error = (np.abs(found - truth)[inner].mean() for found in (pixels(ours), theirs))
    # OpenCV's cubic (a = -0.75, places rounded to 1/32 pixel) is second order accurate, ours third.
    assert our_error < 0.7 * their_error


def test_a_lamp_does_not_ring_below_zero() -> None:
    lamp = np.zeros((40, 40, 3), np.float32)
    lamp[18:22, 18:22] = 50.0
    warped, _ = warp(tensor(lamp), matrix([[1, 0, 0.37], [0, 1, 0.61], [0, 0, 1]]), 40, 40)
    assert float(warped.min()) >= 0.0 and float(warped.max()) <= 50.0


def test_values_below_zero_and_far_above_one_survive(picture: Float32) -> None:
    wild = picture * 40.0 - 5.0
    warped, _ = warp(tensor(wild), matrix([[1, 0, 0.5], [0, 1, 0], [0, 0, 1]]), *SIZE)
    assert float(warped.min()) < 0.0 and float(warped.max()) > 5.0
    assert bool(torch.isfinite(warped).all())


def test_coverage_ends_half_a_pixel_outside_the_last_centre(picture: Float32) -> None:
    for shift, reached in ((0.49, 140), (0.51, 139)):
        _, coverage = warp(tensor(picture), matrix([[1, 0, shift], [0, 1, 0], [0, 0, 1]]), *SIZE)
        assert int(coverage[0, 0, 0].sum()) == reached


def test_the_place_is_right_to_a_thousandth_of_a_pixel() -> None:
    ramp = np.repeat(np.arange(200, dtype=np.float32)[None, :, None], 3, 2).repeat(20, 0)
    warped, _ = warp(tensor(ramp), matrix([[1, 0, 10.25], [0, 1, 0], [0, 0, 1]]), 20, 150)
    expected = np.arange(150) + 10.25
    assert np.abs(pixels(warped)[10, :, 0] - expected).max() < 1e-3


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 1)])
def test_the_smallest_pictures(size: tuple[int, int]) -> None:
    tiny = np.ones((*size, 3), np.float32)
    for shift in (0.0, 0.3, 4.0):
        warped, _ = warp(tensor(tiny), matrix([[1, 0, shift], [0, 1, 0], [0, 0, 1]]), *size)
        assert warped.shape[-2:] == size and bool((warped == 1).all())
