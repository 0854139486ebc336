"""The clean plate's exposure where the alignment puts it, and an alignment as JSON and back."""

from __future__ import annotations

import json
from functools import lru_cache

import numpy as np
import pytest

from matte_server.core.align import Alignment
from matte_server.core.image import Float32
from matte_server.core.placement import as_facts, from_facts, with_exposure
from matte_server.core.small_copies import SmallCopies, SmallCopy
from matte_server.core.window import Window
from tests.matte_server.pictures import Array, image, room


def ramp(height: int, width: int, first: float = 0.0) -> Float32:
    """Light that rises from left to right by 1 in 600 pixels, and a little from top to bottom."""
    y, x = np.mgrid[0:height, 0:width]
    light = 0.2 + (x + first) / 600 + y / 1500
    return np.repeat(light[..., None], 3, axis=2).astype(np.float32)


@pytest.mark.parametrize(
    ("transform", "clean_window"),
    [
        (np.eye(3), Window(0, 0, 1440, 300)),
        (np.array([[1.0, 0, 30], [0, 1, 0], [0, 0, 1]]), Window(0, 0, 1440, 300)),
        (np.eye(3), Window(-60, 0, 1440, 300)),
    ],
    ids=["unmoved", "moved", "another window"],
)
def test_gain_and_offset_are_measured_where_the_clean_plate_lies(transform: Array, clean_window: Window) -> None:
    """A plate column x shows the clean plate's column x - 30, or x + 60: on a ramp, being a third of a pixel of the
    small copies off is an offset of 5e-4 of light."""
    column = -transform[0, 2] - clean_window.x
    clean = ramp(300, 1440)
    plate = ramp(300, 1440, column) * np.array([1.5, 0.8, 1.0], np.float32)
    found = with_exposure(Alignment(transform=transform), image(plate), image(clean, clean_window))
    assert found.warnings == ()
    # Float32's last places, and what averages over 3 x 3 pixels leave of them.
    assert found.gain == pytest.approx((1.5, 0.8, 1.0), abs=2e-4)
    assert found.offset == pytest.approx((0.0, 0.0, 0.0), abs=2e-4)


def test_a_plate_s_own_window_counts() -> None:
    clean, plate = ramp(300, 1440), ramp(300, 1440, 90.0) * np.float32(1.25)
    found = with_exposure(Alignment(transform=np.eye(3)), image(plate, Window(90, 0, 1440, 300)), image(clean))
    assert found.gain == pytest.approx((1.25,) * 3, abs=2e-4)
    assert found.offset == pytest.approx((0.0,) * 3, abs=2e-4)


def test_only_what_the_clean_plate_covers_is_measured() -> None:
    """Two thirds of the plate lie beside the clean plate and are ten times as bright."""
    clean, plate = room(60, 90), room(60, 90, seed=4) * np.float32(10.0)
    plate[:, :30] = clean[:, 60:] * np.float32(0.7)
    shift = np.array([[1.0, 0, -60], [0, 1, 0], [0, 0, 1]])
    found = with_exposure(Alignment(transform=shift), image(plate), image(clean))
    # Without noise what is left is the width of a bin of the first estimate.
    assert found.gain == pytest.approx((0.7,) * 3, rel=5e-3) and found.warnings == ()


@lru_cache
def fence(height: int, width: int) -> Float32:
    """Dark bars of 6 pixels every 21 before a room: in a proxy each is about as wide as what is averaged."""
    light = room(height, width)
    light[:, np.arange(width) % 21 < 6] *= np.float32(0.1)
    light[np.arange(height) % 21 < 6] *= np.float32(0.1)
    return light


@pytest.mark.parametrize("size", [(1920, 336), (7680, 96)], ids=["HD", "8K"])
@pytest.mark.parametrize("pixels", [(2, 2), (4, 4), (2, 1), (1, 2)], ids=["half", "quarter", "squeezed", "flat"])
@pytest.mark.parametrize("is_proxy", [False, True], ids=["plate", "clean plate"])
def test_a_proxy_of_a_detailed_set_has_the_same_gain(
    is_proxy: bool, pixels: tuple[int, int], size: tuple[int, int]
) -> None:
    """A clean plate of half the plate's size was averaged over twice as much, which took 10 % from this gain."""
    large = fence(size[1], size[0])
    small = large.reshape(size[1] // pixels[1], pixels[1], size[0] // pixels[0], pixels[0], 3).mean((1, 3))
    plate, clean = (large, small) if is_proxy else (small, large)
    to_plate = np.array(plate.shape[1::-1]) / clean.shape[1::-1]
    transform = np.diag([*to_plate, 1.0])
    transform[:2, 2] = 0.5 * to_plate - 0.5
    tint = np.array([1.4, 1.2, 0.8], np.float32)
    found = with_exposure(Alignment(transform=transform), image(plate * tint), image(clean))
    # Averages of averages, in single precision.
    assert found.gain == pytest.approx(tuple(tint), rel=1e-4)
    assert found.offset == pytest.approx((0.0,) * 3, abs=2e-5)


class Recorded(SmallCopies):
    """Notes how a clean plate is looked at."""

    def seen_through(self, matrix: Array, size: tuple[int, int], averaged_px: tuple[int, int]) -> SmallCopy:
        self.matrix, self.size, self.averaged_px = matrix, size, averaged_px
        return super().seen_through(matrix, size, averaged_px)


def test_exposure_is_measured_on_copies_of_480_pixels_whose_edges_are_the_picture_s() -> None:
    """Pixel edges coincide: the middle of a small pixel of 3 is 1 further than the middle of the first of them."""
    clean = image(room(60, 1440), Window(5, 7, 1440, 60))
    shift = np.array([[1.0, 0, 30], [0, 1, 4], [0, 0, 1]])
    copies = Recorded(clean)
    with_exposure(Alignment(transform=shift), image(room(90, 1440), Window(-3, 2, 1440, 90)), clean, copies)
    assert copies.size == (480, 30) and copies.averaged_px == (3, 3)
    # Small (x, y) is (3 x + 1, 3 y + 1) of the plate, whose window begins at (-3, 2); back by the shift and to the
    # clean plate's array, which begins at (5, 7).
    expected = np.array([[3.0, 0, 1 - 3 - 30 - 5], [0, 3, 1 + 2 - 4 - 7], [0, 0, 1]])
    np.testing.assert_allclose(copies.matrix, expected, atol=1e-9)


def test_an_exposure_that_cannot_be_matched_adds_a_warning() -> None:
    before = Alignment(transform=np.eye(3), warnings=("first",), points=7)
    found = with_exposure(before, image(np.zeros((40, 40, 3))), image(room(40, 40)))
    assert (found.gain, found.offset, found.points) == ((1.0, 1.0, 1.0), (0.0, 0.0, 0.0), 7)
    assert found.warnings[0] == "first" and found.warnings[1].startswith("The exposure was not matched")


def test_an_alignment_survives_json_exactly() -> None:
    matrix = np.eye(3) + np.random.default_rng(1).normal(0, 1e-3, (3, 3))
    found = from_facts(json.loads(json.dumps(as_facts(Alignment(matrix, gain=(0.1, 1 / 3, 2.0))))))
    assert np.array_equal(found.transform, matrix)
    assert found.gain == (0.1, 1 / 3, 2.0)
    assert np.isnan(found.residual_px)


GOOD = {"transform": np.eye(3).tolist(), "gain": [1, 1, 1], "offset": [0, 0, 0]}


@pytest.mark.parametrize(
    "wrong",
    [
        {"transform": [[1, 0], [0, 1]]},
        {"transform": "eye"},
        {"transform": np.zeros((3, 3)).tolist()},
        {"transform": [[1, 0, float("nan")], [0, 1, 0], [0, 0, 1]]},
        {"gain": [1, 1]},
        {"points": "many"},
        {"points": -1},
        {"points": float("inf")},
        {"warnings": "none"},
        {"inliers": True},
        {"inliers": 10**400},
        {"gain": [1e308, 1e308, 1e308]},
        # Finite, but not in the single precision that pixels have.
        {"gain": [1e39, 1.0, 1.0]},
        {"transform": [[10**400, 0, 0], [0, 1, 0], [0, 0, 1]]},
    ],
)
def test_what_is_no_alignment_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="alignment"):
        from_facts({**GOOD, **wrong})


def test_every_figure_survives_json() -> None:
    alignment = Alignment(
        transform=np.eye(3), kind="homography", inliers=0.5, residual_px=0.25, points=12, offset=(0.1, 0.2, 0.3)
    )
    facts = as_facts(alignment)
    assert (facts["inliers"], facts["residual_px"]) == (0.5, 0.25)
    found = from_facts({**json.loads(json.dumps(facts)), "warnings": ["one", "two"]})
    assert (found.kind, found.inliers, found.residual_px, found.points) == ("homography", 0.5, 0.25, 12)
    assert found.offset == (0.1, 0.2, 0.3) and found.warnings == ("one", "two")
    assert as_facts(Alignment(transform=np.eye(3)))["inliers"] is None
    assert (from_facts(GOOD).kind, from_facts(GOOD).points) == ("given", 0)
    assert from_facts({**GOOD, "points": 2**31 - 1}).points == 2**31 - 1
    with pytest.raises(ValueError, match="points"):
        from_facts({**GOOD, "points": 2**31})


@pytest.mark.parametrize("size", [(540, 960), (2160, 1000), (600, 4801)], ids=["half", "portrait", "ten to one"])
def test_identical_pictures_have_a_gain_of_exactly_one(size: tuple[int, int]) -> None:
    """Stars: two filters that reduce a picture each give points of light another brightness."""
    random = np.random.default_rng(1)
    sky = np.abs(random.normal(0.004, 0.002, size)).astype(np.float32)
    sky[random.random(size) < 0.002] += np.float32(1.0)
    picture = image(np.repeat(sky[..., None], 3, axis=2), Window(-7, 3, size[1], size[0]))
    found = with_exposure(Alignment(transform=np.eye(3)), picture, picture)
    assert (found.gain, found.offset, found.warnings) == ((1.0,) * 3, (0.0,) * 3, ())


def test_identical_noise_has_a_gain_of_exactly_one() -> None:
    """Of 40 pictures some had a gain that differed in the last bit."""
    random, ramp = np.random.default_rng(1), np.linspace(0, 1, 61, dtype=np.float32)[None, :, None]
    for _ in range(40):
        noise = image(random.random((47, 61, 3)).astype(np.float32) * ramp, Window(0, 0, 61, 47))
        found = with_exposure(Alignment(transform=np.eye(3)), noise, noise)
        assert (found.gain, found.offset) == ((1.0,) * 3, (0.0,) * 3)
