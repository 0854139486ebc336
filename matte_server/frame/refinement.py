"""From a model's prediction to alpha and foreground, by the compositing equation.

Alpha is refined where the model says what error it expects. Our own network does. The published networks' alpha
stays what their papers give, and the difference matte has used the equation already."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from ..models.protocols import CancelCheck, FrameTensors, MattingModel, ModelSettings, Prediction
from ..pixels.alpha_refinement import refined_alpha
from ..pixels.difference import grain_of
from ..pixels.foreground import foreground_of
from .square_pixels import predict_in_square_pixels


def predict(model: MattingModel, frame: FrameTensors, settings: ModelSettings, check: CancelCheck) -> Prediction:
    """The model's prediction with its alpha refined."""
    found = predict_in_square_pixels(model, frame, settings, check)
    if found.expected_error is None:
        return found
    check()
    refined = refined_alpha(
        frame.plate,
        frame.clean_plate,
        frame.coverage,
        found.alpha,
        found.foreground,
        found.expected_error,
    )
    return replace(found, alpha=refined.alpha, deviation=refined.deviation)


def solved_foreground(frame: FrameTensors, prediction: Prediction, alpha: Tensor) -> Tensor:
    """The foreground for ``alpha`` (1 x 1 x H x W), which may have been smoothed or guided since it was predicted:
    1 x 3 x H x W scene-linear."""
    grain = grain_of(frame.plate, frame.clean_plate, frame.coverage)
    return foreground_of(frame.plate, frame.clean_plate, alpha, prediction.foreground, grain, prediction.deviation)


def confidence(prediction: Prediction) -> Tensor:
    """How sure alpha is, 1 x 1 x H x W: 1 is certain, 0 means that alpha could as well be 0 or 1. Where alpha was
    refined it is 1 - 2 standard deviations, else what the model says."""
    if prediction.deviation is None:
        return prediction.confidence.whole()
    return 1.0 - 2.0 * prediction.deviation.whole()
