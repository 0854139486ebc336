"""The published networks, V2 and V1, as they learn a shot.

With the losses of their papers, on the user's own weights. Their licences go on to the learned file.

Real-Time High-Resolution Background Matting (CVPR 2021), section 3.3; Background Matting (CVPR 2020), section 3.1.
"""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as nnf
from torch import Tensor

from ..core.person import prepare_mask, subject_square
from ..models import v1, v2
from ..models.networks.bgm1 import Bgm1
from ..models.networks.bgm2 import Bgm2
from ..models.networks.bgm2_bands import Bands, Rows
from ..models.networks.bgm2_tiles import PATCH
from ..models.protocols import FrameTensors, MattingModel
from ..models.srgb import encode_srgb
from .composites import Batch
from .losses import alpha_loss

_BAND = 16 * PATCH
"""Rows of a picture that V2's refiner learns from in a step."""


class LearnableV2:
    """V2: the coarse outputs of whole pictures, the refiner on a band of rows in which alpha is partial."""

    spec = v2.SPEC

    def __init__(self, network: Bgm2, device: torch.device) -> None:
        self.module = network.to(device)
        self._device = device

    def loss(self, picture: Batch, generator: torch.Generator) -> Tensor:
        src, bgr, truth = (encode_srgb(picture[name]) for name in ("plate", "clean", "foreground"))
        coarse = self.module.coarse_stage(src, bgr, v2.coarse_scale(*src.shape[-2:]))
        size = (int(coarse.alpha.shape[-2]), int(coarse.alpha.shape[-1]))
        alpha, trust, colour = (
            nnf.interpolate(each, size, mode="bilinear", antialias=True)
            for each in (picture["alpha"], picture["trust"], truth)
        )
        wrong = (coarse.alpha - alpha).abs().detach()
        total = alpha_loss(coarse.alpha, alpha, trust) + ((coarse.error - wrong).square() * trust).mean()
        total = total + _colour_loss(coarse.src + coarse.residual, colour, alpha, trust)
        rows = _band(picture, generator)
        bands = Bands(src, bgr, coarse.seen, self.module.refiner.reach)
        refined = self.module.refiner.refine(bands.half(rows), bands.full(rows))
        part = {name: value[..., rows.first : rows.end, :] for name, value in picture.items()}
        total = total + alpha_loss(refined[:, :1], part["alpha"], part["trust"])
        found = refined[:, 1:] + src[..., rows.first : rows.end, :]
        return total + _colour_loss(found, truth[..., rows.first : rows.end, :], part["alpha"], part["trust"])

    def frozen(self) -> MattingModel:
        return v2.V2Model(copy.deepcopy(self.module), self._device)

    def with_guides(self, frame: FrameTensors, alpha: Tensor) -> FrameTensors:
        return frame


class LearnableV1:
    """V1: the square around the subject, at the network's size. Its mask of the person is made from the matte."""

    spec = v1.SPEC

    def __init__(self, network: Bgm1, device: torch.device) -> None:
        self.module = network.to(device)
        self._device = device

    def loss(self, picture: Batch, generator: torch.Generator) -> Tensor:
        square = subject_square(_array(picture["alpha"]))
        if square is None:
            # Nobody is there: V1 does not run its network then.
            return sum((each.sum() * 0 for each in self.module.parameters()), torch.zeros((), device=self._device))
        plate, clean, truth = (
            2 * v1.cut(encode_srgb(picture[name]), square) - 1 for name in ("plate", "clean", "foreground")
        )
        alpha, trust = v1.cut(picture["alpha"], square), v1.cut(picture["trust"], square)
        mask = torch.from_numpy(prepare_mask(_array(alpha)))[None, None].to(self._device)
        raw, colour = self.module(plate, clean, mask)
        found = 0.5 + 0.5 * raw
        return alpha_loss(found, alpha, trust) + _colour_loss(colour, truth, alpha, trust)

    def frozen(self) -> MattingModel:
        return v1.V1Model(copy.deepcopy(self.module), self._device)

    def with_guides(self, frame: FrameTensors, alpha: Tensor) -> FrameTensors:
        return replace(frame, core=(alpha > 0.5).to(alpha.dtype))


def _band(picture: Batch, generator: torch.Generator) -> Rows:
    """Rows around a place where alpha is partial and to be learnt, multiples of ``PATCH``."""
    height = int(picture["alpha"].shape[-2])
    unsure = (4 * picture["alpha"] * (1 - picture["alpha"]) * picture["trust"]).sum((0, 1, 3)) + 1e-4
    middle = int(torch.multinomial(unsure, 1, generator=generator))
    first = min(max(0, middle - _BAND // 2), max(0, height - _BAND)) // PATCH * PATCH
    return Rows(first=first, end=min(height, first + _BAND))


def _colour_loss(found: Tensor, truth: Tensor, alpha: Tensor, trust: Tensor) -> Tensor:
    """Mean absolute error of the encoded foreground where there is a subject."""
    return ((found - truth).abs() * ((alpha > 0.01) * trust)).mean()


def _array(picture: Tensor) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.asarray(picture[0, 0].cpu().numpy(), np.float32)
