"""The store of raw material: procedural subjects, sets and kinds, and rendered subjects as they appear.

A bank is a folder that :func:`fill` makes: ``kinds/*.npy`` (channels x height x width, trimmed), ``subjects/*.npy``
(size x size x 4) and ``sets/*.npy`` (height x width x 3), all half-float, scene-linear and premultiplied. Renders
are read from the folder that the scenes were written to.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from .backgrounds import background, load_panorama, panoramas
from .calm import BRIGHTEST, calm
from .composite import Faults
from .kinds.catalogue import training_subject
from .lit import pairs_in, read_pair
from .packed import read_packed, save_packed
from .procedural import Float32, Random, subject

SUBJECT_SIZE = 640
SET_SIZE = (600, 800)


def _save(path: Path, pixels: Float32) -> None:
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.save(file, pixels.astype(np.float16))
    part.replace(path)


def fill(
    folder: Path, panorama_folder: Path, subjects: int, sets: int, first: int = 0, step: int = 1, kinds: int = 0
) -> None:
    """Makes those of the first ``subjects``, ``sets`` and ``kinds`` pictures that are missing. Each is seeded by
    its number, so several processes can share the work: each makes every ``step``-th picture from ``first`` on."""
    cv2.setNumThreads(1)
    views = [load_panorama(path) for path in panoramas(panorama_folder, held_out=False)]
    for name in ("subjects", "sets", "kinds"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number in range(first, max(subjects, sets, kinds), step):
        path = folder / "subjects" / f"{number:05d}.npy"
        if number < subjects and not path.exists():
            _save(path, subject(np.random.default_rng([1, number]), SUBJECT_SIZE))
        path = folder / "sets" / f"{number:05d}.npy"
        if number < sets and not path.exists():
            _save(path, background(np.random.default_rng([2, number]), views, *SET_SIZE))
        path = folder / "kinds" / f"{number:05d}.npy"
        if number < kinds and not path.exists():
            _save(path, np.moveaxis(trim(training_subject(number)[1]), -1, 0))


def read_render(path: Path) -> Float32:
    """A render's premultiplied RGBA, height x width x 4, scene-linear, at most ``BRIGHTEST``, trimmed and denoised
    by :func:`calm`. ``path`` is the EXR of a scene, or the WebP that :func:`pack` made of it. Raises
    ``MatteError``."""
    if path.suffix == ".webp":
        return read_packed(path)
    from ..io.exr import read_image  # late: training on packed renders needs no OpenImageIO

    return calm(trim(np.clip(read_image(path).pixels[..., :4], 0.0, BRIGHTEST)))


def pack(folder: Path, target: Path) -> int:
    """Writes every finished render of ``folder`` into ``target``, packed, with its description beside it. Returns
    how many renders there are."""
    target.mkdir(parents=True, exist_ok=True)
    finished = sorted(path for path in folder.glob("*.exr") if split_of(path) != "unknown")
    for path in finished:
        packed = target / f"{path.stem}.webp"
        if packed.exists():
            continue
        description = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        kept = {name: description[name] for name in ("split", "hard") if name in description}
        save_packed(read_render(path), packed, kept)
    return len(finished)


def split_of(path: Path) -> str:
    """'train', 'heldout', or 'unknown' where the description beside the render is missing or half-written."""
    try:
        split = json.loads(path.with_suffix(".json").read_text()).get("split", "unknown")
    except (FileNotFoundError, json.JSONDecodeError):
        return "unknown"
    return str(split)


def renders(folder: Path, split: str) -> Iterator[Path]:
    """The finished renders of one split, sorted."""
    for path in sorted(folder.glob("*")):
        if path.suffix in (".exr", ".webp") and split_of(path) == split:
            yield path


def trim(pixels: Float32) -> Float32:
    """``pixels`` cropped to where alpha is above 1/255, with a margin of 2; unchanged if it is so nowhere."""
    rows, columns = np.nonzero(pixels[..., 3:6].max(2) > 1 / 255)
    if len(rows) == 0:
        return pixels
    top, left = max(0, rows.min() - 2), max(0, columns.min() - 2)
    return np.ascontiguousarray(pixels[top : rows.max() + 3, left : columns.max() + 3])


def _mapped(path: Path) -> Tensor:
    """The half-float array of a file: mapped, so that all makers share one copy, and copy-on-write. numpy's own
    maps keep a descriptor each, and many systems give a process 1,024 of them."""
    stored = np.load(path, mmap_mode="r")
    numbers = torch.from_file(str(path), shared=False, size=path.stat().st_size // 2, dtype=torch.float16)
    strides = [step // stored.itemsize for step in stored.strides]
    return numbers.as_strided(stored.shape, strides, stored.offset // stored.itemsize)


@dataclass
class Bank:
    """Raw material in memory on one device: all that the folders hold, so whoever fills them says how much that is.
    :meth:`refresh` adds files that have appeared. Tensors are C x H x W, half-float."""

    folder: Path
    render_folder: Path | None
    device: torch.device
    subjects: list[Tensor] = field(default_factory=list)
    people: list[Tensor] = field(default_factory=list)
    sets: list[Tensor] = field(default_factory=list)
    kinds: list[Tensor] = field(default_factory=list)
    pair_folder: Path | None = None
    pairs: list[Tensor] = field(default_factory=list)
    _seen: set[Path] = field(default_factory=set)

    def refresh(self, at_most: int = 10_000) -> int:
        """Loads up to ``at_most`` new files and returns how many it loaded."""
        loaded = 0
        for kind, store in (("subjects", self.subjects), ("sets", self.sets), ("kinds", self.kinds)):
            for path in sorted((self.folder / kind).glob("*.npy")):
                if path in self._seen or loaded >= at_most:
                    continue
                store.append(self._read(path, kind))
                self._seen.add(path)
                loaded += 1
        loaded += self._refresh_renders(at_most - loaded)
        return loaded + self._refresh_pairs(at_most - loaded)

    def _refresh_renders(self, at_most: int) -> int:
        loaded = 0
        if self.render_folder is None or not self.render_folder.is_dir():
            return 0
        for path in renders(self.render_folder, "train"):
            if path in self._seen or loaded >= at_most:
                continue
            self.people.append(self._tensor(read_render(path)))
            self._seen.add(path)
            loaded += 1
        return loaded

    def _refresh_pairs(self, at_most: int) -> int:
        if self.pair_folder is None:
            return 0
        new = [path for path in pairs_in(self.pair_folder) if path not in self._seen][:at_most]
        for path in new:
            pair = read_pair(path)
            self.pairs.append(torch.from_numpy(pair.astype(np.float16)).to(self.device))
            self.people.append(self._tensor(trim(np.moveaxis(pair[6:], 0, -1))))
            self._seen.add(path)
        return len(new)

    def _read(self, path: Path, kind: str) -> Tensor:
        if kind == "kinds":
            return _mapped(path).to(self.device)
        pixels = np.load(path)
        return self._tensor(trim(pixels) if kind == "subjects" else pixels)

    def pick_subject(self, rng: Random, people_share: float, kinds_share: float = Faults.kinds) -> Tensor:
        """A random subject: with probability ``kinds_share`` one of the kinds, else with probability
        ``people_share`` a rendered one, else a procedural one. A store of few pictures is drawn from less often."""
        if rng.random() < min(kinds_share, 0.02 * len(self.kinds)):
            return self.kinds[int(rng.integers(len(self.kinds)))]
        share = min(people_share, 0.02 * len(self.people))
        store = self.people if rng.random() < share else self.subjects
        return store[int(rng.integers(len(store)))]

    def pick_set(self, rng: Random) -> Tensor:
        """A random set."""
        return self.sets[int(rng.integers(len(self.sets)))]

    def pick_pair(self, rng: Random, upright: bool) -> Tensor | None:
        """A random pair, ``upright`` or not; None where there is none."""
        fitting = [pair for pair in self.pairs if (pair.shape[-2] > pair.shape[-1]) == upright]
        return fitting[int(rng.integers(len(fitting)))] if fitting else None

    def _tensor(self, pixels: Float32) -> Tensor:
        half = torch.from_numpy(np.ascontiguousarray(np.moveaxis(pixels, -1, 0).astype(np.float16)))
        return half.to(self.device)
