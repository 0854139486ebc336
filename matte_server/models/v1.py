"""The published Background Matting V1: the user brings its weights, and those of the person segmentation.

1. The people in the plate, from DeepLabV3; a core matte adds to them and a holdout takes away. Where there is a
   core matte, it does without DeepLabV3's weights.
2. The square around them, at the 512 x 512 that the network was trained on.
3. The network, and back into the frame.
4. V1's rules: one connected subject; the plate itself where alpha is almost 1; no foreground where it is 0.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as nnf
from torch import Tensor

from ..core.image import Float32
from ..core.person import Square, one_subject, prepare_mask, subject_square
from ..pixels.coarse_grid import CoarseGrid
from .network_table import SEGMENTATION, V1
from .networks.bgm1 import SIDE, Bgm1
from .protocols import CancelCheck, FrameTensors, ModelSettings, ModelSpec, Prediction
from .segmentation import PersonSegmentation
from .srgb import decode_srgb, encode_srgb
from .weights import find_network, has_weights

SPEC = ModelSpec(
    name=V1,
    label="Background Matting V1",
    summary="The published network of 2020: one person, worked out at 512 x 512. Needs DeepLabV3 for the person, "
    "or a core matte.",
    licence="CC BY-NC-SA 4.0: not for paid work",
    commercial_use=False,
    weights="user",
    weights_hint="github.com/senguptaumd/Background-Matting, 'pre-trained models': netG_epoch_12.pth (real "
    "footage) or net_epoch_64.pth (synthetic); DeepLabV3 with 'cleanplate models fetch deeplabv3_resnet101'",
    helpers=(SEGMENTATION,),
)
# V1's rules, on alpha in 0..1; the first on the network's own -1..1.
_ALL_SUBJECT = 0.95
_NO_SUBJECT = 0.01


class V1Model:
    """Implements :class:`protocols.MattingModel`; see the module's text for the method."""

    spec = SPEC

    def __init__(self, network: Bgm1, device: torch.device) -> None:
        self._network = network.to(device).folded()
        self._device = device
        self._segmentation: PersonSegmentation | None = None

    @classmethod
    def load(cls, weights: str, device: torch.device) -> V1Model:
        """From a file, or the one found where ``weights`` is empty. Raises ``MatteError`` with the codes
        missing_weights and bad_weights."""
        return cls(load_network(weights), device)

    @torch.inference_mode()
    def predict(self, frame: FrameTensors, settings: ModelSettings, check: CancelCheck) -> Prediction:
        """Alpha, V1's foreground, and a confidence that is low where alpha is in between: V1 expects no error of
        its own."""
        plate, clean = encode_srgb(frame.plate), encode_srgb(frame.clean_plate)
        people = self._people(frame, plate)
        square = subject_square(people[0, 0].cpu().numpy())
        check()
        if square is None:
            return Prediction.without_subject(frame)
        mask = prepare_mask(_array(cut(people, square)))
        soft = torch.from_numpy(mask)[None, None].to(self._device)
        raw, colour = self._run(2 * cut(plate, square) - 1, 2 * cut(clean, square) - 1, soft, settings)
        check()
        alpha = torch.from_numpy(one_subject(_array(0.5 + 0.5 * raw)))[None, None].to(self._device)
        return _prediction(frame, square, alpha.clamp(0.0, 1.0), raw, 0.5 + 0.5 * colour)

    def _people(self, frame: FrameTensors, plate: Tensor) -> Tensor:
        if frame.core is not None and self._segmentation is None and not has_weights(SEGMENTATION):
            people = frame.core
        else:
            self._segmentation = self._segmentation or PersonSegmentation.load(self._device)
            people = self._segmentation.people(plate)
            people = people if frame.core is None else torch.maximum(people, frame.core)
        return people if frame.holdout is None else people * (1.0 - frame.holdout)

    def _run(self, plate: Tensor, clean: Tensor, mask: Tensor, settings: ModelSettings) -> tuple[Tensor, Tensor]:
        dtype = settings.autocast
        with torch.autocast(self._device.type, dtype, enabled=dtype is not None):
            raw, colour = self._network(
                *(each.contiguous(memory_format=torch.channels_last) for each in (plate, clean, mask))
            )
        return raw.float(), colour.float()


def load_network(weights: str) -> Bgm1:
    """The network with the weights of a file, or of the one found where ``weights`` is empty; on the CPU, in
    evaluation mode. Raises ``MatteError`` with the codes missing_weights and bad_weights."""
    network = find_network(SPEC.name, weights)
    assert isinstance(network, Bgm1)
    return network


def _prediction(frame: FrameTensors, square: Square, alpha: Tensor, raw: Tensor, colour: Tensor) -> Prediction:
    whole = _put(alpha, square, frame.size)
    solid = _put(raw, square, frame.size, -1.0) > _ALL_SUBJECT
    foreground = torch.where(solid, frame.plate, decode_srgb(_put(colour, square, frame.size)))
    foreground = torch.where(whole > _NO_SUBJECT, foreground, torch.zeros_like(foreground))
    confidence = (1.0 - 2.0 * whole * (1.0 - whole)) * frame.most_confidence
    return Prediction(alpha=whole, foreground=CoarseGrid.of(foreground), confidence=CoarseGrid.of(confidence))


def _array(picture: Tensor) -> Float32:
    return np.asarray(picture[0, 0].cpu().numpy(), np.float32)


def cut(picture: Tensor, square: Square) -> Tensor:
    """The square at the network's size; the frame's edge is repeated where the square reaches beyond it."""
    height, width = picture.shape[-2:]
    steps = torch.arange(square.side, device=picture.device)
    rows, columns = (square.y + steps).clamp(0, height - 1), (square.x + steps).clamp(0, width - 1)
    part = picture[:, :, rows[:, None], columns[None, :]]
    return nnf.interpolate(part, (SIDE, SIDE), mode="bilinear", antialias=True)


def _put(part: Tensor, square: Square, size: tuple[int, int], around: float = 0.0) -> Tensor:
    """The square back in a frame of ``around``: 1 x C x H x W."""
    grown = nnf.interpolate(part, (square.side, square.side), mode="bilinear")
    whole = torch.full((1, part.shape[1], *size), around, device=part.device)
    top, left = max(0, square.y), max(0, square.x)
    bottom, right = min(size[0], square.y + square.side), min(size[1], square.x + square.side)
    whole[..., top:bottom, left:right] = grown[
        ..., top - square.y : bottom - square.y, left - square.x : right - square.x
    ]
    return whole
