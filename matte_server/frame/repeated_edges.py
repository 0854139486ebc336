"""Finds the borders of a clean plate that hold no picture, but repeat its outermost pixels.

A transform or a stabiliser has made them. The plate differs from them everywhere, which a model takes for a
subject."""

from __future__ import annotations

from collections.abc import Collection

import cv2
import numpy as np

from ..core.image import Float32, Mask

_LEAST, _MOST = 4, 0.125
"""The fewest columns or rows that count as repeated, and the largest part of the side. A picture that goes on like
that for longer is one of stripes."""
_SAME = 0.1
"""Two pixels are the same where they differ by less than this part of what neighbours along the edge differ by in
the mean: a changing exposure leaves a difference of 0.015. Between pictures' own columns it was never below 0.5."""
_MOST_PIXELS = 0.99
_REACH = 0.03
"""A repeated border may be slanted. Its depth at one place is the least within this part of the edge's length,
because pixels of a plain wall are the same beyond the border, too."""
_SLANT = 2.0
"""It is nowhere deeper than so many times its median."""


def repeated_sides(pixels: Float32) -> frozenset[int]:
    """The sides of a picture (H x W x C) whose outermost lines are the same: 0 top, 1 bottom, 2 left, 3 right."""
    return frozenset(side for side, lines in enumerate(_from_each_side(pixels)) if _repeats(lines))


def without_repeated_edges(pixels: Float32, sides: Collection[int]) -> Float32 | None:
    """0 in the borders of a picture (H x W x C) that repeat the pixels beside them, on ``sides`` of
    :func:`repeated_sides`, else 1, H x W x 1; None where there are no such borders."""
    known = np.ones((*pixels.shape[:2], 1), np.float32)
    for side, (lines, to_mask) in enumerate(zip(_from_each_side(pixels), _from_each_side(known), strict=True)):
        depth = _depth(lines) if side in sides else None
        if depth is not None:
            to_mask[np.arange(len(lines))[:, None] < depth] = 0.0
    return None if known.all() else known


def _from_each_side(pixels: Float32) -> tuple[Float32, ...]:
    """Views of a picture with the outermost line of each side first."""
    turned = pixels.swapaxes(0, 1)
    return pixels, pixels[::-1], turned, turned[::-1]


def _repeats(lines: Float32) -> bool:
    if int(len(lines) * _MOST) < _LEAST or lines.shape[1] < 2:
        return False
    return bool(_same(lines[: _LEAST + 1]).mean(1).min() >= _MOST_PIXELS)


def _depth(lines: Float32) -> Float32 | None:
    """How many of the first ``lines`` (N x L x C) repeat the next one, at each of their L places; None where they
    are too few or too many to be a border."""
    most = int(len(lines) * _MOST)
    same = _same(lines[: most + 2])
    run = np.where(same.all(0), len(same), same.argmin(0)).astype(np.float32)
    reach = 2 * round(_REACH * run.size) + 1
    depth = cv2.erode(run[None], np.ones((1, reach)))[0]
    middle = float(np.median(depth))
    return np.minimum(depth, _SLANT * middle) if _LEAST <= middle <= most else None


def _same(lines: Float32) -> Mask:
    """For each line but the last, where the next one is the same."""
    along = np.abs(np.diff(lines[0], axis=0)).max(1).mean()
    return np.asarray(np.abs(np.diff(lines, axis=0)).max(2) < _SAME * along)
