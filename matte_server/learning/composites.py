"""Training batches from a shot's own frames.

A frame with a true matte is learnt as it is. Besides, the subject of one frame is put a second time into another
one, moved and mirrored: everything around it is then the shot's real picture, with its own noise, shadows and what
alignment left over, and the matte is known exactly where the moved subject is. That is also how a shot is learnt
from without any true matte. (Background Matting, CVPR 2020, section 3.2, adapts to unlabelled footage with an
adversarial loss instead.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .examples import LearningExample

Batch = dict[str, Tensor]
"""What :func:`losses.training_losses` takes, with ``trust`` as weight of alpha's error."""
_DENSER = 0.25
"""Standard deviation, in natural logarithms, of what the model's own alpha is multiplied by; never below 1."""
_PICTURES = ("plate", "clean", "foreground", "alpha", "coverage", "trust", "left_out")
_OF_LIGHT = ("plate", "clean", "foreground")
_ACROSS, _DOWN = 0.25, 0.06
"""Standard deviation of a subject's shift, as a part of the frame's sides."""
_LIGHT, _EXPOSURE = 0.15, 0.1
"""Standard deviations, in natural logarithms, of the second subject's light and of the whole picture's."""


@dataclass(frozen=True, eq=False)
class Composer:
    """Makes the ``count`` pictures of each step. The same ``seed`` and step always give the same ones."""

    examples: Sequence[LearningExample]
    seed: int
    count: int = 2

    def pictures(self, step: int, device: torch.device) -> list[Batch]:
        """The pictures of a step, each a batch of one: every other one is a frame as it is, where there are true
        mattes."""
        rng = np.random.default_rng([self.seed, step])
        return [_without_guides(self._picture(rng, index, device)) for index in range(self.count)]

    def _picture(self, rng: np.random.Generator, index: int, device: torch.device) -> Batch:
        true = [example for example in self.examples if example.is_truth]
        is_whole = index % 2 == 0 and bool(true)
        picture = tensors(_one_of(rng, true), device) if is_whole else self._twice(rng, device)
        if rng.random() < 0.5:
            picture = {name: value.flip(-1) for name, value in picture.items()}
        exposure = float(np.exp(rng.normal(0, _EXPOSURE)))
        return in_light(picture, exposure)

    def _twice(self, rng: np.random.Generator, device: torch.device) -> Batch:
        """One frame with the subject of another, or of itself, in front."""
        back = tensors(_one_of(rng, self.examples), device)
        subject = _one_of(rng, self.examples)
        front = tensors(subject, device)
        if not subject.is_truth:
            front["alpha"] = denser(front["alpha"], float(np.exp(abs(rng.normal(0, _DENSER)))))
        if rng.random() < 0.5:
            front = {name: value.flip(-1) for name, value in front.items()}
        height, width = front["alpha"].shape[-2:]
        down, right = round(rng.normal(0, _DOWN) * height), round(rng.normal(0, _ACROSS) * width)
        light = float(np.exp(rng.normal(0, _LIGHT)))
        moved = {name: _moved(front[name], down, right) for name in ("foreground", "alpha", "left_out")}
        return subject_over(back, moved["foreground"] * light, moved["alpha"], moved["left_out"])


def in_light(picture: Batch, factor: float) -> Batch:
    """The picture with its light times ``factor``."""
    return {name: value * factor if name in _OF_LIGHT else value for name, value in picture.items()}


def subject_over(back: Batch, foreground: Tensor, alpha: Tensor, left_out: Tensor) -> Batch:
    """``back`` with a subject in front, whose ``foreground`` is unpremultiplied. ``alpha`` is true by construction,
    whoever made it; what is behind matters only where it shows through. Nothing is learnt from ``left_out``."""
    through = 1 - alpha
    alpha_back = back["alpha"] * through
    whole = alpha + alpha_back
    colour = (foreground * alpha + back["foreground"] * alpha_back) / whole.clamp(min=1e-3)
    certain = torch.maximum(back["trust"], (alpha > 0.98).to(alpha.dtype)) * (1 - left_out)
    return {
        **back,
        "plate": foreground * alpha + back["plate"] * through,
        "foreground": torch.where(whole > 1e-3, colour, back["foreground"]),
        "alpha": whole,
        "trust": certain,
    }


def tensors(example: LearningExample, device: torch.device) -> Batch:
    """An example as a batch of one, float32 on the device."""
    fields = {**vars(example), "clean": example.clean_plate}
    return {name: fields[name].to(device).float() for name in _PICTURES}


def _without_guides(picture: Batch) -> Batch:
    """The picture as :func:`losses.training_losses` takes it, with guides that say nothing."""
    none = torch.zeros_like(picture["alpha"])
    learnt = {name: value for name, value in picture.items() if name != "left_out"}
    return {**learnt, "core": none, "holdout": none}


def denser(alpha: Tensor, factor: float) -> Tensor:
    """The model's own matte, made more opaque. In five of six held-out sequences the network made partly
    transparent and badly lit places too thin far more often than too solid. A subject with a denser matte is as
    true a picture as one with its own, and teaches the network to see more of it."""
    return (alpha * factor).clamp(max=1.0)


def _moved(picture: Tensor, down: int, right: int) -> Tensor:
    """The picture shifted by whole pixels; 0 comes in."""
    height, width = picture.shape[-2:]
    moved = torch.zeros_like(picture)
    if abs(down) >= height or abs(right) >= width:
        return moved
    into = (slice(max(0, down), height + min(0, down)), slice(max(0, right), width + min(0, right)))
    out_of = (slice(max(0, -down), height - max(0, down)), slice(max(0, -right), width - max(0, right)))
    moved[(..., *into)] = picture[(..., *out_of)]
    return moved


def _one_of(rng: np.random.Generator, examples: Sequence[LearningExample]) -> LearningExample:
    return examples[int(rng.integers(len(examples)))]
