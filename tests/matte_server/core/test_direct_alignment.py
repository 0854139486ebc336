"""Alignment by brightness, on sets without details, against movements made here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

from matte_server.core.align import VAGUE, _is_believed, align, display_transform
from matte_server.core.alignment_features import light_of
from matte_server.core.direct_alignment import DirectFit, _largest_error, align_directly
from matte_server.core.image import Float32
from matte_server.core.tone_fit import TRANSLATION, fitted
from matte_server.core.tone_level import bounded, reduced_pair, tone_level
from matte_server.core.window import Window
from tests.matte_server.pictures import Array, homography_within, image, moved, room, shrunk, soft_disc

SIZE = HEIGHT, WIDTH = (360, 640)
HAND = homography_within({"tl": (9, -5), "tr": (-4, 8), "br": (10, 3), "bl": (-6, -8)}, *SIZE)
SHIFT = np.array([[1.0, 0.0, 7.4], [0.0, 1.0, -4.8], [0.0, 0.0, 1.0]])
# Blurred by 12 px: an error of 1 px changes nothing by more than a twelfth of its contrast. Measured on ten of each
# kind of set: at most 0.5 px, and 0.9 px in a corner.
BLUR_PX, ALLOWED_PX = 12.0, 1.0


def soft(pixels: Float32) -> Float32:
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), BLUR_PX), np.float32)


def heavily_grained(pixels: Float32, seed: int, sigma: float) -> Float32:
    rng = np.random.default_rng(seed)
    return (pixels * (1 + rng.normal(0, sigma, pixels.shape))).astype(np.float32)


def grainy(pixels: Float32, seed: int) -> Float32:
    return heavily_grained(pixels, seed, 0.02)


def with_subject(pixels: Float32, part: float = 0.35) -> Float32:
    """A sharp, textured disc that stands in the picture's middle: ``part`` of its height is the radius."""
    alpha = soft_disc(HEIGHT, WIDTH, (WIDTH / 2, HEIGHT / 2), HEIGHT * part, 2.0)[..., None]
    return (alpha * room(HEIGHT, WIDTH, seed=9) * 2.0 + (1 - alpha) * pixels).astype(np.float32)


def unfocused(seed: int = 1) -> Float32:
    """A set far out of focus."""
    return soft(room(HEIGHT, WIDTH, seed=seed))


def bare() -> Float32:
    """A corner of three white walls: three edges, and nothing else."""
    walls = np.full((HEIGHT, WIDTH), 0.62, np.float32)
    for points, light in (
        ([(0, 250), (300, 210), (300, 0), (0, 0)], 0.5),
        ([(300, 210), (WIDTH, 280), (WIDTH, HEIGHT), (0, HEIGHT), (0, 250)], 0.7),
    ):
        cv2.fillPoly(walls, [np.array(points, np.int32)], light)
    return np.repeat(cv2.GaussianBlur(walls, (0, 0), 1.0)[..., None], 3, axis=2)


def misses_px(found: Array, truth: Array) -> float:
    """The largest distance between where two transforms put the picture's corners and middle."""
    y, x = np.mgrid[0:HEIGHT:3j, 0:WIDTH:3j]
    points = np.stack([x.ravel(), y.ravel()], -1)[None]
    away = cv2.perspectiveTransform(points, found) - cv2.perspectiveTransform(points, truth)
    return float(np.linalg.norm(away[0], axis=1).max())


def fit(plate: Float32, clean: Float32, mode: str = "auto") -> DirectFit:
    lit, behind = (light_of(tuple(np.moveaxis(pixels, -1, 0).copy())) for pixels in (plate, clean))
    found = align_directly(lit, behind, np.eye(3), mode)
    assert found is not None
    return found


@pytest.mark.parametrize(("seed", "part"), [(1, 0.45), (2, 0.35), (3, 0.45)])
def test_a_set_out_of_focus_is_aligned_past_a_sharp_subject(seed: int, part: float) -> None:
    """The disc hides 22 % of the picture, or 36."""
    clean = unfocused(seed)
    plate = grainy(with_subject(moved(clean, HAND), part) * np.float32(1.4), 1)
    found = align(image(plate), image(grainy(clean, 2)), "auto")
    assert found.kind == "homography" and not found.warnings
    assert misses_px(found.transform, HAND) < ALLOWED_PX
    assert found.inliers > 0.67 and found.points > 100 and 0 < found.residual_px < 0.5
    assert found.coverage == pytest.approx(0.97, abs=0.03)


def test_a_bare_corner_is_aligned_by_its_edges() -> None:
    plate = grainy(with_subject(moved(bare(), SHIFT), 0.2), 1)
    found = align(image(plate), image(grainy(bare(), 2)), "auto")
    assert not found.warnings and found.kind in ("translation", "homography")
    # Straight edges say little of the corners far from them; a tenth of a pixel is what their grain leaves nearby.
    assert misses_px(found.transform, SHIFT) < ALLOWED_PX


@pytest.mark.parametrize(
    ("truth", "kind"), [(np.eye(3), "none"), (SHIFT, "translation"), (HAND, "homography")], ids=str
)
def test_the_simplest_motion_that_fits_is_taken(truth: Array, kind: str) -> None:
    clean = unfocused()
    found = fit(grainy(with_subject(moved(clean, truth)), 1), grainy(clean, 2))
    assert found.kind == kind
    assert misses_px(found.transform, truth) < ALLOWED_PX
    if kind == "none":
        assert np.array_equal(found.transform, np.eye(3))


def test_the_mode_says_which_motion() -> None:
    clean = unfocused()
    plate = with_subject(moved(clean, SHIFT))
    for mode in ("translation", "homography"):
        found = fit(plate, clean, mode)
        assert found.kind == mode
        assert misses_px(found.transform, SHIFT) < ALLOWED_PX
    # A shift alone cannot follow a turn, and says so by no more than its own kind.
    assert fit(moved(clean, HAND), clean, "translation").kind == "translation"


@pytest.mark.parametrize(("plate_px", "clean_px"), [(8.0, 0.0), (0.0, 8.0), (5.0, 0.0), (14.0, 5.0)])
@pytest.mark.parametrize(("truth", "kind"), [(np.eye(3), "none"), (SHIFT, "translation")], ids=["still", "moved"])
def test_a_focus_that_was_pulled_moves_nothing(plate_px: float, clean_px: float, truth: Array, kind: str) -> None:
    """The clean plate is sharp and the set behind the subject is not, or the other way round."""
    lit = shrunk(room(2 * HEIGHT, 2 * WIDTH, seed=4), WIDTH, HEIGHT)
    behind, clean = (
        cv2.GaussianBlur(part, (0, 0), px) if px else part
        for part, px in ((moved(lit, truth), plate_px), (lit, clean_px))
    )
    plate = grainy(with_subject(np.asarray(behind, np.float32)), 1)
    found = align(image(plate), image(grainy(np.asarray(clean, np.float32), 2)), "auto")
    assert not found.warnings and found.kind in (kind, "homography" if kind == "translation" else kind)
    # Without movement it is exact; a shift is found to a tenth of the blur.
    assert misses_px(found.transform, truth) <= (1.4 if kind == "translation" else 0.0)


@pytest.mark.parametrize(
    ("seed", "px", "part"), [(2, (120, -40), 0.2), (1, (-120, -90), 0.25), (3, (-150, 60), 0.3)], ids=str
)
def test_a_large_shift_is_found(seed: int, px: tuple[int, int], part: float) -> None:
    """A fifth of the width: the smallest copies are moved by eighteen pixels. From copies of 192 pixels on, or with
    homographies on all, one of these ends hundreds of pixels away."""
    clean = unfocused(seed)
    far = np.array([[1.0, 0.0, px[0]], [0.0, 1.0, px[1]], [0.0, 0.0, 1.0]])
    found = fit(grainy(with_subject(moved(clean, far), part), 1), grainy(clean, 2))
    assert misses_px(found.transform, far) < ALLOWED_PX


def test_a_camera_that_turned_is_followed() -> None:
    """By 8 degrees and nearer: without a turn on the copies before the finest it ends four pixels away."""
    turned = np.eye(3)
    turned[:2] = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), 8.0, 1.06)
    turned[:2, 2] += (30, -20)
    clean = unfocused()
    found = fit(grainy(with_subject(moved(clean, turned), 0.3), 1), grainy(clean, 2))
    assert found.kind == "homography" and misses_px(found.transform, turned) < ALLOWED_PX


def test_what_a_simpler_motion_may_leave() -> None:
    """A shift of 0.7 px is worth a third of the residual's deviation, and so is one. A focus that was pulled far
    behind a large subject lets a homography fit better by a fifth, and is none: the bound lies in between."""
    clean = unfocused()
    near = np.array([[1.0, 0.0, 0.7], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    assert fit(grainy(with_subject(moved(clean, near)), 1), grainy(clean, 2)).kind == "translation"
    lit = shrunk(room(2 * HEIGHT, 2 * WIDTH, seed=6), WIDTH, HEIGHT)
    pulled = np.asarray(cv2.GaussianBlur(lit, (0, 0), 12), np.float32)
    assert fit(grainy(with_subject(lit, 0.5), 1), grainy(pulled, 2)).kind == "none"


@pytest.mark.parametrize("sigma", [0.05, 0.2])
def test_a_fraction_of_a_pixel_behind_grain_is_no_stillness(sigma: float) -> None:
    """It raises the residual by less than a quarter, yet it is known to a tenth of a pixel, and a third under heavy
    grain."""
    clean, near = unfocused(), np.array([[1.0, 0.0, 0.7], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    found = fit(heavily_grained(with_subject(moved(clean, near)), 1, sigma), heavily_grained(clean, 2, sigma))
    assert found.kind == "translation" and misses_px(found.transform, near) < 0.3


def test_the_standard_error_is_what_takes_scatter_by() -> None:
    """Takes of one set, each with grain of its own, on copies of 192 pixels. Twenty places scatter by their
    deviation to within a quarter; half as much again is what blurred grain may differ from the pixels computed."""
    lit = light_of(tuple(np.moveaxis(unfocused(), -1, 0).copy()))
    random, away, said = np.random.default_rng(2), [], []
    for _ in range(20):
        plate, clean = (bounded(lit * (1 + random.normal(0, 0.06, lit.shape)).astype(np.float32)) for _ in range(2))
        level = tone_level(reduced_pair(plate, clean, 192, np.eye(3)))
        found = fitted(level, np.eye(3), TRANSLATION)
        assert found is not None
        away.append(float(np.linalg.norm(found.matrix[:2, 2]) * level.plate_up[0, 0]))
        said.append(_largest_error(found.variance, level))
    scatter = float(np.sqrt(np.mean(np.square(away))))
    assert scatter / 1.8 < float(np.mean(said)) < 1.8 * scatter


@pytest.mark.parametrize(("sigma", "warnings"), [(0.1, ()), (0.14, (VAGUE,))])
def test_a_place_that_grain_leaves_uncertain_is_said(sigma: float, warnings: tuple[str, ...]) -> None:
    """The corners are known to 0.34 pixels, or to 0.77; they are off by 0.41, or by 0.45."""
    clean = unfocused(3)
    plate, behind = heavily_grained(with_subject(moved(clean, HAND)), 1, sigma), heavily_grained(clean, 2, sigma)
    found = align(image(plate), image(behind), "auto")
    assert found.kind == "homography" and found.warnings == warnings
    assert misses_px(found.transform, HAND) < 2 * found.residual_px


def test_blur_does_not_hide_what_is_left_of_a_movement(monkeypatch: pytest.MonkeyPatch) -> None:
    """Coarse copies that leave a turn of 2.5 degrees: both pictures look more alike while one is blurred, and on
    the blurred copies the fit ended 1.8 pixels off."""
    monkeypatch.setattr("matte_server.core.direct_alignment._COARSE", ((96, (TRANSLATION,)),))
    clean = np.asarray(cv2.GaussianBlur(room(HEIGHT, WIDTH), (0, 0), 6), np.float32)
    turned = np.eye(3)
    turned[:2] = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), 2.5, 1.02)
    turned[:2, 2] += (-12, 8)
    found = fit(grainy(with_subject(moved(clean, turned), 0.3), 1), grainy(clean, 2))
    assert misses_px(found.transform, turned) < 0.3


def test_a_proxy_is_compared_as_large_as_the_plate() -> None:
    """Of half the size, and blurred alike in its own pixels, it was 0.3 pixels off."""
    clean = np.asarray(cv2.GaussianBlur(room(HEIGHT, WIDTH), (0, 0), 8), np.float32)
    proxy = image(shrunk(grainy(clean, 2), WIDTH // 2, HEIGHT // 2))
    plate = image(grainy(with_subject(moved(clean, HAND), 0.3), 1))
    found = align(plate, proxy, "auto")
    assert misses_px(found.transform @ np.linalg.inv(display_transform(plate, proxy)), HAND) < 0.2


def test_windows_elsewhere_and_of_other_sizes() -> None:
    clean = unfocused()
    plate = with_subject(moved(clean, SHIFT))
    display = Window(0, 0, WIDTH, HEIGHT)
    found = align(
        image(plate[20:350, 10:620], Window(10, 20, 610, 330), display),
        image(clean[5:360, 30:640], Window(30, 5, 610, 355), display),
        "auto",
    )
    assert not found.warnings
    assert misses_px(found.transform, SHIFT) < ALLOWED_PX


def test_a_proxy_of_the_clean_plate_is_enough() -> None:
    clean = unfocused()
    start = np.array([[2.0, 0.0, 0.5], [0.0, 2.0, 0.5], [0.0, 0.0, 1.0]])
    found = align(image(with_subject(clean)), image(shrunk(clean, WIDTH // 2, HEIGHT // 2)), "auto")
    assert found.kind == "none" and np.array_equal(found.transform, start)


@pytest.mark.parametrize("seed", range(4))
def test_another_set_out_of_focus_is_not_forced_onto_the_plate(seed: int) -> None:
    plate = grainy(with_subject(unfocused(seed)), 1)
    found = align(image(plate), image(grainy(unfocused(seed + 10), 2)), "auto")
    assert found.kind == "none" and len(found.warnings) == 1


def test_a_set_that_is_nearly_hidden_is_not_believed() -> None:
    """The subject covers all but a border: what is left agrees in fewer places than are asked."""
    clean = unfocused()
    plate = with_subject(moved(clean, HAND), 1.0)
    found = align(image(plate), image(clean), "auto")
    assert found.kind == "none" and found.warnings


BELIEVED = DirectFit(
    transform=HAND,
    kind="homography",
    places=np.stack(np.meshgrid(np.arange(40, 640, 60), np.arange(40, 360, 60)), -1)
    .reshape(-1, 2)
    .astype(np.float32),
    resembling=70,
    error_px=0.9,
)


@pytest.mark.parametrize(
    ("change", "is_believed"),
    [
        ({}, True),
        # 60 places are like the clean plate; of more than 89 that resemble it they are too few.
        ({"resembling": 91}, False),
        # 1.5 thousandths of 640 pixels are 0.96.
        ({"error_px": 0.97}, False),
        ({"error_px": float("inf")}, False),
        ({"places": BELIEVED.places[:23], "resembling": 23}, False),
        ({"places": BELIEVED.places / 10}, False),
        ({"transform": np.diag([-1.0, 1.0, 1.0])}, False),
    ],
    ids=["as it is", "few alike", "vague", "unknown", "few", "in one place", "mirrored"],
)
def test_what_a_fit_must_show(change: dict[str, Any], is_believed: bool) -> None:
    assert _is_believed(replace(BELIEVED, **change), Window(0, 0, WIDTH, HEIGHT)) == is_believed


def test_a_gradient_says_nothing_across_it() -> None:
    """A sky: every shift along its bands explains it."""
    sky = np.repeat(np.linspace(0.1, 0.9, HEIGHT, dtype=np.float32)[:, None], WIDTH, axis=1)
    clean = np.repeat(sky[..., None], 3, axis=2)
    found = align(image(grainy(clean, 1)), image(grainy(clean, 2)), "auto")
    assert np.array_equal(found.transform, np.eye(3)) and found.warnings


def test_light_that_is_no_number_or_without_end_is_an_outlier() -> None:
    clean = unfocused()
    plate = with_subject(moved(clean, SHIFT))
    plate[40:60, 50:90], plate[100:110, 500:520] = np.nan, np.inf
    found = fit(plate, clean)
    assert misses_px(found.transform, SHIFT) < ALLOWED_PX


def test_the_same_pictures_give_the_same_bits() -> None:
    clean = unfocused()
    plate = with_subject(moved(clean, HAND))
    assert np.array_equal(fit(plate, clean).transform, fit(plate, clean).transform)
