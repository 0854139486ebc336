"""Weights in half precision, in files small enough to be sent home from a machine that takes no large ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

PART_BYTES = 15 * 10**6
_STEM = "weights"


def save_parts(state: Mapping[str, Tensor], folder: Path, metadata: Mapping[str, str]) -> list[Path]:
    """Write ``state`` to ``folder`` as ``weights-1-of-N.safetensors`` ..., each below ``PART_BYTES`` and each under
    a temporary name until complete; returns the files. Tensors of one dimension stay in float32."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: value.half() if value.ndim >= 2 else value for name, value in state.items()}
    parts = _divided({name: value.contiguous().cpu() for name, value in tensors.items()})
    files = [folder / f"{_STEM}-{number}-of-{len(parts)}.safetensors" for number in range(1, len(parts) + 1)]
    for part, file in zip(parts, files, strict=True):
        partial = file.with_suffix(".part")
        save_file(part, partial, metadata=dict(metadata))
        partial.replace(file)
    return files


def _divided(tensors: dict[str, Tensor]) -> list[dict[str, Tensor]]:
    parts: list[dict[str, Tensor]] = [{}]
    size = 0
    for name, value in tensors.items():
        if parts[-1] and size + value.nbytes > PART_BYTES:
            parts.append({})
            size = 0
        parts[-1][name] = value
        size += value.nbytes
    return parts


def read_parts(folder: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """What ``save_parts`` wrote, in float32, and its metadata. Raises ``FileNotFoundError`` where a part is
    missing, ``ValueError`` where the parts are of different steps."""
    files = sorted(folder.glob(f"{_STEM}-*-of-*.safetensors"))
    wanted = int(files[0].stem.rsplit("-", 1)[1]) if files else 1
    if len(files) != wanted:
        raise FileNotFoundError(f"{folder} holds {len(files)} of {wanted} parts of a network's weights")
    state: dict[str, Tensor] = {}
    metadata: list[dict[str, str]] = []
    for file in files:
        state |= {name: value.to(torch.float32) for name, value in load_file(file).items()}
        with safe_open(file, "pt") as opened:
            metadata.append(dict(opened.metadata() or {}))
    if any(each != metadata[0] for each in metadata):
        raise ValueError(f"the parts in {folder} were written at different steps")
    return state, metadata[0]
