"""The story of one frame: align, match the exposure, bring everything to the device and warp, ask the model, follow
the neighbours in time, apply the guides, solve the foreground, refine the edge, and come back.

Smoothing in time stands where it does because it takes what a model said of three frames. What the artist drew on a
frame then holds there exactly, and no roto of a neighbour bleeds in; the foreground and the edge controls see the
smoothed alpha.

Estimation runs on the processor on small copies; everything that touches every pixel runs on the device in one
sequence. A frame's result depends on its own inputs and options alone.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import EllipsisType

import numpy as np
import torch
from matte_link.options import MatteOptions, parse_region
from torch import Tensor

from ..core.align import Alignment, Matrix, align, coverage, display_transform
from ..core.despeckle import despeckle
from ..core.image import KNOWN, Float32, Guides, Image, PlatePair
from ..core.placement import as_facts, with_exposure
from ..core.result import MatteResult
from ..core.window import Window
from ..errors import MatteError
from ..models.protocols import CancelCheck, FrameTensors, MattingModel, ModelSettings, Prediction
from ..models.registry import load_model
from ..pixels.cells import CoarseGrid
from ..pixels.difference import difference, grain_of
from ..pixels.edges import apply_guides, erode, levels, soften
from ..pixels.foreground import foreground_of
from ..pixels.recomposition import Recomposition, recomposition
from ..pixels.smoothing import temporal_features
from ..pixels.warp import warp
from .model_output import ModelOutput, smooth_alpha

Progress = Callable[[str, int, int], None]
ModelLoader = Callable[[str, str, torch.device], MattingModel]
STAGES = ("align", "exposure", "warp", "model", "guides", "foreground", "edges")
MODELS_HELD = 2
# Next to a place that is not known, a resampled pixel is partly made of it.
_WHOLLY_KNOWN = 0.99
_POOR_RESIDUAL_PX = 1.0
_POOR_INLIERS = 0.5
_POOR_COVERAGE = 0.9
_NO_SUBJECT = 1e-5
_CHANNELS = {1: ("A",), 3: ("R", "G", "B"), 4: ("R", "G", "B", "A")}


@dataclass(frozen=True, eq=False)
class _Solved:
    """Everything of one frame that goes back to the host, still on the device."""

    alpha: Tensor
    foreground: Tensor
    layers: Mapping[str, Tensor]
    misses: Recomposition
    weights: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class _Placed:
    """A clean plate as an alignment brought it onto a plate's window: 1 x 3 and 1 x 1 x H x W."""

    clean: Image
    window: Window
    alignment: Alignment
    pixels: Tensor
    coverage: Tensor

    def serves(self, clean: Image, window: Window, alignment: Alignment) -> bool:
        """Whether placing this clean plate there would give the same again."""
        mine = self.alignment
        same_light = mine.gain == alignment.gain and mine.offset == alignment.offset
        same_place = self.window == window and np.array_equal(mine.transform, alignment.transform)
        return self.clean is clean and same_place and same_light


@dataclass(frozen=True)
class _StageReporter:
    """Says which stage begins, after asking whether anybody still wants the frame."""

    check: CancelCheck
    progress: Progress

    def __call__(self, name: str) -> None:
        self.check()
        self.progress(name, STAGES.index(name), len(STAGES))


class MattePipeline:
    """Solves frames on one device; keeps the last models warm."""

    def __init__(self, device: torch.device, load: ModelLoader = load_model) -> None:
        self.device = device
        self._load = load
        self._models: OrderedDict[tuple[str, str], MattingModel] = OrderedDict()
        # In a locked shot each frame asks for the clean plate of the frame before, at the same place.
        self._placed: _Placed | None = None

    def clear(self) -> None:
        """Frees the memory of the clean plate that is kept from frame to frame."""
        self._placed = None

    def solve(
        self,
        pair: PlatePair,
        guides: Guides,
        options: MatteOptions,
        *,
        check: CancelCheck,
        progress: Progress,
        given: Alignment | None = None,
    ) -> MatteResult:
        """One frame's matte. Both pictures scene-linear Rec.709; ``check`` raises where the frame is cancelled,
        ``progress`` hears each stage as it begins. ``given``: the shot's plate solve for this frame, taken as it
        is instead of an estimate. Raises ``MatteError`` with the codes not_finite, empty, bad_option
        (a region beside the plate) and the model's."""
        stage = _StageReporter(check, progress)
        with torch.inference_mode():
            alignment, frame, prediction = self._asked(pair, guides, options, given, stage)
            alpha = prediction.alpha.clamp(0.0, 1.0)
            solved = self._solve_pixels(frame, prediction, alpha, {}, options, stage)
            return _result(pair.plate, solved, alignment)

    def predict(
        self,
        pair: PlatePair,
        guides: Guides,
        options: MatteOptions,
        *,
        check: CancelCheck,
        progress: Progress,
        given: Alignment | None = None,
    ) -> ModelOutput:
        """The first half of :meth:`solve`: alignment to model. Raises as that does."""
        stage = _StageReporter(check, progress)
        with torch.inference_mode():
            alignment, frame, prediction = self._asked(pair, guides, options, given, stage)
            return ModelOutput(
                alignment=alignment,
                features=temporal_features(frame.plate, prediction.alpha.clamp(0.0, 1.0)),
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
        progress: Progress,
    ) -> MatteResult:
        """The second half of :meth:`solve`, from the frame's ``own`` raw matte (which has its prediction), with
        ``options.temporal`` of the neighbours ``around``: those of "before" and "after" that there are."""
        stage = _StageReporter(check, progress)
        with torch.inference_mode():
            frame = own.frame or self._frame(pair.plate, pair.clean_plate, guides, own.alignment)
            assert own.prediction is not None
            alpha, weights = smooth_alpha(own, around, options.temporal, check)
            solved = self._solve_pixels(frame, own.prediction, alpha, weights, options, stage)
            return _result(pair.plate, solved, own.alignment)

    def _asked(
        self, pair: PlatePair, guides: Guides, options: MatteOptions, given: Alignment | None, stage: _StageReporter
    ) -> tuple[Alignment, FrameTensors, Prediction]:
        _check_pictures(pair, guides)
        alignment = _alignment(pair, options, given, stage)
        stage("warp")
        frame = self._frame(pair.plate, pair.clean_plate, guides, alignment)
        stage("model")
        return alignment, frame, self._predict(frame, pair.plate.data_window, options, stage.check)

    def _solve_pixels(
        self,
        frame: FrameTensors,
        prediction: Prediction,
        alpha: Tensor,
        weights: Mapping[str, float],
        options: MatteOptions,
        stage: _StageReporter,
    ) -> _Solved:
        """From alpha on; ``weights`` are only passed on."""
        stage("guides")
        alpha = apply_guides(alpha, frame.core, frame.holdout)
        stage("foreground")
        foreground = _foreground(frame, prediction, alpha, options.foreground)
        misses = recomposition(frame.plate, frame.clean_plate, alpha, foreground)
        stage("edges")
        # After the foreground: a matte that the artist shrinks or hardens must not change the subject's colour.
        alpha = levels(alpha, options.black_point, options.white_point, options.gamma)
        alpha = soften(erode(alpha, options.erode), options.softness)
        alpha = _despeckled(alpha, options.despeckle)
        return _Solved(alpha, foreground, _layers(frame, prediction, options), misses, weights)

    def _predict(
        self, frame: FrameTensors, window: Window, options: MatteOptions, check: CancelCheck
    ) -> Prediction:
        """What the model says, of the region of interest alone where there is one; outside lies no subject."""
        model, settings = self._model(options), self._settings(options)
        asked = parse_region(options.region)
        if asked is None:
            return model.predict(frame, settings, check)
        region = window.intersect(Window(*asked))
        if not region.area:
            raise MatteError(
                "bad_option",
                f"The region {options.region} lies outside the plate's data window {window}.",
                "Give it in the plate's own pixels, y down.",
            )
        x, y = region.x - window.x, region.y - window.y
        place = (..., slice(y, y + region.height), slice(x, x + region.width))
        found = model.predict(_part(frame, place), settings, check)

        def whole(behind: Tensor, part: Tensor) -> Tensor:
            filled = behind.clone()
            filled[place] = part
            return filled

        return Prediction(
            whole(torch.zeros_like(frame.coverage), found.alpha),
            None if found.foreground is None else CoarseGrid.of(whole(frame.plate, found.foreground.whole())),
            CoarseGrid.of(whole(torch.ones_like(frame.coverage), found.confidence.whole())),
        )

    def _frame(self, plate: Image, clean: Image, guides: Guides, alignment: Alignment) -> FrameTensors:
        placed = self._place(clean, plate.data_window, alignment)
        return FrameTensors(
            self._tensor(plate.rgb),
            placed.pixels,
            placed.coverage,
            self._guide(plate, guides.core),
            self._guide(plate, guides.holdout),
        )

    def _place(self, clean: Image, window: Window, alignment: Alignment) -> _Placed:
        """The clean plate on a plate's window, its exposure matched. Nobody writes into what is kept."""
        if self._placed is not None and self._placed.serves(clean, window, alignment):
            return self._placed
        # Not beside the one before: together they would be the most that the frame takes.
        self._placed = None
        matrix = self._matrix(alignment.transform, window, clean.data_window)
        warped, covered = warp(self._tensor(clean.rgb), matrix, window.height, window.width)
        if KNOWN in clean.channels:
            index = clean.channels.index(KNOWN)
            known, _ = warp(self._tensor(clean.pixels[..., index : index + 1]), matrix, window.height, window.width)
            covered = covered * (known > _WHOLLY_KNOWN)
        gain = torch.tensor(alignment.gain, device=self.device).view(1, 3, 1, 1)
        offset = torch.tensor(alignment.offset, device=self.device).view(1, 3, 1, 1)
        self._placed = _Placed(clean, window, alignment, warped * gain + offset, covered)
        return self._placed

    def _guide(self, plate: Image, guide: Image | None) -> Tensor | None:
        """A guide on the plate's window; black where it does not reach."""
        if guide is None:
            return None
        window = plate.data_window
        matrix = self._matrix(display_transform(plate, guide), window, guide.data_window)
        values, covered = warp(self._tensor(guide.pixels[..., :1]), matrix, window.height, window.width)
        return (values * covered).clamp(0.0, 1.0)

    def _matrix(self, transform: Matrix, target: Window, source: Window) -> Tensor:
        """From the target's array coordinates to the source's, out of a plane transform source -> target."""
        matrix = source.from_plane() @ np.linalg.inv(transform) @ target.to_plane()
        matrix = matrix / matrix[2, 2]
        dtype = torch.float32 if self.device.type == "mps" else torch.float64
        return torch.tensor(matrix, dtype=dtype, device=self.device)

    def _tensor(self, pixels: Float32) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))).to(self.device)[None]

    def _model(self, options: MatteOptions) -> MattingModel:
        key = (options.model, options.weights)
        if key not in self._models:
            self._models[key] = self._load(options.model, options.weights, self.device)
        self._models.move_to_end(key)
        while len(self._models) > MODELS_HELD:
            self._models.popitem(last=False)
        return self._models[key]

    def _settings(self, options: MatteOptions) -> ModelSettings:
        if options.precision != "auto":
            return ModelSettings(options.precision)
        return ModelSettings("float16" if self.device.type == "cuda" else "float32")


def _alignment(pair: PlatePair, options: MatteOptions, given: Alignment | None, stage: _StageReporter) -> Alignment:
    """Given by the shot's plate solve, or measured in this frame."""
    stage("align")
    if given is not None:
        seen = coverage(given.transform, pair.plate.data_window, pair.clean_plate.data_window)
        return replace(given, coverage=seen)
    found = align(pair.plate, pair.clean_plate, options.align)
    stage("exposure")
    return with_exposure(found, pair.plate, pair.clean_plate) if options.match_exposure else found


def _part(frame: FrameTensors, place: tuple[EllipsisType, slice, slice]) -> FrameTensors:
    """A rectangle of a frame, its memory in order."""

    def cut(picture: Tensor | None) -> Tensor | None:
        return None if picture is None else picture[place].contiguous()

    return replace(
        frame,
        plate=frame.plate[place].contiguous(),
        clean_plate=frame.clean_plate[place].contiguous(),
        coverage=frame.coverage[place].contiguous(),
        core=cut(frame.core),
        holdout=cut(frame.holdout),
    )


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
        if not image.data_window.area:
            raise MatteError("empty", f"The {name} has no pixels in its data window.")
        values = image.rgb if name.endswith("plate") else image.pixels[..., :1]
        bad = int(values.size - np.count_nonzero(np.isfinite(values)))
        if bad:
            raise MatteError(
                "not_finite",
                f"The {name} has {bad} values that are NaN or infinite.",
                "Repair it first, for example with a NaN-removing expression where it was rendered.",
            )


def _despeckled(alpha: Tensor, area: int) -> Tensor:
    if area <= 0:
        return alpha
    # Connected areas are found on the processor: the only trip, and only where the artist asks for it.
    cleaned = despeckle(alpha[0, 0].cpu().numpy(), area)
    return torch.from_numpy(cleaned)[None, None].to(alpha.device)


def _foreground(frame: FrameTensors, prediction: Prediction, alpha: Tensor, source: str) -> Tensor:
    if source == "network" and prediction.foreground is not None:
        return prediction.foreground.whole()
    grain = grain_of(frame.plate, frame.clean_plate, frame.coverage)
    return foreground_of(frame.plate, frame.clean_plate, alpha, prediction.foreground, grain)


def _layers(frame: FrameTensors, prediction: Prediction, options: MatteOptions) -> dict[str, Tensor]:
    """What else the artist asked for."""
    layers = {}
    if options.layer_clean:
        layers["clean"] = torch.cat([frame.clean_plate, frame.coverage], 1)
    if options.layer_confidence:
        layers["confidence"] = prediction.confidence.whole()
    if options.layer_difference:
        layers["difference"] = difference(frame.plate, frame.clean_plate, frame.coverage).distance
    return layers


def _result(plate: Image, solved: _Solved, alignment: Alignment) -> MatteResult:
    def image(tensor: Tensor) -> Image:
        # A view: who writes it puts the channels into the file's order, and most results are not written.
        pixels = np.asarray(tensor[0].permute(1, 2, 0).cpu().numpy(), np.float32)
        return replace(plate, pixels=pixels, channels=_CHANNELS[pixels.shape[-1]], premultiplied=False)

    in_time = {"temporal": dict(solved.weights)} if solved.weights else {}
    return MatteResult(
        alpha=image(solved.alpha),
        foreground=image(solved.foreground),
        alignment=alignment,
        diagnostics={**diagnose(alignment, solved.alpha, solved.misses, plate), **in_time},
        layers={name: image(layer) for name, layer in solved.layers.items()},
    )


def diagnose(alignment: Alignment, alpha: Tensor, misses: Recomposition, plate: Image) -> dict[str, object]:
    """A frame's figures for people and for ``--json``: plain JSON values, NaN as None.

    ``recomposition_error``: the median over the semi-transparent band (over all where there is none) of how far
    foreground over the aligned clean plate misses the plate, before the edge controls, as part of the plate's range
    (its 0.5 to 99.5 percentiles); ``recomposition_error_max``: the largest in the frame, as it is.
    """
    step = max(1, max(plate.rgb.shape) // 256)
    low, high = np.percentile(plate.rgb[::step, ::step], (0.5, 99.5))
    area = float(alpha.mean())
    return {
        "alignment": {**as_facts(alignment), "coverage": alignment.coverage},
        "alpha_area": area,
        "unknown_area": misses.band,
        "recomposition_error": misses.median / max(float(high - low), 1e-6),
        "recomposition_error_max": misses.largest,
        "warnings": [*alignment.warnings, *_doubts(alignment, area)],
    }


def _doubts(alignment: Alignment, area: float) -> list[str]:
    """What an artist should know before believing the matte."""
    doubts = []
    if alignment.residual_px > _POOR_RESIDUAL_PX or alignment.inliers < _POOR_INLIERS:
        doubts.append(
            f"The clean plate fits badly (median residual {alignment.residual_px:.2f} px, "
            f"{100 * alignment.inliers:.0f}% of {alignment.points} points agree)."
        )
    if alignment.coverage < _POOR_COVERAGE:
        doubts.append(f"The clean plate covers only {100 * alignment.coverage:.0f}% of the plate.")
    if area < _NO_SUBJECT:
        doubts.append("No subject was found: the plate does not differ from the clean plate.")
    return doubts
