"""What a model sees of a frame with a region, and where what it finds lies."""

import pytest
import torch

from matte_server.core.window import Window
from matte_server.frame.region import predict_region
from matte_server.models.difference import SPEC
from matte_server.models.protocols import CancelCheck, FrameTensors, ModelSettings, Prediction
from matte_server.pixels.coarse_grid import CoarseGrid

HEIGHT, WIDTH = 200, 700


class Red:
    """Alpha and confidence are the plate's red, in cells of 1."""

    spec = SPEC

    def __init__(self) -> None:
        self.seen: tuple[int, int] | None = None

    def predict(self, frame: FrameTensors, settings: ModelSettings, check: CancelCheck) -> Prediction:
        self.seen = frame.size
        red = frame.plate[:, :1]
        return Prediction(alpha=red, foreground=CoarseGrid.of(2 * frame.plate), confidence=CoarseGrid.of(red))


# Window of the plate: 10, -5. What is seen: an eighth of the longer side more on each side, 48 pixels at least, and
# no more than there is.
@pytest.mark.parametrize(
    ("region", "rows", "columns", "seen"),
    [
        ("210 55 100 40", slice(60, 100), slice(200, 300), (136, 196)),
        ("110 15 480 60", slice(20, 80), slice(100, 580), (140, 600)),
        ("-50 -50 100 100", slice(0, 55), slice(0, 40), (103, 88)),
        ("0 -20 900 900", slice(0, HEIGHT), slice(0, WIDTH), (HEIGHT, WIDTH)),
    ],
)
def test_a_model_sees_what_lies_around_a_region(
    region: str, rows: slice, columns: slice, seen: tuple[int, int]
) -> None:
    plate = torch.rand((1, 3, HEIGHT, WIDTH), generator=torch.Generator().manual_seed(1))
    frame = FrameTensors(plate=plate, clean_plate=0.5 * plate, coverage=torch.ones_like(plate[:, :1]))
    model = Red()
    found = predict_region(model, frame, Window(10, -5, WIDTH, HEIGHT), region, ModelSettings(), lambda: None)
    assert model.seen == seen
    alpha, confidence = torch.zeros_like(plate[:, :1]), torch.ones_like(plate[:, :1])
    alpha[..., rows, columns] = confidence[..., rows, columns] = plate[:, :1, rows, columns]
    foreground = plate.clone()
    foreground[..., rows, columns] *= 2
    assert torch.equal(found.alpha, alpha)
    assert torch.equal(found.confidence.whole(), confidence)
    assert found.foreground is not None and torch.equal(found.foreground.whole(), foreground)
