"""Reads a file of weights in every form that they come in, and recognises whose they are.

Nothing from a file is executed: checkpoints are read with ``weights_only``, and of TorchScript archives only the
tensors are read (:mod:`torchscript`).
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from matte_link.weights_files import is_safetensors
from safetensors import SafetensorError
from torch import Tensor

from ..errors import MatteError
from . import safetensors_file, torchscript
from .architectures import recognise, size_in_bytes
from .network_table import Architecture

# What trainers keep a network's tensors under, and what they put before their names.
_WRAPPERS = ("state_dict", "model_state_dict", "model")
_PREFIXES = ("module.", "model.")
_HEAD = 8 << 20
"""Bytes at the beginning that say what an old checkpoint, a damaged file or a web page is."""
_NAME = re.compile(rb"[A-Za-z][A-Za-z0-9_.]{2,120}\.(?:weight|bias|running_mean|running_var)")


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint (.pth), a TorchScript archive or a safetensors file, float32 on the CPU, without
    the prefixes that wrappers put before their names. Raises ``MatteError``: missing_weights, bad_weights."""
    if not path.is_file():
        raise MatteError("missing_weights", f"There are no weights at {path}.", "Correct the path.")
    try:
        state = _read(path)
    except torchscript.ForbiddenArchive as error:
        raise MatteError(
            "bad_weights",
            f"{path.name} is a TorchScript archive whose tensors cannot be read without running its code: {error}",
            "Nothing in it was executed. Get a checkpoint (.pth with a state dict) instead.",
        ) from None
    except Exception as error:
        # A damaged file makes its reader raise any error.
        raise _unreadable(path) from error
    return {
        name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in _plain(state).items()
    }


def _read(path: Path) -> Any:
    if _is_safetensors(path):
        return safetensors_file.tensors_in(path)
    if _is_torchscript(path):
        return torchscript.read_tensors(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def _is_safetensors(path: Path) -> bool:
    """By its suffix or, as learned weights have another one, by its beginning."""
    return path.suffix == ".safetensors" or is_safetensors(path)


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("constants.pkl") for name in archive.namelist())


def _plain(state: Any) -> dict[str, Tensor]:
    """The tensors by name; unwraps one level of a training checkpoint."""
    for wrapper in _WRAPPERS:
        if isinstance(state, Mapping) and isinstance(state.get(wrapper), Mapping):
            state = state[wrapper]
    if not isinstance(state, Mapping):
        return {}
    return {_bare(str(name)): tensor for name, tensor in state.items() if isinstance(tensor, Tensor)}


def _bare(name: str) -> str:
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return name


def recognise_file(path: Path) -> Architecture | None:
    """The network that a file belongs to, from its tensor names alone; None where there is none."""
    try:
        return recognise(_names(path))
    except (OSError, RuntimeError, ValueError, KeyError, zipfile.BadZipFile, SafetensorError):
        return None


def _names(path: Path) -> set[str]:
    if _is_safetensors(path):
        return {_bare(name) for name in safetensors_file.names_in(path)}
    if _is_torchscript(path):
        return {_bare(name) for name in torchscript.tensor_names(path)}
    return _names_in(_listing(path))


def _listing(path: Path) -> bytes:
    """The bytes of a checkpoint that hold the tensor names."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            listing = next((name for name in archive.namelist() if name.endswith("data.pkl")), None)
            return archive.read(listing) if listing else b""
    with path.open("rb") as file:
        return file.read(_HEAD)


def _names_in(content: bytes) -> set[str]:
    return {_bare(match.decode()) for match in _NAME.findall(content)}


def _unreadable(path: Path) -> MatteError:
    """The error for an unreadable file; says what the file seems to be."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if head.lstrip()[:1] == b"<":
        return MatteError(
            "bad_weights", f"{path.name} is a web page, not weights.", "Download the file itself, not its page."
        )
    known = recognise(_names_in(head))
    if known is None:
        return MatteError("bad_weights", f"{path.name} ({size / 1e6:.1f} MB) cannot be read as weights.")
    return MatteError(
        "bad_weights",
        f"{path.name} looks like the weights of {known.label}, but it is damaged: it has {size / 1e6:.1f} MB, "
        f"and the tensors of that network take {size_in_bytes(known) / 1e6:.1f} MB.",
        "Get the file again from where it came from.",
    )
