"""Every combination of a matte's options on the device, against the same on the CPU in float32.

Tolerances, for the mean of the absolute difference and its 99.9th percentile, of alpha and of the foreground times
alpha (encoded as the network does, so that dark and bright count alike). float32: sums in another order move values
by about 1e-6, but where a block is refined or a pixel is solved depends on thresholds, so that a few pixels take
another path. Half precision keeps 11 bits inside the network, bfloat16 8.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from matte_link.options import MatteOptions

from matte_server.core.image import Float32, Guides, Image, PlatePair
from matte_server.core.result import MatteResult
from matte_server.frame.pipeline import MattePipeline

from . import scene

TOLERANCES = {"float32": (1e-4, 5e-3), "float16": (5e-4, 2e-2), "bfloat16": (3e-3, 6e-2)}
CHOICES: Mapping[str, tuple[object, ...]] = {
    "model": ("cleanplate", "difference"),
    "precision": tuple(TOLERANCES),
    "align": ("none", "translation"),
    "match_exposure": (False, True),
    "region": ("", "40 20 200 120"),
    "foreground": ("solve", "network"),
    "temporal": (0.0, 1.0),
}
EDGES: Mapping[str, object] = {
    "black_point": 0.05, "white_point": 0.95, "gamma": 1.3, "erode": 0.6, "softness": 1.5, "despeckle": 20,
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One combination of options, with or without the artist's guides."""

    options: MatteOptions
    guided: bool


@dataclass(frozen=True)
class Deviation:
    """How far a case on the device is from the CPU: means and 99.9th percentiles; ``allowed``: for the same."""

    case: Case
    alpha: tuple[float, float]
    colour: tuple[float, float]
    allowed: tuple[float, float]

    @property
    def holds(self) -> bool:
        limits = zip((*self.alpha, *self.colour), (*self.allowed, *self.allowed), strict=True)
        return all(found <= limit for found, limit in limits)


def cases(every: int = 1) -> Iterator[Case]:
    """Every combination of ``CHOICES``, with and without edge controls and guides; only each ``every``-th."""
    flags = (False, True)
    products = itertools.product(*CHOICES.values(), flags, flags)
    for *values, edged, guided in itertools.islice(products, 0, None, every):
        settings = dict(zip(CHOICES, values, strict=True)) | (dict(EDGES) if edged else {})
        yield Case(options=MatteOptions(**settings), guided=guided)  # type: ignore[arg-type]


class Comparison:
    """The same frames on the CPU and on a device."""

    def __init__(self, device: torch.device, height: int = 180, width: int = 320) -> None:
        self._reference = MattePipeline(torch.device("cpu"))
        self._pipeline = MattePipeline(device)
        self._pairs = [PlatePair(*scene.pair(height, width, frame)) for frame in (1, 2, 3)]
        self._guides = _guides(height, width)
        self._found: dict[str, MatteResult] = {}

    def deviation(self, case: Case) -> Deviation:
        """The case on both. The CPU computes a case once, in float32, whatever the device's precision."""
        exact = replace(case.options, precision="float32")
        key = f"{sorted(exact.to_dict().items())} {case.guided}"
        if key not in self._found:
            self._found[key] = self._solve(self._reference, exact, case.guided)
        wanted = self._found[key]
        found = self._solve(self._pipeline, case.options, case.guided)
        return Deviation(
            case=case,
            alpha=_apart(found.alpha.pixels, wanted.alpha.pixels),
            colour=_apart(_visible(found), _visible(wanted)),
            allowed=TOLERANCES[case.options.precision],
        )

    def _solve(self, pipeline: MattePipeline, options: MatteOptions, guided: bool) -> MatteResult:
        guides = self._guides if guided else Guides()
        before, own, after = self._pairs
        if not options.temporal:
            return pipeline.solve(own, guides, options, check=_nothing, progress=_nothing)
        around = {
            side: pipeline.predict(pair, Guides(), options, check=_nothing, progress=_nothing)
            for side, pair in (("before", before), ("after", after))
        }
        output = pipeline.predict(own, guides, options, check=_nothing, progress=_nothing)
        return pipeline.solve_in_time(own, guides, options, output, around, check=_nothing, progress=_nothing)


def _nothing(*arguments: object) -> None:
    return None


def _guides(height: int, width: int) -> Guides:
    core, holdout = np.zeros((height, width, 1), np.float32), np.zeros((height, width, 1), np.float32)
    core[height // 2 - 10 : height // 2 + 10, width // 2 - 20 : width // 2 + 20] = 1
    holdout[:, : width // 10] = 1
    return Guides(core=_matte(core), holdout=_matte(holdout))


def _matte(pixels: Float32) -> Image:
    return replace(scene.picture(np.repeat(pixels, 3, 2)), pixels=pixels, channels=("A",))


def _visible(result: MatteResult) -> Float32:
    light = result.foreground.pixels[..., :3] * result.alpha.pixels
    return np.asarray(np.sign(light) * np.sqrt(np.abs(light)), np.float32)


def _apart(found: Float32, wanted: Float32) -> tuple[float, float]:
    difference = np.abs(found - wanted)
    return float(difference.mean()), float(np.percentile(difference, 99.9))
