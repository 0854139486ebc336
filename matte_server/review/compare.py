"""How a frame's alpha differs from that of the frames around it, where neither motion nor the picture explains it.

The alphas of up to four frames (two on either side) are brought along the motion of the plate. What the frame
alone has, or alone lacks, is charged to that frame: its neighbours differ from it too, but not from each other.
So a fault that lasts for one frame or two names these, and not the good ones beside them.

Where the picture changed as well, a change of alpha is no fault: a gap opens in the hair, an arm comes into view.
But what stands alone, apart from everything that the frames around have, is named whatever the picture shows:
something flew through the frame, or the model invented it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..core.image import Float32, Grey, Mask
from ..core.window import Window

Labels = npt.NDArray[Any]
REACH = 2
"""Frames on either side that a frame is compared with."""
WIDTH = 480
"""Pictures are compared at most so wide."""
# Alpha above and below which a pixel is there, or is not, and how thick an area is at least, in small pixels:
# thinner ones are hair, and edges that the motion did not bring along exactly.
_SOLID, _EMPTY, _THICK = 0.5, 0.25, 5
# An area stands alone where less than this part of it lies within this many small pixels of its surroundings.
_LEAST_SHARED, _BESIDE = 0.2, 9
# How far something travels between two frames, as a part of the width, and how much its size may differ;
# what moves by less stays where it is.
_TRAVEL, _LIKE, _STAYS_PX = 0.15, 2.0, 3.0
# Motion is believed where the pictures agree within this many of 255 codes.
_SAME_CODES = 9.0


@dataclass(frozen=True, eq=False)
class SmallFrame:
    """A frame as it is compared: ``alpha`` and the plate's brightness ``grey``, height x width, its ``colour``,
    height x width x 3 (both tone-mapped to 0..255), and how many of the plate's pixels one of theirs is across."""

    alpha: Float32
    grey: Grey
    colour: Grey
    scale: float


@dataclass(frozen=True)
class AlphaComparison:
    """How a frame differs from those around it. ``flicker``: mean absolute difference of alpha from the range of
    theirs. ``appeared``, ``vanished``: the part of the frame that is solid here and nowhere around, or there and
    not here. ``places`` holds the box of the largest such area, in the plate's pixels from its top left, by these
    names."""

    flicker: float
    appeared: float
    vanished: float
    places: dict[str, Window] = field(default_factory=dict)


def small_frame(plate: Float32, alpha: Float32) -> SmallFrame:
    """From a plate, height x width x 3, scene-linear, and its alpha, height x width x 1."""
    height, width = alpha.shape[:2]
    scale = max(1.0, width / WIDTH)
    size = (max(2, round(width / scale)), max(2, round(height / scale)))
    small = np.maximum(cv2.resize(np.ascontiguousarray(plate), size, interpolation=cv2.INTER_AREA), 0.0)
    light = small @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    middle = max(float(np.median(light)), 1e-6)
    thin = cv2.resize(np.ascontiguousarray(alpha[..., 0]), size, interpolation=cv2.INTER_AREA)
    return SmallFrame(
        alpha=np.asarray(thin, np.float32), grey=_toned(light, middle), colour=_toned(small, middle), scale=scale
    )


def _toned(light: Float32, middle: float) -> Grey:
    return np.asarray(np.sqrt(light / (light + middle)) * 255.0, np.uint8)


def compare(own: SmallFrame, around: Sequence[SmallFrame]) -> AlphaComparison | None:
    """The frame against those ``around`` it, nearest first; None where fewer than two have its size."""
    others = [other for other in around if other.alpha.shape == own.alpha.shape][: 2 * REACH]
    if len(others) < 2:
        return None
    brought = [_brought(own, other) for other in others]
    # Of four, one may be bad itself; of three, two good ones that differ by motion could not be told from it.
    spare = 1 if len(others) > 3 else 0
    alphas = np.sort(np.stack([alpha for alpha, _ in brought]), axis=0)
    low, high = alphas[spare], alphas[-1 - spare]
    is_unchanged = np.stack([alike for _, alike in brought]).sum(axis=0) >= len(others) - spare
    outside = np.where(is_unchanged, np.maximum(own.alpha - high, 0.0) + np.maximum(low - own.alpha, 0.0), 0.0)
    appeared = thick_areas(
        (own.alpha > _SOLID) & (high < _EMPTY) & (is_unchanged | _standing_alone(own.alpha, high)), _THICK
    ) & ~_travelling(own.alpha, [other.alpha for other in others[:2]])
    vanished = thick_areas((own.alpha < _SOLID) & (low > 1.0 - _EMPTY) & is_unchanged, _THICK)
    found = {"flicker": thick_areas(outside > _EMPTY, _THICK), "appeared": appeared, "vanished": vanished}
    places = {name: box for name, mask in found.items() if (box := largest_place(mask, own.scale)) is not None}
    return AlphaComparison(
        flicker=float(outside.mean()),
        appeared=float(appeared.mean()),
        vanished=float(vanished.mean()),
        places=places,
    )


def _brought(own: SmallFrame, other: SmallFrame) -> tuple[Float32, Mask]:
    """The other frame's alpha where this frame's pixels were, and where the pictures agree. Where they do not, the
    alpha is not moved."""
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    flow = search.calc(own.grey, other.grey, np.zeros((*own.grey.shape, 2), np.float32))
    y, x = np.mgrid[0 : own.grey.shape[0], 0 : own.grey.shape[1]].astype(np.float32)
    places = (x + flow[..., 0], y + flow[..., 1])
    colour = cv2.remap(other.colour, *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    alpha = cv2.remap(other.alpha, *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    apart = cv2.blur(cv2.absdiff(colour, own.colour).max(axis=2).astype(np.float32), (5, 5))
    alike = apart < _SAME_CODES
    return np.asarray(np.where(alike, alpha, other.alpha), np.float32), np.asarray(alike)


def _standing_alone(own: Float32, around: Float32) -> Mask:
    """The connected areas of ``own`` of which hardly anything lies on, or just beside, what is ``around``."""
    _, labels = cv2.connectedComponents((own > _SOLID).astype(np.uint8), connectivity=8)
    grown = cv2.dilate((around > _EMPTY).astype(np.uint8), np.ones((_BESIDE, _BESIDE), np.uint8)) > 0
    sizes = np.bincount(labels.ravel())
    shared = np.bincount(labels[grown], minlength=len(sizes))
    is_alone = shared < _LEAST_SHARED * sizes
    is_alone[0] = False
    return np.asarray(is_alone[labels])


def _travelling(own: Float32, nearest: Sequence[Float32]) -> Mask:
    """The connected areas of ``own`` that one of the nearest frames has too, a little elsewhere: an area of like
    size that is not also here. So a ball in play is no fault, nor a person who enters at the frame's border. What
    stays in one place is not travelling."""
    count, labels, facts, middles = cv2.connectedComponentsWithStats(
        (own > _SOLID).astype(np.uint8), connectivity=8
    )
    found = np.zeros(count, np.bool_)
    for other in nearest:
        others, there, sizes, places = cv2.connectedComponentsWithStats(
            (other > _SOLID).astype(np.uint8), connectivity=8
        )
        # How much of each area there is covered by each area here.
        pairs = there.ravel().astype(np.int64) * count + labels.ravel()
        shared = np.bincount(pairs, minlength=others * count).reshape(others, count)
        area_there = sizes[:, cv2.CC_STAT_AREA].astype(np.float64)
        for label in range(1, count):
            apart = np.linalg.norm(places - middles[label], axis=1)
            ratio = area_there / facts[label, cv2.CC_STAT_AREA]
            elsewhere = shared[:, 1:].sum(axis=1) - shared[:, label] < area_there / 2
            moved = (apart > _STAYS_PX) & (apart < _TRAVEL * own.shape[1]) & elsewhere
            found[label] |= bool(np.any((moved & (ratio > 1 / _LIKE) & (ratio < _LIKE))[1:]))
        gone = np.isin(there, 1 + np.flatnonzero(shared[1:, 1:].sum(axis=1) < area_there[1:] / 2))
        found |= _entering(labels, facts, other, gone)
    found[0] = False
    return np.asarray(found[labels])


def _entering(labels: Labels, facts: Labels, other: Float32, gone: Mask) -> Mask:
    """Which connected areas touch the frame's border where another frame has something beside them on the border,
    or within what is travelled something that is ``gone``: most of it is not here any more, or not yet."""
    border = np.zeros(labels.shape, np.bool_)
    border[[0, -1]], border[:, [0, -1]] = True, True
    reach = round(_TRAVEL * labels.shape[1])
    half_of_it = np.ones((2 * (reach // 2) + 1,) * 2, np.uint8)
    beside = cv2.dilate(((other > _SOLID) & border).astype(np.uint8), half_of_it) > 0
    near = cv2.distanceTransform((~gone).astype(np.uint8), cv2.DIST_L2, 3) < reach
    touching = np.unique(labels[border & (beside | near)])
    return np.isin(np.arange(len(facts)), touching)


def thick_areas(mask: Mask, least: int) -> Mask:
    """The areas of a mask that are ``least`` pixels thick or more: its opening by a disc."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (least, least))
    return np.asarray(cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, kernel) > 0)


def largest_place(mask: Mask, scale: float = 1.0) -> Window | None:
    """The box of the largest connected area, in pixels that are 1 / ``scale`` of the mask's; None where it is
    empty."""
    count, _, facts, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count < 2:
        return None
    x, y, width, height, _ = (facts[1 + int(facts[1:, cv2.CC_STAT_AREA].argmax())] * scale).round().astype(int)
    return Window(int(x), int(y), max(1, int(width)), max(1, int(height)))
