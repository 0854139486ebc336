"""The matting model that needs no weights and can be explained: a difference matte done with care.

1. The plate's distance from the aligned clean plate, in noise levels (``pixels/difference.py``); a change of
   brightness alone counts less, because it is what a shadow does.
2. At a small working size the distance becomes one or more solid regions: smoothed along the picture's own
   edges (guided filter, He et al. 2013), thresholded, specks dropped, holes filled unless they show the clean
   plate clearly.
3. Around the regions' edge lies an unknown band, wider where the distance says hair. In it the clean plate is
   known and the subject's colour is carried outwards from the solid region, so each pixel has its own estimate
   of alpha: the projection of ``plate - clean`` on ``foreground - clean``, trusted by the contrast between the
   two against the noise (Smith and Blinn 1996, the known-background case).
4. Where that is not to be trusted, alpha follows the picture locally (a guided filter weighted by the trust).
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as nnf
from torch import Tensor

from ..core.region import solid_region
from ..pixels.difference import Difference, difference, even_noise
from ..pixels.foreground import spread_colour
from .protocols import CancelCheck, FrameTensors, ModelSettings, ModelSpec, Prediction

SPEC = ModelSpec(
    name="difference",
    label="Difference matte",
    summary="No network: the noise-normalised difference between plate and clean plate. Explainable, needs texture or colour contrast.",
    licence="Apache-2.0",
    commercial_use=True,
    weights="none",
)
_WORKING_SIDE = 640
_SHADOW_SHARE = 0.45
_NOISE_LOW, _NOISE_HIGH = 1.6, 3.2
_TRUST = 9.0


class DifferenceModel:
    """Implements :class:`protocols.MattingModel`; see the module's text for the method."""

    spec = SPEC

    @torch.inference_mode()
    def predict(self, frame: FrameTensors, settings: ModelSettings, check: CancelCheck) -> Prediction:
        """Alpha, the colour carried outwards as foreground, and how far each pixel's estimate is trusted."""
        measured = difference(frame.plate, frame.clean_plate, frame.coverage)
        check()
        region = self._region(frame, measured)
        check()
        inner, outer = _band(region, frame.size, measured.distance)
        colour = spread_colour(frame.plate, inner)
        check()
        alpha, trust = _band_alpha(frame, measured, colour, inner, outer)
        check()
        return Prediction(alpha, colour, _confidence(inner, outer, trust, frame.coverage))

    def _region(self, frame: FrameTensors, measured: Difference) -> Tensor:
        """The solid region at the working size: 1 x 1 x h x w of 0 and 1."""
        scale = min(1.0, _WORKING_SIDE / max(frame.size))
        size = (max(8, round(frame.size[0] * scale)), max(8, round(frame.size[1] * scale)))

        def small(picture: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
            shrunk = nnf.interpolate(picture, size=size, mode="area")[0].permute(1, 2, 0)
            return np.ascontiguousarray(shrunk.cpu().numpy(), np.float32)

        evidence = small(_evidence(measured))
        guide = small(even_noise(frame.plate))
        seen = small(frame.coverage)[..., 0] > 0.5
        core = small(frame.core)[..., 0] if frame.core is not None else None
        region = solid_region(evidence[..., 0], guide, seen, core)
        return torch.from_numpy(region.astype(np.float32))[None, None].to(frame.device)


def _evidence(measured: Difference) -> Tensor:
    """The distance with the part that a mere change of brightness explains counted at a lower rate."""
    signed = measured.signed
    brightness = signed.mean(1, keepdim=True)
    # A shadow only darkens, and by less than about two stops; a brighter or much darker pixel is something else.
    darker = ((brightness < 0) & (brightness > -60.0)).to(signed.dtype)
    colour = (signed - brightness).square().mean(1, keepdim=True)
    share = torch.where(darker > 0, torch.full_like(brightness, _SHADOW_SHARE), torch.ones_like(brightness))
    return (colour + (share * brightness).square()).sqrt()


def _band(region: Tensor, size: tuple[int, int], distance: Tensor) -> tuple[Tensor, Tensor]:
    """Certain subject and possible subject at full size, 0 or 1. The band reaches further outwards where the
    plate differs from the clean plate, connected to the region: that is where hair is."""
    unit = max(1, round(max(size) / 480))
    full = nnf.interpolate(region, size=size, mode="bilinear", align_corners=False)
    solid = (full > 0.5).to(distance.dtype)
    inner = 1.0 - _grow(1.0 - solid, 2 * unit)
    near = _grow(solid, 3 * unit)
    busy = (nnf.avg_pool2d(distance, 5, 1, 2) > _NOISE_LOW).to(distance.dtype)
    hair = near
    for _ in range(8):
        hair = _grow(hair, 2 * unit) * torch.maximum(busy, near)
    return inner, _grow(torch.maximum(near, hair), unit)


def _grow(mask: Tensor, radius: int) -> Tensor:
    wide = nnf.max_pool2d(mask, (1, 2 * radius + 1), 1, (0, radius))
    return nnf.max_pool2d(wide, (2 * radius + 1, 1), 1, (radius, 0))


def _band_alpha(
    frame: FrameTensors, measured: Difference, colour: Tensor, inner: Tensor, outer: Tensor
) -> tuple[Tensor, Tensor]:
    """Alpha and the trust in it. Contrast is taken in the even-noise encoding's own weights, so that a bright
    channel does not outvote the others only by being bright."""
    weight = 1.0 / (0.02 + frame.clean_plate.abs() + colour.abs()).square()
    contrast = colour - frame.clean_plate
    change = frame.plate - frame.clean_plate
    power = (weight * contrast * contrast).sum(1, keepdim=True)
    own = (weight * contrast * change).sum(1, keepdim=True) / power.clamp(min=1e-8)
    noise = (weight * measured.noise.square()).sum(1, keepdim=True)
    trust = power / (power + _TRUST * noise)
    # A pixel no different from the clean plate is clean plate, whatever the projection makes of its noise.
    present = ((measured.distance - _NOISE_LOW) / (_NOISE_HIGH - _NOISE_LOW)).clamp(0.0, 1.0)
    own = own.clamp(0.0, 1.0) * present
    unknown = outer * (1.0 - inner)
    certain = 1.0 - unknown
    known = inner + unknown * own
    followed = _follow(
        even_noise(frame.plate), known, certain + unknown * trust, max(2, round(max(frame.size) / 480))
    )
    mixed = trust * own + (1.0 - trust) * followed.clamp(0.0, 1.0)
    alpha = inner + unknown * mixed
    return alpha.clamp(0.0, 1.0), trust


def _follow(guide: Tensor, value: Tensor, weight: Tensor, radius: int) -> Tensor:
    """The weighted guided filter: ``value`` as a local linear function of ``guide``'s brightness, fitted where
    ``weight`` is high."""
    grey = guide.mean(1, keepdim=True)

    def mean(picture: Tensor) -> Tensor:
        padded = nnf.pad(picture, (radius, radius, radius, radius), mode="reflect")
        return nnf.avg_pool2d(nnf.avg_pool2d(padded, (1, 2 * radius + 1), 1), (2 * radius + 1, 1), 1)

    total = mean(weight).clamp(min=1e-4)
    mean_guide, mean_value = mean(weight * grey) / total, mean(weight * value) / total
    variance = mean(weight * grey * grey) / total - mean_guide.square()
    covariance = mean(weight * grey * value) / total - mean_guide * mean_value
    slope = covariance / (variance.clamp(min=0.0) + 1e-4)
    return mean(slope) * grey + mean(mean_value - slope * mean_guide)


def _confidence(inner: Tensor, outer: Tensor, trust: Tensor, coverage: Tensor) -> Tensor:
    unknown = outer * (1.0 - inner)
    return ((1.0 - unknown) + unknown * trust) * (0.25 + 0.75 * coverage)
