"""The published Background Matting V2: the user brings its weights."""

from __future__ import annotations

import torch
import torch.nn.functional as nnf
from torch import Tensor

from ..pixels.coarse_grid import CoarseGrid
from .network_table import V2
from .networks.bgm2 import Bgm2, Refinement
from .networks.bgm2_tiles import PATCH
from .protocols import CancelCheck, FrameTensors, ModelSettings, ModelSpec, Prediction
from .srgb import decode_srgb, encode_srgb
from .weights import find_network

SPEC = ModelSpec(
    name=V2,
    label="Background Matting V2",
    summary="The published network of 2021 (MobileNetV2, ResNet-50 or ResNet-101): any resolution, people.",
    licence="MIT: free for paid work too",
    commercial_use=True,
    weights="user",
    weights_hint="github.com/PeterL1n/BackgroundMattingV2, its release v1.0.0: pytorch_resnet50.pth, "
    "pytorch_mobilenetv2.pth or pytorch_resnet101.pth; or 'cleanplate models fetch v2_resnet50'",
)
# V2's authors recommend 0.25 and 80,000 pixels for HD, 0.125 and 320,000 for 4K: one coarse size, and the same
# share of the frame's pixels refined.
_COARSE_SIDE = 480
_MOST_SCALE = 0.5
_REFINED_SHARE = 80_000 / (1920 * 1080)


def coarse_scale(height: int, width: int) -> float:
    """``backbone_scale`` for a frame of this size; V2 itself fails above 0.5."""
    return min(_MOST_SCALE, _COARSE_SIDE / max(height, width))


def refinement_for(height: int, width: int) -> Refinement:
    """Which patches V2 refines in a frame of this size."""
    return Refinement(mode="sampling", sample_pixels=round(_REFINED_SHARE * height * width))


class V2Model:
    """Implements :class:`protocols.MattingModel` with the network on one device."""

    spec = SPEC

    def __init__(self, network: Bgm2, device: torch.device) -> None:
        self._network = network.to(device).folded()
        self._device = device

    @classmethod
    def load(cls, weights: str, device: torch.device) -> V2Model:
        """From a file, or the one found where ``weights`` is empty; the backbone is told from its tensors. Raises
        ``MatteError`` with the codes missing_weights and bad_weights."""
        return cls(load_network(weights), device)

    @torch.inference_mode()
    def predict(self, frame: FrameTensors, settings: ModelSettings, check: CancelCheck) -> Prediction:
        """Alpha and V2's own foreground (0..1); confidence is 1 minus the error that V2 expects of its coarse
        alpha. The frame is never resized: it is padded to V2's multiple of 4 and cut again."""
        height, width = frame.size
        plate, clean = _padded(encode_srgb(frame.plate)), _padded(encode_srgb(frame.clean_plate))
        check()
        dtype = settings.autocast
        with torch.autocast(self._device.type, dtype, enabled=dtype is not None):
            out = self._network(plate, clean, coarse_scale(*plate.shape[-2:]), refinement_for(*plate.shape[-2:]))
        check()
        error = nnf.interpolate(out.err_sm, plate.shape[-2:], mode="bilinear")[..., :height, :width]
        return Prediction(
            alpha=out.pha[..., :height, :width].contiguous(),
            foreground=CoarseGrid.of(decode_srgb(out.fgr[..., :height, :width])),
            confidence=CoarseGrid.of((1.0 - error) * frame.most_confidence),
        )


def load_network(weights: str) -> Bgm2:
    """The network with the weights of a file, or of the one found where ``weights`` is empty; on the CPU, in
    evaluation mode. Raises ``MatteError`` with the codes missing_weights and bad_weights."""
    network = find_network(SPEC.name, weights)
    assert isinstance(network, Bgm2)
    return network


def _padded(picture: Tensor) -> Tensor:
    height, width = picture.shape[-2:]
    return nnf.pad(picture, (0, -width % PATCH, 0, -height % PATCH), mode="replicate")
