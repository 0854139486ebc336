"""Shows a network frames of squeezed pixels as wide as they are meant to be looked at.

A network has learnt what things look like in square pixels; to it, an anamorphic plate is a world of thin people.
On 18 held-out stills squeezed to half their width, alpha found with doubled columns has 0.93 of the error over the
frame, 0.93 at edges, and 0.91 of Grad (squeezed to half their height 0.82, 0.88 and 0.80), though doubling adds
nothing to see. Interpolated columns are no better, and at a pixel aspect of 1.33 nothing is gained."""

from __future__ import annotations

from dataclasses import replace

import torch.nn.functional as nnf
from torch import Tensor

from ..models.protocols import CancelCheck, FrameTensors, MattingModel, ModelSettings, Prediction
from ..pixels.coarse_grid import CoarseGrid

_SQUEEZED = 1.6
"""From this pixel aspect on, or this much below 1, doubled pixels pay."""


def in_square_pixels(frame: FrameTensors) -> FrameTensors:
    """The frame with its columns doubled where its pixels are about twice as wide as high, with its rows doubled
    where they are half as wide, else the frame itself."""
    rows, columns = _repeats(frame.pixel_aspect)
    if rows == columns:
        return frame

    def repeated(picture: Tensor) -> Tensor:
        return picture.repeat_interleave(rows, -2).repeat_interleave(columns, -1)

    return replace(frame.mapped(repeated), pixel_aspect=frame.pixel_aspect * rows / columns)


def predict_in_square_pixels(
    model: MattingModel, frame: FrameTensors, settings: ModelSettings, check: CancelCheck
) -> Prediction:
    """``model``'s prediction for ``frame``. A model with weights sees square pixels; one without them
    (``difference``) has learnt no shapes."""
    if not model.spec.is_network:
        return model.predict(frame, settings, check)
    seen = in_square_pixels(frame)
    found = model.predict(seen, settings, check)
    if seen is frame:
        return found

    def mean(picture: Tensor) -> Tensor:
        return nnf.adaptive_avg_pool2d(picture, frame.size)

    def mean_grid(grid: CoarseGrid | None) -> CoarseGrid | None:
        return None if grid is None else CoarseGrid.of(mean(grid.whole()))

    return Prediction(
        alpha=mean(found.alpha),
        foreground=mean_grid(found.foreground),
        confidence=CoarseGrid.of(mean(found.confidence.whole())),
        expected_error=mean_grid(found.expected_error),
    )


def _repeats(pixel_aspect: float) -> tuple[int, int]:
    """How often each row and each column is shown."""
    return 2 if pixel_aspect * _SQUEEZED <= 1.0 else 1, 2 if pixel_aspect >= _SQUEEZED else 1
