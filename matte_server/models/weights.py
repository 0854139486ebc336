"""Finds weights on this machine and reads them safely.

Where the user names no file, these are searched in order: the file chosen with ``cleanplate models use``, the
folder in ``CLEANPLATE_MODELS``, the user's own folder. This module downloads nothing and executes nothing from a
file: checkpoints are read with ``weights_only``, and of TorchScript archives only the tensors are read
(:mod:`torchscript`).
"""

from __future__ import annotations

import json
import os
import re
import sys
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from matte_link.files import write_atomically
from matte_link.weights_files import is_safetensors
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from ..errors import MatteError
from . import torchscript
from .architectures import network_of, recognise, size_in_bytes
from .learned import check_learned_for
from .network_table import ARCHITECTURES, Architecture

FOLDER_VARIABLE = "CLEANPLATE_MODELS"
REMEMBERED = "chosen.json"
SUFFIXES = (".pth", ".pt", ".pkl", ".safetensors")
_WRAPPERS = ("state_dict", "model_state_dict", "model")
_PREFIXES = ("module.", "model.")
_HEAD = 8 << 20
_NAME = re.compile(rb"[A-Za-z][A-Za-z0-9_.]{2,120}\.(?:weight|bias|running_mean|running_var)")


@dataclass(frozen=True)
class Found:
    """A weights file and the network that it belongs to."""

    path: Path
    architecture: Architecture


def user_folder() -> Path:
    """The operating system's usual folder for this user's weights."""
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    return base / "cleanplate" / "models"


def folders() -> tuple[Path, ...]:
    """The folders that are searched for weights, in order."""
    named = os.environ.get(FOLDER_VARIABLE, "")
    return (Path(named).expanduser(), user_folder()) if named else (user_folder(),)


def find_weights(model: str, given: str) -> Path:
    """The weights file for ``model``, as an ``Architecture`` names it. ``given`` is a path or a file name in
    :func:`folders`; where it is empty, the file that the user chose, else the preferred one in :func:`folders`.
    Raises ``MatteError("missing_weights", ...)``."""
    if given:
        path = _named(given)
        check_learned_for(path, model)
        return path
    chosen = remembered().get(model)
    if chosen is not None:
        if not chosen.is_file():
            raise MatteError(
                "missing_weights",
                f"The weights chosen for {model}, {chosen}, no longer exist.",
                "Choose another file: cleanplate models use FILE.",
            )
        return chosen
    found = next((each for each in found_weights() if each.architecture.model == model), None)
    if found is None:
        places = " and ".join(map(str, folders()))
        raise MatteError(
            "missing_weights",
            f"There are no weights for {model} in {places}.",
            "Run 'cleanplate models' to see where to get them.",
        )
    return found.path


def find_network(model: str, given: str) -> nn.Module:
    """The network with the weights that :func:`find_weights` finds; on the CPU, in evaluation mode. Raises
    ``MatteError`` with the codes missing_weights and bad_weights."""
    path = find_weights(model, given)
    return network_of(read_weights(path), model, path.name)[1]


def has_weights(model: str) -> bool:
    """Whether :func:`find_weights` finds a file when the user names none."""
    chosen = remembered().get(model)
    if chosen is not None:
        return chosen.is_file()
    return any(each.architecture.model == model for each in found_weights())


def is_bare(name: str) -> bool:
    """Whether ``name`` is a bare file name, to be searched in :func:`folders`, and not a path."""
    return bool(name) and name not in (".", "..") and not any(mark in name for mark in "/\\:")


def _named(given: str) -> Path:
    path = Path(given).expanduser()
    places = [folder / given for folder in folders()] if is_bare(given) else [path]
    for place in places:
        if place.is_file():
            return place
    raise MatteError(
        "missing_weights",
        f"There are no weights at {places[-1]}.",
        "Run 'cleanplate models' to list the weights on this machine.",
    )


def found_weights() -> list[Found]:
    """Every file in :func:`folders` that a network of ``ARCHITECTURES`` can load; in each folder the preferred
    first."""
    found: list[Found] = []
    for folder in folders():
        here = [
            Found(path=path, architecture=known)
            for path in _files(folder)
            if (known := recognise_file(path)) is not None
        ]
        found += sorted(here, key=lambda each: (ARCHITECTURES.index(each.architecture), each.path.name))
    return found


def _files(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from (path for path in sorted(folder.rglob("*")) if path.suffix in SUFFIXES and path.is_file())


def remembered() -> dict[str, Path]:
    """The files that the user chose, by model; empty where the list is missing or damaged."""
    for folder in folders():
        try:
            chosen = json.loads((folder / REMEMBERED).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(chosen, dict):
            return {model: Path(path) for model, path in chosen.items() if isinstance(path, str)}
    return {}


def remember(path: Path) -> Architecture:
    """Reads ``path`` whole and records it as the chosen weights of its model. Raises ``MatteError`` with the codes
    missing_weights, bad_weights and cannot_write."""
    state = read_weights(path)
    known = recognise(state)
    architecture, _ = network_of(state, known.model if known else "", path.name)
    target = folders()[0] / REMEMBERED
    chosen = {model: str(place) for model, place in remembered().items()}
    chosen[architecture.model] = str(path.resolve())
    try:
        write_atomically(str(target), json.dumps(chosen, indent=2, sort_keys=True).encode())
    except OSError as error:
        raise MatteError("cannot_write", f"{target} cannot be written: {error.strerror}.") from None
    return architecture


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint (.pth), a TorchScript archive or a safetensors file, float32 on the CPU, without
    the prefixes that wrappers put before their names. Raises ``MatteError``: missing_weights, bad_weights."""
    if not path.is_file():
        raise MatteError("missing_weights", f"There are no weights at {path}.")
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
        return load_file(path)
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
        with safe_open(path, "pt") as file:
            return {_bare(name) for name in list(file.keys())}
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
