"""Finds weights on this machine; :mod:`weights_reader` reads them.

Where the user names no file, these are searched in order: the file chosen with ``cleanplate models use``, the
folder in ``CLEANPLATE_MODELS``, the user's own folder. Nothing is downloaded.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from matte_link.files import write_atomically
from torch import nn

from ..errors import MatteError
from .architectures import network_of, recognise
from .learned import check_learned_for
from .network_table import ARCHITECTURES, Architecture
from .weights_reader import read_weights, recognise_file

FOLDER_VARIABLE = "CLEANPLATE_MODELS"
REMEMBERED = "chosen.json"
SUFFIXES = (".pth", ".pt", ".pkl", ".safetensors")


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
