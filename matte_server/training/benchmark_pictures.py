"""What the benchmark shows to the models: stills of every kind, shots and frames with nobody in them.

Rendered subjects are the held-out ones, the others come from the kinds' held-out seeds and variants; sets are views
into the held-out panoramas. Everything else follows from the picture's number, so the same renders give the same
benchmark.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from .backgrounds import load_panorama, panorama_view, panoramas
from .bank import read_render, renders, trim
from .camera import clipped
from .composite import MEASURED, Composite, Faults, compose
from .ground import foot_of
from .kinds.catalogue import KINDS, held_out_subject
from .kinds.see_through import resampled
from .kinds.sheet import Numbers
from .procedural import Float32
from .random_fields import Dice

SIZE = (432, 576)
"""Default height and width of the pictures, in pixels."""
RENDERED, EACH, CAMERA, LIGHT, EMPTY = 14, 2, 3, 4, 6
"""How many stills of renders, of each kind, of each camera fault, of each of ``LIGHT_FAULTS``; how many empty
frames."""
LIGHT_FAULTS = {
    "ground": replace(MEASURED, ground=1.0),
    "passing": replace(MEASURED, passing=1.0),
    "focus": replace(MEASURED, focus=1.0),
}
"""What differs in the set of the plate alone, by kind: a subject's shadow with an edge or its mirror image, a
shadow or light from outside the frame, and a set that is out of focus."""
FRAMES = 4
"""Frames of a shot."""
_LIVE_NOISE = 0.02
"""Standard deviation of the noise added to the square root of the light, anew in each frame of a shot."""
_FULL = 0.7
"""The quantile of a plate's light at which the sensor is full in the kind "clipped"."""


@dataclass(frozen=True, eq=False)
class BenchmarkPicture:
    """One picture of the benchmark; ``shot`` names its sequence, '' for a still; ``compose`` makes it, which takes
    longer than looking at it."""

    name: str
    shot: str
    kind: str
    compose: Callable[[], Composite]


@dataclass(frozen=True, eq=False)
class HeldOutSubject:
    """A held-out render, height x width x 4 premultiplied, and its kind."""

    pixels: Float32
    kind: str


Move = Callable[[Float32, float], Float32]
"""Moves a layer to where it is in a frame; its canvas stays."""


def subjects(folder: Path) -> list[HeldOutSubject]:
    """The held-out stills of ``folder``, sorted by name. Raises ``FileNotFoundError`` where there is none."""
    paths = [path for path in renders(folder, "heldout") if "-sequence-" not in path.stem]
    found = [HeldOutSubject(pixels=read_render(path), kind=_kind(path)) for path in paths]
    if not found:
        raise FileNotFoundError(f"{folder} holds no held-out renders; scenes --split heldout makes them")
    return found


def _kind(path: Path) -> str:
    facts = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    return f"rendered {facts.get('kind', 'person')}"


def pictures(
    folder: Path, panorama_folder: Path, size: tuple[int, int] = SIZE, quick: bool = False
) -> Iterator[BenchmarkPicture]:
    """All of the benchmark in order: stills, shots, empty frames; ``size``: height and width. ``quick``: one still
    of each kind and two frames of each shot."""
    people = subjects(folder)
    views = [load_panorama(path) for path in panoramas(panorama_folder, held_out=True)]
    make = partial(composed, views=views, size=size)
    seen: set[str] = set()
    for picture in _stills(people, make):
        if not (quick and picture.kind in seen):
            yield picture
        seen.add(picture.kind)
    yield from _shots(people, make, 2 if quick else FRAMES)
    for number in range(2 if quick else EMPTY):
        yield BenchmarkPicture(
            name=f"empty-{number}", shot="", kind="empty", compose=partial(make, [], 2000 + number)
        )


def _stills(people: Sequence[HeldOutSubject], make: Callable[..., Composite]) -> Iterator[BenchmarkPicture]:
    for number in range(RENDERED):
        subject = people[number % len(people)]
        made = partial(make, [subject.pixels], number)
        yield BenchmarkPicture(name=f"still-{number:02d}", shot="", kind=subject.kind, compose=made)
    for place, kind in enumerate(KINDS):
        for number in range(EACH):
            made = partial(_of_kind, make, kind, number, 3000 + EACH * place + number)
            yield BenchmarkPicture(name=f"still-{kind}-{number}", shot="", kind=kind, compose=made)
    for number in range(CAMERA):
        pixels = people[(3 * number + 1) % len(people)].pixels
        faulty = partial(make, [pixels], 4000 + number, faults=replace(MEASURED, camera=1.0))
        yield BenchmarkPicture(name=f"still-camera-{number}", shot="", kind="camera", compose=faulty)
        full = partial(_clipped, partial(make, [pixels], 4100 + number))
        yield BenchmarkPicture(name=f"still-clipped-{number}", shot="", kind="clipped", compose=full)
    for place, (kind, faults) in enumerate(LIGHT_FAULTS.items()):
        for number in range(LIGHT):
            pixels = people[(5 * number + place) % len(people)].pixels
            made = partial(_standing, partial(make, faults=faults), pixels, 4200 + 100 * place + number)
            yield BenchmarkPicture(name=f"still-{kind}-{number}", shot="", kind=kind, compose=made)


def _shots(
    people: Sequence[HeldOutSubject], make: Callable[..., Composite], frames: int
) -> Iterator[BenchmarkPicture]:
    """Rigid, articulated and swaying subjects: rendered people, and kinds."""
    people = [subject for subject in people if subject.kind == "rendered person"] or people
    casts: list[tuple[str, Callable[[], Float32], Move]] = [
        (f"{way} person", partial(_pixels, people[place % len(people)]), move)
        for way, move, place in (("turned", turned, 1), ("bent", bent, 4), ("swaying", swayed, 6))
    ]
    casts += [
        (f"{way} {kind}", partial(held_out_subject, kind, 7), move)
        for way, kind, move in (
            ("swaying", "hair", swayed),
            ("turned", "comb", turned),
            ("bent", "chair", bent),
            ("swaying", "veil", swayed),
        )
    ]
    for shot, (kind, subject, move) in enumerate(casts):
        seed = cache(partial(_shot_seed, make, subject, move, shot))
        for frame in range(frames):
            made = partial(_frame_of_shot, make, subject, move, seed, shot, frame)
            yield BenchmarkPicture(name=f"shot-{shot}-{frame:02d}", shot=f"shot-{shot}", kind=kind, compose=made)


def _pixels(subject: HeldOutSubject) -> Float32:
    return subject.pixels


def _tensor(pixels: Float32) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(pixels, -1, 0)))


def composed(
    layers: Sequence[Float32],
    number: int,
    views: Sequence[Float32],
    size: tuple[int, int],
    faults: Faults = MEASURED,
) -> Composite:
    """The layers before a set; everything else follows from ``number``."""
    rng = np.random.default_rng([3, number])
    scene = panorama_view(rng, views[number % len(views)], size[0] * 5 // 4, size[1] * 5 // 4)
    dice = Dice(rng=rng, noise=torch.Generator().manual_seed(number))
    return compose(dice, [_tensor(layer) for layer in layers], _tensor(scene), size, faults)


def _of_kind(make: Callable[..., Composite], kind: str, number: int, seed: int) -> Composite:
    layer = trim(held_out_subject(kind, number))
    return well_framed(make, layer, seed)[1]


def _fills(sample: Composite) -> bool:
    """Whether a good part of the subject is in the frame."""
    return float((sample.alpha > 0.1).float().mean()) > 0.02


def _stands(sample: Composite) -> bool:
    """Whether the subject's foot is in the frame."""
    return foot_of(sample.alpha) is not None


def well_framed(
    make: Callable[..., Composite], layer: Float32, seed: int, is_well: Callable[[Composite], bool] = _fills
) -> tuple[int, Composite]:
    """A seed whose composite ``is_well`` framed, if one of eight is, and that composite."""
    for attempt in range(8):
        number = seed + 100_000 * attempt
        sample: Composite = make([layer], number)
        if is_well(sample):
            break
    return number, sample


def _standing(make: Callable[..., Composite], layer: Float32, seed: int) -> Composite:
    return well_framed(make, layer, seed, _stands)[1]


def _clipped(make: Callable[[], Composite]) -> Composite:
    """Clips the highlights of the plate, and not those of the clean plate."""
    sample = make()
    level = float(sample.plate.amax(0).flatten()[::7].quantile(_FULL))
    return replace(sample, plate=clipped(sample.plate, level))


def _shot_seed(make: Callable[..., Composite], subject: Callable[[], Float32], move: Move, shot: int) -> int:
    """The seed of all frames of a shot, found with its first frame."""
    return well_framed(make, move(subject(), 0), 1000 + shot)[0]


def _frame_of_shot(
    make: Callable[..., Composite],
    subject: Callable[[], Float32],
    move: Move,
    seed: Callable[[], int],
    shot: int,
    frame: int,
) -> Composite:
    sample = make([move(subject(), frame)], seed())
    noise = torch.randn(sample.plate.shape, generator=torch.Generator().manual_seed(10 * shot + frame))
    return replace(sample, plate=sample.plate + noise * _LIVE_NOISE * sample.plate.clamp(min=0).sqrt())


def _moved(pixels: Float32, x: Numbers, y: Numbers) -> Float32:
    return resampled(pixels, x.astype(np.float32), y.astype(np.float32))


def _grid(pixels: Float32) -> tuple[Float32, Float32]:
    height, width = pixels.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return x, y


def turned(pixels: Float32, frame: float) -> Float32:
    """Rigid: the layer swung about the middle of its lower edge."""
    height, width = pixels.shape[:2]
    x, y = _grid(pixels)
    cos, sin = np.cos(0.05 * frame), np.sin(0.05 * frame)
    right, down = x - width / 2, y - height
    return _moved(pixels, cos * right - sin * down + width / 2, sin * right + cos * down + height)


def bent(pixels: Float32, frame: float) -> Float32:
    """Articulated: the upper half leans over the lower, which stands."""
    height = pixels.shape[0]
    x, y = _grid(pixels)
    lean = 0.08 * frame * np.square(np.maximum(0.55 * height - y, 0)) / height
    return _moved(pixels, x + lean, y)


def swayed(pixels: Float32, frame: float) -> Float32:
    """Strands swing, the more the further they are from the solid middle, which stays."""
    height, width = pixels.shape[:2]
    x, y = _grid(pixels)
    alpha = pixels[..., 3:-2].mean(2) if pixels.shape[2] == 8 else pixels[..., 3]
    loose = 1 - cv2.GaussianBlur(np.ascontiguousarray(alpha), (0, 0), 0.05 * max(height, width))
    phase = 9 * y / height + 5 * x / width
    reach = 0.02 * width * loose
    along, down = np.sin(phase + 0.9 * frame), 0.5 * np.cos(1.3 * phase + 0.8 * frame)
    return _moved(pixels, x + reach * along, y + reach * down)
