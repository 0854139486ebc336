"""The pipeline of one frame, from its pictures to its matte, in order.

It aligns, matches the exposure, warps everything onto the plate on the device, runs the model, smooths over the
neighbours in time, applies the guides, solves the foreground, refines the edge, downloads.

Smoothing comes right after the model because it works on what the model found in each of three frames. What the
artist drew on a frame then holds exactly there, and no guide of a neighbour leaks in; foreground and edge controls
work on the smoothed alpha.

Estimation runs on the CPU on small copies; everything that touches every pixel runs on the device in one sequence.
A frame's result depends on its own inputs and options alone.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from matte_link.options import MatteOptions
from torch import Tensor

from ..core.align import Alignment, align, coverage
from ..core.despeckle import despeckle
from ..core.exposure_clipping import clipping_of
from ..core.image import Guides, Image, PlatePair
from ..core.placement import CleanPlateDetails, with_exposure
from ..core.result import MatteResult
from ..core.trimap import SURE
from ..models.protocols import CancelCheck, FrameTensors, MattingModel, ModelSettings, Prediction
from ..models.registry import load_model
from ..pixels.device_facts import automatic_precision
from ..pixels.difference import difference
from ..pixels.edges import apply_guides, erode, levels, soften
from ..pixels.recomposition import Recomposition, recomposition
from ..pixels.shadow import shadow
from ..pixels.temporal_smoothing import temporal_features
from .clipping import clipping_warnings, seen_by_model
from .diagnostics import diagnose
from .left_out import left_out
from .model_output import ModelOutput, smooth_alpha
from .picture_checks import check_picture, guide_warnings
from .refinement import confidence, solved_foreground
from .region import predict_region
from .warper import FrameWarper

StageCallback = Callable[[str, int, int], None]
"""Called as a stage begins: its name, how many are done, and how many there are."""
ModelLoader = Callable[[str, str, torch.device], MattingModel]
"""Loads a model by its name and weights onto a device."""
STAGES = ("align", "exposure", "warp", "model", "guides", "foreground", "edges")
MODELS_HELD = 2
_CHANNELS = {1: ("A",), 3: ("R", "G", "B"), 4: ("R", "G", "B", "A")}


@dataclass(frozen=True, eq=False)
class _Solved:
    """Everything of one frame that the result is made from, on the device. ``found_area``: the mean of alpha before
    the edge controls, None where none of them acts. ``is_part``: a region, or a holdout matte, says where no
    subject is. ``weights`` are the neighbours'."""

    alpha: Tensor
    found_area: Tensor | None
    is_part: bool
    foreground: Tensor
    layers: Mapping[str, Tensor]
    error: Recomposition
    weights: Mapping[str, float]


@dataclass(frozen=True)
class _StageReporter:
    """Reports that a stage begins, unless the frame was cancelled."""

    check: CancelCheck
    progress: StageCallback

    def __call__(self, name: str) -> None:
        self.check()
        self.progress(name, STAGES.index(name), len(STAGES))


class MattePipeline:
    """Solves frames on one device; keeps the last models loaded."""

    def __init__(self, device: torch.device, load: ModelLoader = load_model) -> None:
        self.device = device
        self._load = load
        self._models: OrderedDict[tuple[str, str], MattingModel] = OrderedDict()
        self._warper = FrameWarper(device)
        self._clean: CleanPlateDetails | None = None

    def clear(self) -> None:
        """Frees the memory of the clean plate that is kept from frame to frame."""
        self._warper.clear()
        self._clean = None

    def solve(
        self,
        pair: PlatePair,
        guides: Guides,
        options: MatteOptions,
        *,
        check: CancelCheck,
        progress: StageCallback,
        given: Alignment | None = None,
    ) -> MatteResult:
        """One frame's matte. Both pictures are scene-linear Rec.709. ``check`` raises where the frame was
        cancelled. ``given``: the alignment of the shot's plate solve, used instead of an estimate. Raises
        ``MatteError``: not_finite, empty, bad_option (a region outside the plate), and the model's codes."""
        stage = _StageReporter(check=check, progress=progress)
        with torch.inference_mode():
            alignment, frame, prediction = self._align_and_predict(pair, guides, options, given, stage)
            alpha = prediction.alpha.clamp(0.0, 1.0)
            solved = self._from_alpha(frame, prediction, alpha, {}, options, stage)
            return _result(pair.plate, solved, alignment)

    def predict(
        self,
        pair: PlatePair,
        guides: Guides,
        options: MatteOptions,
        *,
        check: CancelCheck,
        progress: StageCallback,
        given: Alignment | None = None,
    ) -> ModelOutput:
        """The first half of :meth:`solve`: alignment to model. Raises as that does."""
        stage = _StageReporter(check=check, progress=progress)
        with torch.inference_mode():
            alignment, frame, prediction = self._align_and_predict(pair, guides, options, given, stage)
            return ModelOutput(
                alignment=alignment,
                features=temporal_features(frame.plate, frame.clean_plate, prediction.alpha.clamp(0.0, 1.0)),
                data_window=pair.plate.data_window,
                display_window=pair.plate.display_window,
                pixel_aspect=pair.plate.pixel_aspect,
                prediction=prediction,
                frame=frame,
            )

    def solve_in_time(
        self,
        pair: PlatePair,
        guides: Guides,
        options: MatteOptions,
        own: ModelOutput,
        around: Mapping[str, ModelOutput],
        *,
        check: CancelCheck,
        progress: StageCallback,
    ) -> MatteResult:
        """The second half of :meth:`solve`, with alpha smoothed by ``options.temporal`` over the neighbours
        ``around``, by side. ``own`` is what :meth:`predict` returned for this frame, with its prediction."""
        stage = _StageReporter(check=check, progress=progress)
        with torch.inference_mode():
            frame = own.frame or self._warper.tensors(pair, guides, own.alignment)
            assert own.prediction is not None
            alpha, weights = smooth_alpha(own, around, options.temporal, check)
            solved = self._from_alpha(frame, own.prediction, alpha, weights, options, stage)
            return _result(pair.plate, solved, own.alignment)

    def _align_and_predict(
        self, pair: PlatePair, guides: Guides, options: MatteOptions, given: Alignment | None, stage: _StageReporter
    ) -> tuple[Alignment, FrameTensors, Prediction]:
        _check_pictures(pair, guides)
        alignment = find_alignment(pair, options, given, stage, self._details(pair.clean_plate))
        stage("warp")
        frame = self._warper.tensors(pair, guides, alignment)
        stage("model")
        model, settings = self._model(options), self._settings(options)
        window = pair.plate.data_window
        clipping = clipping_of(pair.plate, pair.clean_plate, alignment)
        seen = seen_by_model(frame, clipping)
        warnings = (*clipping_warnings(frame, clipping), *guide_warnings(pair.plate, guides))
        alignment = replace(alignment, warnings=(*alignment.warnings, *warnings))
        # Of a soft holdout matte only what is sure: a model takes what is half held out for no subject at all.
        seen = replace(seen, holdout=_sure(frame.holdout))
        return alignment, frame, predict_region(model, seen, window, options.region, settings, stage.check)

    def _from_alpha(
        self,
        frame: FrameTensors,
        prediction: Prediction,
        alpha: Tensor,
        weights: Mapping[str, float],
        options: MatteOptions,
        stage: _StageReporter,
    ) -> _Solved:
        """What follows from the model's ``alpha``, smoothed in time or not: guides, foreground, layers and edges.
        ``weights`` are the neighbours', for the diagnostics."""
        stage("guides")
        found = apply_guides(alpha, frame.core, frame.holdout)
        # What the plate shows: a holdout matte's soft edge thins the matte, not the subject in the plate.
        shown = apply_guides(alpha, frame.core, _sure(frame.holdout))
        stage("foreground")
        foreground = _foreground(frame, prediction, shown, options.foreground)
        error = recomposition(frame.plate, frame.clean_plate, shown, foreground)
        layers = _layers(frame, prediction, self._seen(frame, shown, options, stage.check), foreground, options)
        stage("edges")
        # After the foreground: shrinking or hardening the matte must not change the subject's colour.
        alpha = levels(found, options.black_point, options.white_point, options.gamma)
        alpha = soften(erode(alpha, options.erode), options.softness)
        alpha = _despeckled(alpha, options.despeckle)
        return _Solved(
            alpha=alpha,
            found_area=None if alpha is found else found.mean(),
            is_part=bool(options.region) or frame.holdout is not None,
            foreground=foreground,
            layers=layers,
            error=error,
            weights=weights,
        )

    def _seen(self, frame: FrameTensors, alpha: Tensor, options: MatteOptions, check: CancelCheck) -> Tensor:
        """``alpha``, and 1 where somebody is whom a region or a holdout matte leaves out: that is no shadow."""
        if not options.layer_shadow or not (options.region or frame.holdout is not None):
            return alpha
        return alpha.maximum(left_out(self._model(options), frame, alpha, self._settings(options), check))

    def _details(self, clean: Image) -> CleanPlateDetails:
        """The clean plate's details, kept until another one comes: a host sends the same one with every frame."""
        if self._clean is None or self._clean.image is not clean:
            self._clean = CleanPlateDetails.of(clean)
        return self._clean

    def _model(self, options: MatteOptions) -> MattingModel:
        key = (options.model, options.weights)
        if key not in self._models:
            self._models[key] = self._load(options.model, options.weights, self.device)
        self._models.move_to_end(key)
        while len(self._models) > MODELS_HELD:
            self._models.popitem(last=False)
        return self._models[key]

    def _settings(self, options: MatteOptions) -> ModelSettings:
        is_chosen = options.precision != "auto"
        return ModelSettings(precision=options.precision if is_chosen else automatic_precision(self.device))


def find_alignment(
    pair: PlatePair,
    options: MatteOptions,
    given: Alignment | None,
    stage: Callable[[str], None],
    details: CleanPlateDetails | None = None,
) -> Alignment:
    """The alignment of the shot's plate solve, or one estimated from this frame. ``stage`` is called with the name
    of each stage as it begins. ``details``: those of the clean plate, where they are kept from frame to frame."""
    stage("align")
    plate, clean = pair.plate, details or CleanPlateDetails.of(pair.clean_plate)
    if given is not None:
        covered = coverage(given.transform, plate.data_window, clean.image.data_window)
        return replace(given, coverage=covered)
    found = align(plate, clean.image, options.align, clean.features)
    stage("exposure")
    return with_exposure(found, plate, clean.image, clean.copies) if options.match_exposure else found


def _check_pictures(pair: PlatePair, guides: Guides) -> None:
    pictures = {
        "plate": pair.plate,
        "clean plate": pair.clean_plate,
        "core": guides.core,
        "holdout": guides.holdout,
    }
    for name, image in pictures.items():
        if image is None:
            continue
        check_picture(name, image, image.rgb if name.endswith("plate") else image.pixels[..., :1])


def _sure(guide: Tensor | None) -> Tensor | None:
    """1 where a guide (1 x 1 x H x W, or None) is sure, else 0."""
    return None if guide is None else (guide > SURE).to(guide.dtype)


def _despeckled(alpha: Tensor, area: int) -> Tensor:
    if area <= 0:
        return alpha
    # Connected areas are found on the CPU: the only round trip, and only where this control is used.
    cleaned = despeckle(alpha[0, 0].cpu().numpy(), area)
    return torch.from_numpy(cleaned)[None, None].to(alpha.device)


def _foreground(frame: FrameTensors, prediction: Prediction, alpha: Tensor, source: str) -> Tensor:
    if source == "network" and prediction.foreground is not None:
        return prediction.foreground.whole()
    return solved_foreground(frame, prediction, alpha)


def _layers(
    frame: FrameTensors, prediction: Prediction, alpha: Tensor, foreground: Tensor, options: MatteOptions
) -> dict[str, Tensor]:
    """The optional layers of the result; ``alpha`` is that before the edge controls, and what was left out."""
    layers = {}
    if options.layer_clean:
        layers["clean"] = torch.cat([frame.clean_plate, frame.coverage], 1)
    if options.layer_confidence:
        layers["confidence"] = confidence(prediction)
    if options.layer_difference:
        layers["difference"] = difference(frame.plate, frame.clean_plate, frame.coverage).distance
    if options.layer_shadow:
        layers["shadow"] = shadow(frame.plate, frame.clean_plate, frame.coverage, alpha, foreground)
    return layers


def _result(plate: Image, solved: _Solved, alignment: Alignment) -> MatteResult:
    def image(tensor: Tensor) -> Image:
        # A transposed view: the writer puts the channels into the file's order, and most results are never written.
        pixels = np.asarray(tensor[0].permute(1, 2, 0).cpu().numpy(), np.float32)
        return replace(plate, pixels=pixels, channels=_CHANNELS[pixels.shape[-1]], premultiplied=False)

    in_time = {"temporal": dict(solved.weights)} if solved.weights else {}
    figures = diagnose(alignment, solved.found_area, solved.alpha, solved.error, plate, solved.is_part)
    return MatteResult(
        alpha=image(solved.alpha),
        foreground=image(solved.foreground),
        alignment=alignment,
        diagnostics={**figures, **in_time},
        layers={name: image(layer) for name, layer in solved.layers.items()},
    )
