"""Writes the weights file that ships with the product."""

from __future__ import annotations

from pathlib import Path

import torch
from matte_link.files import write_atomically
from safetensors import safe_open
from safetensors.torch import load_file, save
from torch import Tensor

LIMIT_BYTES = 40 * 2**20


def package(source: Path, target: Path, start: Path | None = None, share: float = 1.0) -> int:
    """Write ``source`` (averaged weights) to ``target``, convolutions in half precision and statistics in float32;
    returns the size in bytes. With ``start``, the weights that the run began with, each weight lies at ``share``
    (0..1) of the way from there to ``source``: a fine-tuned network then keeps more of what it knew before
    (Wortsman et al. 2022). Raises ``ValueError`` where the size exceeds the limit of 40 MB, where ``share`` is not
    within 0..1, and where both files do not hold the same weights."""
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"a share of {share:g} is not within 0 to 1")
    with safe_open(source, "pt") as file:
        metadata = dict(file.metadata() or {})
    state = load_file(source)
    if start is not None:
        state = _between(load_file(start), state, share)
    tensors = {name: value.half() if value.ndim >= 2 else value.float() for name, value in state.items()}
    # Not by safetensors' save_file: that leaves a file which only its owner may read, and this one is installed.
    data = save(tensors, metadata=metadata)
    if len(data) > LIMIT_BYTES:
        raise ValueError(f"{target.name} is {len(data) / 2**20:.1f} MB; at most {LIMIT_BYTES >> 20} MB may ship")
    write_atomically(str(target), data)
    return len(data)


def _between(start: dict[str, Tensor], end: dict[str, Tensor], share: float) -> dict[str, Tensor]:
    if {name: value.shape for name, value in start.items()} != {name: value.shape for name, value in end.items()}:
        raise ValueError("the weights of --start are of another network")
    return {name: torch.lerp(start[name].float(), value.float(), share) for name, value in end.items()}
