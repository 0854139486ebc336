"""The material of a short GPU lease in one folder, within what may travel there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from .backgrounds import panoramas
from .bank import renders
from .lit import pairs_in

LIMIT_BYTES = 38 * 10**6
"""What may travel to a borrowed machine beside the repository's own files."""


@dataclass(frozen=True)
class LeaseMaterial:
    """What a lease trains on: folders of panoramas; folders of packed renders and pairs (``pack``); a folder of
    weights in parts (None: the packaged weights, which travel with the repository)."""

    panoramas: Sequence[Path]
    renders: Path | None
    pairs: Path | None
    weights: Path | None


def prepare(material: LeaseMaterial, target: Path, limit: int = LIMIT_BYTES) -> dict[str, int]:
    """Copy the material to ``target``, a new folder: weights first, then panoramas that training may see, then
    pairs and renders in turn until no more fit. Returns bytes by kind. Raises ``FileExistsError`` where ``target``
    exists, ``ValueError`` where weights and panoramas alone exceed ``limit``."""
    target.mkdir(parents=True)
    used = {"weights": 0, "hdri": 0, "pairs": 0, "renders": 0}
    for file in sorted(material.weights.glob("*.safetensors")) if material.weights else []:
        used["weights"] += _copy(file, target / "weights")
    for folder in material.panoramas:
        for file in panoramas(folder, held_out=False):
            used["hdri"] += _copy(file, target / "hdri")
    if sum(used.values()) > limit:
        raise ValueError(f"weights and panoramas take {sum(used.values()):,} bytes of {limit:,}")
    for kind, file in _in_turn(material):
        described = file.with_suffix(".json")
        size = file.stat().st_size + described.stat().st_size
        if sum(used.values()) + size > limit:
            break
        used[kind] += _copy(file, target / kind) + _copy(described, target / kind)
    return used


def _in_turn(material: LeaseMaterial) -> Iterator[tuple[str, Path]]:
    """A pair, a render, a pair, until one kind is used up; then the rest of the other."""
    pairs = pairs_in(material.pairs) if material.pairs else []
    single = list(renders(material.renders, "train")) if material.renders else []
    for pair, render in zip_longest(pairs, single):
        if pair is not None:
            yield "pairs", pair
        if render is not None:
            yield "renders", render


def _copy(file: Path, folder: Path) -> int:
    folder.mkdir(exist_ok=True)
    shutil.copyfile(file, folder / file.name)
    return file.stat().st_size
