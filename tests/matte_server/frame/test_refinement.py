"""Which models have their alpha refined, in a region too, and what the confidence layer shows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matte_link.options import MatteOptions

from matte_server.core.image import Guides, PlatePair
from matte_server.core.result import MatteResult
from matte_server.frame.pipeline import MattePipeline
from matte_server.models.protocols import CancelCheck, FrameTensors, MattingModel, ModelSettings, Prediction
from matte_server.models.registry import load_model
from matte_server.pixels.coarse_grid import CoarseGrid
from tests.matte_server.pictures import composed, image


class HalfSure:
    """Says alpha 0.5 wherever the pictures differ, and that it expects an error of ``error`` there; None: none."""

    def __init__(self, error: float | None) -> None:
        self._error = error
        self.spec = load_model("difference", "", torch.device("cpu")).spec

    def predict(self, frame: FrameTensors, settings: ModelSettings, check: CancelCheck) -> Prediction:
        differs = (frame.plate - frame.clean_plate).abs().amax(1, keepdim=True) > 0.02
        alpha = 0.5 * differs.float()
        error = None if self._error is None else CoarseGrid.of(self._error * differs.float())
        trust = CoarseGrid.of(torch.full_like(alpha, 0.7))
        return Prediction(alpha=alpha, foreground=None, confidence=trust, expected_error=error)


def solved(model: MattingModel, region: str = "") -> MatteResult:
    truth = composed()
    pair = PlatePair(plate=image(truth.plate), clean_plate=image(truth.clean))
    options = MatteOptions(
        model="cleanplate", align="none", match_exposure=False, layer_confidence=True, region=region
    )
    pipeline = MattePipeline(torch.device("cpu"), lambda name, weights, device: model)
    return pipeline.solve(pair, Guides(), options, check=lambda: None, progress=lambda *stage: None)


def test_alpha_is_refined_only_where_the_model_expects_an_error() -> None:
    final, open_to_change = solved(HalfSure(None)), solved(HalfSure(0.3))
    assert set(np.unique(final.alpha.pixels)) == {0.0, 0.5}
    assert len(np.unique(open_to_change.alpha.pixels)) > 100
    truth = composed().alpha.reshape(final.alpha.pixels.shape)
    error = [float(np.abs(each.alpha.pixels - truth).mean()) for each in (final, open_to_change)]
    assert error[1] < error[0]


def test_confidence_is_what_is_left_of_the_doubt() -> None:
    assert solved(HalfSure(None)).layers["confidence"].pixels == pytest.approx(0.7)
    shown = solved(HalfSure(0.3)).layers["confidence"].pixels
    unsure = solved(HalfSure(None)).alpha.pixels > 0
    assert float(shown.min()) >= 0.0 and np.all(shown[~unsure] == 1.0)
    assert 0.0 < float(shown[unsure].mean()) < 0.9


def test_a_region_is_refined_by_what_lies_in_it_alone() -> None:
    height, width = composed().plate.shape[:2]
    half = solved(HalfSure(0.3), region=f"0 0 {width} {height // 2}")
    assert not half.alpha.pixels[height // 2 :].any()
    assert np.all(half.layers["confidence"].pixels[height // 2 :] == 1.0)
    assert half.alpha.pixels[: height // 2].any()


@pytest.mark.parametrize("name", ["difference", "cleanplate"])
def test_which_built_in_models_are_refined(name: str) -> None:
    truth = composed()
    plate, clean = (
        torch.from_numpy(np.ascontiguousarray(each.transpose(2, 0, 1)))[None] for each in (truth.plate, truth.clean)
    )
    frame = FrameTensors(plate=plate, clean_plate=clean, coverage=torch.ones_like(plate[:, :1]))
    found = load_model(name, "", torch.device("cpu")).predict(frame, ModelSettings(), lambda: None)
    assert (found.expected_error is not None) == (name == "cleanplate")
