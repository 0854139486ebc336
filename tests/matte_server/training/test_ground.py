"""Shadows and mirror images on the ground that a subject stands on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from matte_server.training.composite import MEASURED, compose
from matte_server.training.ground import fallen, foot_of, grounded, passed
from matte_server.training.random_fields import Dice

SIZE = (64, 96)
FOOT = 40


def standing() -> torch.Tensor:
    """Alpha of a post: rows 20 to 39, columns 30 to 35."""
    alpha = torch.zeros(1, *SIZE)
    alpha[:, 20:FOOT, 30:36] = 1
    return alpha


def dice(seed: int) -> Dice:
    return Dice(rng=np.random.default_rng(seed), noise=torch.Generator().manual_seed(seed))


def test_the_foot_is_below_the_lowest_solid_row() -> None:
    assert foot_of(standing()) == FOOT
    cut = torch.zeros(1, *SIZE)
    cut[:, 50:] = 1
    assert foot_of(cut) is None
    assert foot_of(torch.zeros(1, *SIZE)) is None


@pytest.mark.parametrize(
    ("depth", "lean", "rows", "columns"),
    [
        (1.0, 0.0, slice(40, 60), slice(30, 36)),
        (0.5, 0.0, slice(40, 50), slice(30, 36)),
        (-0.5, 0.0, slice(30, 40), slice(30, 36)),
    ],
)
def test_what_falls_starts_at_the_foot(depth: float, lean: float, rows: slice, columns: slice) -> None:
    shadow, rise = fallen(standing(), FOOT, depth, lean)
    wanted = torch.zeros(1, *SIZE)
    wanted[:, rows, columns] = 1
    # Half a row: at half the size, a row of the shadow lies between two rows of the post.
    assert float((shadow - wanted).abs().sum()) <= 0.5 * 2 * 6
    assert float(rise[0, FOOT + 4, 0]) == (pytest.approx(4.5 / depth) if depth > 0 else 0.0)


def test_what_falls_leans_to_the_side() -> None:
    """Ten rows below the foot lies what rises ten and a half rows above it, as far to the side as it rises."""
    shadow, _ = fallen(standing(), FOOT, 1.0, 1.0)
    assert torch.nonzero(shadow[0, FOOT + 10] > 0.25).flatten().tolist() == pytest.approx(range(40, 47), abs=1)


@pytest.mark.parametrize("seed", range(12))
def test_the_set_stays_what_light_can_be(seed: int) -> None:
    alpha = standing()
    scene = torch.full((3, *SIZE), 0.5)
    found = grounded(dice(seed), scene, 0.2 * alpha.expand(3, -1, -1), alpha)
    assert found.shape == scene.shape and bool(torch.isfinite(found).all()) and float(found.min()) >= 0
    assert not torch.equal(found, scene)


def test_a_subject_that_stands_on_the_ground_changes_the_plate_alone() -> None:
    """The clean plate was shot without it. The draws that follow differ, so grain and misalignment are no help: the
    mean of many sets of one grey tells."""
    subject = torch.zeros(4, 40, 24)
    subject[:, 2:-2, 2:-2] = 0.3
    subject[3, 2:-2, 2:-2] = 1.0
    scene = torch.full((3, 80, 120), 0.4)

    def left(chance: float) -> float:
        """The plate's light beside the subject, as a share of the clean plate's, in the mean of 24 composites."""
        shares = []
        for seed in range(24):
            sample = compose(dice(seed), [subject], scene, SIZE, replace(MEASURED, ground=chance, misalignment=0.0))
            beside = (sample.alpha < 0.01).expand(3, -1, -1)
            shares.append(float(sample.plate[beside].mean() / sample.clean[beside].mean()))
        return float(np.mean(shares))

    # Measured 0.967 and 0.987: a shadow covers a few hundredths of the frame, and takes half of the light there.
    assert left(1.0) < left(0.0) - 0.01


@pytest.mark.parametrize("seed", range(8))
def test_what_passes_outside_the_frame_darkens_or_lights_a_part(seed: int) -> None:
    scene = torch.full((3, *SIZE), 0.5)
    change = passed(dice(seed), scene) / scene
    assert bool((change == 1).any())
    assert float(change.min()) >= 0.15 - 1e-6 and float(change.max()) <= 2.2 + 1e-6  # float32
    assert float((change - 1).abs().max()) > 0.05
    assert bool((change >= 1).all()) or bool((change <= 1).all())


def test_a_set_out_of_focus_is_so_in_the_plate_alone() -> None:
    """The edges of a chessboard: how steep they are in the plate, as a share of the clean plate's."""
    board = (torch.arange(150)[:, None] // 10 + torch.arange(220) // 10) % 2 * 0.8 + 0.1

    def steepness(chance: float) -> float:
        shares = []
        for seed in range(12):
            scene = board.expand(3, -1, -1).float()
            sample = compose(dice(seed), [], scene, (128, 192), replace(MEASURED, focus=chance))
            plate, clean = (picture.diff(dim=2).abs().quantile(0.98) for picture in (sample.plate, sample.clean))
            shares.append(float(plate / clean))
        return float(np.median(shares))

    # A blur of 0.4 to 1.9 pixels takes a fifth to three quarters off the steepest step of an edge.
    assert steepness(1.0) < 0.8 * steepness(0.0)
