"""The material of a short GPU lease in one folder, within what may travel there."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .backgrounds import panoramas
from .bank import renders

LIMIT_BYTES = 38 * 10**6
"""What may travel to a borrowed machine beside the repository's own files."""


@dataclass(frozen=True)
class LeaseMaterial:
    """What a lease trains on: folders of panoramas; a folder of packed renders (``pack``); a folder of weights in
    parts (None: the packaged weights, which travel with the repository)."""

    panoramas: Sequence[Path]
    renders: Path | None
    weights: Path | None


def prepare(material: LeaseMaterial, target: Path, limit: int = LIMIT_BYTES) -> dict[str, int]:
    """Copy the material to ``target``, a new folder: weights first, then panoramas that training may see, then as
    many renders as fit. Returns bytes by kind. Raises ``FileExistsError`` where ``target`` exists, ``ValueError``
    where weights and panoramas alone exceed ``limit``."""
    target.mkdir(parents=True)
    used = {"weights": 0, "hdri": 0, "renders": 0}
    for file in sorted(material.weights.glob("*.safetensors")) if material.weights else []:
        used["weights"] += _copy(file, target / "weights")
    for folder in material.panoramas:
        for file in panoramas(folder, held_out=False):
            used["hdri"] += _copy(file, target / "hdri")
    if sum(used.values()) > limit:
        raise ValueError(f"weights and panoramas take {sum(used.values()):,} bytes of {limit:,}")
    for file in renders(material.renders, "train") if material.renders else []:
        size = file.stat().st_size + file.with_suffix(".json").stat().st_size
        if sum(used.values()) + size > limit:
            break
        used["renders"] += _copy(file, target / "renders") + _copy(file.with_suffix(".json"), target / "renders")
    return used


def _copy(file: Path, folder: Path) -> int:
    folder.mkdir(exist_ok=True)
    shutil.copyfile(file, folder / file.name)
    return file.stat().st_size
