"""The held-out benchmark: stills, shots and empty frames of what training never sees, each model on the same ones.

Subjects are the held-out renders, sets are views into the held-out panoramas; everything else follows from the
number of the picture, so the same renders give the same benchmark.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..evaluation.evaluate import EvaluatedMatte, columns, mean_of, score
from ..frame.refinement import predict, solved_foreground
from ..models.protocols import FrameTensors, MattingModel, ModelSettings
from .backgrounds import load_panorama, panorama_view, panoramas
from .bank import read_render, renders
from .camera import to_video
from .composite import Composite, Faults, compose
from .procedural import Float32
from .random_fields import Dice

SIZE = (432, 576)
"""Height and width of the pictures where nobody says otherwise."""
STILLS, SHOTS, FRAMES, EMPTY = 24, 4, 4, 6
_SWING = 0.05
"""Radians that a subject of a shot turns from frame to frame."""
_LIVE_NOISE = 0.02
"""Noise of each frame of a shot, of the square root of its light: no two frames have the same."""


@dataclass(frozen=True, eq=False)
class BenchmarkPicture:
    """One picture of the benchmark; ``shot`` names its sequence, '' for a still; ``hard``: what is hard in it;
    ``compose`` makes it, which takes longer than looking at it."""

    name: str
    shot: str
    hard: tuple[str, ...]
    compose: Callable[[], Composite]


@dataclass(frozen=True, eq=False)
class HeldOutSubject:
    """A held-out render, height x width x 4 premultiplied, and what is hard in it."""

    pixels: Float32
    hard: tuple[str, ...]


Figures = dict[str, float]


@dataclass(frozen=True)
class Summary:
    """One model: ``mean`` over pictures with a subject, the same by what is ``hard``; ``empty``: mean alpha where
    nobody is; every picture's figures; the processor time of model and foreground solve together."""

    mean: Figures
    empty: float
    hard: dict[str, Figures]
    pictures: dict[str, Figures]
    cpu_seconds: float


def subjects(folder: Path) -> list[HeldOutSubject]:
    """The held-out renders of ``folder``, sorted by name. Raises ``FileNotFoundError`` where there is none."""
    found = [HeldOutSubject(pixels=read_render(path), hard=_hard(path)) for path in renders(folder, "heldout")]
    if not found:
        raise FileNotFoundError(f"{folder} holds no held-out renders; scenes --split heldout makes them")
    return found


def _hard(path: Path) -> tuple[str, ...]:
    return tuple(json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["hard"])


def pictures(folder: Path, panorama_folder: Path, size: tuple[int, int] = SIZE) -> Iterator[BenchmarkPicture]:
    """All of the benchmark in order: stills, shots, empty frames; ``size``: height and width."""
    people = subjects(folder)
    views = [load_panorama(path) for path in panoramas(panorama_folder, held_out=True)]
    for number in range(STILLS):
        subject = people[number % len(people)]
        made = partial(_composed, [subject.pixels], views, number, size)
        yield BenchmarkPicture(name=f"still-{number:02d}", shot="", hard=subject.hard, compose=made)
    for shot in range(SHOTS):
        subject = people[(5 * shot + 1) % len(people)]
        for frame in range(FRAMES):
            made = partial(_frame_of_shot, subject.pixels, views, shot, frame, size)
            yield BenchmarkPicture(
                name=f"shot-{shot}-{frame:02d}", shot=f"shot-{shot}", hard=("moving", *subject.hard), compose=made
            )
    for number in range(EMPTY):
        yield BenchmarkPicture(
            name=f"empty-{number}",
            shot="",
            hard=("empty",),
            compose=partial(_composed, [], views, 2000 + number, size),
        )


def _composed(layers: Sequence[Float32], views: Sequence[Float32], number: int, size: tuple[int, int]) -> Composite:
    rng = np.random.default_rng([3, number])
    scene = panorama_view(rng, views[number % len(views)], size[0] * 5 // 4, size[1] * 5 // 4)
    tensors = [torch.from_numpy(np.ascontiguousarray(np.moveaxis(layer, -1, 0))) for layer in layers]
    picture = torch.from_numpy(np.ascontiguousarray(np.moveaxis(scene, -1, 0)))
    return compose(Dice(rng=rng, noise=torch.Generator().manual_seed(number)), tensors, picture, size, Faults())


def _frame_of_shot(
    subject: Float32, views: Sequence[Float32], shot: int, frame: int, size: tuple[int, int]
) -> Composite:
    moved = _turned(subject, _SWING * frame)
    return _lively(_composed([moved], views, 1000 + shot, size), 10 * shot + frame)


def _turned(pixels: Float32, angle: float) -> Float32:
    """The layer swung about the middle of its lower edge, on the same canvas."""
    height, width = pixels.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height), np.degrees(angle), 1.0)
    turned = cv2.warpAffine(pixels, turn, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return np.asarray(turned, np.float32)


def _lively(sample: Composite, seed: int) -> Composite:
    noise = torch.randn(sample.plate.shape, generator=torch.Generator().manual_seed(seed))
    plate = sample.plate + noise * _LIVE_NOISE * sample.plate.clamp(min=0).sqrt()
    return Composite(**{**vars(sample), "plate": plate})


def frame_of(sample: Composite) -> FrameTensors:
    """A composite as a model gets it."""
    return FrameTensors(plate=sample.plate[None], clean_plate=sample.clean[None], coverage=sample.coverage[None])


def _matte(alpha: Tensor, foreground: Tensor | None = None) -> EvaluatedMatte:
    colour = None if foreground is None else np.moveaxis(foreground.float().cpu().numpy(), 0, -1)
    return EvaluatedMatte(alpha=alpha[0].float().cpu().numpy(), foreground=colour)


def _answer(model: MattingModel, sample: Composite) -> EvaluatedMatte:
    """Alpha and foreground as the pipeline solves them."""
    frame = frame_of(sample)
    answer = predict(model, frame, ModelSettings(), lambda: None)
    return _matte(answer.alpha[0], solved_foreground(frame, answer, answer.alpha)[0])


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
    taken = [(picture, figures) for picture, figures in rows if "empty" not in picture.hard]
    by_hard: dict[str, list[Figures]] = defaultdict(list)
    for picture, figures in taken:
        for word in picture.hard:
            by_hard[word].append(figures)
    return Summary(
        mean=mean_of(figures for _, figures in taken),
        empty=mean_of(figures for picture, figures in rows if "empty" in picture.hard).get("mad", 0.0),
        hard={word: mean_of(found) for word, found in sorted(by_hard.items())},
        pictures={picture.name: figures for picture, figures in rows},
        cpu_seconds=round(seconds, 2),
    )


def ratios(figures: dict[str, dict[str, float]], ours: str, other: str) -> dict[str, float]:
    """Our mean of each figure over the other's, where that is not 0."""
    mine, theirs = figures[ours], figures[other]
    return {name: mine[name] / theirs[name] for name in columns([mine]) if theirs.get(name)}
