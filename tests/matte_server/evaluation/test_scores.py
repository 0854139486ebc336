"""The field's figures against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from matte_server.evaluation import scores

ROUNDING = 1e-6
"""Relative; the figures are float64 sums of float32 pictures."""


def flat(value: float, size: int = 8) -> scores.Floats:
    return np.full((size, size), value, np.float32)


ALL = np.ones((8, 8), np.bool_)


def test_sums_and_means() -> None:
    assert scores.absolute_sum(flat(0.75), flat(0.5), ALL) == pytest.approx(64 * 0.25 / 1000, rel=ROUNDING)
    assert scores.absolute_mean(flat(0.75), flat(0.5), ALL) == pytest.approx(0.25, rel=ROUNDING)
    assert scores.square_mean(flat(0.75), flat(0.5), ALL) == pytest.approx(0.0625, rel=ROUNDING)


def test_only_the_mask_counts() -> None:
    alpha = flat(0.0)
    alpha[0, 0] = 1.0
    where = np.zeros((8, 8), np.bool_)
    where[0, :2] = True
    assert scores.absolute_mean(alpha, flat(0.0), where) == pytest.approx(0.5, rel=ROUNDING)
    assert scores.absolute_mean(alpha, flat(0.0), ~where) == 0.0
    assert scores.absolute_mean(alpha, flat(0.0), np.zeros((8, 8), np.bool_)) == 0.0


def test_gradient_of_a_ramp() -> None:
    """A ramp of slope s has everywhere the gradient s times the first moment of the derivative kernel."""
    ramp = (np.tile(np.arange(32), (32, 1)) / 100).astype(np.float32)
    inner = np.zeros((32, 32), np.bool_)
    inner[8:24, 8:24] = True
    t = np.arange(-4, 5)
    bell = np.exp(-(t**2) / (2 * 1.4**2)) / (1.4 * np.sqrt(2 * np.pi))
    kernel = np.outer(bell, t * bell / 1.4**2)
    size = 0.01 * (kernel * t).sum() / np.sqrt((kernel**2).sum())
    # Slopes are kept in float32: 1e-5 relative.
    assert scores.gradient(ramp, np.zeros_like(ramp), inner) == pytest.approx(256 * size**2 / 1000, rel=1e-5)


def test_gradient_is_blind_to_a_constant() -> None:
    assert scores.gradient(flat(0.7), flat(0.2), ALL) < 1e-12


def test_connectivity_of_an_island() -> None:
    """A solid island that the truth lacks: level 0 for both, so each of its 4 pixels is 1 - (1 - 0) against
    1 - 0, which differ by 1."""
    truth = flat(0.0)
    truth[:, :4] = 1.0
    alpha = truth.copy()
    alpha[2:4, 6:8] = 1.0
    assert scores.connectivity(alpha, truth, ALL) == pytest.approx(4 / 1000, rel=ROUNDING)
    assert scores.connectivity(truth, truth, ALL) == 0.0


def test_connectivity_of_a_weakness() -> None:
    """2 pixels of 0.45 inside a solid truth are joined up to 0.4: 0.05 above it is within the slack, so phi is 1
    in the result; the truth's phi is 1 - 0.6."""
    truth = flat(0.0)
    truth[:, :4] = 1.0
    alpha = truth.copy()
    alpha[3, 0:2] = 0.45
    assert scores.connectivity(alpha, truth, ALL) == pytest.approx(2 * 0.6 / 1000, rel=ROUNDING)


def test_foreground_counts_where_it_shows() -> None:
    alpha = flat(0.0)
    alpha[0, 0], alpha[0, 1] = 1.0, 0.5
    truth = np.zeros((8, 8, 3), np.float32)
    result = truth.copy()
    result[0, 0] = 0.3
    result[5, 5] = 9.0
    assert scores.foreground_square_mean(result, truth, alpha) == pytest.approx(0.09 / 1.5, rel=ROUNDING)
    assert scores.foreground_square_mean(result, truth, flat(0.0)) == 0.0


def test_temporal_compares_changes() -> None:
    """A constant error does not flicker; an error that comes and goes by 0.2 does."""
    assert scores.temporal_difference(flat(0.6), flat(0.5), flat(0.1), flat(0.0), ALL) == pytest.approx(
        0.0, abs=1e-5
    )
    assert scores.temporal_difference(flat(0.7), flat(0.5), flat(0.0), flat(0.0), ALL) == pytest.approx(
        20.0, rel=1e-5
    )


def test_the_unknown_band() -> None:
    truth = np.zeros((64, 64), np.float32)
    truth[:, :20] = 1.0
    truth[:, 20] = 0.5
    band = scores.unknown_band(truth)
    assert band[:, 10:31].all() and not band[:, :10].any() and not band[:, 31:].any()


def test_a_hard_edge_has_a_band_too() -> None:
    truth = np.zeros((64, 64), np.float32)
    truth[:, :20] = 1.0
    band = scores.unknown_band(truth)
    assert band[:, 19].all() and band[:, 20].all() and not band[:, 40:].any()
    assert not scores.unknown_band(flat(1.0)).any()


@pytest.mark.parametrize("seed", range(4))
def test_filters_are_those_of_scipy(seed: int) -> None:
    """The band, the slopes and the largest region as scipy.ndimage makes them, on smooth noise of odd sizes."""
    size = (61 + seed, 83)
    noise = np.random.default_rng(seed).normal(0, 1, size)
    alpha = np.clip(0.5 + 4 * ndimage.gaussian_filter(noise, 3), 0, 1).astype(np.float32)
    partial = (alpha > 1 / 255) & (alpha < 1 - 1 / 255)
    span = ndimage.maximum_filter(alpha, 3) - ndimage.minimum_filter(alpha, 3)
    band = ndimage.maximum_filter(partial | (span > 0.5), 7)
    assert np.array_equal(scores.unknown_band(alpha, 3), band)
    across, down = scores._derivative_kernels()
    x, y = (ndimage.correlate(alpha.astype(np.float64), kernel, mode="nearest") for kernel in (across, down))
    # Both sum 81 products in float64 and keep float32.
    assert np.allclose(scores._slope(alpha), np.hypot(x, y), rtol=1e-6, atol=1e-9)
    labels, count = ndimage.label(alpha > 0.8)
    sizes = ndimage.sum_labels(np.ones(size), labels, range(1, count + 1))
    assert count > 1 and np.array_equal(scores._largest(alpha > 0.8), labels == 1 + sizes.argmax())
