"""What cameras do to plate and clean plate."""

from __future__ import annotations

import numpy as np
import torch

from matte_server.training.camera import banded, clipped, faulty, subsampled, toned, vignetted
from matte_server.training.composite import swept
from matte_server.training.random_fields import Dice


def dice(seed: int = 0) -> Dice:
    return Dice(rng=np.random.default_rng(seed), noise=torch.Generator().manual_seed(seed))


def test_a_full_sensor_holds_no_more() -> None:
    assert float(clipped(torch.tensor([[[0.2, 0.9]]]), 0.5).max()) == 0.5


def test_video_keeps_grey_and_loses_fine_colour() -> None:
    """Columns of red and green: half resolution chroma mixes them; grey stays within float32's rounding."""
    grey = torch.full((3, 8, 8), 0.3)
    assert torch.allclose(subsampled(grey, 1.0), grey, atol=1e-5)
    stripes = torch.zeros(3, 8, 8)
    stripes[0, :, ::2], stripes[1, :, 1::2] = 0.5, 0.5
    after = subsampled(stripes, 0.0)
    assert float((after[0] - after[1]).abs().mean()) < 0.5 * float((stripes[0] - stripes[1]).abs().mean())


def test_tone_bands_and_corners() -> None:
    assert abs(float(toned(torch.full((3, 2, 2), 0.18), 1.2).mean()) - 0.18) < 1e-6
    banded_one = banded(dice(), torch.ones(3, 40, 4), 0.1)
    assert float(banded_one.std(1).mean()) > 0.01 and float(banded_one.std(2).max()) < 1e-6
    corner = vignetted(torch.ones(3, 9, 9), 0.4)
    assert abs(float(corner[0, 4, 4]) - 1) < 1e-6 and abs(float(corner[0, 0, 0]) - 0.6) < 1e-6


def test_faults_differ_between_plate_and_clean_plate() -> None:
    even = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(1))
    plate, clean = faulty(dice(3), even, even, 1.0)
    assert not torch.allclose(plate, clean)
    assert all(torch.equal(picture, even) for picture in faulty(dice(3), even, even, 0.0))


def test_a_swept_subject_keeps_what_it_covers() -> None:
    """A square that moves within the frame: its alpha spreads; its sum stays but for scale and resampling (5 %)."""
    layer = torch.zeros(4, 64, 64)
    layer[:, 26:38, 26:38] = 1
    after = swept(dice(5), layer)
    assert abs(float(after[3].sum() / layer[3].sum()) - 1) < 0.05
    assert int(((after[3] > 0.02) & (after[3] < 0.98)).sum()) > 20
    assert torch.allclose(after[0], after[3])
