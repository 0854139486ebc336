"""The benchmark shows a picture to a model as the pipeline does."""

from __future__ import annotations

import numpy as np
import torch

from matte_server.models.difference import DifferenceModel
from matte_server.training.benchmark import measure
from matte_server.training.benchmark_pictures import BenchmarkPicture
from matte_server.training.composite import Composite


def _lamp(height: int = 96, width: int = 144) -> Composite:
    """A set with a lamp that only the plate can show as bright as it is, and nobody in it; 1 is the clean plate's
    white."""
    rng = np.random.default_rng(3)
    light = torch.from_numpy(rng.uniform(0.2, 0.5, (3, height, width)).astype(np.float32))
    light[:, 30:60, 40:90] = torch.from_numpy(rng.uniform(3.0, 4.0, (3, 30, 50)).astype(np.float32))
    nobody, everywhere = torch.zeros(1, height, width), torch.ones(1, height, width)
    clean = light.clamp(max=1.0)
    return Composite(
        plate=light,
        clean=clean,
        foreground=clean,
        alpha=nobody,
        coverage=everywhere,
        core=nobody,
        holdout=nobody,
    )


def test_light_that_the_clean_plate_cannot_show_is_no_subject() -> None:
    """The lamp covers 11 % of the frame. A model that is shown the pictures as they are calls it a subject."""
    lamp = BenchmarkPicture(name="empty-0", shot="", kind="empty", compose=_lamp)
    found = measure({"difference": DifferenceModel()}, iter([lamp]), lambda name: None)
    # 0 in this picture; 0.11 without the clipping. A thousandth is a lamp's outline of one pixel at alpha 0.1.
    assert found["difference"].empty < 1e-3
