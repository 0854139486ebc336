"""What a matting model is: tensors of one frame in, alpha, foreground and confidence out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from ..pixels.alpha_deviation import AlphaDeviation
from ..pixels.coarse_grid import CoarseGrid

_UNCOVERED = 0.25
"""The most confidence where the clean plate does not reach."""


@dataclass(frozen=True, eq=False)
class FrameTensors:
    """One frame on its device, every tensor 1 x C x H x W float32, C-order, same H and W.

    ``plate`` and ``clean_plate`` (already aligned and exposure-matched): 3 channels, scene-linear Rec.709,
    unclamped, finite. ``coverage``: 1 channel, 0 where the clean plate does not reach, else 1. ``core`` and
    ``holdout``: 1 channel, 0..1, or None where the artist gave none; a model is told only what is held out for
    sure, 0 or 1. ``pixel_aspect``: a pixel's width over its height; a model with weights is shown about square ones
    (``frame/square_pixels.py``).
    """

    plate: Tensor
    clean_plate: Tensor
    coverage: Tensor
    core: Tensor | None = None
    holdout: Tensor | None = None
    pixel_aspect: float = 1.0

    @property
    def device(self) -> torch.device:
        return self.plate.device

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return int(self.plate.shape[-2]), int(self.plate.shape[-1])

    def mapped(self, change: Callable[[Tensor], Tensor]) -> FrameTensors:
        """The frame with every picture changed alike."""
        return replace(
            self,
            plate=change(self.plate),
            clean_plate=change(self.clean_plate),
            coverage=change(self.coverage),
            core=None if self.core is None else change(self.core),
            holdout=None if self.holdout is None else change(self.holdout),
        )

    def part(self, rows: slice, columns: slice) -> FrameTensors:
        """A rectangle of the frame, contiguous in memory."""
        return self.mapped(lambda picture: picture[..., rows, columns].contiguous())

    @property
    def most_confidence(self) -> Tensor:
        """The most that a confidence may be, 1 x 1 x H x W: 1, and where the clean plate does not reach, so that
        nothing says what lies behind, a quarter."""
        return _UNCOVERED + (1.0 - _UNCOVERED) * self.coverage


def with_part(picture: Tensor, rows: slice, columns: slice, part: Tensor) -> Tensor:
    """A frame's ``picture`` with ``part`` of it replaced: what :meth:`FrameTensors.part` takes out, put back."""
    whole = picture.clone()
    whole[..., rows, columns] = part
    return whole


@dataclass(frozen=True, eq=False)
class Prediction:
    """A model's output for one frame, same device and size as the input, float32.

    ``alpha``: 1 x 1 x H x W, 0..1. ``foreground``: 3 channels scene-linear, or None where the model estimates none
    (the solve then works from the plate alone). ``confidence``: 1 channel, 0..1, 1 is sure. Grids are as coarse as
    the model knows their values.

    ``expected_error``: 1 channel, the mean absolute error of alpha that the model expects, 0..1. A model that gives
    it has its alpha refined by the compositing equation (``frame/refinement.py``), which then sets ``deviation``.
    A model whose alpha is final gives None."""

    alpha: Tensor
    foreground: CoarseGrid | None
    confidence: CoarseGrid
    expected_error: CoarseGrid | None = None
    deviation: AlphaDeviation | None = None

    @classmethod
    def without_subject(cls, frame: FrameTensors) -> Prediction:
        """Nothing was found in ``frame``: alpha is 0, and the foreground the plate."""
        return cls(
            alpha=torch.zeros_like(frame.coverage),
            foreground=CoarseGrid.of(frame.plate),
            confidence=CoarseGrid.of(frame.most_confidence),
        )


@dataclass(frozen=True)
class ModelSpec:
    """A model's entry in the registry: what ``cleanplate models`` lists, and what a model is chosen by."""

    name: str
    label: str
    summary: str
    licence: str
    commercial_use: bool
    weights: str
    """'none', 'packaged' or 'user' (brought by the user; ``weights_hint`` says from where)."""
    weights_hint: str = ""
    packaged_file: str = ""
    """The packaged weights, relative to this package."""
    helpers: tuple[str, ...] = ()
    """Networks that the model uses beside its own where their weights are there, by the ``model`` of
    :mod:`network_table`."""

    @property
    def is_network(self) -> bool:
        """Whether it has weights, and so has learnt what subjects look like."""
        return self.weights != "none"


@dataclass(frozen=True)
class ModelSettings:
    """How a model is to be run, from the job's options."""

    precision: str = "float32"
    """'float32', 'bfloat16' or 'float16' (autocast inside the network; inputs and outputs stay float32)."""
    tile: int = 0
    """Working tile in pixels, 0 lets the model choose."""

    @property
    def autocast(self) -> torch.dtype | None:
        """What the network computes in; None is float32, without autocast."""
        return _AUTOCAST.get(self.precision)


_AUTOCAST = {"float16": torch.float16, "bfloat16": torch.bfloat16}

CancelCheck = Callable[[], None]
"""Called between stages and tiles; raises where the job was cancelled."""


class MattingModel(Protocol):
    """A loaded model. Deterministic: the same tensors and settings give the same prediction."""

    @property
    def spec(self) -> ModelSpec: ...

    @torch.inference_mode()
    def predict(self, frame: FrameTensors, settings: ModelSettings, check: CancelCheck) -> Prediction: ...
