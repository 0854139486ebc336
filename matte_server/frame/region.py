"""Runs a model on the region of interest alone."""

from __future__ import annotations

from dataclasses import replace
from types import EllipsisType

import torch
from matte_link.options import parse_region
from torch import Tensor

from ..core.window import Window
from ..errors import MatteError
from ..models.protocols import CancelCheck, FrameTensors, MattingModel, ModelSettings, Prediction
from ..pixels.alpha_deviation import AlphaDeviation
from ..pixels.coarse_grid import CoarseGrid
from .refinement import predict

_Slices = tuple[EllipsisType, slice, slice]


def predict_region(
    model: MattingModel,
    frame: FrameTensors,
    window: Window,
    region: str,
    settings: ModelSettings,
    check: CancelCheck,
) -> Prediction:
    """The model's prediction for the whole frame, run inside ``region`` ("x y width height" in plane coordinates;
    empty: everywhere). Outside it alpha is 0, the foreground is the plate, and the confidence is 1. ``window`` is
    the plate's data window. Raises ``MatteError("bad_option", ...)`` where the two do not overlap."""
    wanted = parse_region(region)
    if wanted is None:
        return predict(model, frame, settings, check)
    inside = window.intersect(Window(*wanted))
    if not inside.area:
        raise MatteError(
            "bad_option",
            f"The region {region} lies outside the plate's data window {window}.",
            "Give it in the plate's own pixels, y down.",
        )
    place = (..., *inside.within(window))
    return _in_frame(frame, place, predict(model, _crop(frame, place), settings, check))


def _in_frame(frame: FrameTensors, place: _Slices, found: Prediction) -> Prediction:
    """What was predicted at ``place`` in a frame that is surely empty elsewhere."""
    foreground = None
    if found.foreground is not None:
        foreground = CoarseGrid.of(_paste(frame.plate, place, found.foreground.whole()))
    deviation = None
    if found.deviation is not None:
        deviation = AlphaDeviation.of(_paste(torch.zeros_like(frame.coverage), place, found.deviation.whole()))
    return Prediction(
        alpha=_paste(torch.zeros_like(frame.coverage), place, found.alpha),
        foreground=foreground,
        confidence=CoarseGrid.of(_paste(torch.ones_like(frame.coverage), place, found.confidence.whole())),
        deviation=deviation,
    )


def _crop(frame: FrameTensors, place: _Slices) -> FrameTensors:
    """A rectangle of a frame, contiguous in memory."""

    def crop(picture: Tensor | None) -> Tensor | None:
        return None if picture is None else picture[place].contiguous()

    return replace(
        frame,
        plate=frame.plate[place].contiguous(),
        clean_plate=frame.clean_plate[place].contiguous(),
        coverage=frame.coverage[place].contiguous(),
        core=crop(frame.core),
        holdout=crop(frame.holdout),
    )


def _paste(surroundings: Tensor, place: _Slices, part: Tensor) -> Tensor:
    filled = surroundings.clone()
    filled[place] = part
    return filled
