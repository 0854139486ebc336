"""Held-out sequences of many kinds for ``bench_learn``, each in a folder of its own.

    python -m tests.benchmarks.learn_sequences HELDOUT_RENDERS HDRIS OUT [--only NAME]

``HELDOUT_RENDERS``: what ``python -m matte_server.training scenes --split heldout`` renders; ``HDRIS``: panoramas,
of which the held-out ones are used. A sequence has ``plate.####.exr``, ``clean.exr`` and ``truth.####.exr``: a
subject that the packaged network has not been trained on moves before a set that it has not seen, and the clean
plate has the faults of the benchmark (drift of light, misalignment, shadows that it lacks).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from matte_server.core.image import Image
from matte_server.core.window import Window
from matte_server.io.exr import ExrFormat, encode_exr
from matte_server.training import benchmark_pictures as made
from matte_server.training.backgrounds import load_panorama, panoramas
from matte_server.training.bank import trim
from matte_server.training.composite import Composite
from matte_server.training.kinds.catalogue import held_out_subject
from matte_server.training.procedural import Float32

FRAMES, FIRST = 8, 1001
_NOISE = 0.02
"""Noise of each frame, of the square root of its light."""
_DARK = 0.02
"""Mean light of the sequence "dark": four stops below a grey card."""
_TRIES = 12


@dataclass(frozen=True)
class Cast:
    """Who moves how, and the number from which everything else of the set follows."""

    subject: Callable[[Path], Float32]
    move: Callable[[Float32, int], Float32]
    number: int
    is_dark: bool = False


def _rendered(kind: str, place: int, folder: Path) -> Float32:
    found = [each for each in made.subjects(folder) if each.kind == f"rendered {kind}"]
    return found[place % len(found)].pixels


def _of_kind(kind: str, place: int, folder: Path) -> Float32:
    return trim(held_out_subject(kind, place))


CASTS = {
    "person": Cast(subject=partial(_rendered, "person", 5), move=made.turned, number=5101),
    "hair": Cast(subject=partial(_of_kind, "hair", 7), move=made.swayed, number=5202),
    "fur": Cast(subject=partial(_rendered, "animal", 0), move=made.swayed, number=5303),
    "comb": Cast(subject=partial(_of_kind, "comb", 7), move=made.turned, number=5404),
    "net": Cast(subject=partial(_of_kind, "net", 3), move=made.swayed, number=5505),
    "glass": Cast(subject=partial(_of_kind, "glass", 4), move=made.turned, number=5606),
    "veil": Cast(subject=partial(_of_kind, "veil", 6), move=made.swayed, number=5707),
    "dark": Cast(subject=partial(_rendered, "person", 3), move=made.bent, number=5808, is_dark=True),
}
"""By kind: people, hair in motion, fur, a comb, a mesh, glass, cloth that light passes, dark on dark."""


def frames_of(cast: Cast, folder: Path, views: list[Float32]) -> list[Composite]:
    """The sequence's frames: one set, one light, and noise of each frame's own."""
    layer = cast.subject(folder)
    make = partial(made.composed, views=views, size=made.SIZE)
    choose = _darkest if cast.is_dark else _framed
    number = choose(make, cast, layer)
    frames = [make([cast.move(layer, frame)], number) for frame in range(FRAMES)]
    light = _DARK / float(frames[0].clean.mean()) if cast.is_dark else 1.0
    return [_recorded(frame, light, index) for index, frame in enumerate(frames)]


def _framed(make: Callable[..., Composite], cast: Cast, layer: Float32) -> int:
    return made.well_framed(make, cast.move(layer, 0), cast.number)[0]


def _darkest(make: Callable[..., Composite], cast: Cast, layer: Float32) -> int:
    """Of several sets the one that the subject differs least from."""

    def contrast(number: int) -> float:
        sample = make([cast.move(layer, 0)], number)
        inside = sample.alpha > 0.5
        if float(inside.float().mean()) < 0.05:
            return np.inf
        apart = (sample.foreground - sample.clean).abs().mean(0, keepdim=True)[inside].median()
        return float(apart / sample.clean.mean())

    return min((cast.number + 100_000 * attempt for attempt in range(_TRIES)), key=contrast)


def _recorded(sample: Composite, light: float, frame: int) -> Composite:
    plate = sample.plate * light
    noise = torch.randn(plate.shape, generator=torch.Generator().manual_seed(77 + frame))
    return replace(
        sample, plate=plate + noise * _NOISE * (plate.clamp(min=0) * light).sqrt(), clean=sample.clean * light
    )


def _save(path: Path, picture: torch.Tensor) -> None:
    pixels = np.ascontiguousarray(np.moveaxis(picture.numpy(), 0, -1), np.float32)
    window = Window(x=0, y=0, width=pixels.shape[1], height=pixels.shape[0])
    channels = ("R", "G", "B") if pixels.shape[2] == 3 else ("A",)
    image = Image(pixels=pixels, channels=channels, data_window=window, display_window=window)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_exr(image, {}, ExrFormat()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("renders", "hdris", "output"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--only", choices=CASTS, nargs="+", default=list(CASTS))
    arguments = parser.parse_args()
    views = [load_panorama(path) for path in panoramas(arguments.hdris, held_out=True)]
    for name in arguments.only:
        frames = frames_of(CASTS[name], arguments.renders, views)
        folder = arguments.output / name
        _save(folder / "clean.exr", frames[0].clean)
        for number, frame in enumerate(frames, FIRST):
            _save(folder / f"plate.{number}.exr", frame.plate)
            _save(folder / f"truth.{number}.exr", frame.alpha)
        print(name, "done", flush=True)


if __name__ == "__main__":
    main()
