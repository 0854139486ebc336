"""Averages of a frame for our own network, and the evidence that its full resolution holds."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import torch
import torch.nn.functional as nnf
from torch import Tensor

from ..pixels.strips import strips, stripwise
from .cleanplate_blocks import averaged, on_processor
from .networks.cleanplate_features import (
    coarse_evidence,
    evidence_levels,
    evidence_of,
    noise_of,
    outside_range,
    plate_evidence,
    shows_clean_plate,
)

_SQUARE = np.ones((3, 3), np.uint8)


def padded(picture: Tensor, multiple: int) -> Tensor:
    """``picture`` with its sides extended to multiples of ``multiple``, the edge replicated."""
    height, width = picture.shape[-2:]
    down, right = -height % multiple, -width % multiple
    if down or right:
        return nnf.pad(picture, (0, right, 0, down), mode="replicate")
    return picture.contiguous()


def pyramid(picture: Tensor, octaves: int) -> list[Tensor]:
    """Averages of ``picture`` in linear light, the coarse size first, the full size (padded to a multiple of
    2 ** ``octaves``) last."""
    levels = [padded(picture, 1 << octaves)]
    for _ in range(octaves):
        levels.append(averaged(levels[-1], 2))
    return levels[::-1]


def frame_evidence(
    plate: Tensor, clean: Tensor, coverage: Tensor, octaves: int, last_look: int
) -> tuple[list[Tensor], tuple[Tensor, ...]]:
    """Of one padded frame: least and most evidence at every resolution (see ``evidence_levels``), and the coarse
    stage's part of the evidence for each look, the coarse size first, doubled from look to look."""
    if on_processor(plate):
        outside = _outside_in_strips(plate, clean)
        evidence = stripwise(evidence_of)(outside, noise_of(outside), coverage)
    else:
        evidence = plate_evidence(plate, clean, coverage)
    levels = evidence_levels(evidence, octaves)
    return levels, tuple(_means(evidence, 1 << (octaves - look), levels[look]) for look in range(last_look + 1))


def _means(evidence: Tensor, side: int, extremes: Tensor) -> Tensor:
    """``coarse_evidence`` of cells of ``side`` pixels."""
    return coarse_evidence(averaged(evidence, side), averaged(shows_clean_plate(evidence), side), extremes)


def _outside_in_strips(plate: Tensor, clean: Tensor) -> Tensor:
    """``outside_range`` of one frame on a CPU, with OpenCV's minimum and maximum, a strip of rows at a time."""
    found = torch.empty_like(plate[:, :1])
    for rows, lowest, highest in _extremes(clean[0]):
        found[..., rows, :] = outside_range(plate[..., rows, :], lowest, highest)
    return found


def _extremes(clean: Tensor) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Minimum and maximum over 3 x 3 pixels of C x H x W, 1 x C x h x W each, for strips of rows."""
    _, height, width = clean.shape
    for rows in strips(height, width, clean.device):
        top, end = max(rows.start - 1, 0), min(rows.stop + 1, height)
        around = clean[:, top:end].numpy()
        lowest, highest = np.empty_like(around), np.empty_like(around)
        for plane, low, high in zip(around, lowest, highest, strict=True):
            cv2.erode(plane, _SQUARE, dst=low)
            cv2.dilate(plane, _SQUARE, dst=high)
        inner = slice(rows.start - top, rows.stop - top)
        yield rows, torch.from_numpy(lowest[None, :, inner]), torch.from_numpy(highest[None, :, inner])
