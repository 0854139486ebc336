"""The pipeline of one frame, against plates composed here from known parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch
from matte_link.options import MatteOptions

from matte_server.core import alignment_features
from matte_server.core.align import Alignment
from matte_server.core.image import Float32, Guides, Image, PlatePair
from matte_server.core.result import MatteResult
from matte_server.core.window import Window
from matte_server.errors import MatteCancelled, MatteError
from matte_server.frame.picture_checks import guide_warnings
from matte_server.frame.pipeline import STAGES, MattePipeline
from tests.matte_server.pictures import Truth, composed, image, moved, room, soft_disc

STILL = MatteOptions(
    model="difference",
    align="none",
    match_exposure=False,
    layer_clean=True,
    layer_confidence=True,
    layer_difference=True,
)


@pytest.fixture(scope="module")
def pipeline() -> MattePipeline:
    return MattePipeline(torch.device("cpu"))


@pytest.fixture(scope="module")
def truth() -> Truth:
    return composed(height=120, width=180, noise=0.003, peak=50.0, blur=6.0)


def solve(
    pipeline: MattePipeline,
    plate: Image,
    clean: Image,
    options: MatteOptions = STILL,
    guides: Guides | None = None,
    given: Alignment | None = None,
) -> MatteResult:
    pair = PlatePair(plate=plate, clean_plate=clean)
    return pipeline.solve(
        pair, guides or Guides(), options, check=lambda: None, progress=lambda *s: None, given=given
    )


@pytest.fixture(scope="module")
def found(pipeline: MattePipeline, truth: Truth) -> MatteResult:
    return solve(pipeline, image(truth.plate), image(truth.clean))


@pytest.mark.parametrize("model", ["difference", "cleanplate"])
def test_alpha_is_near_the_truth_and_foreground_puts_the_plate_together_again(
    pipeline: MattePipeline, truth: Truth, model: str
) -> None:
    result = solve(pipeline, image(truth.plate), image(truth.clean), replace(STILL, model=model))
    error = np.abs(result.alpha.pixels[..., 0] - truth.alpha)
    # The disc's edge is 6 px wide on 500 px of circumference: 9 % of the frame is semi-transparent.
    assert error.mean() < 0.02 and error[truth.alpha == 1].mean() < 0.03 and error[truth.alpha == 0].mean() < 0.005
    alpha, foreground = result.alpha.pixels, result.foreground.pixels
    again = alpha * foreground + (1 - alpha) * result.layers["clean"].rgb
    wrong = np.abs(again - truth.plate).max(axis=-1)
    sure = np.isin(alpha[..., 0], (0.0, 1.0)) & (truth.alpha == 1)
    assert wrong[sure].max() <= 50 * 2**-11  # a half-float step of the brightest value
    figure = result.diagnostics["recomposition_error"]
    assert isinstance(figure, float) and figure < 1e-3  # the figure
    # The lamp: unclamped, and in its middle off by what alpha is off there (0.9 at the least); single pixels of its
    # edge may be off by more, because dividing by alpha carries alpha's error into so bright a colour.
    lamp = truth.plate.max(axis=-1) > 40.0
    assert float(np.median(foreground[lamp].max(axis=-1))) == pytest.approx(50.0, rel=0.15)


def test_results_bear_the_plates_windows_and_metadata(pipeline: MattePipeline, truth: Truth) -> None:
    data, display = Window(-20, 33, 180, 120), Window(0, 0, 200, 100)
    plate = replace(image(truth.plate, data, display), pixel_aspect=2.0, metadata={"owner": "us"})
    result = solve(pipeline, plate, image(truth.clean, data, display))
    assert set(result.layers) == {"clean", "confidence", "difference"}
    for part in (result.alpha, result.foreground, *result.layers.values()):
        assert (part.data_window, part.display_window, part.pixel_aspect) == (data, display, 2.0)
        assert part.metadata == {"owner": "us"}


def test_the_same_frame_gives_the_same_bits_whatever_came_before(
    pipeline: MattePipeline, truth: Truth, found: MatteResult
) -> None:
    other = composed(height=64, width=96, seed=7)
    solve(pipeline, image(other.plate), image(other.clean))
    again = solve(pipeline, image(truth.plate), image(truth.clean))
    assert np.array_equal(again.alpha.pixels, found.alpha.pixels)
    assert np.array_equal(again.foreground.pixels, found.foreground.pixels)


def test_a_moved_and_darker_clean_plate_is_brought_back(pipeline: MattePipeline) -> None:
    wall = room(300, 440, seed=11)
    alpha = soft_disc(300, 440, (220, 160), 70, 4.0)[..., None]
    plate = alpha * np.array([0.9, 0.2, 0.1], np.float32) + (1 - alpha) * wall
    away = np.array([[1, 0, 7.3], [0, 1, -4.6], [0, 0, 1.0]])
    options = MatteOptions(model="difference")
    result = solve(pipeline, image(plate), image(moved(wall, away) * np.float32(0.6)), options)
    assert result.alignment.kind == "translation"
    assert result.alignment.transform[:2, 2] == pytest.approx([-7.3, 4.6], abs=0.1)
    assert result.alignment.gain == pytest.approx((1 / 0.6,) * 3, rel=0.02)
    assert np.abs(result.alpha.pixels - alpha).mean() < 0.02
    assert result.diagnostics["warnings"] == []


def test_what_an_alignment_needs_of_a_clean_plate_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host sends the same clean plate with every frame. Where the camera moved its features are needed, elsewhere
    its small copy; both give the same bits as where nothing was kept."""
    wall, options = room(200, 300, seed=11), MatteOptions(model="difference")
    away = np.array([[1, 0, 7.3], [0, 1, -4.6], [0, 0, 1.0]])
    clean, plates = image(wall), [image(moved(wall, away) * np.float32(0.6)), image(wall * np.float32(0.8))]
    expected = [solve(MattePipeline(torch.device("cpu")), plate, clean, options) for plate in plates]
    seen: list[tuple[int, int]] = []
    features = alignment_features._features

    def counted(grey: npt.NDArray[np.uint8], scale: float) -> alignment_features.SiftFeatures:
        seen.append(grey.shape)
        return features(grey, scale)

    monkeypatch.setattr(alignment_features, "_features", counted)
    pipeline = MattePipeline(torch.device("cpu"))
    for _ in range(2):
        found = [solve(pipeline, plate, clean, options) for plate in plates]
        for one, other in zip(found, expected, strict=True):
            assert one.alignment.transform.tobytes() == other.alignment.transform.tobytes()
            assert (one.alignment.gain, one.alignment.offset) == (other.alignment.gain, other.alignment.offset)
            assert np.array_equal(one.alpha.pixels, other.alpha.pixels)
    # The clean plate once, and the moved plate each time.
    assert len(seen) == 3
    pipeline.clear()
    solve(pipeline, plates[0], clean, options)
    assert len(seen) == 5


def test_gain_and_offset_are_applied_to_a_clean_plate_with_lifted_blacks(pipeline: MattePipeline) -> None:
    wall, lifted = room(300, 440, seed=11), np.array([0.03, 0.02, 0.015], np.float32)
    alpha = soft_disc(300, 440, (220, 160), 70, 4.0)[..., None]
    plate = alpha * np.array([0.9, 0.2, 0.1], np.float32) + (1 - alpha) * wall
    # One product and one sum in float32 of values up to 4: to its last places.
    rounding = 1e-6
    given = Alignment(np.eye(3), offset=(-0.03, -0.02, -0.015))
    result = solve(pipeline, image(plate), image(wall + lifted), given=given)
    np.testing.assert_allclose(result.layers["clean"].rgb, wall, atol=rounding)
    result = solve(pipeline, image(plate), image(wall + lifted), replace(STILL, match_exposure=True))
    gain, offset = (np.array(each, np.float32) for each in (result.alignment.gain, result.alignment.offset))
    assert offset.max() < -0.005
    np.testing.assert_allclose(result.layers["clean"].rgb, (wall + lifted) * gain + offset, atol=rounding)


def test_a_given_alignment_is_taken_as_it_is(pipeline: MattePipeline, truth: Truth) -> None:
    shifted = np.roll(truth.clean, 5, axis=1)
    given = Alignment(np.array([[1, 0, -5.0], [0, 1, 0], [0, 0, 1]]), "translation")
    result = solve(pipeline, image(truth.plate), image(shifted), STILL, given=given)
    assert np.array_equal(result.layers["clean"].rgb[:, :174], truth.clean[:, :174])
    assert not result.layers["clean"].pixels[:, 175:, 3].any()


def test_a_plate_without_a_subject_has_no_matte_and_a_warning(pipeline: MattePipeline) -> None:
    rng = np.random.default_rng(1)
    wall = room(96, 128)
    plate, clean = (image((wall + rng.normal(0, 0.003, wall.shape)).astype(np.float32)) for _ in range(2))
    result = solve(pipeline, plate, clean)
    assert result.alpha.pixels.max() == 0.0
    assert "No subject was found" in str(result.diagnostics["warnings"])


@pytest.mark.parametrize("limit", ["region", "holdout"])
def test_a_subject_outside_what_is_looked_at_is_not_called_a_plate_without_one(
    pipeline: MattePipeline, truth: Truth, limit: str
) -> None:
    height, width = truth.alpha.shape[:2]
    everywhere = replace(image(truth.clean), pixels=np.ones((height, width, 1), np.float32), channels=("A",))
    guides = Guides(holdout=everywhere) if limit == "holdout" else Guides()
    options = replace(STILL, region="0 0 8 8") if limit == "region" else STILL
    result = solve(pipeline, image(truth.plate), image(truth.clean), options, guides)
    (warning,) = cast(list[str], result.diagnostics["warnings"])
    assert result.alpha.pixels.max() == 0.0 and warning.startswith("No subject was found where the region")


def test_a_speck_that_the_edge_controls_enlarge_is_still_no_subject(pipeline: MattePipeline, truth: Truth) -> None:
    # A tenth of one pixel of 21,600 is half of what counts as a subject; a disc of three pixels is far above it.
    speck = np.zeros((120, 180, 1), np.float32)
    speck[60, 90] = 0.1
    enlarged = replace(STILL, erode=-3.0)
    result = solve(pipeline, image(truth.clean), image(truth.clean), enlarged, Guides(core=image(speck)))
    assert result.alpha.pixels.mean() > 1e-4
    assert "No subject was found" in str(result.diagnostics["warnings"])


def test_a_subject_that_hides_four_fifths_of_the_plate_is_found(pipeline: MattePipeline) -> None:
    rng = np.random.default_rng(2)
    wall = room(108, 192)
    alpha = np.clip(153.6 - np.arange(192, dtype=np.float32), 0, 1)[None, :, None]
    plate = alpha * np.array([0.8, 0.1, 0.05], np.float32) + (1 - alpha) * wall
    plate, clean = (image((each + rng.normal(0, 0.003, wall.shape)).astype(np.float32)) for each in (plate, wall))
    result = solve(pipeline, plate, clean, replace(STILL, model="difference"))
    # The edge is one pixel of 192 wide, and a hundredth of the rest is more than noise makes of alpha.
    assert np.abs(result.alpha.pixels[..., 0] - alpha[..., 0]).mean() < 0.01
    assert result.diagnostics["warnings"] == []


def test_a_matte_that_the_edge_controls_remove_is_not_called_a_plate_without_a_subject(
    pipeline: MattePipeline, truth: Truth
) -> None:
    result = solve(pipeline, image(truth.plate), image(truth.clean), replace(STILL, erode=100.0))
    (warning,) = cast(list[str], result.diagnostics["warnings"])
    assert result.alpha.pixels.max() == 0.0 and warning.startswith("The edge controls leave nothing")


def test_highlights_of_fifty_and_noise_below_zero_do_not_upset_alpha(pipeline: MattePipeline) -> None:
    """The same scene with and without a lamp of 50 in the wall and black that dips below zero."""
    calm = composed(height=120, width=180, noise=0.002, peak=1.4)
    rng = np.random.default_rng(5)
    plate, clean = calm.plate.copy(), calm.clean.copy()
    plate[4:16, 4:16] = clean[4:16, 4:16] = 50.0
    for picture in (plate, clean):
        picture[-14:, -40:] = rng.normal(0.0, 0.002, (14, 40, 3))
    for model in ("difference", "cleanplate"):
        options = replace(STILL, model=model)
        wild, tame = (
            solve(pipeline, image(p), image(c), options) for p, c in ((plate, clean), (calm.plate, calm.clean))
        )
        inner = np.s_[24:100, 40:140]
        assert np.abs(wild.alpha.pixels[inner] - tame.alpha.pixels[inner]).mean() < 2e-3
        assert wild.alpha.pixels[4:16, 4:16].max() < 0.05 and wild.alpha.pixels[-14:, -40:].mean() < 0.05
        assert np.isfinite(wild.foreground.pixels).all()


@pytest.mark.parametrize("light", [1e3, 1e6])
def test_a_subject_as_bright_as_the_sun(pipeline: MattePipeline, light: float) -> None:
    """So far above the clean plate's noise that float32 rounds the covariance of its colours below zero."""
    scene = composed(height=96, width=128, blur=3.0)
    solid = scene.alpha == 1.0
    scene.plate[solid] = light
    for model in ("difference", "cleanplate"):
        result = solve(pipeline, image(scene.plate), image(scene.clean), replace(STILL, model=model))
        assert np.isfinite(result.foreground.pixels).all() and np.isfinite(result.alpha.pixels).all()
        # The network has never seen such light.
        assert model == "cleanplate" or result.alpha.pixels[solid].mean() > 0.9


def test_guides_of_any_size_and_softness_are_obeyed(pipeline: MattePipeline, truth: Truth) -> None:
    display = Window(0, 0, 180, 120)
    core = np.zeros((60, 90, 1), np.float32)  # half the plate's size: a proxy
    core[:10, :10] = 1.0
    holdout = np.zeros((120, 20, 1), np.float32)  # a strip of it at full size
    holdout[:] = 1.0
    guides = Guides(core=image(core), holdout=image(holdout, Window(80, 0, 20, 120), display))
    result = solve(pipeline, image(truth.plate), image(truth.clean), guides=guides)
    assert result.alpha.pixels[:18, :18].min() == 1.0
    assert result.alpha.pixels[:, 80:100].max() == 0.0


@pytest.mark.parametrize(("peak", "is_told"), [(1.0, False), (1.3, False), (255.0, True)])
def test_a_guide_from_0_to_255_is_told(truth: Truth, peak: float, is_told: bool) -> None:
    """Its soft edge is solid."""
    guide = image(np.linspace(0, peak, 120 * 180, dtype=np.float32).reshape(120, 180, 1))
    sentence = (
        "The holdout matte has values up to 255. All above 1 count as 1, soft edges too: divide by its white."
    )
    assert guide_warnings(image(truth.plate), Guides(holdout=guide)) == [sentence] * is_told


def test_a_guide_whose_place_on_the_plate_is_not_known_is_told(pipeline: MattePipeline, truth: Truth) -> None:
    """Drawn at another format's size it lies beside the subject, in silence otherwise."""
    guides = Guides(core=image(np.zeros((120, 160, 1), np.float32)))
    said = solve(pipeline, image(truth.plate), image(truth.clean), guides=guides).diagnostics["warnings"]
    assert said == [
        "The core matte is 160 x 120 pixels, the plate's frame 180 x 120: that is no other size of the same shape, "
        "so their top left corners were laid on each other. Write the matte in the plate's size."
    ]


def drawn(size: tuple[int, int], window: Window | None = None, display: Window | None = None) -> Image:
    """A guide of ``size``, height and width."""
    return image(np.zeros((*size, 1), np.float32), window, display)


@pytest.mark.parametrize(
    ("guide", "is_told"),
    [
        (drawn((120, 180)), False),
        (drawn((60, 90)), False),  # proxies
        (drawn((240, 360)), False),
        (drawn((10, 20), Window(3, 4, 20, 10), Window(0, 0, 180, 120)), False),  # an EXR that stores a part
        (drawn((140, 220), Window(-20, -10, 220, 140), Window(0, 0, 180, 120)), False),  # with overscan
        (drawn((120, 180), Window(5, 5, 180, 120)), False),  # elsewhere on the plane
        (drawn((140, 220), Window(-20, -10, 220, 140)), False),  # overscan that its display window has, too
        (drawn((120, 360)), True),  # desqueezed, before a plate of square pixels
        (drawn((140, 220)), True),  # overscan in a format that has none
        (drawn((121, 180)), True),
    ],
)
def test_which_guides_are_told(guide: Image, is_told: bool) -> None:
    plate = image(np.zeros((120, 180, 3), np.float32))
    assert bool(guide_warnings(plate, Guides(core=guide))) == is_told


def test_guides_are_told_once_for_each_size_and_know_squeezed_pixels() -> None:
    plate = replace(image(np.zeros((120, 180, 3), np.float32)), pixel_aspect=2.0)
    assert guide_warnings(plate, Guides(core=drawn((120, 360)))) == [], "desqueezed"
    assert guide_warnings(plate, Guides(core=drawn((60, 90)))) == [], "of a format that knows no squeezed pixels"
    assert guide_warnings(plate, Guides(core=drawn((60, 180)))) == [], "desqueezed, and half as large"
    said = guide_warnings(plate, Guides(core=drawn((60, 60)), holdout=drawn((60, 60))))
    assert len(said) == 1 and said[0].startswith("The core and holdout mattes, or the trimap, are 60 x 60 pixels")
    assert len(guide_warnings(plate, Guides(core=drawn((60, 60)), holdout=drawn((60, 50))))) == 2


@pytest.mark.parametrize("model", ["difference", "cleanplate"])
def test_a_soft_holdout_thins_the_matte_and_leaves_the_subjects_colour(
    pipeline: MattePipeline, truth: Truth, model: str
) -> None:
    """A garbage matte whose soft edge crosses the subject is multiplied with the matte afterwards, as compositors
    know it. The network, told of what is half held out, took 0.002 of alpha away here, and half a face in the
    packaged demo; the foreground, solved as if the subject were thinner in the plate, was twice the plate less the
    wall: off by 1.4 and more here, where light reaches 50."""
    options = replace(STILL, model=model)
    plate, clean = image(truth.plate), image(truth.clean)
    free = solve(pipeline, plate, clean, options)
    garbage = np.tile(np.clip((np.arange(180) - 70) / 80, 0, 1).astype(np.float32)[None, :, None], (120, 1, 1))
    held = solve(pipeline, plate, clean, options, Guides(holdout=image(garbage)))
    solid = (free.alpha.pixels[..., 0] == 1) & (truth.alpha == 1) & (garbage[..., 0] > 0) & (garbage[..., 0] < 0.9)
    assert solid.sum() > 1000
    # Measured 4e-6: what is surely held out lies next to some of these.
    assert np.abs(held.alpha.pixels - free.alpha.pixels * (1 - garbage))[solid].mean() < 1e-4
    assert np.abs(held.foreground.pixels - truth.plate)[solid].mean() < 1e-3
    assert held.alpha.pixels[garbage == 1.0].max() == 0.0
    # As without it; of the thinned matte both would be 5 times as large and more.
    error = [each.diagnostics["recomposition_error"] for each in (free, held)]
    assert error[1] == pytest.approx(error[0], rel=0.05)


def test_a_soft_holdout_is_no_shadow_of_the_subject(pipeline: MattePipeline, truth: Truth) -> None:
    """A dark subject, whose matte it thins, would else be what is missing of the wall's light."""
    dark = image(truth.clean * (1 - truth.alpha[..., None]) + 0.02 * truth.alpha[..., None])
    options = replace(STILL, layer_shadow=True)
    garbage = np.tile(np.clip((np.arange(180) - 70) / 80, 0, 1).astype(np.float32)[None, :, None], (120, 1, 1))
    held = solve(pipeline, dark, image(truth.clean), options, Guides(holdout=image(garbage)))
    assert held.layers["shadow"].pixels.min() == 1.0


@pytest.mark.parametrize("left_out_by", ["holdout", "region"])
def test_somebody_who_is_left_out_is_no_shadow_and_a_shadow_beside_stays(
    pipeline: MattePipeline, truth: Truth, left_out_by: str
) -> None:
    """Somebody in a dark coat, whom a garbage matte or a region leaves out of the matte. Her coat over the clean
    plate is smooth, so that it was called a shadow that leaves 0.37 of the light; it darkened any new background in
    her shape. The shadow on the wall, which lies where the matte is left out, too, stays."""
    y, x = np.mgrid[0:120, 0:180].astype(np.float32)
    shade = 1 - 0.5 * np.exp(-(((x - 150) / 14) ** 2 + ((y - 60) / 25) ** 2))[..., None]
    person = truth.alpha[..., None]
    coat = 0.5 * cv2.GaussianBlur(truth.clean, (0, 0), 5.0)
    plate = image(truth.clean * shade * (1 - person) + coat * person)
    options = replace(STILL, model="cleanplate", layer_shadow=True)
    if left_out_by == "region":
        held = solve(pipeline, plate, image(truth.clean), replace(options, region="0 0 30 120"))
    else:
        guides = Guides(holdout=image(np.ones((120, 180, 1), np.float32)))
        held = solve(pipeline, plate, image(truth.clean), options, guides)
    found = held.layers["shadow"].pixels
    assert found[person[..., 0] == 1].min() > 0.9
    # Measured 0.045, as without a holdout: a shadow of 14 pixels is measured in cells of 4.
    assert found[60, 150] == pytest.approx([0.5] * 3, abs=0.05)


def test_a_region_of_interest_limits_the_matte_and_the_work(pipeline: MattePipeline, truth: Truth) -> None:
    data = Window(10, -5, 180, 120)
    plate, clean = image(truth.plate, data), image(truth.clean, data)
    result = solve(pipeline, plate, clean, replace(STILL, region="100 0 90 200"))
    assert result.alpha.pixels[:, :90].max() == 0.0 and result.alpha.pixels[:5].max() == 0.0
    inside = truth.alpha[5:, 90:]
    assert np.abs(result.alpha.pixels[5:, 90:, 0] - inside).mean() < 0.04  # the band is most of this part
    # Outside, the foreground is the subject's colour carried on: no brighter or darker than the subject is.
    outside, subject = result.foreground.pixels[:, :90], truth.plate[truth.alpha == 1]
    assert (outside >= subject.min(0)).all() and (outside <= subject.max(0)).all()
    with pytest.raises(MatteError, match="outside the plate's data window") as caught:
        solve(pipeline, plate, clean, replace(STILL, region="900 900 10 10"))
    assert caught.value.code == "bad_option"


def with_controls(
    pipeline: MattePipeline, truth: Truth, controls: dict[str, float], guides: Guides | None = None
) -> MatteResult:
    options = MatteOptions.from_dict({**STILL.to_dict(), **controls})
    return solve(pipeline, image(truth.plate), image(truth.clean), options, guides)


def test_edge_controls_do_not_change_the_subjects_colour(
    pipeline: MattePipeline, truth: Truth, found: MatteResult
) -> None:
    controls = {"erode": 2.0, "softness": 1.0, "gamma": 1.5, "black_point": 0.05, "white_point": 0.9}
    changed = with_controls(pipeline, truth, {**controls, "despeckle": 30})
    assert not np.array_equal(changed.alpha.pixels, found.alpha.pixels)
    assert np.array_equal(changed.foreground.pixels, found.foreground.pixels)


# Each control alone against its definition, computed here from the alpha without it. float32 sums in another order
# than numpy's or cv2's may differ in the last places of values up to 1: 1e-6.
ROUNDING = 1e-6


def disc_of(radius: int) -> npt.NDArray[np.uint8]:
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return np.asarray(x * x + y * y <= radius * radius, np.uint8)


@pytest.mark.parametrize(
    ("controls", "expected"),
    [
        ({"black_point": 0.3}, lambda alpha: np.clip((alpha - 0.3) / 0.7, 0, 1)),
        ({"white_point": 0.6}, lambda alpha: np.clip(alpha / 0.6, 0, 1)),
        ({"gamma": 1.5}, lambda alpha: alpha ** (1 / 1.5)),
        ({"erode": 3.0}, lambda alpha: cv2.erode(alpha, disc_of(3), borderType=cv2.BORDER_REPLICATE)),
        ({"erode": -2.0}, lambda alpha: cv2.dilate(alpha, disc_of(2), borderType=cv2.BORDER_REPLICATE)),
        ({"softness": 1.5}, lambda alpha: cv2.GaussianBlur(alpha, (11, 11), 1.5, borderType=cv2.BORDER_REPLICATE)),
    ],
    ids=["black point", "white point", "gamma", "erode", "dilate", "softness"],
)
def test_each_edge_control_does_what_it_is_defined_to(
    pipeline: MattePipeline,
    truth: Truth,
    found: MatteResult,
    controls: dict[str, float],
    expected: Callable[[Float32], Float32],
) -> None:
    alpha = found.alpha.pixels[..., 0]
    changed = with_controls(pipeline, truth, controls).alpha.pixels[..., 0]
    np.testing.assert_allclose(changed, expected(alpha), atol=ROUNDING)
    assert np.abs(changed - alpha).max() > 0.1


def test_despeckle_removes_islands_and_fills_holes_below_its_area(pipeline: MattePipeline, truth: Truth) -> None:
    """An island and a hole of 12 pixels each, drawn as guides."""
    island, hole = np.s_[8:11, 150:154], np.s_[64:67, 88:92]
    core, holdout = np.zeros((120, 180, 1), np.float32), np.zeros((120, 180, 1), np.float32)
    core[island] = holdout[hole] = 1.0
    guides = Guides(core=image(core), holdout=image(holdout))
    kept, removed = (
        with_controls(pipeline, truth, {"despeckle": area}, guides).alpha.pixels[..., 0] for area in (12, 13)
    )
    assert (kept[island].min(), kept[hole].max()) == (1.0, 0.0)
    assert (removed[island].max(), removed[hole].min()) == (0.0, 1.0)


def test_the_networks_foreground_can_be_asked_for(
    pipeline: MattePipeline, truth: Truth, found: MatteResult
) -> None:
    own = solve(pipeline, image(truth.plate), image(truth.clean), replace(STILL, foreground="network"))
    assert np.array_equal(own.alpha.pixels, found.alpha.pixels)
    assert not np.array_equal(own.foreground.pixels, found.foreground.pixels)


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        *((bad, "NaN or infinite value") for bad in (np.nan, np.inf, -np.inf)),
        # Its square is beyond single precision, and alpha would be NaN; a network's colour is beyond it sooner.
        *((bad, "value beyond 1e15") for bad in (1.1e15, 1e20, -3e38)),
    ],
)
@pytest.mark.parametrize("which", ["plate", "clean plate", "core"])
def test_nan_and_infinity_are_refused_by_the_pictures_name(
    pipeline: MattePipeline, truth: Truth, bad: float, kind: str, which: str
) -> None:
    pictures: dict[str, Float32] = {
        "plate": truth.plate.copy(),
        "clean plate": truth.clean.copy(),
        "core": np.zeros((120, 180, 1), np.float32),
    }
    pictures[which][3, 4, 0] = bad
    guides = Guides(core=image(pictures["core"]))
    with pytest.raises(MatteError, match=f"The {which} has 1 {kind}, the first at x 4, y 3") as caught:
        solve(pipeline, image(pictures["plate"]), image(pictures["clean plate"]), guides=guides)
    assert caught.value.code == "not_finite"


def test_an_empty_data_window_is_refused(pipeline: MattePipeline, truth: Truth) -> None:
    empty = Image(
        pixels=np.zeros((0, 0, 3), np.float32),
        channels=("R", "G", "B"),
        data_window=Window(0, 0, 0, 0),
        display_window=Window(0, 0, 180, 120),
    )
    with pytest.raises(MatteError, match="no pixels in its data window") as caught:
        solve(pipeline, image(truth.plate), empty)
    assert caught.value.code == "empty"


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (17, 31)])
def test_the_smallest_frames(pipeline: MattePipeline, size: tuple[int, int]) -> None:
    wall = room(*size)
    for model in ("difference", "cleanplate"):
        result = solve(pipeline, image(wall), image(wall), MatteOptions(model=model))
        assert result.alpha.pixels.shape == (*size, 1) and np.isfinite(result.foreground.pixels).all()


def test_a_clean_plate_that_is_kept_serves_its_own_place_only(truth: Truth) -> None:
    """A locked shot's clean plate is placed once: each frame must be what a fresh pipeline makes of it."""
    plate, clean = image(truth.plate), image(truth.clean)
    other = image(0.5 * truth.clean)
    wider = Window(-4, 0, 180, 120)
    shifted = Alignment(np.array([[1.0, 0, 0.4], [0, 1, 0], [0, 0, 1]]))
    frames: list[tuple[Image, Image, Alignment]] = [
        (plate, clean, Alignment(np.eye(3))),
        (image(truth.clean), clean, Alignment(np.eye(3))),
        (plate, clean, shifted),
        (plate, clean, replace(shifted, gain=(1.2, 1.0, 1.0))),
        (plate, clean, replace(shifted, offset=(0.0, 0.01, 0.0))),
        (replace(plate, data_window=wider), clean, replace(shifted, offset=(0.0, 0.01, 0.0))),
        (replace(plate, data_window=wider), other, replace(shifted, offset=(0.0, 0.01, 0.0))),
        (plate, clean, Alignment(np.eye(3))),
    ]
    one = MattePipeline(torch.device("cpu"))
    for seen, behind, given in frames:
        found = solve(one, seen, behind, given=given)
        fresh = solve(MattePipeline(torch.device("cpu")), seen, behind, given=given)
        pairs = [(found.alpha, fresh.alpha), (found.foreground, fresh.foreground)]
        for one_made, other in pairs + [(found.layers[name], fresh.layers[name]) for name in fresh.layers]:
            assert np.array_equal(one_made.pixels, other.pixels), given


def test_stages_are_reported_in_order_and_a_cancel_between_them_ends_the_frame(
    pipeline: MattePipeline, truth: Truth
) -> None:
    stages: list[str] = []
    pair = PlatePair(plate=image(truth.plate), clean_plate=image(truth.clean))

    def progress(stage: str, done: int, total: int) -> None:
        assert (done, total) == (len(stages), len(STAGES))
        stages.append(stage)

    pipeline.solve(pair, Guides(), MatteOptions(model="difference"), check=lambda: None, progress=progress)
    assert tuple(stages) == STAGES

    def stop() -> None:
        raise MatteCancelled

    with pytest.raises(MatteCancelled):
        pipeline.solve(pair, Guides(), STILL, check=stop, progress=lambda *s: None)
