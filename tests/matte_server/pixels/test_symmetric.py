"""Symmetric 3 x 3 systems against numpy's, in float64."""

from __future__ import annotations

import numpy as np
import torch

from matte_server.pixels.symmetric import Factors

FLOOR = 1e-2


def systems(count: int = 50) -> tuple[np.ndarray, np.ndarray, Factors]:
    """Random covariances (with the floor on the diagonal), vectors, and the factors of the covariances."""
    random = np.random.default_rng(1)
    roots = random.normal(0, 1, (count, 3, 3))
    covariance = roots @ roots.transpose(0, 2, 1)
    entries = [
        torch.from_numpy(covariance[:, row, column])
        for row, column in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
    ]
    factors = Factors.of(entries, torch.full((count,), FLOOR, dtype=torch.float64))
    return covariance + FLOOR * np.eye(3), random.normal(0, 1, (count, 3)), factors


def test_solutions_lengths_and_determinants_are_numpy_s() -> None:
    covariance, vectors, factors = systems()
    parts = [torch.from_numpy(vectors[:, row].copy()) for row in range(3)]
    solved = np.linalg.solve(covariance, vectors[..., None])[..., 0]
    found = torch.stack(factors.solve(*parts), 1).numpy()
    np.testing.assert_allclose(found, solved, rtol=1e-8, atol=1e-8)  # condition numbers of up to 1e4 in float64
    np.testing.assert_allclose(factors.distance(*parts).numpy(), (vectors * solved).sum(1), rtol=1e-8)
    np.testing.assert_allclose(
        factors.log_determinant().numpy(), np.linalg.slogdet(covariance)[1], rtol=1e-8, atol=1e-8
    )


def test_no_pivot_is_below_the_floor() -> None:
    """A covariance that float32 left slightly indefinite: one line in colour space, its last entry too small."""
    entries = [torch.tensor([value]) for value in (1.0, 1.0, 1.0, 1.0, 1.0, 0.5)]
    factors = Factors.of(entries, torch.tensor([1e-4]))
    assert [float(pivot) for pivot in factors.pivots[2:]] == [np.float32(1e-4)]
    negative = Factors.of([torch.tensor([-1.0]), *[torch.zeros(1)] * 5], torch.tensor([0.25]))
    assert [float(pivot) for pivot in negative.pivots] == [0.25, 0.25, 0.25]
