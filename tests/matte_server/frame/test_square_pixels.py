"""What a model sees of a frame whose pixels are not square, and where what it finds lies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from matte_link.options import MatteOptions

from matte_server.core.image import Guides, PlatePair
from matte_server.frame.pipeline import MattePipeline
from matte_server.frame.square_pixels import in_square_pixels
from matte_server.models.cleanplate import SPEC
from matte_server.models.protocols import CancelCheck, FrameTensors, ModelSettings, Prediction
from matte_server.pixels.coarse_grid import CoarseGrid
from tests.matte_server.pictures import image


class Bright:
    """Alpha is the plate's red and what a core matte adds, and each column's and row's own in cells of 2."""

    spec = SPEC

    def __init__(self) -> None:
        self.seen: list[FrameTensors] = []

    def predict(self, frame: FrameTensors, settings: ModelSettings, check: CancelCheck) -> Prediction:
        self.seen.append(frame)
        alpha = frame.plate[:, :1].clamp(0.0, 1.0)
        alpha = alpha if frame.core is None else torch.maximum(alpha, frame.core)
        columns = torch.arange(frame.size[1] // 2).expand(1, 1, frame.size[0] // 2, -1) / 1000
        grid = CoarseGrid(values=columns.clone(), side=2, size=frame.size)
        return Prediction(alpha=alpha, foreground=CoarseGrid.of(frame.plate), confidence=grid)


# Anamorphic lenses of 2 and 1.8; 1.33 and PAL's wide pixels stay, as nothing is gained; a half as wide as high.
@pytest.mark.parametrize(
    ("aspect", "rows", "columns"),
    [(2.0, 1, 2), (1.8, 1, 2), (1.4568, 1, 1), (4 / 3, 1, 1), (1.0, 1, 1), (0.9, 1, 1), (0.5, 2, 1), (30.0, 1, 2)],
)
def test_a_model_sees_squeezed_pixels_as_wide_as_they_are_shown(aspect: float, rows: int, columns: int) -> None:
    dice = np.random.default_rng(3)
    height, width = 60, 90
    plate, clean = (
        replace(image(dice.uniform(0.1, 0.6, (height, width, 3))), pixel_aspect=aspect) for _ in range(2)
    )
    core = np.zeros((height, width, 1), np.float32)
    core[10:20, 31:40] = 1.0
    model = Bright()
    pipeline = MattePipeline(torch.device("cpu"), lambda name, weights, device: model)
    options = MatteOptions(model="cleanplate", align="none", match_exposure=False, layer_confidence=True)
    guides = Guides(core=replace(image(core), pixel_aspect=aspect))
    pair = PlatePair(plate=plate, clean_plate=clean)
    found = pipeline.solve(pair, guides, options, check=lambda: None, progress=lambda *stage: None)
    (seen,) = model.seen
    assert seen.size == (rows * height, columns * width)
    repeated = plate.pixels.repeat(rows, 0).repeat(columns, 1)
    assert np.array_equal(seen.plate[0].permute(1, 2, 0).numpy(), repeated)
    # What it finds lies where the plate shows it: a doubled pixel's mean is the pixel.
    expected = np.maximum(plate.pixels[..., :1], core)
    assert np.array_equal(found.alpha.pixels, expected)
    confidence = found.layers["confidence"].pixels[height // 2, width // 2, 0]
    assert confidence == pytest.approx(columns * width / 4000, abs=0.001)


def test_what_is_square_stays_as_it_is() -> None:
    plate = torch.zeros(1, 3, 4, 6)
    frame = FrameTensors(plate=plate, clean_plate=plate, coverage=plate[:, :1])
    assert in_square_pixels(frame) is frame
    squeezed = replace(frame, pixel_aspect=2.0)
    doubled = in_square_pixels(squeezed)
    assert doubled.size == (4, 12) and doubled.pixel_aspect == 1.0
    assert in_square_pixels(doubled) is doubled
