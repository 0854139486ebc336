"""Writes the weights file that ships with the product."""

from __future__ import annotations

from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load_file, save_file

LIMIT_BYTES = 40 * 2**20


def package(source: Path, target: Path) -> int:
    """Write ``source`` (averaged weights) to ``target``, convolutions in half precision and statistics in float32;
    returns the size in bytes. Raises ``ValueError`` where it exceeds the limit of 40 MB."""
    with safe_open(source, "pt") as file:
        metadata = dict(file.metadata() or {})
    tensors = {
        name: value.half() if value.ndim >= 2 else value.float() for name, value in load_file(source).items()
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, target, metadata=metadata)
    size = target.stat().st_size
    if size > LIMIT_BYTES:
        raise ValueError(f"{target.name} is {size / 2**20:.1f} MB; at most {LIMIT_BYTES >> 20} MB may ship")
    return size
