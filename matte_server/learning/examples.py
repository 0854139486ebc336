"""One frame to learn from: its pictures, its matte, and where that matte may be believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as nnf
from blake3 import blake3
from torch import Tensor

from ..models.networks.cleanplate import octaves_for
from ..models.protocols import FrameTensors
from .losses import least_side, pooled

LONGEST_SIDE = 2048
"""Larger frames are averaged down by a power of two: the refiner has the same weights at every octave, and one
octave more takes four times the memory."""
_LARGEST_HALF = 65000.0
_TILES = 8
"""A frame is divided into this many tiles along its longer side. Some are left out, to measure on."""
_LEFT_OUT_PART = 6
"""One in this many of the tiles that hold an edge of the matte is left out."""
_EDGE, _WRONG = (0.02, 0.98), 0.05
_MULTIPLE = 4
"""Sides are multiples of this, because V2's network wants it."""


@dataclass(frozen=True, eq=False)
class LearningExample:
    """One frame on the CPU, half floats, 1 x C x H x W, sides multiples of 4 and of 2 ** ``octaves``.

    ``plate``, ``clean_plate`` (aligned and exposure-matched) and ``foreground`` (unpremultiplied): 3 channels,
    scene-linear Rec.709. ``alpha``, ``coverage``: 1 channel, 0..1. ``trust``: 1 where ``alpha`` is to be learnt.
    ``left_out``: 1 where it is kept to measure on; never both. ``is_truth``: whether a person vouches for
    ``alpha``; otherwise it is the model's own.
    """

    frame: int
    plate: Tensor
    clean_plate: Tensor
    foreground: Tensor
    alpha: Tensor
    coverage: Tensor
    trust: Tensor
    left_out: Tensor
    is_truth: bool
    octaves: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return int(self.alpha.shape[-2]), int(self.alpha.shape[-1])


def example_of(
    number: int,
    frame: FrameTensors,
    foreground: Tensor,
    alpha: Tensor,
    own: Tensor,
    trust: Tensor,
    is_truth: bool,
    seed: int,
) -> LearningExample:
    """An example from a frame's tensors, its ``foreground`` (1 x 3 x H x W), ``alpha``, the model's ``own`` alpha
    and ``trust`` (1 x 1 x H x W, 0..1), reduced to at most :data:`LONGEST_SIDE`. ``seed`` chooses what is left out
    of a true matte."""
    pictures = {
        "plate": frame.plate, "clean": frame.clean_plate, "foreground": foreground,
        "alpha": alpha, "own": own, "coverage": frame.coverage, "trust": trust,
    }  # fmt: skip
    small, octaves = _reduced(pictures)
    if not is_truth:
        # Where the clean plate shows nothing, the model guesses, and its guess is no subject to put elsewhere.
        small["alpha"] = small["alpha"] * _is_covered(small)
    believed = _believed(small, is_truth)
    left_out = torch.zeros_like(believed)
    if is_truth:
        left_out = believed * _left_out_tiles(_worth_measuring(small) * believed, number, seed)
    return LearningExample(
        frame=number,
        plate=_half(small["plate"]),
        clean_plate=_half(small["clean"]),
        foreground=_half(small["foreground"]),
        alpha=_half(small["alpha"]),
        coverage=_half(small["coverage"]),
        trust=_half(believed * (1 - left_out)),
        left_out=_half(left_out),
        is_truth=is_truth,
        octaves=octaves,
    )


def _reduced(pictures: dict[str, Tensor]) -> tuple[dict[str, Tensor], int]:
    """The pictures at no more than :data:`LONGEST_SIDE`, padded for the networks; and for how many octaves."""
    factor = 1
    while max(pictures["alpha"].shape[-2:]) > LONGEST_SIDE * factor:
        factor *= 2
    # Padded before it is averaged: the last rows and columns must not be lost.
    small = pooled(_padded(pictures, factor), factor)
    octaves = octaves_for(*(int(side) for side in small["alpha"].shape[-2:]))
    return _padded(small, max(_MULTIPLE, 1 << octaves)), octaves


def of_one_size(examples: Sequence[LearningExample]) -> list[LearningExample]:
    """The examples padded to one size, because a batch has one. Frames differ where their data windows do. The
    padding, right and bottom, has no subject and no coverage, and nothing is learnt or measured in it."""
    largest = [max(sides) for sides in zip(*(each.size for each in examples), strict=True)]
    octaves = octaves_for(*largest)
    multiple, least = max(_MULTIPLE, 1 << octaves), least_side(octaves)
    height, width = (-(-max(side, least) // multiple) * multiple for side in largest)
    return [each if each.size == (height, width) else _grown(each, height, width, octaves) for each in examples]


def _grown(example: LearningExample, height: int, width: int, octaves: int) -> LearningExample:
    edges = (0, width - example.size[1], 0, height - example.size[0])

    def repeated(picture: Tensor) -> Tensor:
        return nnf.pad(picture, edges, mode="replicate")

    return replace(
        example,
        plate=repeated(example.plate),
        clean_plate=repeated(example.clean_plate),
        foreground=repeated(example.foreground),
        alpha=nnf.pad(example.alpha, edges),
        coverage=nnf.pad(example.coverage, edges),
        trust=nnf.pad(example.trust, edges),
        left_out=nnf.pad(example.left_out, edges),
        octaves=octaves,
    )


def _believed(small: dict[str, Tensor], is_truth: bool) -> Tensor:
    """1 where alpha may be learnt or measured, else 0."""
    believed = (small["trust"] > 0.999).to(torch.float32)
    if is_truth:
        return believed
    # The model's own edges are what it is to learn better.
    is_solid = (small["alpha"] < _EDGE[0]) | (small["alpha"] > _EDGE[1])
    return believed * is_solid * _is_covered(small)


def _is_covered(small: dict[str, Tensor]) -> Tensor:
    return (small["coverage"] > 0.999).to(torch.float32)


def _padded(pictures: dict[str, Tensor], multiple: int) -> dict[str, Tensor]:
    height, width = pictures["alpha"].shape[-2:]
    edges = (0, -width % multiple, 0, -height % multiple)
    return {name: nnf.pad(picture, edges, mode="replicate") for name, picture in pictures.items()}


def _half(picture: Tensor) -> Tensor:
    return picture.clamp(-_LARGEST_HALF, _LARGEST_HALF).half().cpu().contiguous()


def _worth_measuring(pictures: dict[str, Tensor]) -> Tensor:
    """1 where alpha is partial, or where the model is wrong."""
    alpha = pictures["alpha"]
    partial = (alpha > _EDGE[0]) & (alpha < _EDGE[1])
    return (partial | ((alpha - pictures["own"]).abs() > _WRONG)).float()


def _left_out_tiles(worth: Tensor, number: int, seed: int) -> Tensor:
    """1 in the tiles that are left out, 1 x 1 x H x W: one in :data:`_LEFT_OUT_PART` of those where ``worth`` is 1
    anywhere, and one at least where there are two."""
    height, width = worth.shape[-2:]
    side = -(-max(height, width) // _TILES)
    tiles = nnf.max_pool2d(worth, side, ceil_mode=True)[0, 0]
    candidates = np.array(torch.nonzero(tiles).tolist(), int).reshape(-1, 2)
    count = max(len(candidates) // _LEFT_OUT_PART, int(len(candidates) > 1))
    chosen = torch.zeros_like(tiles)
    for row, column in np.random.default_rng([seed, number % (1 << 32)]).permutation(candidates)[:count]:
        chosen[row, column] = 1.0
    grown = chosen[None, None].repeat_interleave(side, 2).repeat_interleave(side, 3)
    return grown[..., :height, :width]


def digest_of(examples: Sequence[LearningExample]) -> str:
    """Names all that the examples hold."""
    digest = blake3()
    for example in examples:
        for name, value in sorted(vars(example).items()):
            what = value.numpy().tobytes() if isinstance(value, Tensor) else repr(value).encode()
            digest.update(f"{name} {len(what)} ".encode() + what)
    return digest.hexdigest()
