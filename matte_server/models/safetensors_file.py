"""Opens safetensors files, whatever their names.

The library maps no file whose name is not UTF-8, as folders of older systems have."""

from __future__ import annotations

from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load
from torch import Tensor


def tensors_in(path: Path) -> dict[str, Tensor]:
    """The tensors by name, on the CPU. They are copies: whoever replaces the file meanwhile, in place too, changes
    none that was read. Raises ``SafetensorError`` and ``OSError``."""
    return load(path.read_bytes())


def names_in(path: Path) -> set[str]:
    """The names of the tensors, of which none is read. Raises as :func:`tensors_in`."""
    with safe_open(path, _ANY) as file:
        return set(file.keys())


def metadata_of(path: Path) -> dict[str, str]:
    """What the file's header says beside its tensors. Raises as :func:`tensors_in`."""
    with safe_open(path, _ANY) as file:
        return dict(file.metadata() or {})


_ANY = "np"
"""With "pt" it takes no name that is not UTF-8."""
