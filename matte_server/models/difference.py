"""The matting model that needs no weights and can be explained: a difference matte done with care.

1. The plate's distance from the aligned clean plate, in noise levels (``pixels/difference.py``); a change of
   brightness alone counts less, because it is what a shadow does.
2. At a small working size the distance becomes one or more solid regions (``core/solid_region.py``): smoothed along
   the picture's own edges, thresholded, specks dropped, holes filled unless they show the clean plate clearly.
3. Around the regions' edge lies an unknown band, wider where the distance says hair (``core/trimap.py``).
4. In the band each pixel's alpha is read from the known clean plate and the colours of the nearest solid
   subject, with a variance (``pixels/likelihood.py``).
5. The readings are made consistent along the plate's own structure, each as strong as it is sure
   (``pixels/laplacian.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
import torch.nn.functional as nnf
from torch import Tensor

from ..core.image import Float32
from ..core.solid_region import solid_region
from ..core.trimap import Trimap, trimap_of
from ..pixels.box import box_mean
from ..pixels.coarse_grid import CoarseGrid
from ..pixels.difference import Difference, difference, even_noise
from ..pixels.laplacian import consistent_alpha
from ..pixels.likelihood import estimate_alpha
from ..pixels.push_pull import spread_colour
from ..pixels.strips import stripwise
from ..pixels.symmetric import products
from .protocols import CancelCheck, FrameTensors, ModelSettings, ModelSpec, Prediction, with_part

SPEC = ModelSpec(
    name="difference",
    label="Difference matte",
    summary="No network: the noise-normalised difference between plate and clean plate. Explainable, needs "
    "texture or colour contrast.",
    licence="Apache-2.0",
    commercial_use=True,
    weights="none",
)
_WORKING_SIDE = 640
"""Pixels of the longer side of the small picture in which regions are found."""
_SHADOW_SHARE = 0.45
"""How much a change of brightness alone counts where the plate is darker, as it is in a shadow."""
# Neighbourhood of the foreground's colours, in working pixels.
_COLOUR_RADIUS = 5
# Log-odds of subject per hundredth of the frame inside the region, and their limit.
_PRIOR, _PRIOR_LIMIT = 5.0, 8.0
# A reading with a standard deviation of 0.1 weighs as much as its surroundings.
_EVEN_VARIANCE = 0.01
_CERTAIN = 100.0
# Variance of a reading where the clean plate does not reach: that of a coin toss.
_UNCOVERED_VARIANCE = 0.25
_MARGIN = 8


@dataclass(frozen=True, eq=False)
class _Bands:
    """The trimap on the device at the frame's size, 1 x 1 x H x W each: ``inner`` and ``outer`` 0 or 1,
    ``prior`` log-odds of subject, ``unrest`` as in the trimap."""

    inner: Tensor
    outer: Tensor
    prior: Tensor
    unrest: Tensor


class DifferenceModel:
    """Implements :class:`protocols.MattingModel`; see the module's text for the method."""

    spec = SPEC

    @torch.inference_mode()
    def predict(self, frame: FrameTensors, settings: ModelSettings, check: CancelCheck) -> Prediction:
        """Alpha, the probable colour of the subject as foreground, and how far each pixel is trusted."""
        measured = difference(frame.plate, frame.clean_plate, frame.coverage)
        check()
        trimap = _trimap(frame, measured)
        box = _box(trimap, frame.size)
        if box is None:
            return Prediction.without_subject(frame)
        check()
        bands = _bands(trimap, frame, box)
        colours = _colours(frame, trimap, box)
        check()
        part = _cut(frame, box)
        readings = _read_band(part, measured.noise[(..., *box)], bands, colours)
        check()
        return _in_frame(frame, _solve(part, bands, colours.mean, readings), box)


@dataclass(frozen=True, eq=False)
class _SubjectColours:
    """``mean`` (3 channels) and ``covariance`` (6: rr, rg, rb, gg, gb, bb) of the nearest solid subject's colours,
    1 x C x H x W scene-linear."""

    mean: Tensor
    covariance: Tensor


@dataclass(frozen=True, eq=False)
class _Readings:
    """Each of the N unknown pixels read alone. ``where``: H x W, which they are. ``alpha`` and its
    ``variance``: N. ``foreground``: N x 3."""

    where: Tensor
    alpha: Tensor
    variance: Tensor
    foreground: Tensor


@dataclass(frozen=True, eq=False)
class _SolvedPart:
    """The part of the frame that may hold the subject, 1 x C x H x W each; ``trust``: 0..1."""

    alpha: Tensor
    foreground: Tensor
    trust: Tensor


def _read_band(part: FrameTensors, noise: Tensor, bands: _Bands, colours: _SubjectColours) -> _Readings:
    """Alpha and foreground of each unknown pixel by itself."""
    where = ((bands.outer > 0) & (bands.inner == 0))[0, 0]
    covered = part.coverage[0, 0][where] > 0
    prior = bands.prior[0, 0][where]
    estimate = estimate_alpha(
        part.plate[0][:, where].T,
        part.clean_plate[0][:, where].T,
        colours.mean[0][:, where].T,
        colours.covariance[0][:, where].T,
        (noise * bands.unrest)[0, 0][where],
        prior,
    )
    return _Readings(
        where=where,
        # Where the clean plate does not reach, only the region says anything, and little.
        alpha=torch.where(covered, estimate.alpha, torch.sigmoid(prior)),
        variance=torch.where(covered, estimate.variance, _UNCOVERED_VARIANCE),
        foreground=estimate.foreground,
    )


def _solve(part: FrameTensors, bands: _Bands, mean: Tensor, readings: _Readings) -> _SolvedPart:
    """Makes the readings consistent along the plate's structure."""
    where = readings.where
    alpha, weight, trust = bands.inner.clone(), torch.full_like(bands.inner, _CERTAIN), torch.ones_like(bands.inner)
    alpha[0, 0][where] = readings.alpha
    weight[0, 0][where] = _EVEN_VARIANCE / readings.variance.clamp(min=1e-4)
    trust[0, 0][where] = _EVEN_VARIANCE / (readings.variance + _EVEN_VARIANCE)
    solved = consistent_alpha(part.plate, alpha, weight).clamp(0.0, 1.0)
    foreground = part.plate.clone()
    foreground[0][:, where] = readings.foreground.T
    return _SolvedPart(
        alpha=torch.where(where, solved, bands.inner),
        foreground=torch.where(bands.outer > 0, foreground, mean),
        trust=trust,
    )


def _in_frame(frame: FrameTensors, solved: _SolvedPart, box: tuple[slice, slice]) -> Prediction:
    """The solved part in a frame that is sure to hold no subject elsewhere."""
    trust = with_part(torch.ones_like(frame.coverage), *box, solved.trust)
    return Prediction(
        alpha=with_part(torch.zeros_like(frame.coverage), *box, solved.alpha),
        foreground=CoarseGrid.of(with_part(frame.plate, *box, solved.foreground)),
        confidence=CoarseGrid.of(trust * frame.most_confidence),
    )


def _working_size(size: tuple[int, int]) -> tuple[int, int]:
    scale = min(1.0, _WORKING_SIDE / max(size))
    return max(8, round(size[0] * scale)), max(8, round(size[1] * scale))


def _trimap(frame: FrameTensors, measured: Difference) -> Trimap:
    """The trimap at the working size, on the processor."""
    size = _working_size(frame.size)

    def small(picture: Tensor) -> Float32:
        shrunk = nnf.interpolate(picture, size=size, mode="area")[0].permute(1, 2, 0)
        return np.ascontiguousarray(shrunk.cpu().numpy(), np.float32)

    evidence = small(_evidence(measured.signed))[..., 0]
    guide = small(stripwise(even_noise)(frame.plate))
    seen = small(frame.coverage)[..., 0] > 0.5
    core = small(frame.core)[..., 0] if frame.core is not None else None
    region = solid_region(evidence, guide, seen, core)
    distance = np.sqrt(small(measured.distance.square())[..., 0])
    busy = nnf.adaptive_max_pool2d(box_mean(measured.distance, 2), size)[0, 0].cpu().numpy()
    return trimap_of(region, distance, busy, seen)


@stripwise
def _evidence(signed: Tensor) -> Tensor:
    """The distance with the part that a mere change of brightness explains counted at a lower rate, 1 x 1 x H x W
    in noise levels; ``signed`` as in :class:`Difference`."""
    brightness = signed.mean(1, keepdim=True)
    # A shadow only darkens, and by less than about two stops; a brighter or much darker pixel is something else.
    darker = ((brightness < 0) & (brightness > -60.0)).to(signed.dtype)
    colour = (signed - brightness).square().mean(1, keepdim=True)
    share = torch.where(darker > 0, torch.full_like(brightness, _SHADOW_SHARE), torch.ones_like(brightness))
    return (colour + (share * brightness).square()).sqrt()


def _box(trimap: Trimap, size: tuple[int, int]) -> tuple[slice, slice] | None:
    """Rows and columns of the full frame that hold everything that may be subject; None where nothing does."""
    if not trimap.outer.any():
        return None
    slices = []
    for axis in (0, 1):
        found = np.flatnonzero(trimap.outer.any(axis=1 - axis))
        scale = size[axis] / trimap.outer.shape[axis]
        first = max(0, int(found[0] * scale) - _MARGIN)
        last = min(size[axis], int((found[-1] + 1) * scale) + _MARGIN + 1)
        slices.append(slice(first, last))
    return slices[0], slices[1]


def _cut(frame: FrameTensors, box: tuple[slice, slice]) -> FrameTensors:
    at = (..., *box)
    return FrameTensors(plate=frame.plate[at], clean_plate=frame.clean_plate[at], coverage=frame.coverage[at])


def _bands(trimap: Trimap, frame: FrameTensors, box: tuple[slice, slice]) -> _Bands:
    def full(values: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> Tensor:
        small = torch.from_numpy(values.astype(np.float32))[None, None].to(frame.device)
        return nnf.interpolate(small, size=frame.size, mode="bilinear", align_corners=False)[(..., *box)]

    inner = (full(trimap.inner) > 0.99).to(torch.float32)
    outer = (full(trimap.outer) > 0.01).to(torch.float32)
    prior = (100.0 * _PRIOR * full(trimap.depth)).clamp(-_PRIOR_LIMIT, _PRIOR_LIMIT)
    return _Bands(inner=inner, outer=outer, prior=prior, unrest=full(trimap.unrest))


def _colours(frame: FrameTensors, trimap: Trimap, box: tuple[slice, slice]) -> _SubjectColours:
    """The nearest solid subject's colours, in the box at full size."""
    size = trimap.inner.shape
    plate = frame.plate
    r, g, b = plate.chunk(3, 1)
    # One product at a time: all nine planes of a 4K frame would take 300 MB of fresh memory.
    pairs = (first * second for first, second in ((r, r), (r, g), (r, b), (g, g), (g, b), (b, b)))
    moments = torch.cat([nnf.interpolate(plane, size=size, mode="area") for plane in chain([plate], pairs)], 1)
    known = torch.from_numpy(trimap.inner.astype(np.float32))[None, None].to(frame.device)
    weight = box_mean(known, _COLOUR_RADIUS)
    local = box_mean(moments * known, _COLOUR_RADIUS) / weight.clamp(min=1e-6)
    spread = spread_colour(local, (weight > 0.02).to(plate.dtype))
    mean, second = spread[:, :3], spread[:, 3:]
    covariance = second - products(mean)
    for diagonal in (0, 3, 5):
        covariance[:, diagonal] = covariance[:, diagonal].clamp(min=0.0)
    both = torch.cat([mean, covariance], 1)
    full = nnf.interpolate(both, size=frame.size, mode="bilinear", align_corners=False)[(..., *box)]
    return _SubjectColours(mean=full[:, :3], covariance=full[:, 3:])
