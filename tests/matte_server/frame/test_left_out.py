"""Who a region or a holdout matte leaves out, as models see it."""

from __future__ import annotations

import torch

from matte_server.errors import MatteError
from matte_server.frame.left_out import left_out
from matte_server.models.protocols import CancelCheck, FrameTensors, ModelSettings, Prediction
from matte_server.models.v1 import SPEC
from matte_server.pixels.coarse_grid import CoarseGrid


class CoreAlone:
    """Finds what a core matte marks and nothing without one, as V1 does where DeepLabV3's weights are not there."""

    spec = SPEC

    def predict(self, frame: FrameTensors, settings: ModelSettings, check: CancelCheck) -> Prediction:
        if frame.core is None:
            raise MatteError("missing_weights", "There are no weights for segmentation.")
        return Prediction(alpha=frame.core, foreground=None, confidence=CoarseGrid.of(frame.most_confidence))


def test_a_model_is_told_the_core_matte() -> None:
    """A frame of V1 with a holdout, a core matte and the shadow layer ended with "There are no weights"."""
    light, core, alpha = torch.full((1, 3, 60, 80), 0.3), torch.zeros(1, 1, 60, 80), torch.zeros(1, 1, 60, 80)
    core[..., 20:40, 10:30], core[..., 20:40, 50:70] = 1.0, 1.0
    alpha[..., 50:70] = core[..., 50:70]
    frame = FrameTensors(plate=light, clean_plate=light, coverage=torch.ones_like(alpha), core=core, holdout=None)
    found = left_out(CoreAlone(), frame, alpha, ModelSettings(), lambda: None)[0, 0]
    assert found[20:40, 10:30].min() == 1.0
    # Its edge may lie four pixels farther; who is in the matte was not left out.
    assert found[:, 34:].max() == 0.0 and found[:16].max() == found[44:].max() == 0.0
