"""How a matte looks over new pictures: the error of its comp against the true comp, in the semi-transparent band.

Three foregrounds with the same alpha: ours out of the pipeline, the plate's own colour (what a comp without a
foreground does), and the network's raw guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from matte_link.options import MatteOptions

from matte_server.core.image import Float32, Guides, PlatePair
from matte_server.frame.pipeline import MattePipeline
from matte_server.models.difference import SPEC
from matte_server.models.protocols import CancelCheck, FrameTensors, MattingModel, ModelSettings, Prediction
from matte_server.models.registry import load_model
from matte_server.pixels.alpha_deviation import AlphaDeviation
from tests.matte_server.pictures import image, room, soft_disc
from tests.matte_server.tensors import tensor

BAND = (0.02, 0.98)
FLAT = {"black": (0.0, 0.0, 0.0), "white": (1.0, 1.0, 1.0), "green": (0.0, 0.8, 0.1)}
"""Colours that show fringes; black shows what is too bright, white what is too dark."""
Foregrounds = Mapping[str, Float32]


@dataclass(frozen=True, eq=False)
class Take:
    """A known subject before a known wall: h x w x 3 scene-linear each, ``alpha`` h x w x 1; ``plate`` and
    ``clean`` bear grain, ``foreground`` (premultiplied) is the truth."""

    plate: Float32
    clean: Float32
    alpha: Float32
    premultiplied: Float32

    @property
    def band(self) -> npt.NDArray[np.bool_]:
        return ((self.alpha > BAND[0]) & (self.alpha < BAND[1]))[..., 0]


def take(subject: Float32, seed: int, grain: float = 0.01, lamps: float = 0.0) -> Take:
    """``subject`` (premultiplied R, G, B, A) before a room; ``grain`` is the noise at light 1 (photon noise: it
    goes with the root of light, on a floor). ``lamps``: the light of a few lamps right behind the subject's rim."""
    rng = np.random.default_rng(seed)
    height, width = subject.shape[:2]
    alpha, premultiplied = np.clip(subject[..., 3:], 0.0, 1.0), subject[..., :3]
    wall = room(height, width, seed)
    if lamps:
        wall = _with_lamps(wall, alpha, lamps, rng)
    plate = premultiplied + (1 - alpha) * wall

    def shot(light: Float32) -> Float32:
        spread = grain * np.sqrt(np.maximum(light, 0.0) + 0.01)
        return np.asarray(light + spread * rng.standard_normal(light.shape), np.float32)

    return Take(shot(plate), shot(wall), np.asarray(alpha, np.float32), np.asarray(premultiplied, np.float32))


def _with_lamps(wall: Float32, alpha: Float32, light: float, rng: np.random.Generator) -> Float32:
    """Six discs, each right behind a half-transparent place."""
    height, width = alpha.shape[:2]
    rows, columns = np.nonzero((alpha[..., 0] > 0.2) & (alpha[..., 0] < 0.8))
    for place in rng.integers(0, len(rows), 6):
        disc = soft_disc(height, width, (float(columns[place]), float(rows[place])), max(4, width // 25), 3.0)
        glow = disc[..., None]
        wall = np.asarray(wall * (1 - glow) + glow * light * np.array([1.0, 0.9, 0.75]), np.float32)
    return wall


class FixedModel:
    """A model whose alpha is given."""

    spec = SPEC

    def __init__(self, prediction: Prediction) -> None:
        self._prediction = prediction

    def predict(self, frame: FrameTensors, settings: ModelSettings, check: CancelCheck) -> Prediction:
        return self._prediction


def mattes(shot: Take, model: MattingModel, given: Float32 | None = None) -> tuple[Float32, Foregrounds]:
    """Alpha (the model's, or ``given``) and the three foregrounds."""
    plate, clean = tensor(shot.plate), tensor(shot.clean)
    predicted = model.predict(
        FrameTensors(plate=plate, clean_plate=clean, coverage=torch.ones_like(plate[:, :1])),
        ModelSettings(),
        lambda: None,
    )
    assert predicted.foreground is not None
    alpha = predicted.alpha if given is None else tensor(given)
    sure = None if given is None else AlphaDeviation.of(torch.zeros_like(alpha))
    used = FixedModel(
        Prediction(alpha=alpha, foreground=predicted.foreground, confidence=predicted.confidence, deviation=sure)
    )
    # Named, because "auto" must not look for weights.
    options = MatteOptions(model="cleanplate", align="none", match_exposure=False)
    pipeline = MattePipeline(torch.device("cpu"), lambda name, weights, device: used)
    pair = PlatePair(plate=image(shot.plate), clean_plate=image(shot.clean))
    found = pipeline.solve(pair, Guides(), options, check=lambda: None, progress=lambda *stage: None)
    own = predicted.foreground.whole()[0].permute(1, 2, 0).numpy()
    return found.alpha.pixels, {"ours": found.foreground.pixels, "plate": shot.plate, "network": own}


def default_network() -> MattingModel:
    return load_model("cleanplate", "", torch.device("cpu"))


def backgrounds(height: int, width: int) -> dict[str, Float32]:
    """The flat colours and a picture full of detail."""
    flat = {name: np.broadcast_to(np.array(c, np.float32), (height, width, 3)) for name, c in FLAT.items()}
    return {**flat, "picture": room(height, width, seed=99)}


def comp_errors(shot: Take, alpha: Float32, foreground: Float32) -> dict[str, float]:
    """Mean absolute error of the comp against the true one in the band, by background."""
    height, width = shot.plate.shape[:2]
    errors = {}
    for name, behind in backgrounds(height, width).items():
        true = shot.premultiplied + (1 - shot.alpha) * behind
        comp = alpha * foreground + (1 - alpha) * behind
        errors[name] = float(np.abs(comp - true)[shot.band].mean())
    return errors
