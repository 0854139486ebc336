"""Gain and offset against exposures made here."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from matte_server.core.exposure import _fitted, match_exposure, most_frequent_ratio
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
        ((30.0, 30.0, 30.0), (0.0, 0.0, 0.0)),
        ((0.04, 0.04, 0.04), (0.0, 0.0, 0.0)),
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


@pytest.mark.parametrize("middle", [-3.495, -0.005, 0.005, 0.535, 3.495])
def test_a_ratio_is_the_middle_of_its_bin(middle: float) -> None:
    """700 bins from -3.5 to 3.5 in the logarithm: 0.01 each."""
    x = np.full(300, 0.5)
    assert most_frequent_ratio(x, x * np.exp(middle)) == pytest.approx(np.exp(middle), rel=1e-9)


def test_a_line_without_noise_is_found_and_all_of_it_agrees() -> None:
    """A full range of light decides the offset; the prior of a tenth keeps it a little nearer to 0."""
    clean = np.linspace(0.002, 2.0, SIZE[0] * SIZE[1], dtype=np.float32).reshape(*SIZE, 1).repeat(3, axis=2)
    found = match_exposure(np.float32(1.3) * clean + np.float32(0.1), clean, everywhere())
    assert found.agreeing > 0.99
    assert found.gain == pytest.approx((1.3,) * 3, rel=0.03) and found.offset == pytest.approx((0.1,) * 3, rel=0.3)


def smooth(seed: int, least: float, most: float) -> Float32:
    """Light that changes slowly over the frame, of one colour."""
    rng = np.random.default_rng(seed)
    grown = cv2.resize(
        rng.uniform(np.log(least), np.log(most), (3, 3, 1)), SIZE[::-1], interpolation=cv2.INTER_CUBIC
    )
    return np.asarray(np.exp(grown)[..., None] * np.ones(3), np.float32)


def bare(red: float, green: float, blue: float) -> Float32:
    return np.ones((*SIZE, 3), np.float32) * np.array([red, green, blue], np.float32)


def hidden(
    part: float, subject: Float32, lit: Float32, clean: Float32, noise: float = 0.005
) -> tuple[Float32, Float32]:
    """Plate and clean plate with noise, as cameras have it; the subject stands on the left."""
    rng = np.random.default_rng(8)
    edge = round(part * SIZE[1])
    plate = np.concatenate([subject[:, :edge], lit[:, edge:]], 1)
    plate, clean = (
        (each + rng.normal(0, noise, each.shape) * np.sqrt(0.3 * each + 0.01)).astype(np.float32)
        for each in (plate, clean)
    )
    return plate, clean


SETS: dict[str, Callable[[], Float32]] = {
    "room": lambda: room(*SIZE, seed=3),
    "quiet room": lambda: room(*SIZE, seed=5, contrast=0.25),
    "lit wall": lambda: 0.4 * smooth(1, 0.4, 1.6),
    "floor and wall": lambda: np.concatenate([bare(0.5, 0.45, 0.4)[:150], bare(0.12, 0.1, 0.09)[150:]]),
}
SUBJECTS: dict[str, Callable[[], Float32]] = {
    "grey card": lambda: bare(0.31, 0.3, 0.3),
    "red coat": lambda: bare(0.3, 0.02, 0.03) * smooth(2, 0.8, 1.3),
    "pattern": lambda: room(*SIZE, seed=77) * np.float32(0.9),
    "two colours": lambda: np.concatenate([bare(0.6, 0.5, 0.5)[:, :200], bare(0.03, 0.05, 0.2)[:, 200:]], 1),
}


@pytest.mark.parametrize("gain", [(1.0, 1.0, 1.0), (0.55, 0.55, 0.55), (1.7, 1.5, 1.25)], ids=str)
@pytest.mark.parametrize("subject", SUBJECTS)
@pytest.mark.parametrize("behind", SETS)
def test_a_subject_that_hides_four_fifths_is_not_taken_for_the_set(
    behind: str, subject: str, gain: tuple[float, float, float]
) -> None:
    clean = np.asarray(SETS[behind](), np.float32)
    lit = clean * np.array(gain, np.float32)
    found = match_exposure(*hidden(0.8, SUBJECTS[subject](), lit, clean), everywhere())
    assert found.warning == ""
    matched = clean * np.array(found.gain) + np.array(found.offset)
    # 2 % is what a picture of 8 bits rounds mid grey by.
    assert np.median(np.abs(matched - lit) / (lit + 0.01)) < 0.02


def test_the_channels_of_one_exposure_agree_at_the_same_places() -> None:
    """In red and blue most pixels are the subject's, in green, where it has a pattern, the wall's."""
    clean = bare(0.4, 0.4, 0.4)
    subject = bare(0.2, 0.3, 0.1)
    subject[..., 1] = room(*SIZE, seed=9)[..., 1]
    found = match_exposure(*hidden(0.55, subject, clean, clean), everywhere())
    assert found.gain == pytest.approx((1.0, 1.0, 1.0), rel=0.02) and found.warning == ""


@pytest.mark.parametrize("part", [0.45, 0.6, 0.8])
@pytest.mark.parametrize("gain", [0.8, 1.3])
def test_bare_grey_before_a_bare_wall_is_refused(part: float, gain: float) -> None:
    """Nobody can tell which of the two is the wall in another light."""
    clean = bare(0.4, 0.4, 0.4)
    found = match_exposure(*hidden(part, bare(0.36, 0.36, 0.36), clean * np.float32(gain), clean), everywhere())
    assert found.gain == (1.0, 1.0, 1.0) and found.offset == (0.0, 0.0, 0.0)
    assert found.warning.startswith("The exposure was not matched: nothing tells the set from what hides it.")


def test_a_bare_wall_that_a_card_hides_little_of_is_matched() -> None:
    clean = bare(0.4, 0.4, 0.4)
    found = match_exposure(*hidden(0.15, bare(0.36, 0.36, 0.36), clean * np.float32(0.8), clean), everywhere())
    assert found.gain == pytest.approx((0.8, 0.8, 0.8), rel=0.02) and found.warning == ""


def test_a_colour_that_fills_the_frame_is_no_light_upon_a_wall() -> None:
    found = match_exposure(
        *hidden(1.0, bare(0.5, 0.05, 0.3), bare(0.4, 0.4, 0.4), bare(0.4, 0.4, 0.4)), everywhere()
    )
    assert found.gain == (1.0, 1.0, 1.0) and found.warning.startswith("The exposure was not matched")


@pytest.mark.parametrize("part", [0.3, 0.8])
def test_bare_colour_before_a_bare_wall_is_no_light_upon_it(part: float) -> None:
    clean = bare(0.4, 0.4, 0.4)
    found = match_exposure(*hidden(part, bare(0.5, 0.05, 0.08), clean * np.float32(0.8), clean), everywhere())
    assert found.gain == pytest.approx((0.8, 0.8, 0.8), rel=0.02) and found.warning == ""


def test_where_the_set_is_seen_the_line_of_all_pixels_stays(clean: Float32) -> None:
    """To the bit: what a subject hides less than half of is measured as before."""
    plate, behind = hidden(0.3, bare(0.3, 0.3, 0.3), clean * np.float32(1.3), clean)
    used = everywhere()
    found = match_exposure(plate, behind, used)
    lines = [_fitted(plate[..., c][used], behind[..., c][used]) for c in range(3)]
    assert found.gain == tuple(line[0] for line in lines) and found.offset == tuple(line[1] for line in lines)
