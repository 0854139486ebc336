"""A frame to learn from as it is handed in, and the example made of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ..core.align import Alignment, display_transform
from ..core.exposure_clipping import clipping_of
from ..core.image import Guides, Image, PlatePair
from ..errors import MatteError
from ..frame.clipping import seen_by_model
from ..frame.picture_checks import check_picture
from ..frame.refinement import predict, solved_foreground
from ..frame.warper import FrameWarper
from ..models.protocols import CancelCheck, FrameTensors, ModelSettings
from .examples import LearningExample, example_of
from .networks import LearnableNetwork

_FULL = 0.999
"""Where a mask is above this, the key matte is right."""
_BLACK, _SUBJECT = 0.02, 0.01
"""A key matte whose highest value is below the first is empty; the second is the mean of a matte with a subject."""
_OVERLAP = 0.1
"""The least part of the smaller of two mattes that the other covers, where both are of one subject."""
_OPPOSITE = 0.5
"""A key matte is refused where it differs from the model's by more than this in the mean, and its inverse by less
than half as much."""


@dataclass(frozen=True, eq=False)
class LearningFrame:
    """One frame. ``pair``: plate and clean plate, scene-linear Rec.709. ``key``: the matte that a person vouches
    for, one channel, 0..1; None where nobody does. ``mask``: one channel, 1 where ``key`` is right; None:
    everywhere."""

    number: int
    pair: PlatePair
    alignment: Alignment
    key: Image | None = None
    mask: Image | None = None


class ExampleMaker:
    """Makes examples on one device with one network as it is now."""

    def __init__(self, network: LearnableNetwork, device: torch.device, seed: int) -> None:
        self._network, self._model, self._seed = network, network.frozen(), seed
        self._warper = FrameWarper(device)

    @torch.inference_mode()
    def example(self, frame: LearningFrame, check: CancelCheck) -> LearningExample:
        """The frame with its key matte, or with the model's own matte. Raises ``MatteError``: not_finite, bad_key,
        and the model's codes."""
        _check_frame(frame)
        guides = Guides(core=frame.key, holdout=frame.mask)
        tensors = self._warper.tensors(frame.pair, guides, frame.alignment)
        key, mask = tensors.core, tensors.holdout
        tensors = replace(tensors, core=None, holdout=None)
        seen = _seen(frame, tensors)
        guided = seen if key is None else self._network.with_guides(seen, key)
        found = predict(self._model, guided, ModelSettings(), check)
        own = found.alpha.clamp(0.0, 1.0)
        trust = torch.ones_like(own) if mask is None else mask
        # A mask may well cover just what the model has wrong: only whole mattes are compared with the model's.
        if mask is not None:
            _check_mask(frame.number, mask)
        elif key is not None:
            _check_key(frame.number, key, own)
        alpha = own if key is None else key
        return example_of(
            number=frame.number,
            frame=seen,
            foreground=solved_foreground(tensors, found, alpha),
            alpha=alpha,
            own=own,
            trust=trust,
            is_truth=key is not None,
            seed=self._seed,
        )


def _seen(frame: LearningFrame, tensors: FrameTensors) -> FrameTensors:
    """What the model sees of pictures that were clipped."""
    return seen_by_model(tensors, clipping_of(frame.pair.plate, frame.pair.clean_plate, frame.alignment))


def _check_frame(frame: LearningFrame) -> None:
    named = {
        "plate": frame.pair.plate,
        "clean plate": frame.pair.clean_plate,
        "key matte": frame.key,
        "mask of the key matte": frame.mask,
    }
    for name, image in named.items():
        if image is None:
            continue
        values = image.rgb if name.endswith("plate") else image.pixels[..., :1]
        check_picture(f"{name} of frame {frame.number}", image, values)
        if not name.endswith("plate"):
            _check_size(frame, name, image)


def _check_size(frame: LearningFrame, name: str, image: Image) -> None:
    """A matte in fewer pixels would teach soft edges, and one of another picture teaches nothing."""
    plate = frame.pair.plate
    wanted, given = plate.display_window, image.display_window
    same_pixels = np.array_equal(display_transform(plate, image), np.eye(3))
    if same_pixels and (wanted.width, wanted.height) == (given.width, given.height):
        return
    raise MatteError(
        "bad_key",
        f"The {name} of frame {frame.number} has {given.width} x {given.height} pixels, the plate "
        f"{wanted.width} x {wanted.height}.",
        "Mend the matte at the plate's size.",
    )


def _check_mask(number: int, mask: Tensor) -> None:
    if not bool((mask > _FULL).any()):
        raise MatteError(
            "bad_key",
            f"The mask of frame {number} is white nowhere, so that nothing can be learnt from its key matte.",
            "Paint it white where the matte is right, or leave it out.",
        )


def _check_key(number: int, key: Tensor, own: Tensor) -> None:
    """Raises ``MatteError("bad_key", ...)`` where a key matte of a whole frame can only be a mistake."""
    apart, inverted = (float((own - matte).abs().mean()) for matte in (key, 1 - key))
    found, painted = float(own.mean()), float(key.mean())
    smaller, common = min(found, painted), float(torch.minimum(key, own).mean())
    what = ""
    if apart > _OPPOSITE and inverted < 0.5 * apart:
        what = f"is the opposite of the model's matte in {100 * apart:.0f}% of the frame"
    elif float(key.max()) < _BLACK and found > _SUBJECT:
        what = f"is black everywhere, while the model finds a subject in {100 * found:.0f}% of the frame"
    elif smaller > _SUBJECT and common < _OVERLAP * smaller:
        what = "lies elsewhere than the subject that the model finds there"
    if what:
        raise MatteError(
            "bad_key",
            f"The key matte of frame {number} {what}.",
            "Look whether it is the right file and not inverted; if it is right, say so with a white --key-mask.",
        )
