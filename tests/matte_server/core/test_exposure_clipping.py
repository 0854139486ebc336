"""The level at which a picture was clipped: found where it was, by whatever file, and not where it was not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from matte_server.core.align import Alignment
from matte_server.core.exposure import match_exposure
from matte_server.core.exposure_clipping import UNCLIPPED, clipping_levels, clipping_of
from matte_server.core.image import Float32
from matte_server.core.placement import with_exposure
from tests.matte_server.pictures import image, room

SIZE = (270, 480)


def lit() -> Float32:
    """A room with grain, with a lamp of 5 and a window of 2 over 4 % of the frame."""
    rng = np.random.default_rng(1)
    wall = room(*SIZE, seed=3)
    wall[20:60, 40:120] = 2.0
    wall[100:130, 300:360] = 5.0
    return np.asarray(wall * (1 + rng.normal(0, 0.02, wall.shape)), np.float32)


def eight_bit(light: Float32) -> Float32:
    return coded(light, 255)


def coded(light: Float32, codes: int) -> Float32:
    encoded = np.round(np.clip(light, 0, 1) ** (1 / 2.2) * codes) / codes
    return np.asarray(encoded**2.2, np.float32)


def smeared(light: Float32) -> Float32:
    """8 bits and what compression leaves: a code more or less."""
    codes = np.round(np.clip(light, 0, 1) ** (1 / 2.2) * 255) + np.random.default_rng(2).integers(
        -1, 2, light.shape
    )
    return np.asarray((codes.clip(0, 255) / 255) ** 2.2, np.float32)


@pytest.mark.parametrize(
    ("record", "level"),
    [
        (eight_bit, 1.0),
        (lambda light: coded(light, 65535), 1.0),
        (smeared, 1.0),
        (lambda light: np.minimum(light, np.float32(0.6)), 0.6),
        (lambda light: np.minimum(light, np.float32(1.5)), 1.5),
        (lambda light: np.minimum(light, np.float32(4.0)).astype(np.float16).astype(np.float32), 4.0),
    ],
    ids=["8 bits", "16 bits", "compressed", "at 0.6", "at 1.5", "half floats at 4"],
)
def test_the_level_of_a_clipped_picture(record: Callable[[Float32], Float32], level: float) -> None:
    assert clipping_levels(image(record(lit()))) == pytest.approx((level,) * 3, rel=1e-3)


@pytest.mark.parametrize("grain", [0.0, 0.004], ids=["painted", "with a little grain"])
@pytest.mark.parametrize("level", [0.02, 0.4, 0.9])
def test_a_flat_grey_is_not_clipped(level: float, grain: float) -> None:
    flat = level * (1 + grain * np.random.default_rng(4).uniform(-1, 1, (*SIZE, 3)))
    assert clipping_levels(image(np.asarray(flat, np.float32))) == UNCLIPPED


def test_a_picture_that_is_white_everywhere_is_clipped() -> None:
    assert clipping_levels(image(np.ones((*SIZE, 3), np.float32))) == (1.0, 1.0, 1.0)


def test_a_flat_channel_says_nothing_of_the_others() -> None:
    coloured = lit()
    coloured[..., 2] = 0.3
    assert clipping_levels(image(np.minimum(coloured, np.float32(0.6)))) == pytest.approx((0.6, 0.6, float("inf")))


def test_each_channel_has_a_level_of_its_own() -> None:
    tops = np.array([0.5, np.inf, 1.2], np.float32)
    assert clipping_levels(image(np.minimum(lit(), tops))) == pytest.approx((0.5, np.inf, 1.2), rel=1e-3)


def ramp(shape: tuple[int, int]) -> Float32:
    return np.repeat(np.linspace(0.1, 3.0, shape[1], dtype=np.float32)[None], shape[0], 0)[..., None].repeat(3, 2)


@pytest.mark.parametrize(
    "picture",
    [
        lit(),
        ramp(SIZE),
        np.asarray(0.8 + np.random.default_rng(4).normal(0, 0.02, (*SIZE, 3)), np.float32),
        eight_bit(0.1 * lit()),
        np.zeros((*SIZE, 3), np.float32),
        np.ones((2, 3, 3), np.float32),
    ],
    ids=["lamps", "ramp", "white wall with grain", "8 bits not full", "black", "tiny"],
)
def test_light_that_was_not_clipped_has_no_level(picture: Float32) -> None:
    assert clipping_levels(image(picture)) == UNCLIPPED


def test_a_few_hot_pixels_do_not_hide_the_level() -> None:
    picture = np.minimum(lit(), np.float32(1.0))
    picture[5, [3, 90, 200]] = 40.0
    assert clipping_levels(image(picture)) == pytest.approx((1.0,) * 3)


def test_a_level_holds_twelve_pixels() -> None:
    for count, level in ((12, 1.0), (11, np.inf)):
        picture = np.linspace(0.01, 0.5, 1200, dtype=np.float32).reshape(30, 40, 1).repeat(3, axis=2)
        picture[0, :count] = 1.0
        assert clipping_levels(image(picture)) == (level,) * 3


@pytest.mark.parametrize("gain", [0.25, 0.5, 0.74, 1.1, 1.35, 2.0, 4.0])
@pytest.mark.parametrize(
    "record", [eight_bit, lambda light: np.minimum(light, np.float32(0.6))], ids=["8 bits", "0.6"]
)
def test_the_gain_is_that_of_what_was_not_clipped(gain: float, record: Callable[[Float32], Float32]) -> None:
    plate, clean = record(lit() * np.float32(gain)), record(lit())
    found = with_exposure(Alignment(transform=np.eye(3)), image(plate), image(clean))
    # The grain of 2 % is the same in both; 8 bits of a dark plate have steps of 3 %.
    assert found.gain == pytest.approx((gain,) * 3, rel=0.02) and not found.warnings


def test_a_frame_that_is_mostly_clipped_is_not_matched_and_says_why() -> None:
    white = np.ones((*SIZE, 3), np.float32)
    white[:5] = 0.3 * room(5, SIZE[1], seed=1)
    found = match_exposure(white, white, np.ones(SIZE, bool), white >= 0.99)
    assert found.gain == (1.0, 1.0, 1.0) if found.agreeing < 0.15 else found.warning == ""
    nothing = match_exposure(white, white, np.ones(SIZE, bool), np.ones(white.shape, bool))
    assert nothing.gain == (1.0, 1.0, 1.0) and "100% of the frame is clipped" in nothing.warning


def test_the_clean_plates_level_moves_with_its_exposure() -> None:
    plate, clean = image(lit()), image(eight_bit(lit()))
    found = clipping_of(plate, clean, Alignment(transform=np.eye(3), gain=(2.0, 1.0, 0.5), offset=(0.0, 0.1, 0.0)))
    assert found.plate == UNCLIPPED and found.clean == pytest.approx((2.0, 1.1, 0.5)) and found.any
    assert not clipping_of(plate, plate, Alignment(transform=np.eye(3))).any


@pytest.mark.parametrize(
    ("below", "just_below", "at_the_top", "is_level"),
    [
        (100, 200, 100, True),  # 300 from 0.985 of the top on: three times the 100 below
        (101, 200, 100, False),
        (2000, 40, 120, True),  # a bright sky under white: at the very top three times as many as just below it
        (2000, 41, 120, False),
        (2000, 0, 120, False),  # unless the light goes on smoothly up to there, a few values are no pile
    ],
)
def test_a_level_holds_three_times_what_lies_just_below_it(
    below: int, just_below: int, at_the_top: int, is_level: bool
) -> None:
    """The counts in one channel of a picture of 100 x 100 whose other pixels are dark."""
    values = np.full(10_000, 0.1, np.float32)
    values[:below], values[3000 : 3000 + just_below] = 0.97, 0.99
    values[6000 : 6000 + at_the_top] = 1.0
    picture = np.repeat(values.reshape(100, 100, 1), 3, axis=2)
    assert (clipping_levels(image(picture)) == (1.0, 1.0, 1.0)) == is_level
