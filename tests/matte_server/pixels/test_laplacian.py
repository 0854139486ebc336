"""Consistent alpha against the matting Laplacian assembled as a matrix (Levin et al. 2008, equation 12)."""

from __future__ import annotations

import numpy as np
import torch

from matte_server.pixels.laplacian import consistent_alpha
from tests.matte_server.pictures import Array, room

HEIGHT, WIDTH = 12, 15  # too small for a coarser level: one system


def assembled(plate: Array) -> Array:
    """The Laplacian of all windows of 3 x 3 pixels, cut at the frame's edge, divided by the 9 pixels of a whole
    one. The regularisation is (1 % of the window's largest mean, plus 0.01)^2 in colour variance."""
    index = np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)
    matrix = np.zeros((index.size, index.size))
    for y in range(HEIGHT):
        for x in range(WIDTH):
            window = index[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2].ravel()
            colours = plate.reshape(-1, 3)[window]
            mean = colours.mean(0)
            centred = colours - mean
            covariance = centred.T @ centred / len(window) + (0.01 * (np.abs(mean).max() + 0.01)) ** 2 * np.eye(3)
            affinity = (1 + centred @ np.linalg.solve(covariance, centred.T)) / len(window)
            matrix[np.ix_(window, window)] += np.eye(len(window)) - affinity
    return matrix / 9


def test_it_is_the_solution_of_levins_system() -> None:
    plate = room(HEIGHT, WIDTH, 5).astype(np.float64)
    random = np.random.default_rng(2)
    alpha, weight = random.random(HEIGHT * WIDTH), random.uniform(0.5, 2.0, HEIGHT * WIDTH)
    expected = np.linalg.solve(assembled(plate) + np.diag(weight), weight * alpha)

    def tensor(values: Array) -> torch.Tensor:
        return torch.from_numpy(values.reshape(1, HEIGHT, WIDTH, -1).transpose(0, 3, 1, 2).copy())

    found = consistent_alpha(tensor(plate), tensor(alpha), tensor(weight))[0, 0].numpy().ravel()
    # 24 rounds of conjugate gradients on a system whose condition number is below 10.
    assert np.abs(found - expected).max() < 1e-5
    assert np.abs(found - alpha).max() > 0.1  # it is not the alpha that went in
