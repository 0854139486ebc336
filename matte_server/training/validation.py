"""Held-out composites that say which of a run's averaged weights are the best."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as nnf
from torch import Tensor

from ..models.networks.cleanplate import CleanplateNet
from .joint import both_looks
from .ring import Ring

SEED = 990_001
"""The seed of the held-out composites; no run may use it."""
_AT_ONCE = 4


class Validation:
    """Measures weights on the composites in ``ring``, once it is full."""

    def __init__(self, net: CleanplateNet, ring: Ring) -> None:
        device = next(net.parameters()).device
        self._net = CleanplateNet(net.layout).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._net.eval()
        self._ring, self._device = ring, device

    @property
    def ready(self) -> bool:
        return bool(self._ring.ready.all())

    @torch.no_grad()
    def error(self, state: Mapping[str, Tensor]) -> float:
        """The mean absolute error of alpha x 1000 with these weights, over all composites, partial alpha counted
        ten times."""
        self._net.load_state_dict(state)
        sums = torch.zeros(2)
        for odd in (0, 1):
            slots = list(range(odd, len(self._ring.ready), 2))
            for start in range(0, len(slots), _AT_ONCE):
                sums += self._errors(slots[start : start + _AT_ONCE])
        return float(1000 * sums[0] / sums[1])

    def _errors(self, slots: list[int]) -> Tensor:
        batch = {name: value.to(self._device) for name, value in self._ring.read(slots).items()}
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._device.type == "cuda"):
            alpha = both_looks(self._net, batch).joined.float().clamp(0, 1)
        partial = nnf.max_pool2d(4 * batch["alpha"] * (1 - batch["alpha"]), 5, 1, 2) > 0.1
        weight = 1 + 9 * partial.float()
        return torch.stack([((alpha - batch["alpha"]).abs() * weight).sum(), weight.sum()]).cpu()
