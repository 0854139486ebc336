"""Finds key mattes that belong to another frame: a file with a wrong number, or two that were swapped.

Where the subject moves, the model's mattes of two frames differ. There, the key matte of the one agrees with the
model's matte of that one, whatever else the model has wrong in both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch.nn.functional as nnf
from torch import Tensor

from ..models.protocols import FrameTensors

_LONGEST = 512
"""Pixels of a frame's longer side that are enough to see where the subject is."""
_OVERLAP = 0.97
"""A key matte that has so much in common with the model's own matte is not doubted."""
_LEAST = 0.001
"""The least part of the frame that the subject must have come to, and left, for two frames to be told apart."""
_SURE = 0.65
"""A key matte fits the frame better with whose matte it agrees in more than this part of what differs. In eight
sequences, true mattes agreed with the model's of a frame nearby in at most 0.43, and with this limit about half of
those with a number wrong by 1 or 2 are found."""


def small_frame(frame: FrameTensors) -> FrameTensors:
    """The frame without guides, averaged down."""
    return FrameTensors(
        plate=averaged_small(frame.plate),
        clean_plate=averaged_small(frame.clean_plate),
        coverage=averaged_small(frame.coverage),
    )


def outline(alpha: Tensor) -> Tensor:
    """Where a matte (1 x 1 x H x W) is more than half, H x W at the size of :func:`small_frame`."""
    return (averaged_small(alpha)[0, 0] > 0.5).cpu()


def averaged_small(picture: Tensor) -> Tensor:
    """The picture (1 x C x H x W) averaged by a whole number, to at most :data:`_LONGEST` pixels."""
    factor = -(-max(picture.shape[-2:]) // _LONGEST)
    return nnf.avg_pool2d(picture, factor, ceil_mode=True)


@dataclass(eq=False)
class KeyPlaces:
    """The outlines of key mattes, and those of the model's mattes of the same and of other frames, by number."""

    keys: dict[int, Tensor] = field(default_factory=dict)
    found: dict[int, Tensor] = field(default_factory=dict)

    def doubted(self) -> set[int]:
        """The frames whose key matte has not much in common with the model's."""
        return {number for number, key in self.keys.items() if _overlap(key, self.found[number]) < _OVERLAP}

    def misplaced(self) -> Mapping[int, int]:
        """The frames whose key matte surely belongs to another frame, and which one that is."""
        best = {number: self._best(number) for number in sorted(self.doubted())}
        return {number: other for number, other in best.items() if other is not None}

    def _best(self, number: int) -> int | None:
        sure = [other for other in self.found if self._agreement(number, other) > _SURE]
        return max(sure, key=lambda other: _overlap(self.keys[number], self.found[other]), default=None)

    def _agreement(self, number: int, other: int) -> float:
        """In which part of what differs between two frames the key matte of the one agrees with the other's matte:
        the lesser of the parts in which the subject came and in which it went. Where the model has one of the two
        frames wrong, it only came or only went."""
        key, own, theirs = self.keys[number], self.found[number], self.found[other]
        if theirs.shape != own.shape:
            return 0.0
        came, went = key[theirs & ~own], ~key[own & ~theirs]
        if min(came.numel(), went.numel()) < _LEAST * key.numel():
            return 0.0
        return min(float(side.float().mean()) for side in (came, went))


def _overlap(first: Tensor, second: Tensor) -> float:
    """The part of two outlines that both have; 1 where both are empty."""
    both, any_ = int((first & second).sum()), int((first | second).sum())
    return both / any_ if any_ else 1.0
