"""Makes the example of a frame that is handed in."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..core.exposure_clipping import clipping_of
from ..core.image import Guides
from ..frame.clipping import seen_by_model
from ..frame.refinement import predict, solved_foreground
from ..frame.square_pixels import in_square_pixels
from ..frame.warper import FrameWarper
from ..models.protocols import CancelCheck, FrameTensors, ModelSettings
from .examples import LearningExample, example_of
from .frames import LearningFrame, check_frame, check_key, check_mask
from .key_curve import curve_warning
from .key_places import averaged_small, outline, small_frame
from .networks import LearnableNetwork


@dataclass(frozen=True, eq=False)
class FrameOnDevice:
    """A frame's pictures on the device: what the model sees of it, without guides; ``key`` and ``mask`` 1 x 1 x H x
    W, where the frame has them."""

    number: int
    tensors: FrameTensors
    seen: FrameTensors
    key: Tensor | None
    mask: Tensor | None


class ExampleMaker:
    """Makes examples on one device with one network as it is now."""

    def __init__(self, network: LearnableNetwork, device: torch.device, seed: int) -> None:
        self._network, self._model, self._seed = network, network.frozen(), seed
        self._warper = FrameWarper(device)
        self.warnings: list[str] = []
        """Sentences about the key mattes of the examples that were made."""

    @torch.inference_mode()
    def on_device(self, frame: LearningFrame) -> FrameOnDevice:
        """The frame brought to the device. Raises ``MatteError``: not_finite, bad_key."""
        check_frame(frame)
        guides = Guides(core=frame.key, holdout=frame.mask)
        given = in_square_pixels(self._warper.tensors(frame.pair, guides, frame.alignment))
        tensors = replace(given, core=None, holdout=None)
        # What the model sees of pictures that were clipped.
        seen = seen_by_model(tensors, clipping_of(frame.pair.plate, frame.pair.clean_plate, frame.alignment))
        return FrameOnDevice(number=frame.number, tensors=tensors, seen=seen, key=given.core, mask=given.holdout)

    @torch.inference_mode()
    def outlines(self, frame: FrameOnDevice, check: CancelCheck) -> tuple[Tensor | None, Tensor]:
        """Where the subject is, by the key matte (None where there is none) and by the model, at a small size."""
        key, small = frame.key, small_frame(frame.seen)
        guided = small if key is None else self._network.with_guides(small, averaged_small(key))
        found = predict(self._model, guided, ModelSettings(), check).alpha
        return None if key is None else outline(key), outline(found)

    @torch.inference_mode()
    def example(self, frame: FrameOnDevice, check: CancelCheck) -> LearningExample:
        """The frame with its key matte, or with the model's own matte. Raises ``MatteError``: bad_key, and the
        model's codes."""
        key, mask = frame.key, frame.mask
        guided = frame.seen if key is None else self._network.with_guides(frame.seen, key)
        found = predict(self._model, guided, ModelSettings(), check)
        own = found.alpha.clamp(0.0, 1.0)
        trust = torch.ones_like(own) if mask is None else mask
        # A mask may well cover just what the model has wrong: only whole mattes are compared with the model's.
        if mask is not None:
            check_mask(frame.number, mask)
        elif key is not None:
            check_key(frame.number, key, own)
        if key is not None and (warning := curve_warning(frame.number, key, own, trust)):
            self.warnings.append(warning)
        alpha = own if key is None else key
        return example_of(
            number=frame.number,
            frame=frame.seen,
            foreground=solved_foreground(frame.tensors, found, alpha),
            alpha=alpha,
            own=own,
            trust=trust,
            is_truth=key is not None,
            seed=self._seed,
        )
