"""The distance of plate from clean plate, the reading of single pixels, and the matting Laplacian."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from matte_server.pixels.box import box_max, box_mean, box_sum
from matte_server.pixels.difference import difference, even_noise
from matte_server.pixels.laplacian import consistent_alpha
from matte_server.pixels.likelihood import estimate_alpha
from matte_server.pixels.symmetric import Factors
from tests.matte_server.pictures import composed, room
from tests.matte_server.tensors import tensor


@pytest.mark.parametrize("sigma", [0.01, 0.05])
def test_noise_alone_is_about_one_noise_level(sigma: float) -> None:
    rng = np.random.default_rng(1)
    wall = np.full((120, 160, 3), 0.4, np.float32) * np.linspace(0.5, 1.5, 160, dtype=np.float32)[None, :, None]
    plate, clean = (wall * (1 + rng.normal(0, sigma, wall.shape)).astype(np.float32) for _ in range(2))
    found = difference(tensor(plate), tensor(clean), torch.ones(1, 1, 120, 160))
    # The clean plate's own noise also counts as detail there, so the noise level is a little generous.
    assert 0.5 < float(found.distance.median()) < 1.2
    assert float((found.distance > 4).float().mean()) < 1e-3


def test_a_subject_stands_far_above_the_noise_and_uncovered_says_nothing() -> None:
    truth = composed(noise=0.003)
    coverage = torch.ones(1, 1, 160, 240)
    coverage[..., :20] = 0.0
    found = difference(tensor(truth.plate), tensor(truth.clean), coverage)
    solid = tensor(truth.alpha) == 1
    assert float(found.distance[solid].median()) > 10.0
    assert bool((found.distance[..., :20] == 0).all())
    assert not bool((difference(tensor(truth.plate), tensor(truth.clean), 0 * coverage).distance != 0).any())


@pytest.mark.parametrize("hidden", [0.6, 0.8, 0.9, 0.96])
def test_noise_is_measured_where_the_clean_plate_is_seen_however_little_that_is(hidden: float) -> None:
    rng = np.random.default_rng(4)
    wall = room(120, 200)
    subject = wall[::-1] * np.array([2.5, 0.4, 0.3], np.float32)
    edge = round(200 * hidden)
    pair = np.concatenate([subject[:, :edge], wall[:, edge:]], 1), wall
    # More noise than is assumed everywhere, and far below the difference of the subject.
    plate, clean, empty = (
        tensor((each + rng.normal(0, 0.01, wall.shape)).astype(np.float32)) for each in (*pair, wall)
    )
    covered = torch.ones(1, 1, 120, 200)
    found, quiet = difference(plate, clean, covered), difference(empty, clean, covered)
    # A quarter of all is 0.625 of the 0.4 that show the clean plate: 0.887 standard deviations, taken for 0.319. A
    # smaller part than that is asked by itself; pixels of the subject that are like it are among them.
    times = found.grain / quiet.grain
    assert float(times.min()) > 0.5 and float(times.max()) < 0.887 / 0.319


def test_light_that_changes_over_the_whole_frame_is_no_subject() -> None:
    """Nowhere do more pixels agree than beside that place: none of them is the one that shows the clean plate."""
    wall = room(120, 200)
    # So much that even the quarter that changes least looks hidden.
    light = np.linspace(0.4, 3.0, 200, dtype=np.float32)[None, :, None]
    plate = wall * light + np.random.default_rng(5).normal(0, 0.003, wall.shape).astype(np.float32)
    found = difference(tensor(plate), tensor(wall), torch.ones(1, 1, 120, 200)).distance
    assert float(found.max()) < 6.0  # from there on a model calls it sure


def test_even_noise_keeps_order_sign_and_a_lamp_in_reach() -> None:
    light = torch.linspace(-1.0, 60.0, 10_001)
    encoded = even_noise(light)
    assert bool((encoded.diff() > 0).all()) and float(even_noise(torch.zeros(1))) == 0.0
    assert float(encoded.max()) < 2.0
    assert torch.allclose(even_noise(-light), -encoded)


@pytest.mark.parametrize("scale", [0.01, 1.0, 40.0])
def test_a_pixels_alpha_is_read_from_known_colours(scale: float) -> None:
    rng = np.random.default_rng(2)
    n = 2000
    alpha = rng.uniform(0, 1, n)
    clean = np.tile([0.2, 0.5, 0.7], (n, 1))
    front = np.array([0.8, 0.3, 0.1]) + rng.normal(0, 0.01, (n, 3))
    plate = alpha[:, None] * front + (1 - alpha[:, None]) * clean + rng.normal(0, 0.003, (n, 3))

    def lit(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Tensor:
        return torch.from_numpy((scale * values).astype(np.float32))

    covariance = torch.tensor([1e-4, 0, 0, 1e-4, 0, 1e-4]).expand(n, 6) * scale**2
    mean, noise = lit(np.tile([0.8, 0.3, 0.1], (n, 1))), torch.full((n,), 0.003 * scale)
    found = estimate_alpha(lit(plate), lit(clean), mean, covariance, noise, torch.zeros(n))
    error = np.abs(found.alpha.numpy() - alpha)
    # A colour spread of 0.01 over a contrast of 0.87 is 0.012 of alpha; the prior for the ends adds to that.
    assert np.median(error) < 0.02
    assert bool((found.alpha >= 0).all()) and bool((found.alpha <= 1).all())


def test_where_colours_are_alike_a_pixel_says_that_it_does_not_know() -> None:
    same = torch.full((10, 3), 0.4)
    covariance = torch.tensor([1e-3, 0, 0, 1e-3, 0, 1e-3]).expand(10, 6)
    found = estimate_alpha(same, same, same, covariance, torch.full((10,), 0.005), torch.zeros(10))
    clear = estimate_alpha(same, same, same + 0.4, covariance, torch.full((10,), 0.005), torch.zeros(10))
    assert float(found.variance.min()) > 20 * float(clear.variance.max())


def test_the_laplacian_makes_noisy_readings_follow_the_plate() -> None:
    """Two colours with a sharp, ragged edge between them: what Levin's colour line says exactly."""
    rng = np.random.default_rng(3)
    alpha = cv2.GaussianBlur((cv2.GaussianBlur(rng.normal(0, 1, (96, 144)), (0, 0), 2.5) > 0.05) * 1.0, (0, 0), 1.0)
    plate = alpha[..., None] * np.array([0.8, 0.3, 0.1]) + (1 - alpha[..., None]) * np.array([0.1, 0.4, 0.6])
    plate = (plate + rng.normal(0, 0.002, plate.shape)).astype(np.float32)
    readings = (alpha + rng.normal(0, 0.2, alpha.shape)).astype(np.float32)
    weight = np.full_like(readings, 0.01 / 0.2**2)  # as the difference matte weighs that variance
    found = consistent_alpha(tensor(plate), tensor(readings), tensor(weight))[0, 0].numpy()
    error = np.abs(found - alpha).mean()
    averages = [cv2.blur(readings, (size, size)) for size in (3, 5, 7, 9, 15)]
    # No average of the neighbourhood, of whatever size, does as well, and a single reading is off by 0.16.
    assert error < 0.85 * min(np.abs(average - alpha).mean() for average in averages) < 0.08


def test_the_laplacian_leaves_a_consistent_alpha_alone() -> None:
    wall = tensor(room(64, 96, seed=5))
    alpha = wall[:, :1] * 0.3 + 0.1
    found = consistent_alpha(wall, alpha, torch.full_like(alpha, 0.1))
    # Colour noise of 1 % of the brightness is allowed for, so alpha is flattened by about as much.
    assert float((found - alpha).abs().max()) < 0.01


@pytest.mark.parametrize("size", [(3, 5), (17, 40), (40, 17)])
def test_the_laplacian_takes_frames_of_any_size(size: tuple[int, int]) -> None:
    plate = torch.rand(1, 3, *size)
    found = consistent_alpha(plate, torch.full((1, 1, *size), 0.5), torch.ones(1, 1, *size))
    assert found.shape[-2:] == size and torch.allclose(found, torch.tensor(0.5), atol=1e-4)


def test_boxes_are_what_they_say() -> None:
    picture = torch.rand(1, 2, 9, 11)
    ones = torch.ones(2, 1, 5, 5)
    summed = torch.nn.functional.conv2d(picture, ones, padding=2, groups=2)
    assert torch.allclose(box_sum(picture, 2), summed, atol=1e-5)
    padded = torch.nn.functional.pad(picture, (2, 2, 2, 2), mode="replicate")
    assert torch.allclose(box_mean(picture, 2), torch.nn.functional.avg_pool2d(padded, 5, 1), atol=1e-6)
    assert torch.equal(box_max(picture, 2), torch.nn.functional.max_pool2d(padded, 5, 1))


def test_factors_solve_symmetric_systems() -> None:
    torch.manual_seed(1)
    root = torch.rand(50, 3, 3, dtype=torch.float64)
    full = root @ root.transpose(1, 2) + 0.1 * torch.eye(3)
    six = [full[:, 0, 0], full[:, 0, 1], full[:, 0, 2], full[:, 1, 1], full[:, 1, 2], full[:, 2, 2]]
    right = torch.rand(50, 3, dtype=torch.float64)
    factors = Factors.of(six, torch.zeros(50, dtype=torch.float64))
    solved = torch.stack(list(factors.solve(*right.unbind(1))), 1)
    exact = torch.linalg.solve(full, right)
    assert torch.allclose(solved, exact, rtol=1e-8)
    assert torch.allclose(factors.distance(*right.unbind(1)), (right * exact).sum(1), rtol=1e-8)
    assert torch.allclose(factors.log_determinant(), torch.logdet(full), atol=1e-8)
