"""Where the people are: torchvision's DeepLabV3, which V1 needs. The user brings its weights or fetches them."""

from __future__ import annotations

import torch
import torch.nn.functional as nnf
from torch import Tensor, nn

from .network_table import SEGMENTATION
from .weights import find_network

# What torchvision's weights were trained on: PASCAL VOC's classes, the shorter side in pixels, and the mean and the
# standard deviation of ImageNet's pictures.
_PERSON = 15
_SHORT_SIDE = 520
_MEAN, _SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class PersonSegmentation:
    """A loaded DeepLabV3 on one device."""

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        self._network = network.to(device).eval()
        self._mean = torch.tensor(_MEAN, device=device).view(1, 3, 1, 1)
        self._spread = torch.tensor(_SPREAD, device=device).view(1, 3, 1, 1)

    @classmethod
    def load(cls, device: torch.device) -> PersonSegmentation:
        """From the weights found. Raises ``MatteError`` with the codes missing_weights and bad_weights."""
        return cls(find_network(SEGMENTATION, ""), device)

    @torch.inference_mode()
    def people(self, picture: Tensor) -> Tensor:
        """1 where a person is, else 0: 1 x 1 x H x W, from a display-encoded ``picture`` 1 x 3 x H x W, 0..1."""
        height, width = picture.shape[-2:]
        scale = _SHORT_SIDE / min(height, width)
        size = (max(1, round(height * scale)), max(1, round(width * scale)))
        small = nnf.interpolate(picture, size, mode="bilinear", antialias=True)
        scores = self._network((small - self._mean) / self._spread)["out"]
        person = (scores.argmax(1, keepdim=True) == _PERSON).to(picture.dtype)
        return nnf.interpolate(person, (height, width), mode="nearest")
