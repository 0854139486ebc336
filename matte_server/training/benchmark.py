"""The held-out benchmark: what training never sees, scored by kind, each model on the same pictures."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..core.align import Alignment
from ..core.exposure_clipping import Clipping, clipping_of
from ..core.image import Image
from ..core.window import Window
from ..evaluation.evaluate import LABELS, EvaluatedMatte, columns, mean_of, score, shown
from ..frame.clipping import seen_by_model
from ..frame.refinement import predict, solved_foreground
from ..models.protocols import FrameTensors, MattingModel, ModelSettings
from .benchmark_pictures import BenchmarkPicture
from .camera import to_video
from .composite import Composite
from .procedural import Float32

KIND_FIGURES = ("mad", "mad_unknown", "grad", "fg_mse", "dtssd")
"""The figures that are listed for each kind: frame and band MAD, Grad, foreground MSE, dtSSD."""

Figures = dict[str, float]


@dataclass(frozen=True)
class Summary:
    """One model: ``mean`` over pictures with a subject, the same for each of the ``kinds``; ``empty``: mean alpha
    where nobody is; every picture's figures; the processor time of model and foreground solve together."""

    mean: Figures
    empty: float
    kinds: dict[str, Figures]
    pictures: dict[str, Figures]
    cpu_seconds: float


def frame_of(sample: Composite) -> FrameTensors:
    """The tensors of a composite."""
    return FrameTensors(plate=sample.plate[None], clean_plate=sample.clean[None], coverage=sample.coverage[None])


def _matte(alpha: Tensor, foreground: Tensor | None = None) -> EvaluatedMatte:
    colour = None if foreground is None else np.moveaxis(foreground.float().cpu().numpy(), 0, -1)
    return EvaluatedMatte(alpha=alpha[0].float().cpu().numpy(), foreground=colour)


def _answer(model: MattingModel, sample: Composite) -> EvaluatedMatte:
    """Alpha and foreground as the pipeline solves them, which takes away from what the model sees the light that
    only one of the two pictures can show."""
    frame = frame_of(sample)
    answer = predict(model, seen_by_model(frame, _clipping(sample)), ModelSettings(), lambda: None)
    return _matte(answer.alpha[0], solved_foreground(frame, answer, answer.alpha)[0])


def _clipping(sample: Composite) -> Clipping:
    plate, clean = (_image(picture) for picture in (sample.plate, sample.clean))
    return clipping_of(plate, clean, Alignment(transform=np.eye(3)))


def _image(picture: Tensor) -> Image:
    height, width = picture.shape[-2:]
    window = Window(0, 0, int(width), int(height))
    pixels = np.moveaxis(picture.numpy(), 0, -1)
    return Image(pixels=pixels, channels=("R", "G", "B"), data_window=window, display_window=window)


def measure(
    models: dict[str, MattingModel], material: Iterator[BenchmarkPicture], say: Callable[[str], None]
) -> dict[str, Summary]:
    """Every figure of every model on the same pictures."""
    rows: dict[str, list[tuple[BenchmarkPicture, Figures]]] = defaultdict(list)
    seconds: dict[str, float] = defaultdict(float)
    before: dict[str, tuple[str, EvaluatedMatte, EvaluatedMatte]] = {}
    for picture in material:
        sample = picture.compose()
        truth = _matte(sample.alpha, sample.foreground)
        for name, model in models.items():
            began = time.process_time()
            result = _answer(model, sample)
            seconds[name] += time.process_time() - began
            shot, *earlier = before.get(name, ("",))
            moving = picture.shot != "" and picture.shot == shot
            rows[name].append((picture, score(result, truth, (earlier[0], earlier[1]) if moving else None)))
            before[name] = (picture.shot, result, truth)
        say(picture.name)
    return {name: _summary(rows[name], seconds[name]) for name in models}


def sheet(model: MattingModel, material: Iterator[BenchmarkPicture], names: Sequence[str]) -> NDArray[np.uint8]:
    """The named pictures one under the other in the order of ``names``: plate, true alpha, the model's alpha, its
    foreground over grey; rows x columns x 3, B, G, R, display-encoded."""
    rows: dict[str, Float32] = {}
    for picture in material:
        if picture.name in names:
            sample = picture.compose()
            result = _answer(model, sample)
            alpha = result.alpha[..., None]
            colour = result.foreground if result.foreground is not None else np.zeros(3, np.float32)
            plate = np.moveaxis(sample.plate.numpy(), 0, -1)
            comp = colour * alpha + 0.18 * (1 - alpha)
            mattes = (np.repeat(matte, 3, 2) for matte in (np.moveaxis(sample.alpha.numpy(), 0, -1), alpha))
            shown = [to_video(torch.from_numpy(light)).numpy() for light in (plate, comp)]
            rows[picture.name] = np.concatenate([shown[0], *mattes, shown[1]], 1)
    whole = np.concatenate([rows[name] for name in names], 0)
    return np.asarray(np.rint(255 * whole[..., ::-1].clip(0, 1)), np.uint8)


def _summary(rows: list[tuple[BenchmarkPicture, Figures]], seconds: float) -> Summary:
    taken = [(picture, figures) for picture, figures in rows if picture.kind != "empty"]
    by_kind: dict[str, list[Figures]] = defaultdict(list)
    for picture, figures in taken:
        by_kind[picture.kind].append(figures)
    return Summary(
        mean=mean_of(figures for _, figures in taken),
        empty=mean_of(figures for picture, figures in rows if picture.kind == "empty").get("mad", 0.0),
        kinds={kind: mean_of(found) for kind, found in by_kind.items()},
        pictures={picture.name: figures for picture, figures in rows},
        cpu_seconds=round(seconds, 2),
    )


def ratios(figures: dict[str, dict[str, float]], ours: str, other: str) -> dict[str, float]:
    """Our mean of each figure over the other's, where that is not 0."""
    mine, theirs = figures[ours], figures[other]
    return {name: mine[name] / theirs[name] for name in columns([mine]) if theirs.get(name)}


def kind_table(report: Mapping[str, Summary]) -> list[str]:
    """A line for each kind: every figure of ``KIND_FIGURES``, one column a model in the report's order."""
    first = next(iter(report.values()))
    heads = [f"{LABELS[name]} ({model})" for name in KIND_FIGURES for model in report]
    lines = ["| kind | " + " | ".join(heads) + " |", "| --- |" + " --- |" * len(heads)]
    for kind in first.kinds:
        cells = [
            shown(name, summary.kinds[kind][name]) if name in summary.kinds[kind] else ""
            for name in KIND_FIGURES
            for summary in report.values()
        ]
        lines.append(f"| {kind} | " + " | ".join(cells) + " |")
    return lines
