"""Gain and offset against exposures made here."""

from __future__ import annotations

import numpy as np
import pytest

from matte_server.core.exposure import match_exposure, most_frequent_ratio
from matte_server.core.image import Float32
from tests.matte_server.pictures import room, soft_disc

SIZE = (270, 480)


@pytest.fixture(scope="module")
def clean() -> Float32:
    return room(*SIZE, seed=3)


def everywhere() -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    return np.ones(SIZE, bool)


@pytest.mark.parametrize(
    ("gain", "offset"),
    [
        ((1.0, 1.0, 1.0), (0.0, 0.0, 0.0)),
        ((0.5, 0.7, 0.9), (0.0, 0.0, 0.0)),
        ((1.9, 1.6, 1.2), (0.02, 0.01, 0.0)),
        ((6.0, 6.0, 6.0), (0.0, 0.0, 0.0)),
        ((1.1, 1.0, 0.9), (-0.01, -0.005, 0.01)),
    ],
)
def test_gain_and_offset_are_found_beside_a_subject(
    clean: Float32, gain: tuple[float, ...], offset: tuple[float, ...]
) -> None:
    rng = np.random.default_rng(1)
    subject = soft_disc(*SIZE, (240, 150), 80, 6)[..., None]
    plate = clean * np.array(gain) + np.array(offset)
    plate = subject * np.array([0.02, 0.02, 0.03]) + (1 - subject) * plate
    plate = (plate * (1 + rng.normal(0, 0.01, plate.shape))).astype(np.float32)
    found = match_exposure(plate, clean, everywhere())
    assert found.warning == ""
    matched = clean * np.array(found.gain) + np.array(found.offset)
    truth = clean * np.array(gain) + np.array(offset)
    # 1 % of noise a pixel: a systematic error of half of it would be seen as a shade in flat areas.
    assert np.median(np.abs(matched - truth) / (truth + 0.01)) < 5e-3


def test_only_what_is_covered_counts(clean: Float32) -> None:
    plate = clean * np.float32(1.3)
    spoiled = clean.copy()
    spoiled[:, :300] = 7.0
    covered = everywhere()
    covered[:, :300] = False
    found = match_exposure(plate, spoiled, covered)
    # Without noise what is left is the width of a bin of the start.
    assert found.gain == pytest.approx((1.3, 1.3, 1.3), rel=5e-3)


def test_lamps_and_blacks_do_not_pull(clean: Float32) -> None:
    rng = np.random.default_rng(2)
    plate, other = clean * np.float32(0.8), clean.copy()
    plate[:20] = 50.0
    plate[-20:] = rng.normal(0.0, 0.01, plate[-20:].shape)
    other[-20:] = rng.normal(0.0, 0.01, other[-20:].shape)
    found = match_exposure(plate, other, everywhere())
    assert found.gain == pytest.approx((0.8, 0.8, 0.8), rel=5e-3)
    assert found.offset == pytest.approx((0.0, 0.0, 0.0), abs=1e-3)


def test_nothing_alike_changes_nothing_and_says_so() -> None:
    rng = np.random.default_rng(3)
    plate, clean = rng.uniform(0.01, 1.0, (2, *SIZE, 3)).astype(np.float32)
    found = match_exposure(plate, clean, everywhere())
    assert found.gain == (1.0, 1.0, 1.0) and found.offset == (0.0, 0.0, 0.0)
    assert found.warning.startswith("The exposure was not matched")


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_black_and_uncovered_frames_are_survived(level: float) -> None:
    dark = np.full((*SIZE, 3), 0.0, np.float32)
    covered = np.full(SIZE, bool(level))
    found = match_exposure(dark, dark, covered)
    assert found.gain == (1.0, 1.0, 1.0) and found.warning


def test_the_ratio_most_agree_on_ignores_the_rest() -> None:
    rng = np.random.default_rng(4)
    x = rng.uniform(0.1, 1.0, 10_000)
    y = np.where(np.arange(10_000) < 4_500, 1.7 * x, rng.uniform(0.1, 3.0, 10_000))
    assert most_frequent_ratio(x, y) == pytest.approx(1.7, rel=0.01)  # a bin is 1 % wide


@pytest.mark.parametrize("middle", [-1.995, -0.005, 0.005, 0.535, 1.995])
def test_a_ratio_is_the_middle_of_its_bin(middle: float) -> None:
    """400 bins from -2 to 2 in the logarithm: 0.01 each."""
    x = np.full(300, 0.5)
    assert most_frequent_ratio(x, x * np.exp(middle)) == pytest.approx(np.exp(middle), rel=1e-9)


def test_a_line_without_noise_is_found_and_all_of_it_agrees() -> None:
    """A full range of light decides the offset; the prior of a tenth keeps it a little nearer to 0."""
    clean = np.linspace(0.002, 2.0, SIZE[0] * SIZE[1], dtype=np.float32).reshape(*SIZE, 1).repeat(3, axis=2)
    found = match_exposure(np.float32(1.3) * clean + np.float32(0.1), clean, everywhere())
    assert found.agreeing > 0.99
    assert found.gain == pytest.approx((1.3,) * 3, rel=0.03) and found.offset == pytest.approx((0.1,) * 3, rel=0.3)
