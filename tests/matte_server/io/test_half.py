"""Half floats: with torch at hand and without it the same numbers, and those of the format."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from matte_server.io.half import to_float, to_half

HALVES = np.arange(1 << 16, dtype=np.uint16).view(np.float16)


@pytest.fixture(params=[True, False], ids=["torch", "numpy"])
def with_torch(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    assert sys.modules["torch"] is torch
    if not request.param:
        monkeypatch.delitem(sys.modules, "torch")
    return bool(request.param)


def test_every_half_is_the_same_float(with_torch: bool) -> None:
    # NumPy's own conversion is the reference; a NaN is one whatever its bits.
    np.testing.assert_array_equal(to_float(HALVES), HALVES.astype(np.float32))
    assert to_float(HALVES.reshape(256, 256)[:, ::2]).flags.c_contiguous


def test_floats_round_to_the_nearest_half_and_stop_at_the_largest(with_torch: bool) -> None:
    finite = HALVES[np.isfinite(HALVES)].astype(np.float32)
    between = np.nextafter(finite, np.inf, dtype=np.float32)
    halfway = finite[:-1] + 0.5 * np.diff(finite)
    dice = np.random.default_rng(1).integers(0, 1 << 32, 100_000, dtype=np.uint32).view(np.float32)
    floats = np.concatenate([finite, between, halfway, dice]).astype(np.float32)
    expected = np.clip(floats, -65504, 65504).astype(np.float16)
    np.testing.assert_array_equal(to_half(floats), expected)
    assert np.abs(to_half(np.array([1e9, -np.inf, 65520], np.float32))).max() == 65504


def test_pixels_that_may_not_be_written_are_read(with_torch: bool) -> None:
    pixels = np.broadcast_to(np.float32(0.25), (4, 4, 3))
    assert (to_half(pixels) == 0.25).all()
