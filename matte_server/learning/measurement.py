"""Whether a shot was learnt: the error of alpha on pictures, or parts of them, that no step learns from."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from ..frame.refinement import predict
from ..models.protocols import CancelCheck, FrameTensors, ModelSettings
from .composites import Batch, denser, subject_over, tensors
from .examples import LearningExample
from .networks import LearnableNetwork

_PROBES, _DENSER = 3, 0.2
"""Composites to measure on where no frame has a true matte, and by how much denser the subject of each is than that
of the one before."""


def probes_of(examples: Sequence[LearningExample], seed: int, device: torch.device) -> list[Batch]:
    """What is measured on, each with ``left_out`` 1 where it counts: the true frames where there are any, else
    composites of the shot's own mattes that no step makes."""
    true = [tensors(example, device) for example in examples if example.is_truth]
    if any(float(probe["left_out"].sum()) for probe in true):
        return true
    return [_composed_probe(examples, seed, number, device) for number in range(_PROBES)]


def _composed_probe(examples: Sequence[LearningExample], seed: int, number: int, device: torch.device) -> Batch:
    """A frame with the subject of another, half a shot away, mirrored and ever denser in front; the band around its
    edge counts."""
    count = len(examples)
    back = tensors(examples[(seed + number * count // _PROBES) % count], device)
    front = tensors(examples[(seed + number * count // _PROBES + count // 2) % count], device)
    colour, alpha = front["foreground"].flip(-1), denser(front["alpha"].flip(-1), 1 + _DENSER * number)
    probe = subject_over(back, colour, alpha, torch.zeros_like(alpha))
    partial = ((alpha > 0.02) & (alpha < 0.98)).float()
    near = nn.functional.max_pool2d(partial, 9, 1, 4)
    return {**probe, "left_out": near * probe["trust"]}


class Measurement:
    """The mean absolute error of alpha, 0..1, over the pixels in which ``left_out`` is 1, picture by picture."""

    def __init__(self, network: LearnableNetwork, probes: Sequence[Batch]) -> None:
        self._network, self._model, self._probes = network, network.frozen(), probes
        self._total, self._pixels, self._done = 0.0, 0.0, 0

    @property
    def is_finished(self) -> bool:
        return self._done == len(self._probes)

    @property
    def error(self) -> float:
        return self._total / max(self._pixels, 1.0)

    @torch.inference_mode()
    def advance(self, check: CancelCheck) -> None:
        """Measures the next picture as a matte of the shot is made: the model's alpha, refined."""
        probe = self._probes[self._done]
        frame = FrameTensors(plate=probe["plate"], clean_plate=probe["clean"], coverage=probe["coverage"])
        frame = self._network.with_guides(frame, probe["alpha"])
        alpha = predict(self._model, frame, ModelSettings(), check).alpha
        self._total += float(((alpha - probe["alpha"]).abs() * probe["left_out"]).double().sum())
        self._pixels += float(probe["left_out"].double().sum())
        self._done += 1
